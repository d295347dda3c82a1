//! Owns what an operator can set: [`Config`] and [`Limits`], plain data with defaults. Knows nothing of
//! flags, files or the environment; the binary fills it from those.

mod check;
mod limits;
pub(crate) mod machine;
mod table;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use self::limits::Limits;
pub use self::table::LimitInfo;
use crate::error::Error;

/// How a server is to run. `Default` gives what `pairway serve` without flags uses, but for the component
/// cache, which an embedder has to ask for.
///
/// ```
/// let mut config = pairway_host::Config::default();
/// config.addr = "127.0.0.1:0".parse().unwrap();
/// config.vars.insert("GREETING".to_owned(), "hello".to_owned());
/// config.limits.message_bytes = 64 * 1024;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen; port 0 takes a free one. 127.0.0.1:8787, which users of wrangler know.
    pub addr: SocketAddr,
    /// The variables that the worker finds in its environment.
    pub vars: BTreeMap<String, String>,
    /// How many connections one instance of the worker may serve at a time. One by default, so that a
    /// fault takes down nobody else; more saves memory, and lets sockets of one worker meet.
    pub sockets_per_instance: u32,
    /// The durable objects that the worker can reach. A class that is not here has a binding all the same if the
    /// worker exports it: its name in capitals, as `CHAT_ROOM` for `ChatRoom`.
    pub durable_objects: Vec<DurableObject>,
    /// Where durable objects keep their storage; `None` keeps it in memory, and it ends with the process. One
    /// process at a time can use a directory.
    pub data_dir: Option<PathBuf>,
    /// Where compiled components are kept between runs; `None` compiles at every load.
    pub cache_dir: Option<PathBuf>,
    /// TLS for the server; `None` serves `http` and `ws`.
    pub tls: Option<Tls>,
    /// The origins whose web pages may open WebSockets, as `https://example.com` or `https://*.example.com`; any while it
    /// is empty. An upgrade from a page of another is answered with 403 before the worker hears of it.
    pub allowed_origins: Vec<String>,
    /// Whether and how messages are compressed.
    pub compression: Compression,
    /// What the worker may do to other servers.
    pub outbound: Outbound,
    /// The bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            vars: BTreeMap::new(),
            sockets_per_instance: 1,
            durable_objects: Vec::new(),
            data_dir: None,
            cache_dir: None,
            tls: None,
            allowed_origins: Vec::new(),
            compression: Compression::default(),
            outbound: Outbound::default(),
            limits: Limits::default(),
        }
    }
}

/// A name under which the worker reaches the objects of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableObject {
    /// The name of the binding, for `env.durable_object(..)`.
    pub name: String,
    /// The class: the name of the type with `#[durable_object]`.
    pub class_name: String,
    /// Milliseconds without an event after which an object of this class loses its instance;
    /// [`Limits::hibernate_after_ms`] unless given.
    pub hibernate_after_ms: Option<u64>,
}

/// Where the server's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// PEM files, read at the start and by [`TlsReloader`](crate::TlsReloader).
    Files {
        /// The server's certificate, followed by those between it and the authority.
        cert: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// One for development: made at the start, signed by nobody, for `localhost`, 127.0.0.1 and `::1`.
    SelfSigned,
}

/// Compression of messages: permessage-deflate, RFC 7692. It is agreed on with peers that offer it, and offered to
/// other servers; messages of the host's are compressed each by itself, so that it costs no memory of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    /// Whether to agree on it at all.
    pub enabled: bool,
    /// Bytes of the shortest message that is compressed. 1,024: what fits a packet is sent no sooner for being shorter.
    pub min_bytes: usize,
    /// How hard to compress: from 1, the fastest, to 9. Level 2 makes text a quarter smaller for twice the time.
    pub level: u8,
    /// Let peers refer to their earlier messages. They compress better then, and from its first compressed message on
    /// each such connection holds 48 KB. Never for hibernatable sockets.
    pub peer_context_takeover: bool,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            enabled: true,
            min_bytes: 1024,
            level: 1,
            peer_context_takeover: false,
        }
    }
}

impl Compression {
    /// Check that it can be kept.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names what cannot.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=9).contains(&self.level) {
            return Err(Error::Config(format!(
                "compression.level {} is not between 1 and 9",
                self.level
            )));
        }
        Ok(())
    }
}

/// What a worker may do to other servers (`sockets.connect`, `http.fetch`): nothing, unless hosts are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The hosts that it may reach, as `scheme://host[:port]`. The scheme is `ws`, `wss`, `http`, `https` or `*`; the host
    /// a name, `*.` and a name, an address, or `*`; the port a number or `*`, and the scheme's own unless given.
    ///
    /// Loopback and private addresses are reached only by an entry with the very name or address, and link-local and
    /// other special ones only by an entry with the very address.
    pub allowed_hosts: Vec<String>,
    /// Certificate authorities to believe beside the system's, as PEM files.
    pub ca_files: Vec<PathBuf>,
}

/// A bound on a count or a size, as the platform counts.
pub(crate) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A bound on a time.
pub(crate) fn millis(value: u64) -> Duration {
    Duration::from_millis(value)
}
