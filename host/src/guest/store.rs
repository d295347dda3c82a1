//! Owns the data of one instance's store: what the guest holds (handles, sockets, requests, timers), and what it has
//! told its host about itself. Deciding is the imports' part, doing the session's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::budget::Since;
use super::effects::Effects;
use super::event::Event;
use super::log::WorkerLog;
use super::memory::Memory;
use super::request::{Asked, Token};
use crate::config::Limits;
use crate::counters::Counters;
use crate::namespace::Namespaces;
use crate::object::Object;
use crate::outbound::Outbound;
use crate::quota::{Charge, Meter, Quota, Totals};
use crate::socket::deflate::Policy;
use crate::socket::{End, Owner, SocketId};

/// What the host gives every instance.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    /// What may be kept, over all instances and connections.
    pub(crate) totals: Arc<Totals>,
    /// The guest's environment.
    pub(crate) vars: Arc<[(String, String)]>,
    /// The durable objects that the worker can reach, by the names of their bindings.
    pub(crate) namespaces: Arc<Namespaces>,
    /// How messages are compressed; `None` if not at all.
    pub(crate) compression: Option<Policy>,
    /// What the worker may have in the log.
    pub(crate) log: Arc<WorkerLog>,
    /// What the worker may do to other servers.
    pub(crate) outbound: Arc<Outbound>,
    /// The last socket id given; ids are of the process, so that none is used twice.
    pub(crate) socket_ids: Arc<AtomicU64>,
}

impl Host {
    pub(crate) fn next_socket_id(&self) -> SocketId {
        self.socket_ids.fetch_add(1, Ordering::Relaxed) + 1
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
    /// What the host keeps for this instance is charged here.
    pub(crate) quota: Arc<Quota>,
    /// Handles, timers, requests and names: many small things.
    pub(crate) kept: Meter,
    /// Whoever takes the events of ends that this instance accepts: its session.
    pub(crate) owner: std::sync::Weak<dyn Owner>,
    pub(crate) effects: Effects,
    /// Handles of ends that the guest has.
    pub(crate) handles: Handles,
    /// Accepted ends that are not over, but for the hibernatable ones, which are the object's.
    pub(crate) ends: FxHashMap<SocketId, Arc<End>>,
    pub(crate) requests: FxHashMap<u64, Asked>,
    pub(crate) timers: FxHashSet<Token>,
    /// Split operations other than timers.
    pub(crate) operations: FxHashSet<Token>,
    pub(crate) next_id: u64,
    /// How many requests from object to object stand behind what this turn handles.
    pub(crate) depth: u32,
    /// The same of what is under way, where it is not zero.
    pub(crate) depths: FxHashMap<Token, u32>,
    /// Ticks of the epoch clock that this turn may still use.
    pub(crate) ticks_left: u64,
    pub(crate) since: Since,
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
    /// Sockets that were accepted, or are being opened, behind the closed gate: whoever closed it may wait for them.
    pub(crate) inside: FxHashSet<SocketId>,
    /// The object is to be reset when the turn ends.
    pub(crate) abort: Option<String>,
    /// Storage has failed: nothing of the turn is to happen.
    pub(crate) storage_failed: Option<String>,
    /// Names from which this instance has made ids.
    pub(crate) names: Names,
    /// Hibernatable ends whose last event is through while handlers are under way, which may ask for their tags.
    pub(crate) departed: FxHashMap<SocketId, Arc<End>>,
}

/// Handles that a guest has: how many, and of which ends.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    by_end: FxHashMap<SocketId, u32>,
    count: u64,
}

impl Handles {
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    fn of_end(&self, id: SocketId) -> bool {
        self.by_end.contains_key(&id)
    }

    fn add(&mut self, id: SocketId) {
        self.count += 1;
        *self.by_end.entry(id).or_default() += 1;
    }

    fn sub(&mut self, id: SocketId) {
        self.count -= 1;
        if let Entry::Occupied(mut entry) = self.by_end.entry(id) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Names from which an instance has made ids, so that an object learns its own. Beyond their bounds the oldest are
/// forgotten, all at once: an id then leads to its object as before, but does not tell it the name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_id: HashMap<String, String>,
    bytes: usize,
}

impl Names {
    const MAX: usize = 10_000;
    const BYTES: usize = 4 * 1024 * 1024;

