//! Owns the data of one instance's store: what the guest holds (handles, requests, timers), and what the
//! turn under way has asked for and nobody has done yet. Deciding is the imports' part, doing the session's.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::bindings::pairway::worker::http::RequestResult as WitRequest;
use super::journal::Journal;
use super::memory::Memory;
use crate::config::Limits;
use crate::counters::Counters;
use crate::error::Fault;
use crate::namespace::Namespaces;
use crate::object::Object;
use crate::socket::auto_response::AutoResponse;
use crate::socket::message::CloseBody;
use crate::socket::{Departure, End, Message, Outbox, Owner, SocketId};
use crate::storage::Address;

/// Names a split operation; see `token` in `wit/types.wit`.
pub(crate) type Token = u64;

/// What the host gives every instance.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    /// The guest's environment.
    pub(crate) vars: Arc<[(String, String)]>,
    /// The durable objects that the worker can reach, by the names of their bindings.
    pub(crate) namespaces: Arc<Namespaces>,
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

impl Request {
    /// What a guest sends to an object.
    pub(crate) fn from_guest(request: WitRequest) -> Self {
        let wants_web_socket = request.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("upgrade")
                && value
                    .split(|byte| *byte == b',')
                    .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"websocket"))
        });
        Self {
            method: request.method,
            uri: request.uri,
            headers: request.headers,
            body: request.body,
            peer: request.peer,
            wants_web_socket,
        }
    }
}

/// The worker's response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) socket: Option<Departure>,
    /// The socket has been taken out, for the instance that asked.
    pub(crate) has_arrived: bool,
}

/// Where a response goes, or why there is none.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Fault>>;

/// A request that waits for its response.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) wants_web_socket: bool,
    pub(crate) reply: Reply,
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
    /// One frame for many connections.
    Broadcast {
        frame: Bytes,
        to: Vec<(SocketId, Arc<Outbox>)>,
    },
    Respond {
        request: u64,
        reply: Reply,
        answer: Box<Answer>,
    },
    /// A request for a durable object.
    FetchObject {
        token: Token,
        address: Address,
        name: Option<String>,
        request: Box<Request>,
    },
    StartTimer {
        token: Token,
        delay: Duration,
    },
    Cancel {
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
    /// What the turn has changed already, so that it can be taken back.
    pub(crate) journal: Journal,
    /// The object's auto-response from the end of the turn on, if the turn has set or removed it.
    pub(crate) auto_response: Option<Option<Arc<AutoResponse>>>,
    /// Bytes staged for all sockets,
    total: usize,
    /// of which each socket may have got these, in broadcasts,
    broadcast: usize,
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
        self.current.1 + self.broadcast
    }

    /// Note that one frame goes to many. Who got it is not kept: it counts for all.
    pub(crate) fn stage_broadcast(
        &mut self,
        frame: Bytes,
        to: Vec<(SocketId, Arc<Outbox>)>,
        limits: &Limits,
    ) -> wasmtime::Result<()> {
        self.broadcast += frame.len();
        self.total += frame.len();
        self.stage(Staged::Broadcast { frame, to }, limits)
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

    /// Take back what a failed turn has changed. Gives what was in the buffer before it, and the replies that it
    /// was about to give, for the requests are to be given to another instance.
    pub(crate) fn undo(&mut self) -> (Vec<u8>, HashMap<u64, Reply>) {
        let replies = std::mem::take(&mut self.staged)
            .into_iter()
            .filter_map(|staged| match staged {
                Staged::Respond { request, reply, .. } => Some((request, reply)),
                Staged::Frames { .. }
                | Staged::Message { .. }
                | Staged::CloseWire { .. }
                | Staged::ClosePeer { .. }
                | Staged::Pause { .. }
                | Staged::Broadcast { .. }
                | Staged::FetchObject { .. }
                | Staged::StartTimer { .. }
                | Staged::Cancel { .. } => None,
            })
            .collect();
        let mut frames = std::mem::take(&mut self.frames);
        frames.truncate(self.from);
        (frames, replies)
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
    /// Accepted ends that are not over, but for the hibernatable ones, which are the object's.
    pub(crate) ends: HashMap<SocketId, Arc<End>>,
    pub(crate) requests: HashMap<u64, Asked>,
    pub(crate) timers: HashSet<Token>,
    /// Split operations other than timers.
    pub(crate) operations: HashSet<Token>,
    pub(crate) next_id: u64,
    /// Ticks of the epoch clock that this turn may still use.
    pub(crate) ticks_left: u64,
    /// The object whose instance this is.
    pub(crate) object: Option<Arc<Object>>,
    pub(crate) duties: Duties,
}

/// What an object's instance has told its host about itself.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    /// Handlers under way.
    pub(crate) running: u32,
    /// How often the gate has been closed and not opened.
    pub(crate) gate: u32,
    /// The object is to be reset when the turn ends.
    pub(crate) abort: Option<String>,
    /// Storage has failed: nothing of the turn is to happen.
    pub(crate) storage_failed: Option<String>,
    /// Names from which this instance has made ids.
    pub(crate) names: HashMap<String, String>,
    /// Hibernatable ends whose last event is through while handlers are under way, which may ask for their tags.
    pub(crate) departed: HashMap<SocketId, Arc<End>>,
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

    /// An end that was accepted here, or by the object, and is not over.
    pub(crate) fn accepted(&self, id: SocketId) -> Option<Arc<End>> {
        match (self.ends.get(&id), &self.object) {
            (Some(end), _) => Some(Arc::clone(end)),
            (None, Some(object)) => object.socket(id),
            (None, None) => None,
        }
    }

    /// The last event of a socket is through.
    pub(crate) fn settle(&mut self, id: SocketId) {
        if let Some(end) = self.ends.get(&id) {
            if end.settle() {
                self.ends.remove(&id);
            }
            return;
        }
        let Some(object) = &self.object else { return };
        if let Some(end) = object.socket(id)
            && end.settle()
        {
            object.remove_socket(id);
            end.let_go();
            if self.duties.running > 0 {
                self.duties.departed.insert(id, end);
            }
        }
    }

    /// Whether something can still happen to this instance that comes from outside.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.timers.is_empty()
            || !self.operations.is_empty()
            || self
                .ends
                .values()
                .any(|end| end.is_reachable(|id| self.ends.contains_key(&id)))
    }

    /// The object is reset: its standard sockets end without a Close, as its others do.
    pub(crate) fn reset_ends(&mut self) {
        for (_, end) in self.ends.drain() {
            end.reset();
        }
    }

    /// The instance is dead: its sockets are closed with 1011, whatever asked for a response gets none.
    pub(crate) fn give_up(&mut self, reason: &str) {
        self.effects = Effects::default();
        self.requests.clear();
        self.operations.clear();
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
