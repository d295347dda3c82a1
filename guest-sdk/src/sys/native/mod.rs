//! Owns the host that tests run against: in memory, on one thread, with time of its own. It keeps the contracts of
//! `wit/README.md` for what the SDK offers; what an instance costs, and when it ends, it does not know. `tests/differential`
//! holds it against the real one.

mod ends;
mod objects;
mod outbound;
mod requests;
mod socket;
#[cfg(feature = "testing-sql")]
mod sql;
#[cfg(not(feature = "testing-sql"))]
#[path = "no_sql.rs"]
mod sql;
mod storage;

use super::{Event, Outcome, UpgradeRequest};
use crate::error::Result;
use ends::Ends;
use objects::Objects;
use requests::Requests;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

pub(crate) use objects::{Object, bind, check_object_id, fetch_object, new_object_id, object_id};
pub(crate) use outbound::{allow_outbound, connect, fetch};
pub(crate) use requests::{fail, open_request, respond, take_response, upgrade_headers};
pub(crate) use socket::Socket;

/// The Turn contract's bound for a batch.
const BATCH_EVENTS: usize = 64;
/// The Close contract's bound for the peer's answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What happens when its time has come.
#[derive(Clone, Copy, PartialEq)]
enum Alarm {
    /// The worker's timer of that token.
    Timer(u64),
    /// The end of that id has waited long enough for the peer's Close.
    CloseTimeout(u64),
    /// The object's alarm.
    Object(Object),
}

/// An event, and the object that it is for: the worker's if none.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) to: Option<Object>,
    pub(crate) event: Event,
}

struct Host {
    /// Since the test began.
    now: Duration,
    began: SystemTime,
    /// For ids, tokens and the order of alarms that are due at the same time.
    counter: u64,
    alarms: BTreeMap<(Duration, u64), Alarm>,
    events: VecDeque<Delivery>,
    ends: Ends,
    requests: Requests,
    objects: Objects,
    variables: BTreeMap<String, String>,
    /// Whether there is a handler for requests to other servers.
    is_outbound_allowed: bool,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            now: Duration::ZERO,
            // The wall clock runs from when it is: a worker that asks `std` for it is not far off.
            began: SystemTime::now(),
            counter: 0,
            alarms: BTreeMap::new(),
            events: VecDeque::new(),
            ends: Ends::default(),
            requests: Requests::default(),
            objects: Objects::default(),
            variables: BTreeMap::new(),
            is_outbound_allowed: false,
        }
    }
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// Borrowed only here, and no code of the worker runs inside.
fn host<T>(act: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with(|host| act(&mut host.borrow_mut()))
}

impl Host {
    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn set_alarm(&mut self, delay: Duration, alarm: Alarm) {
        let key = (self.now.saturating_add(delay), self.count());
        self.alarms.insert(key, alarm);
    }

    fn push(&mut self, event: Event) {
        self.events.push_back(Delivery { to: None, event });
    }

    /// A time since the test began, as a wall clock would show it.
    fn unix_ms(&self, now: Duration) -> u64 {
        let since = (self.began + now).duration_since(SystemTime::UNIX_EPOCH);
        u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_time_ms(&self) -> u64 {
        self.unix_ms(self.now)
    }

    /// Let time pass until something happens. Whether anything can.
    fn pass_time(&mut self) -> bool {
        while let Some(((time, _), alarm)) = self.alarms.pop_first() {
            match alarm {
                Alarm::Timer(token) => self.push(Event::Completed(token, Outcome::Done)),
                Alarm::Object(object) => self.object_alarm_is_due(object, time),
                Alarm::CloseTimeout(id) if self.ends.waits_for_close(id) => self.ends.lose(id),
                // The Close has come in time: no reason for time to pass.
                Alarm::CloseTimeout(_) => continue,
            }
            self.now = self.now.max(time);
            return true;
        }
        false
    }
}

/// The next batch: what has happened, else what happens next as time passes. Empty if nothing can happen any more.
pub(crate) fn next_batch() -> Vec<Delivery> {
    host(|host| {
        loop {
            let now_ms = host.unix_time_ms();
            let has_answered = host.ends.collect(&mut host.events, BATCH_EVENTS, now_ms);
            if !host.events.is_empty() {
                let count = host.events.len().min(BATCH_EVENTS);
                return host.events.drain(..count).collect();
            }
            if !has_answered && !host.pass_time() {
                return Vec::new();
            }
        }
    })
}

/// An instance begins.
pub(crate) fn start() {
    host(|host| host.push(Event::Start(None)));
}

/// The end of the process.
pub(crate) fn clear() {
    // Dropped outside the borrow: the sockets of responses that nobody took call back.
    drop(HOST.with(RefCell::take));
}

pub(crate) fn set_var(name: &str, value: &str) {
    host(|host| host.variables.insert(name.to_owned(), value.to_owned()));
}

pub(crate) fn var(name: &str) -> Option<String> {
    host(|host| host.variables.get(name).cloned())
}

pub(crate) fn now() -> u64 {
    host(|host| u64::try_from(host.now.as_nanos()).unwrap_or(u64::MAX))
}

pub(crate) fn start_timer(delay_ms: u64) -> Result<u64> {
    Ok(host(|host| {
        let token = host.count();
        host.set_alarm(Duration::from_millis(delay_ms), Alarm::Timer(token));
        token
    }))
}

pub(crate) fn cancel(token: u64) {
    host(|host| host.alarms.retain(|_, alarm| *alarm != Alarm::Timer(token)));
}

/// Milliseconds since 1970.
pub(crate) fn unix_time_ms() -> u64 {
    host(|host| host.unix_time_ms())
}

pub(crate) fn pair() -> Result<(Socket, Socket)> {
    let (first, second) = host(|host| {
        let (first, second) = (host.count(), host.count());
        host.ends.add_pair(first, second);
        (first, second)
    });
    Ok((Socket(first), Socket(second)))
}

/// A handle of an end that the worker holds.
#[expect(clippy::unnecessary_wraps, reason = "the interface of the other host")]
pub(crate) fn socket(id: u64) -> Option<Socket> {
    Some(Socket(id))
}

/// The connection of this end breaks: both ends are told with 1006.
pub(crate) fn disconnect(id: u64) {
    host(|host| host.ends.lose(id));
}

/// This end breaks the protocol: it gets a Close with 1002, and the other end an error.
pub(crate) fn break_protocol(id: u64) {
    host(|host| host.ends.fail(id));
}
