//! Owns one session: an instance of the worker, its inbox, and the doing of what its turns ask for. Whoever
//! has events takes the lock and runs a turn; nobody hands events to a task that sits and waits. Knows
//! nothing of TCP and HTTP.
//!
//! ```text
//!   of a stateless worker:
//!   Asleep ──first event──► Live ──nothing can happen to it any more──► Over
//!                             └─────fault: sockets closed with 1011─────┘
//!   of a durable object:
//!   Asleep ◄──event: wake──► Live      back by hibernation, by a fault, by a reset
//! ```

mod commit;
mod deliver;
mod failure;
mod hibernate;
mod inbox;
mod life;
mod roster;
mod turn;
mod wake;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, oneshot};

pub use self::hibernate::Hold;
use self::inbox::Inbox;
use self::life::{Life, let_go};
pub(crate) use self::roster::Roster;
use crate::alarm::Alarms;
use crate::config::size;
use crate::error::Fault;
use crate::guard;
use crate::guest::{Answer, Component, Event, Host, Request};
use crate::inject::Point;
use crate::object::{Due, Object};
use crate::printable::Printable;
use crate::socket::SocketId;
use crate::step::Trial;
use crate::storage::Address;
use crate::upstream::Upstream;

/// How a request ended without a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    Fault(Fault),
    /// The worker waits for nothing that could still happen.
    Never,
}

/// Where objects are found. What a session knows of its own kind: to reach another, it asks here.
pub(crate) trait Directory: Send + Sync + std::fmt::Debug {
    /// Send a request to an object, which is started or woken if need be.
    fn fetch(
        &self,
        address: Address,
        name: Option<String>,
        request: Box<Request>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, NoAnswer>> + Send>>;

    /// An object has hibernated, and has no sockets: it need not be kept, if no event waits for it.
    fn retire(&self, session: &Session);
}

/// What all sessions of a server share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) component: Arc<Component>,
    pub(crate) host: Host,
    pub(crate) roster: Roster,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) directory: Weak<dyn Directory>,
    /// The way to other servers.
    pub(crate) upstream: Arc<Upstream>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    me: Weak<Self>,
    /// Tells the sessions of this process apart.
    number: u64,
    context: Arc<Context>,
    object: Option<Arc<Object>>,
    inbox: Mutex<Inbox>,
    life: AsyncMutex<Life>,
    /// When the last turn ended, on the roster's clock.
    active_ms: AtomicU64,
    /// The socket whose messages came last.
    last_socket: AtomicU64,
    /// Whether deliveries are to be gathered.
    gathering: Trial,
}

