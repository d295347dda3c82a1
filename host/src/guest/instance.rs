//! Owns one live instance: making it, and one call into it with a batch of events. What the guest asked
//! for lies in its [`Effects`] afterwards; doing it is the session's part.

use std::sync::{Arc, Weak};

use wasmtime::Store;
use wasmtime::component::Resource;
use wasmtime_wasi::{ResourceTable, WasiCtxBuilder};

use super::bindings::Worker;
use super::bindings::exports::pairway::worker::events as wit;
use super::bindings::messaging::Messaging;
use super::budget::{self, Since, TooLong};
use super::effects::Effects;
use super::engine::Component;
use super::event::{Event, Outcome, Several, header_list, lower, not_opened, wit_message};
use super::log::GuestLog;
use super::memory::Memory;
use super::request::Asked;
use super::store::{Duties, GuestState, Handle, Handles, Host};
use crate::config::{millis, size};
use crate::error::Fault;
use crate::object::Object;
use crate::quota::Meter;
use crate::socket::{Departure, MessageRef, Owner, SocketEvent, SocketId};

/// Messages that are handed over where they lie, behind those of the inbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Direct<'a> {
    pub(crate) socket: SocketId,
    pub(crate) messages: &'a [MessageRef<'a>],
}

/// One live instance of a worker.
pub(crate) struct Instance {
    store: Store<GuestState>,
    worker: Worker,
    messaging: Option<Messaging>,
    component: Arc<Component>,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("state", self.store.data())
            .finish_non_exhaustive()
    }
}

impl Instance {
    pub(crate) async fn new(
        component: Arc<Component>,
        host: Host,
        owner: Weak<dyn Owner>,
        object: Option<Arc<Object>>,
    ) -> Result<Self, Fault> {
        let state = state(&component, host, owner, object);
        let mut store = Store::new(component.pre.engine(), state);
        store.limiter_async(|state| &mut state.memory);
        budget::divide(&mut store, &component.clock);
        let running = component.clock.run();
        budget::allow_cpu(&mut store, &component.clock);
        let made = component.pre.instantiate_async(&mut store).await;
        drop(running);
        let loaded = made.and_then(|instance| {
            let worker = component.worker.load(&mut store, &instance)?;
            let messaging = component.messaging.as_ref();
            let messaging = messaging.map(|indices| indices.load(&mut store, &instance));
            Ok((worker, messaging.transpose()?))
        });
        match loaded {
            Ok((worker, messaging)) => Ok(Self {
                store,
                worker,
                messaging,
                component,
            }),
            Err(error) => Err(match budget::fault(&store, &error) {
                Fault::Trap(_) => Fault::Instantiate(format!("{error:#}")),
                fault @ (Fault::CpuTime(_)
                | Fault::WallTime(_)
                | Fault::OutOfMemory(_)
                | Fault::TotalMemory(_)
                | Fault::Handler(_)
                | Fault::Instantiate(_)
                | Fault::Aborted(_)
                | Fault::GateTime(_)
                | Fault::Storage(_)
                | Fault::Host(_)
                | Fault::TooManyInstances(_)
                | Fault::TooManyObjects(_)) => fault,
            }),
        }
    }

    /// One turn, whose frames go behind what is in `frames`. After a fault the instance can only be given up.
    pub(crate) async fn turn(
        &mut self,
        inbox: &mut [Event],
        direct: Option<Direct<'_>>,
        frames: Vec<u8>,
    ) -> Result<(), Fault> {
        self.store.data_mut().enter_depth(inbox, direct.is_some());
        if self.messaging.is_some() && inbox.iter().all(|event| event.message_of().is_some()) {
            return self.take(inbox, direct, frames).await;
        }
        let mut arrivals = self.begin(inbox, frames)?.into_iter();
        let object = self.store.data().object.clone();
        let headers: Vec<_> = inbox.iter().filter_map(header_list).collect();
        let mut headers = headers.iter();
        let direct_len = direct.map_or(0, |direct| direct.messages.len());
        let mut events = Vec::with_capacity(inbox.len() + direct_len);
        for event in inbox.iter() {
            // Consumed also where the event is not due.
            let lowered = lower(event, object.as_deref(), &mut headers, &mut arrivals);
            if self.is_due(event)
                && let Some(lowered) = lowered
            {
                events.push(lowered);
                events.extend(not_opened(event));
            }
        }
        if let Some(direct) = direct {
            for message in direct.messages {
                events.push(wit_message(direct.socket, *message));
            }
        }
        let counters = &self.store.data().host.counters;
        counters.turns.add(1);
        counters.events.add(events.len() as u64);
        self.call(&events).await?;
        self.end(inbox);
        Ok(())
    }

