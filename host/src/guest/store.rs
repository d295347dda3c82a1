//! Owns the data of one instance's store: what the guest holds (handles, requests, timers), and what the
//! turn under way has asked for and nobody has done yet. Deciding is the imports' part, doing the session's.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::memory::Memory;
use crate::config::Limits;
use crate::counters::Counters;
use crate::socket::message::CloseBody;
use crate::socket::{Departure, End, Message, Outbox, Owner, SocketId};

/// Names a split operation; see `token` in `wit/types.wit`.
pub(crate) type Token = u64;

/// What the host gives every instance.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    /// The guest's environment.
    pub(crate) vars: Arc<[(String, String)]>,
    /// The last socket id given; ids are of the process, so that none is used twice.
    pub(crate) socket_ids: Arc<AtomicU64>,
}

impl Host {
    pub(crate) fn next_socket_id(&self) -> SocketId {
        self.socket_ids.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A request for the worker.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) peer: Option<String>,
    /// Whether it asks for a WebSocket; else a 101 cannot answer it.
    pub(crate) wants_web_socket: bool,
}

/// The worker's response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) socket: Option<Departure>,
}

/// A request that waits for its response.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) wants_web_socket: bool,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// One thing that a turn has asked for.
#[derive(Debug)]
pub(crate) enum Staged {
    /// Encoded frames for a connection: a range of [`Effects::frames`].
    Frames {
        socket: SocketId,
        outbox: Arc<Outbox>,
        range: Range<usize>,
    },
    /// A message from one end to the other, where both are inside the host.
    Message {
        to: Arc<End>,
        message: Message,
    },
    /// The worker closed: the Close goes to a connection,
    CloseWire {
        end: Arc<End>,
        outbox: Arc<Outbox>,
        body: CloseBody,
    },
    /// or to the other end.
    ClosePeer {
        from: Arc<End>,
        to: Arc<End>,
        body: CloseBody,
    },
    /// Deliver messages of a socket again, or no more.
    Pause {
        end: Arc<End>,
        paused: bool,
    },
    Respond {
        reply: oneshot::Sender<Answer>,
        answer: Answer,
    },
    StartTimer {
        token: Token,
        delay: Duration,
    },
    CancelTimer {
        token: Token,
    },
}

/// What a turn has asked for, in order.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) frames: Vec<u8>,
    /// Where the turn's own frames begin.
    pub(crate) from: usize,
    pub(crate) staged: Vec<Staged>,
    /// Bytes staged for all sockets,
    total: usize,
    /// for the socket that was sent on last, and for the others.
    current: (SocketId, usize),
    others: HashMap<SocketId, usize>,
    /// Sockets whose connection could not take all that the turn sent.
    pub(crate) refused: HashMap<SocketId, (Arc<End>, Arc<Outbox>)>,
}

impl Effects {
    /// Bytes that this turn has staged for a socket so far.
    pub(crate) fn staged_bytes(&mut self, socket: SocketId) -> usize {
        if self.current.0 != socket {
            let (before, bytes) = self.current;
            if bytes > 0 {
                self.others.insert(before, bytes);
            }
            self.current = (socket, self.others.get(&socket).copied().unwrap_or(0));
        }
        self.current.1
    }

    /// Note that the frames behind `from` are for this connection.
    pub(crate) fn stage_frames(
        &mut self,
        socket: SocketId,
        outbox: Arc<Outbox>,
        from: usize,
        limits: &Limits,
    ) -> wasmtime::Result<()> {
        let to = self.frames.len();
        self.count(socket, to - from);
        if let Some(Staged::Frames {
            socket: last,
            range,
            ..
        }) = self.staged.last_mut()
            && *last == socket
        {
            range.end = to;
            return Ok(());
        }
        let staged = Staged::Frames {
            socket,
            outbox,
            range: from..to,
        };
        self.stage(staged, limits)
    }

    pub(crate) fn count(&mut self, socket: SocketId, bytes: usize) {
        self.staged_bytes(socket);
        self.current.1 += bytes;
        self.total += bytes;
    }

    /// Add to what the turn asks for. Beyond the bound the guest traps: no worker asks for that much, but a
    /// loop does.
    pub(crate) fn stage(&mut self, staged: Staged, limits: &Limits) -> wasmtime::Result<()> {
        if self.staged.len() as u64 >= limits.turn_effects {
            wasmtime::bail!(
                "a turn asked for more than {} things (limit turn_effects)",
                limits.turn_effects
            );
        }
        self.staged.push(staged);
        Ok(())
    }

    /// Bytes that the turn has staged so far, over all sockets.
    pub(crate) fn total_bytes(&self) -> usize {
        self.total
    }

    /// Begin a turn whose frames go behind what is in this buffer.
    pub(crate) fn begin(frames: Vec<u8>) -> Self {
        Self {
            from: frames.len(),
            frames,
            ..Self::default()
        }
    }

    /// What was in the buffer before the turn, which has failed.
    pub(crate) fn undo(&mut self) -> Vec<u8> {
        self.staged.clear();
        let mut frames = std::mem::take(&mut self.frames);
        frames.truncate(self.from);
        frames
    }
}

/// A guest's handle of an end.
#[derive(Debug)]
#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export it by this name"
)]
pub struct Handle(pub(crate) Arc<End>);

impl Drop for Handle {
    /// An end that was neither accepted nor sent ends with its handle: nobody can ever take it.
    fn drop(&mut self) {
        if self.0.is_free() {
            self.0.give_up("the worker never accepted this socket");
        }
    }
}

/// The data of one instance's store.
pub(crate) struct GuestState {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) memory: Memory,
    pub(crate) host: Host,
    /// Whoever takes the events of ends that this instance accepts: its session.
    pub(crate) owner: std::sync::Weak<dyn Owner>,
    pub(crate) effects: Effects,
    /// Handles of ends that the guest has.
    pub(crate) handles: u64,
    /// Accepted ends that are not over.
    pub(crate) ends: HashMap<SocketId, Arc<End>>,
    pub(crate) requests: HashMap<u64, Asked>,
    pub(crate) timers: HashSet<Token>,
    pub(crate) next_id: u64,
    /// Ticks of the epoch clock that this turn may still use.
    pub(crate) ticks_left: u64,
}

impl std::fmt::Debug for GuestState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestState")
            .field("ends", &self.ends.len())
            .field("requests", &self.requests.len())
            .field("timers", &self.timers.len())
            .finish_non_exhaustive()
    }
}

impl GuestState {
    /// An id that this instance has not had: for requests and tokens alike.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Whether something can still happen to this instance that comes from outside.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.timers.is_empty()
            || self
                .ends
                .values()
                .any(|end| end.is_reachable(|id| self.ends.contains_key(&id)))
    }

    /// The instance is dead: its sockets are closed with 1011, whatever asked for a response gets none.
    pub(crate) fn give_up(&mut self, reason: &str) {
        self.effects = Effects::default();
        self.requests.clear();
        for (_, end) in self.ends.drain() {
            end.give_up(reason);
        }
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
