//! Owns one session: an instance of the worker, its inbox, and the doing of what its turns ask for. Whoever
//! has events takes the lock and runs a turn; nobody hands events to a task that sits and waits. Knows
//! nothing of TCP and HTTP.
//!
//! ```text
//!   New ──first event──► Live ──nothing can happen to it any more──► Over
//!                          └─────fault: sockets closed with 1011─────┘
//! ```

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::AbortHandle;

use crate::config::size;
use crate::error::Fault;
use crate::guest::{Answer, Component, Direct, Effects, Event, Host, Instance, Request, Staged, Token};
use crate::socket::{Arrival, Delivery, MessageRef, Outbox, Owner, SocketEvent, SocketId};

/// How a request ended without a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    Fault(Fault),
    /// The worker waits for nothing that could still happen.
    Never,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    me: Weak<Self>,
    component: Arc<Component>,
    host: Host,
    inbox: Mutex<Inbox>,
    life: AsyncMutex<Life>,
}

#[derive(Debug, Default)]
struct Inbox {
    events: VecDeque<Event>,
    /// A task is on its way to empty it.
    is_pumped: bool,
    /// Why nothing is taken any more.
    over: Option<NoAnswer>,
}

#[derive(Debug)]
enum Life {
    New,
    Live(Live),
    Over,
}

#[derive(Debug)]
struct Live {
    instance: Instance,
    timers: HashMap<Token, AbortHandle>,
    /// Keeps the number of instances within its limit.
    _place: Place,
}

/// One of the instances that may be alive at a time.
#[derive(Debug)]
struct Place(Host);

impl Place {
    fn take(host: &Host) -> Result<Self, Fault> {
        host.counters.instances_live.add(1);
        let place = Self(host.clone());
        if host.counters.instances_live.get() > host.limits.instances {
            return Err(Fault::TooManyInstances(host.limits.instances));
        }
        host.counters.instances.add(1);
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.counters.instances_live.sub(1);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for timer in self.timers.values() {
            timer.abort();
        }
    }
}