    pub(crate) fn insert(&mut self, id: String, name: String) {
        let bytes = id.len() + name.len();
        if self.by_id.len() >= Self::MAX || self.bytes + bytes > Self::BYTES {
            *self = Self::default();
        }
        if self.by_id.insert(id, name).is_none() {
            self.bytes += bytes;
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&String> {
        self.by_id.get(id)
    }
}

/// What each of these takes, with what refers to it.
pub(crate) mod cost {
    /// A handle of a socket.
    pub(crate) const HANDLE: u64 = 256;
    /// A timer, with the task that waits for it.
    pub(crate) const TIMER: u64 = 768;
    /// A request or response, apart from its contents; with the task that waits for it.
    pub(crate) const OPERATION: u64 = 2048;
    /// An outbound socket that is being opened.
    pub(crate) const DIAL: u64 = 16 * 1024;
    /// A header, apart from its text.
    pub(crate) const HEADER: u64 = 64;
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
    /// Charge something that the host is to keep, for as long as it is kept.
    pub(crate) fn charge(&self, bytes: u64) -> Option<Charge> {
        Charge::of(&self.quota, bytes)
    }

    /// A handle of this end. `None` if the host keeps as much for this instance as it may.
    pub(crate) fn open_handle(
        &mut self,
        end: Arc<End>,
    ) -> wasmtime::Result<Option<Resource<Handle>>> {
        if !self.kept.try_add(cost::HANDLE) {
            return Ok(None);
        }
        self.handles.add(end.id());
        Ok(Some(self.table.push(Handle(end))?))
    }

    /// Take a handle back.
    pub(crate) fn take_handle(&mut self, socket: Resource<Handle>) -> wasmtime::Result<Handle> {
        let handle = self.table.delete(socket)?;
        self.handles.sub(handle.0.id());
        self.kept.sub(cost::HANDLE);
        Ok(handle)
    }

    /// The timer or operation of this token is over. Gives whether there was one.
    pub(crate) fn forget(&mut self, token: Token) -> bool {
        if self.timers.remove(&token) {
            self.kept.sub(cost::TIMER);
            return true;
        }
        self.operations.remove(&token)
    }

    /// An id that this instance has not had: for requests and tokens alike.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A socket is accepted, or about to be opened.
    pub(crate) fn note_opened(&mut self, id: SocketId) {
        if self.duties.gate > 0 {
            self.duties.inside.insert(id);
        }
    }

    /// The depth of a turn with these events: the least, for nobody but the guest knows which of them it is at work on. So no
    /// worker is wronged, and a chain of requests meets its bound wherever each of its turns handles nothing else.
    pub(crate) fn enter_depth(&mut self, inbox: &[Event], has_direct: bool) {
        let mut least = has_direct.then_some(0);
        for event in inbox {
            let depth = match event {
                // By itself it is what the object was woken for, of which its session knows.
                Event::Start => continue,
                Event::Fetch { request, .. } => request.depth,
                Event::Completed(token, _) => self.depths.remove(token).unwrap_or(0),
                Event::Socket(..) | Event::AlarmDue | Event::Alarm(_) => 0,
            };
            least = Some(least.map_or(depth, |least| least.min(depth)));
        }
        self.depth = least.unwrap_or(self.depth);
    }

    /// What was begun now, and the turn in which it ends, have the depth of this turn.
    pub(crate) fn keep_depth(&mut self, token: Token) {
        if self.depth > 0 {
            self.depths.insert(token, self.depth);
        }
    }

    /// An end that was accepted here, or by the object, and is not over.
    pub(crate) fn accepted(&self, id: SocketId) -> Option<Arc<End>> {
        match (self.ends.get(&id), &self.object) {
            (Some(end), _) => Some(Arc::clone(end)),
            (None, Some(object)) => object.socket(id),
            (None, None) => None,
        }
    }

    /// An outbound socket is open: a hibernatable one is its object's from now on.
    pub(crate) fn adopt_opened(&mut self, id: SocketId) {
        let Some(object) = &self.object else { return };
        if let Some(end) = self.ends.remove(&id) {
            if end.is_durable() {
                object.add_socket(end);
            } else {
                self.ends.insert(id, end);
            }
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
        !self.timers.is_empty() || !self.operations.is_empty() || self.has_reachable_end()
    }

    /// Whether something can still happen to a socket that comes from outside: the other end of a pair that the instance
    /// itself holds does nothing by itself.
    pub(crate) fn has_reachable_end(&self) -> bool {
        let is_own = |id| self.ends.contains_key(&id) || self.handles.of_end(id);
        self.ends.values().any(|end| end.is_reachable(is_own))
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
