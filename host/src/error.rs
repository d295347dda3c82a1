//! Owns the two ways in which things go wrong outside the guest's own reach: [`Error`], which the embedder
//! gets, and [`Fault`], which ends an instance. What a guest merely may not do is the WIT `error`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::guard::Panicked;

/// Why a worker could not be loaded or a server not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the worker {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said. Part of the message, so not its `source`.
        cause: std::io::Error,
    },
    /// The file is not a WebAssembly component.
    #[error("{path} is not a WebAssembly component: {reason}")]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// What it is instead, and what to do.
        reason: String,
    },
    /// The component does not fit the world `pairway:worker/worker`.
    #[error("{path} is no pairway worker: {reason}")]
    WrongWorld {
        /// The file.
        path: PathBuf,
        /// What is missing or unknown, and what to do.
        reason: String,
    },
    /// A configuration that cannot work.
    #[error("{0}")]
    Config(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {cause}{}", bind_hint(cause))]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system said. Part of the message, so not its `source`.
        cause: std::io::Error,
    },
    /// The data directory cannot be used.
    #[error("{0}")]
    Storage(String),
    /// The engine could not be set up on this machine.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
}

fn bind_hint(cause: &std::io::Error) -> &'static str {
    let kind = cause.kind();
    if kind == std::io::ErrorKind::AddrInUse {
        " (another program listens there; stop it, or choose another port with --addr, port 0 for any)"
    } else if kind == std::io::ErrorKind::PermissionDenied {
        " (ports below 1024 need privileges; choose another with --addr)"
    } else if kind == std::io::ErrorKind::AddrNotAvailable {
        " (this machine has no such address)"
    } else {
        ""
    }
}

/// Why an instance died, or a request got no response. Each is the guest's doing; the host goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A panic, an `unreachable`, an access out of bounds, a stack overflow.
    #[error("the worker trapped: {0}")]
    Trap(String),
    /// A turn used more CPU time than [`Limits::turn_cpu_ms`](crate::Limits).
    #[error("a turn used more than {0} ms of CPU time (limit turn_cpu_ms): an endless loop?")]
    CpuTime(u64),
    /// A turn took longer than [`Limits::turn_wall_ms`](crate::Limits).
    #[error(
        "a turn took more than {0} ms (limit turn_wall_ms): a blocking call? `pairway::sleep` does not block"
    )]
    WallTime(u64),
    /// The guest wanted more memory than [`Limits::memory_bytes`](crate::Limits) and gave up.
    #[error("the worker ran out of memory (limit memory_bytes: {0})")]
    OutOfMemory(u64),
    /// The guest wanted more memory while all instances together had as much as
    /// [`Limits::guests_total_bytes`](crate::Limits) allows, and it more than its share; or it was idle and had the most.
    #[error(
        "all instances together have the memory that they may (limit guests_total_bytes: {0}), and this one has more than its share"
    )]
    TotalMemory(u64),
    /// The handler of a request failed, with these words. Its instance goes on.
    #[error("{0}")]
    Handler(String),
    /// No instance could be made.
    #[error("the worker could not be instantiated: {0}")]
    Instantiate(String),
    /// The object asked to be reset.
    #[error("the object was reset: {0}")]
    Aborted(String),
    /// The gate of an object was closed for longer than [`Limits::gate_ms`](crate::Limits).
    #[error("the object was reset: block_concurrency_while took more than {0} ms (limit gate_ms)")]
    GateTime(u64),
    /// What a turn wrote could not be made durable.
    #[error("storage failed: {0}")]
    Storage(String),
    /// The host itself failed while it worked for the instance; the log says where.
    #[error("the host failed: {0}")]
    Host(String),
    /// As many instances as [`Limits::instances`](crate::Limits) allows are alive.
    #[error("{0} instances are alive (limit instances); raise it, or sockets_per_instance")]
    TooManyInstances(u64),
    /// As many durable objects as [`Limits::objects_awake`](crate::Limits) allows have an instance.
    #[error(
        "{0} objects are awake and at work (limit objects_awake, which also depends on `ulimit -n`)"
    )]
    TooManyObjects(u64),
}

impl From<Panicked> for Fault {
    fn from(panicked: Panicked) -> Self {
        Self::Host(panicked.to_string())
    }
}

impl Fault {
    /// The status that a request gets which this fault leaves unanswered.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::TooManyInstances(_) | Self::TooManyObjects(_) | Self::TotalMemory(_) => 503,
            Self::Trap(_)
            | Self::CpuTime(_)
            | Self::WallTime(_)
            | Self::OutOfMemory(_)
            | Self::Handler(_)
            | Self::Aborted(_)
            | Self::GateTime(_)
            | Self::Storage(_)
            | Self::Host(_)
            | Self::Instantiate(_) => 500,
        }
    }
}