impl Session {
    pub(crate) fn new(component: Arc<Component>, host: Host) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            component,
            host,
            inbox: Mutex::new(Inbox {
                events: VecDeque::from([Event::Start]),
                ..Inbox::default()
            }),
            life: AsyncMutex::new(Life::New),
        })
    }

    /// Give the worker a request; its response is waited for with [`Pending::answer`]. Gives the request back
    /// if the session is over.
    pub(crate) fn fetch(self: &Arc<Self>, request: Box<Request>) -> Result<Pending, Box<Request>> {
        let (reply, answer) = oneshot::channel();
        let event = Event::Fetch {
            request,
            reply: Some(reply),
        };
        match self.post(event) {
            Ok(()) => Ok(Pending {
                session: Arc::clone(self),
                answer,
            }),
            Err(Event::Fetch { request, .. }) => Err(request),
            Err(Event::Start | Event::Socket(..) | Event::Completed(_)) => {
                unreachable!("post gives back the event it got")
            }
        }
    }

    /// Whether the session takes no more events.
    pub(crate) fn is_over(&self) -> bool {
        self.with_inbox(|inbox| inbox.over.is_some())
    }

    fn with_inbox<T>(&self, f: impl FnOnce(&mut Inbox) -> T) -> T {
        f(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Put an event into the inbox, and have a task empty it. Gives the event back if the session is over.
    fn post(&self, event: Event) -> Result<(), Event> {
        let needs_pump = self.with_inbox(|inbox| {
            if inbox.over.is_some() {
                return Err(event);
            }
            inbox.events.push_back(event);
            Ok(!std::mem::replace(&mut inbox.is_pumped, true))
        })?;
        if needs_pump && let Some(me) = self.me.upgrade() {
            tokio::spawn(me.pump());
        }
        Ok(())
    }

    /// Run turns until the inbox is empty, letting others have the session in between.
    async fn pump(self: Arc<Self>) {
        loop {
            let mut life = self.life.lock().await;
            let mut batch = self.take_batch();
            if batch.is_empty() {
                self.settle(&mut life);
                let is_done = self.with_inbox(|inbox| {
                    inbox.is_pumped = !inbox.events.is_empty();
                    !inbox.is_pumped
                });
                if is_done {
                    return;
                }
                continue;
            }
            self.turn(&mut life, &mut batch, None, None).await;
            drop(life);
            tokio::task::consume_budget().await;
        }
    }

    /// The next events, within the bounds of a batch.
    fn take_batch(&self) -> Vec<Event> {
        let limits = &self.host.limits;
        let (events_max, bytes_max) = (size(limits.batch_events), size(limits.batch_bytes));
        self.with_inbox(|inbox| {
            let mut batch = Vec::new();
            let mut bytes = 0;
            while batch.len() < events_max
                && let Some(event) = inbox.events.front()
            {
                if let Event::Socket(_, SocketEvent::Message(message)) = event {
                    bytes += message.as_ref().bytes().len();
                    if bytes > bytes_max && !batch.is_empty() {
                        break;
                    }
                }
                batch.extend(inbox.events.pop_front());
            }
            batch
        })
    }

    /// One turn, and what it asked for.
    async fn turn(
        &self,
        life: &mut Life,
        batch: &mut [Event],
        direct: Option<Direct<'_>>,
        own: Option<Own<'_>>,
    ) {
        let ran = match self.live(life).await {
            Ok(Some(live)) => match live.turn(batch, direct).await {
                Ok(()) => {
                    self.commit(live, own);
                    Ok(())
                }
                Err(fault) => Err(fault),
            },
            Ok(None) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = ran {
            tracing::error!(target: "pairway::worker", worker = self.component.name(), "{fault}");
            if !matches!(fault, Fault::TooManyInstances(_)) {
                self.host.counters.faults.add(1);
            }
            self.with_inbox(|inbox| inbox.over = Some(NoAnswer::Fault(fault)));
            self.end(life, "the worker failed");
        }
    }

    /// The live instance, made if this is its first event. `None` if the session is over.
    async fn live<'a>(&self, life: &'a mut Life) -> Result<Option<&'a mut Live>, Fault> {
        if let Life::New = life {
            let place = Place::take(&self.host)?;
            let owner: Weak<dyn Owner> = self.me.clone();
            let instance = Instance::new(Arc::clone(&self.component), self.host.clone(), owner).await?;
            *life = Life::Live(Live {
                instance,
                timers: HashMap::new(),
                _place: place,
            });
        }
        Ok(match life {
            Life::Live(live) => Some(live),
            Life::New | Life::Over => None,
        })
    }

    /// Do what a turn has asked for, in its order.
    fn commit(&self, live: &mut Live, own: Option<Own<'_>>) {
        let state = live.instance.state();
        if state.effects.staged.is_empty() {
            return;
        }
        let mut effects = std::mem::take(&mut state.effects);
        if let Some(own) = own {
            own.take_frames(&mut effects);
        }
        let staged = std::mem::take(&mut effects.staged);
        for staged in staged {
            self.apply(live, staged, &effects.frames);
        }
        effects.clear();
        live.instance.state().effects = effects;
    }

    fn apply(&self, live: &mut Live, staged: Staged, frames: &[u8]) {
        match staged {
            Staged::Frames { outbox, range, .. } => outbox.push(&frames[range]),
            Staged::Message { to, message } => {
                to.arrive(Arrival::Message(message));
            }
            Staged::CloseWire { end, outbox, body } => {
                outbox.close(&body, end.close_order());
                live.forget_if_over(end.id());
            }
            Staged::ClosePeer { from, to, body } => {
                if let Some(answer) = to.arrive(Arrival::Close(body)) {
                    from.arrive(Arrival::Close(answer));
                }
                live.forget_if_over(from.id());
            }
            Staged::Pause { end, paused } => end.pause(paused),
            Staged::Respond { reply, answer } => {
                // A client that has gone meanwhile needs no response; the socket in it ends with it.
                drop(reply.send(answer));
            }
            Staged::StartTimer { token, delay } => {
                // The timer keeps its session alive: the worker may wait for nothing else.
                if let Some(me) = self.me.upgrade() {
                    let timer = tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        // A session that is over has no use for its timers.
                        drop(me.post(Event::Completed(token)));
                    });
                    live.timers.insert(token, timer.abort_handle());
                }
            }
            Staged::CancelTimer { token } => {
                if let Some(timer) = live.timers.remove(&token) {
                    timer.abort();
                }
            }
        }
    }

    /// End a session to which nothing can happen any more.
    fn settle(&self, life: &mut Life) {
        let Life::Live(live) = life else {
            return;
        };
        let state = live.instance.state();
        if state.is_reachable() {
            return;
        }
        let is_over = self.with_inbox(|inbox| {
            if inbox.events.is_empty() {
                inbox.over.get_or_insert(NoAnswer::Never);
            }
            inbox.over.is_some()
        });
        if !is_over {
            return;
        }
        let unanswered = state.requests.len();
        if unanswered > 0 {
            tracing::error!(target: "pairway::worker", worker = self.component.name(), unanswered,
                "the worker will never answer: it waits for nothing that can still happen");
        }
        self.end(life, "the worker is done");
    }

    /// Drop the instance. Why the session is over stands in the inbox already.
    fn end(&self, life: &mut Life, reason: &str) {
        let events = self.with_inbox(|inbox| std::mem::take(&mut inbox.events));
        if let Life::Live(live) = &mut std::mem::replace(life, Life::Over) {
            live.instance.state().give_up(reason);
        }
        drop(events);
    }
}

