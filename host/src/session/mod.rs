//! Owns one session: an instance of the worker, its inbox, and the doing of what its turns ask for. Whoever
//! has events takes the lock and runs a turn; nobody hands events to a task that sits and waits. Knows
//! nothing of TCP and HTTP.
//!
//! ```text
//!   New ──first event──► Live ──nothing can happen to it any more──► Over
//!                          └─────fault: sockets closed with 1011─────┘
//! ```

mod commit;
mod life;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, oneshot};

use self::commit::Own;
use self::life::{Live, Place};
use crate::config::size;
use crate::error::Fault;
use crate::guest::{Answer, Component, Direct, Event, Host, Instance, Request};
use crate::socket::{Delivery, MessageRef, Owner, SocketEvent, SocketId};

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
        mut own: Option<Own<'_>>,
    ) {
        let ran = match self.live(life).await {
            Ok(Some(live)) => {
                let frames = own
                    .as_mut()
                    .map_or_else(Vec::new, |own| std::mem::take(own.out));
                let ran = live.turn(batch, direct, frames).await;
                match &ran {
                    Ok(()) => self.commit(live, own),
                    Err(_) => Self::undo(live, own),
                }
                ran
            }
            Ok(None) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = ran {
            self.fail(life, fault);
        }
    }

    fn fail(&self, life: &mut Life, fault: Fault) {
        let worker = self.component.name();
        tracing::error!(target: "pairway::worker", worker, "{fault}");
        if !matches!(fault, Fault::TooManyInstances(_)) {
            self.host.counters.faults.add(1);
        }
        self.with_inbox(|inbox| inbox.over = Some(NoAnswer::Fault(fault)));
        self.end(life, "the worker failed");
    }

    /// The live instance, made if this is its first event. `None` if the session is over.
    async fn live<'a>(&self, life: &'a mut Life) -> Result<Option<&'a mut Live>, Fault> {
        if let Life::New = life {
            let place = Place::take(&self.host)?;
            let owner: Weak<dyn Owner> = self.me.clone();
            // Boxed, so that the many turns of a session do not carry what its first one needs.
            let instance = Box::pin(Instance::new(
                Arc::clone(&self.component),
                self.host.clone(),
                owner,
            ))
            .await?;
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
    ) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
        Box::pin(async move {
            let limits = &self.host.limits;
            let (events_max, bytes_max) = (size(limits.batch_events), size(limits.batch_bytes));
            let taken = batch_len(delivery.messages, events_max, bytes_max);
            let mut life = self.life.lock().await;
            // What was raised before goes before; most often there is nothing.
            let mut due = self.with_inbox(|inbox| inbox.events.len());
            while due > 0 {
                let mut batch = self.take_batch();
                due = due.saturating_sub(batch.len().max(1));
                self.turn(&mut life, &mut batch, None, None).await;
            }
            let direct = Direct {
                socket: delivery.socket,
                messages: &delivery.messages[..taken],
            };
            let own = Own {
                socket: delivery.socket,
                outbox: delivery.outbox,
                out: delivery.out,
            };
            self.turn(&mut life, &mut [], Some(direct), Some(own)).await;
            if let Life::Live(live) = &mut *life
                && live.instance.state().ends.is_empty()
            {
                self.settle(&mut life);
            }
            taken
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
        assert_eq!(
            batch_len(&small[..1], 64, 1),
            1,
            "one larger message is a batch by itself"
        );
    }
}