impl Session {
    /// A session of the stateless worker, or that of an object.
    pub(crate) fn new(context: Arc<Context>, object: Option<Arc<Object>>) -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let mut inbox = Inbox::default();
        if object.is_none() {
            // An object's first event is a turn by itself, whenever it wakes.
            inbox.push(Event::Start);
        }
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            context,
            object,
            inbox: Mutex::new(inbox),
            life: AsyncMutex::new(Life::Asleep),
            active_ms: AtomicU64::new(0),
            last_socket: AtomicU64::new(0),
            gathering: Trial::new(),
        })
    }

    pub(crate) fn object(&self) -> Option<&Arc<Object>> {
        self.object.as_ref()
    }

    /// What the log calls it.
    fn title(&self) -> String {
        match &self.object {
            Some(object) => object.address.to_string(),
            None => self.context.component.name().to_owned(),
        }
    }

    fn hibernate_after(&self) -> Duration {
        self.object
            .as_ref()
            .map_or(Duration::MAX, |object| object.hibernate_after)
    }

    /// Give the worker a request; its response is waited for with [`Pending::answer`]. Gives the request back
    /// if the session is over.
    pub(crate) fn fetch(self: &Arc<Self>, request: Box<Request>) -> Result<Pending, Box<Request>> {
        let (reply, answer) = oneshot::channel();
        let event = Event::Fetch {
            request,
            reply: Some(reply),
            id: 0,
        };
        match self.post(event) {
            Ok(_) => Ok(Pending {
                session: Arc::clone(self),
                answer,
            }),
            Err(Event::Fetch { request, .. }) => Err(request),
            Err(
                Event::Start
                | Event::Socket(..)
                | Event::AlarmDue
                | Event::Alarm(_)
                | Event::Completed(..),
            ) => unreachable!("post gives back the event it got"),
        }
    }

    /// The object's alarm may be due. False if the session is over.
    pub(crate) fn alarm_due(&self) -> bool {
        self.post(Event::AlarmDue).is_ok()
    }

    /// Whether the session takes no more events.
    pub(crate) fn is_over(&self) -> bool {
        self.with_inbox(|inbox| inbox.over.is_some())
    }

    fn with_inbox<T>(&self, f: impl FnOnce(&mut Inbox) -> T) -> T {
        f(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Put an event into the inbox, and have a task empty it. Gives whether nothing is in the way of that, such as a
    /// closed gate; or the event back, if the session is over.
    fn post(&self, event: Event) -> Result<bool, Event> {
        let (needs_pump, is_open) = self.with_inbox(|inbox| {
            if inbox.over.is_some() {
                return Err(event);
            }
            inbox.push(event);
            let needs_pump = !std::mem::replace(&mut inbox.is_pumped, true);
            Ok((needs_pump, !inbox.is_gated()))
        })?;
        if needs_pump {
            self.start_pump();
        }
        Ok(is_open)
    }

    /// Have a task empty the inbox, if there is something in it that nobody is on the way to.
    fn ensure_pumped(&self) {
        let needs_pump = self
            .with_inbox(|inbox| inbox.has_due() && !std::mem::replace(&mut inbox.is_pumped, true));
        if needs_pump {
            self.start_pump();
        }
    }

    fn start_pump(&self) {
        if let Some(me) = self.me.upgrade() {
            tokio::spawn(me.pump());
        }
    }

    /// Run turns until the inbox is empty, letting others have the session in between.
    async fn pump(self: Arc<Self>) {
        let pumping = Pumping(self);
        let me = &pumping.0;
        loop {
            let mut life = me.life.lock().await;
            let ran = guard::catch(me.run_next(&mut life)).await;
            match ran {
                Ok(true) => {}
                Ok(false) => return,
                Err(payload) => {
                    let panicked = me.panicked("the inbox", payload);
                    me.break_down(&mut life, &panicked).await;
                }
            }
            let_go(life);
            tokio::task::consume_budget().await;
        }
    }

    /// Run a turn with what is next in the inbox. False if there is nothing.
    async fn run_next(&self, life: &mut Life) -> bool {
        let batch = self.take_batch().await;
        if batch.is_empty() {
            self.settle(life);
            return false;
        }
        self.run(life, batch, None, None).await;
        true
    }

    /// The next events, within the bounds of a batch.
    async fn take_batch(&self) -> VecDeque<Event> {
        let limits = &self.context.host.limits;
        let (events_max, bytes_max) = (size(limits.batch_events), size(limits.batch_bytes));
        self.context.host.counters.point(Point::Inbox);
        let mut batch = self.with_inbox(|inbox| inbox.take_batch(events_max, bytes_max));
        let is_alarm = |event: &Event| matches!(event, Event::AlarmDue);
        if let Some(at) = batch.iter().position(is_alarm) {
            // Of several looks at the one alarm, one is enough.
            batch.retain(|event| !is_alarm(event));
            if let Some(alarm) = Box::pin(self.look_up_alarm()).await {
                batch.insert(at, alarm);
            }
        }
        batch
    }

    /// The alarm, if it is due.
    async fn look_up_alarm(&self) -> Option<Event> {
        let object = self.object.as_ref()?;
        match object.take_due_alarm().await {
            Ok(Due::Now(info)) => {
                self.context.host.counters.alarms.add(1);
                Some(Event::Alarm(info))
            }
            Ok(Due::At(due_ms)) => {
                self.context.alarms.set(&object.address, Some(due_ms));
                None
            }
            Ok(Due::No) => None,
            Err(error) => {
                tracing::error!(object = %object.address, "the alarm cannot be read: {}", Printable(&error));
                None
            }
        }
    }

    /// End a stateless session to which nothing can happen any more.
    fn settle(&self, life: &mut Life) {
        let Life::Live(live) = life else {
            return;
        };
        let state = live.instance.state();
        if self.object.is_some() || state.is_reachable() {
            return;
        }
        let is_over = self.with_inbox(|inbox| {
            if inbox.is_empty() {
                inbox.over.get_or_insert(NoAnswer::Never);
            }
            inbox.over.is_some()
        });
        if !is_over {
            return;
        }
        let unanswered = state.requests.len();
        if unanswered > 0 {
            let text = "the worker will never answer: it waits for nothing that can still happen";
            if let Some(text) = self.context.host.log.admit(text) {
                tracing::error!(target: "pairway::worker", worker = self.title(), unanswered, "{text}");
            }
        }
        self.end(life, "the worker is done");
    }

    /// Whether an object's socket has gone while its messages waited: the object was reset, or its instance died.
    fn is_gone(&self, life: &mut Life, socket: SocketId) -> bool {
        let Some(object) = &self.object else {
            return false;
        };
        if object.has_socket(socket) {
            return false;
        }
        match life {
            Life::Live(live) => !live.instance.state().ends.contains_key(&socket),
            Life::Asleep | Life::Over => true,
        }
    }

    /// Drop the instance. Why the session is over stands in the inbox already.
    fn end(&self, life: &mut Life, reason: &str) {
        let events = self.with_inbox(Inbox::take_all);
        if let Life::Live(live) = &mut std::mem::replace(life, Life::Over) {
            live.instance.state().give_up(reason);
        }
        drop(events);
    }
}

/// Whoever is on the way to empty the inbox, a task or a connection. What is left there when it ends, however it ends,
/// another task takes.
#[derive(Debug)]
struct Pumping(Arc<Session>);

impl Drop for Pumping {
    fn drop(&mut self) {
        let is_left = self.0.with_inbox(|inbox| {
            inbox.is_pumped = inbox.has_due();
            inbox.is_pumped
        });
        if is_left {
            self.0.start_pump();
        }
    }
}

/// A request that a session has taken.
#[derive(Debug)]
pub(crate) struct Pending {
    session: Arc<Session>,
    answer: oneshot::Receiver<Result<Answer, Fault>>,
}

impl Pending {
    /// Wait for the worker's response.
    pub(crate) async fn answer(self) -> Result<Answer, NoAnswer> {
        match self.answer.await {
            Ok(answer) => answer.map_err(NoAnswer::Fault),
            Err(_) => Err(self
                .session
                .with_inbox(|inbox| inbox.over.clone())
                .unwrap_or(NoAnswer::Never)),
        }
    }
}