    /// A turn of nothing but messages.
    async fn take(
        &mut self,
        inbox: &[Event],
        direct: Option<Direct<'_>>,
        frames: Vec<u8>,
    ) -> Result<(), Fault> {
        let state = self.store.data_mut();
        state.effects = Effects::begin(frames, &state.quota);
        state.memory.begin();
        let wall_ms = state.host.limits.turn_wall_ms;
        let (direct_socket, direct) =
            direct.map_or((0, &[][..]), |direct| (direct.socket, direct.messages));
        let waiting: Vec<_> = inbox
            .iter()
            .filter(|event| self.is_due(event))
            .filter_map(Event::as_message)
            .collect();
        if waiting.len() > 1 {
            let effects = &mut self.store.data_mut().effects;
            effects.expect_sockets(waiting.len() + 1);
        }
        let counters = &self.store.data().host.counters;
        counters.turns.add(1);
        counters.events.add((waiting.len() + direct.len()) as u64);
        budget::allow_cpu(&mut self.store, &self.component.clock);
        let Some(messaging) = &self.messaging else {
            return Ok(());
        };
        let export = messaging.pairway_worker_messages();
        let store = &mut self.store;
        let running = self.component.clock.run();
        let one = match (&waiting[..], direct) {
            ([], [one]) => Some((direct_socket, *one)),
            ([one], []) => Some(*one),
            _ => None,
        };
        let called = match one {
            Some((socket, MessageRef::Text(text))) => {
                let call = export.call_take_text(store, socket, text);
                budget::within(millis(wall_ms), std::pin::pin!(call)).await
            }
            Some((socket, MessageRef::Binary(bytes))) => {
                let call = export.call_take_binary(store, socket, bytes);
                budget::within(millis(wall_ms), std::pin::pin!(call)).await
            }
            None => {
                let direct = direct.iter().map(|message| (direct_socket, *message));
                let several = Several::of(waiting.iter().copied().chain(direct));
                let Several {
                    runs,
                    lengths,
                    text,
                    bytes,
                } = &several;
                let room = store.data_mut().promise(runs.iter().map(|run| run.socket));
                let call = export.call_take_several(store, runs, lengths, text, bytes, room);
                let called = budget::within(millis(wall_ms), std::pin::pin!(call)).await;
                several.put_back();
                called
            }
        };
        drop(running);
        self.outcome(called, wall_ms)?;
        self.end(inbox);
        Ok(())
    }

    /// What the end of a call means.
    fn outcome(
        &self,
        called: Result<wasmtime::Result<()>, TooLong>,
        wall_ms: u64,
    ) -> Result<(), Fault> {
        match called {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(budget::fault(&self.store, &error)),
            Err(TooLong) => Err(Fault::WallTime(wall_ms)),
        }
    }

    /// Register what a batch brings. Gives handles of the sockets that come with its responses.
    fn begin(
        &mut self,
        inbox: &mut [Event],
        frames: Vec<u8>,
    ) -> Result<Vec<Resource<Handle>>, Fault> {
        let state = self.store.data_mut();
        state.effects = Effects::begin(frames, &state.quota);
        state.memory.begin();
        let mut arrivals = Vec::new();
        for event in inbox {
            match event {
                Event::Fetch { request, reply, id } => {
                    if let Some(reply) = reply.take() {
                        *id = state.next_id();
                        let wants_web_socket = request.wants_web_socket;
                        let asked = Asked {
                            wants_web_socket,
                            reply,
                        };
                        state.requests.insert(*id, asked);
                    }
                }
                Event::Completed(token, Outcome::Response(answer)) => {
                    if state.operations.contains(token)
                        && let Some(end) = answer.socket.take().and_then(Departure::arrive)
                    {
                        let handle = state.open_handle(end);
                        let handle = handle.map_err(|error| Fault::Trap(error.to_string()))?;
                        let full = || {
                            Fault::Trap("too many handles (limit instance_host_bytes)".to_owned())
                        };
                        arrivals.push(handle.ok_or_else(full)?);
                        answer.has_arrived = true;
                    }
                }
                Event::Socket(id, SocketEvent::Open) => state.adopt_opened(*id),
                Event::Start
                | Event::Socket(..)
                | Event::AlarmDue
                | Event::Alarm(_)
                | Event::Completed(..) => {}
            }
        }
        Ok(arrivals)
    }