impl Live {
    async fn turn(&mut self, batch: &mut [Event], direct: Option<Direct<'_>>) -> Result<(), Fault> {
        for event in &*batch {
            if let Event::Completed(token) = event {
                self.timers.remove(token);
            }
        }
        self.instance.turn(batch, direct).await
    }

    fn forget_if_over(&mut self, socket: SocketId) {
        let state = self.instance.state();
        if state.ends.get(&socket).is_some_and(|end| end.is_forgettable()) {
            state.ends.remove(&socket);
        }
    }
}

/// A request that a session has taken.
#[derive(Debug)]
pub(crate) struct Pending {
    session: Arc<Session>,
    answer: oneshot::Receiver<Answer>,
}

impl Pending {
    /// Wait for the worker's response.
    pub(crate) async fn answer(self) -> Result<Answer, NoAnswer> {
        match self.answer.await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(self
                .session
                .with_inbox(|inbox| inbox.over.clone())
                .unwrap_or(NoAnswer::Never)),
        }
    }
}

/// The connection that runs a turn itself: frames for it need no outbox.
#[derive(Debug)]
struct Own<'a> {
    socket: SocketId,
    outbox: &'a Outbox,
    out: &'a mut Vec<u8>,
}

impl Own<'_> {
    /// Take this connection's frames out of what is to be done. They keep their place behind what others
    /// have queued for it.
    fn take_frames(self, effects: &mut Effects) {
        let from = self.out.len();
        if from == 0
            && let [Staged::Frames { socket, .. }] = effects.staged[..]
            && socket == self.socket
        {
            std::mem::swap(self.out, &mut effects.frames);
            effects.staged.clear();
        } else {
            effects.staged.retain(|staged| match staged {
                Staged::Frames { socket, range, .. } if *socket == self.socket => {
                    self.out.extend_from_slice(&effects.frames[range.clone()]);
                    false
                }
                _ => true,
            });
        }
        if self.out.len() > from {
            self.outbox.put_behind_queue(self.out, from);
        }
    }
}

/// How many of these messages one turn takes: at least one.
fn batch_len(messages: &[MessageRef<'_>], events_max: usize, bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = messages
        .iter()
        .take(events_max)
        .take_while(|message| {
            bytes += message.bytes().len();
            bytes <= bytes_max
        })
        .count();
    fits.max(1)
}

impl Owner for Session {
    fn raise(&self, socket: SocketId, event: SocketEvent) {
        // A session that is over has given up its sockets.
        drop(self.post(Event::Socket(socket, event)));
    }

    fn deliver<'a>(
        self: Arc<Self>,
        delivery: Delivery<'a>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let mut life = self.life.lock().await;
            // What was raised before goes before; most often there is nothing.
            let mut due = self.with_inbox(|inbox| inbox.events.len());
            while due > 0 {
                let mut batch = self.take_batch();
                due = due.saturating_sub(batch.len().max(1));
                self.turn(&mut life, &mut batch, None, None).await;
            }
            let limits = &self.host.limits;
            let (events_max, bytes_max) = (size(limits.batch_events), size(limits.batch_bytes));
            let mut rest = delivery.messages;
            while !rest.is_empty() {
                let (messages, later) = rest.split_at(batch_len(rest, events_max, bytes_max));
                rest = later;
                let direct = Direct {
                    socket: delivery.socket,
                    messages,
                };
                let own = Own {
                    socket: delivery.socket,
                    outbox: delivery.outbox,
                    out: delivery.out,
                };
                self.turn(&mut life, &mut [], Some(direct), Some(own)).await;
            }
            if let Life::Live(live) = &mut *life
                && live.instance.state().ends.is_empty()
            {
                self.settle(&mut life);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_by_count_and_bytes_and_never_empty() {
        let small = [MessageRef::Text("ab"); 10];
        assert_eq!(batch_len(&small, 4, 100), 4);
        assert_eq!(batch_len(&small, 64, 5), 2);
        assert_eq!(batch_len(&small[..1], 64, 1), 1, "one larger message is a batch by itself");
    }
}