    /// Whether the guest still waits for this event.
    fn is_due(&self, event: &Event) -> bool {
        let state = self.store.data();
        match event {
            Event::Start | Event::Fetch { .. } | Event::Alarm(_) => true,
            Event::AlarmDue => false,
            Event::Socket(id, _) => {
                state.ends.contains_key(id)
                    || state.object.as_ref().is_some_and(|o| o.has_socket(*id))
            }
            Event::Completed(token, _) => {
                state.timers.contains(token) || state.operations.contains(token)
            }
        }
    }

    async fn call(&mut self, events: &[wit::Event<'_>]) -> Result<(), Fault> {
        let wall_ms = self.store.data().host.limits.turn_wall_ms;
        budget::allow_cpu(&mut self.store, &self.component.clock);
        let running = self.component.clock.run();
        let called = {
            let call = self
                .worker
                .pairway_worker_events()
                .call_handle(&mut self.store, events);
            budget::within(millis(wall_ms), std::pin::pin!(call)).await
        };
        drop(running);
        self.outcome(called, wall_ms)
    }

    /// Let go of what a batch has ended.
    fn end(&mut self, inbox: &[Event]) {
        let state = self.store.data_mut();
        for event in inbox {
            match event {
                Event::Socket(
                    id,
                    SocketEvent::Close(_) | SocketEvent::Error(_) | SocketEvent::NotOpened(_),
                ) => {
                    state.settle(*id);
                }
                Event::Completed(token, _) => {
                    state.forget(*token);
                }
                Event::Start
                | Event::Fetch { .. }
                | Event::AlarmDue
                | Event::Alarm(_)
                | Event::Socket(
                    _,
                    SocketEvent::Message(_) | SocketEvent::Drain | SocketEvent::Open,
                ) => {}
            }
        }
        if state.duties.running == 0 && !state.duties.departed.is_empty() {
            state.duties.departed.clear();
        }
    }

    /// The turn has failed: take back what it changed, and give the requests of its batch back to it, for
    /// another instance. Gives what was in the frame buffer before the turn.
    pub(crate) fn undo(&mut self, inbox: &mut [Event]) -> Vec<u8> {
        let state = self.store.data_mut();
        let (frames, mut replies) = state.effects.undo();
        for event in inbox {
            if let Event::Fetch { reply, id, .. } = event
                && reply.is_none()
            {
                let asked = state.requests.remove(id).map(|asked| asked.reply);
                *reply = asked.or_else(|| replies.remove(id));
            }
        }
        if let Some(object) = state.object.clone() {
            std::mem::take(&mut state.effects.journal).take_back(&object);
        }
        frames
    }

    pub(crate) fn state(&mut self) -> &mut GuestState {
        self.store.data_mut()
    }
}

/// What an instance begins with.
fn state(
    component: &Component,
    host: Host,
    owner: Weak<dyn Owner>,
    object: Option<Arc<Object>>,
) -> GuestState {
    let limits = Arc::clone(&host.limits);
    let log = |is_stderr| GuestLog::new(&host.log, is_stderr);
    let wasi = WasiCtxBuilder::new()
        .envs(&host.vars)
        .arg(&*component.name)
        .stdout(log(false))
        .stderr(log(true))
        .allow_tcp(false)
        .allow_udp(false)
        .build();
    let mut table = ResourceTable::new();
    // A backstop against a guest that never drops its handles: beyond it the guest traps.
    table.set_max_capacity(size(limits.sockets).saturating_mul(2).saturating_add(1024));
    let quota = host.totals.host.part(limits.instance_host_bytes);
    GuestState {
        wasi,
        table,
        memory: Memory::new(&limits, &host.totals.guests, &host.counters),
        kept: Meter::on(&quota),
        quota,
        host,
        owner,
        effects: Effects::default(),
        handles: Handles::default(),
        ends: Default::default(),
        requests: Default::default(),
        timers: Default::default(),
        operations: Default::default(),
        next_id: 0,
        depth: 0,
        depths: Default::default(),
        ticks_left: 0,
        since: Since::default(),
        object,
        duties: Duties::default(),
    }
}
