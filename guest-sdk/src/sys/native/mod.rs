//! Owns the host that tests run against: in memory, on one thread, with time of its own. It keeps the contracts of
//! `wit/README.md` for what the SDK offers; what an instance costs, and when it ends, it does not know.

mod ends;
mod requests;

use super::{Event, Payload};
use crate::close::{self, ReadyState};
use crate::error::{Error, Result};
use ends::{Ends, Item};
use requests::{RawResponse, Requests};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) use requests::{open_request, take_response, upgrade_headers};

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
}

#[derive(Default)]
struct Host {
    now: Duration,
    /// For ids, tokens and the order of alarms that are due at the same time.
    counter: u64,
    alarms: BTreeMap<(Duration, u64), Alarm>,
    events: VecDeque<Event>,
    ends: Ends,
    requests: Requests,
    variables: BTreeMap<String, String>,
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

    /// Let time pass until something happens. Whether anything can.
    fn pass_time(&mut self) -> bool {
        while let Some(((time, _), alarm)) = self.alarms.pop_first() {
            match alarm {
                Alarm::Timer(token) => self.events.push_back(Event::Timer(token)),
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
pub(crate) fn next_batch() -> Vec<Event> {
    host(|host| {
        loop {
            host.ends.collect(&mut host.events, BATCH_EVENTS);
            if !host.events.is_empty() {
                let count = host.events.len().min(BATCH_EVENTS);
                return host.events.drain(..count).collect();
            }
            if !host.pass_time() {
                return Vec::new();
            }
        }
    })
}

/// An instance begins.
pub(crate) fn start() {
    host(|host| host.events.push_back(Event::Start));
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

pub(crate) fn respond(
    id: u64,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    socket: Option<Socket>,
) -> Result<()> {
    requests::respond(
        id,
        RawResponse {
            status,
            headers,
            body,
            socket,
        },
    )
}

pub(crate) fn pair() -> Result<(Socket, Socket)> {
    let (first, second) = host(|host| {
        let (first, second) = (host.count(), host.count());
        host.ends.add_pair(first, second);
        (first, second)
    });
    Ok((Socket(first), Socket(second)))
}

/// The connection of this end breaks: both ends are told with 1006.
pub(crate) fn disconnect(id: u64) {
    host(|host| host.ends.lose(id));
}

/// This end breaks the protocol: it gets a Close with 1002, and the other end an error.
pub(crate) fn break_protocol(id: u64) {
    host(|host| host.ends.fail(id));
}

/// A handle of an end. The host's entry outlives it.
#[derive(Debug)]
pub(crate) struct Socket(u64);

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone only while the thread ends.
        let _gone = HOST.try_with(|host| {
            if let Ok(mut host) = host.try_borrow_mut() {
                host.ends.drop_handle(self.0);
            }
        });
    }
}

impl Socket {
    pub(crate) fn id(&self) -> u64 {
        self.0
    }

    pub(crate) fn accept(&self, half_open: bool) -> Result<()> {
        host(|host| host.ends.accept(self.0, half_open));
        Ok(())
    }

    pub(crate) fn send(&self, payload: Payload<'_>) -> Result<()> {
        host(|host| host.ends.send(self.0, payload))
    }

    pub(crate) fn close(&self, code: Option<u16>, reason: Option<&str>) -> Result<()> {
        check_close(code, reason)?;
        let frame = code.map(|code| (code, reason.unwrap_or_default().to_owned()));
        host(|host| {
            if host.ends.close(self.0, Item::Close(frame))? {
                host.set_alarm(CLOSE_TIMEOUT, Alarm::CloseTimeout(self.0));
            }
            Ok(())
        })
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        host(|host| host.ends.ready_state(self.0))
    }

    /// Pairs have none; there are no other sockets here.
    #[expect(clippy::unused_self, reason = "the interface of the other host")]
    pub(crate) fn url(&self) -> Option<String> {
        None
    }

    #[expect(clippy::unused_self, reason = "the interface of the other host")]
    pub(crate) fn protocol(&self) -> String {
        String::new()
    }

    #[expect(clippy::unused_self, reason = "the interface of the other host")]
    pub(crate) fn extensions(&self) -> String {
        String::new()
    }

    pub(crate) fn buffered_amount(&self) -> u64 {
        host(|host| host.ends.buffered_amount(self.0))
    }

    pub(crate) fn is_writable(&self) -> bool {
        host(|host| host.ends.is_writable(self.0))
    }

    pub(crate) fn pause(&self) {
        host(|host| host.ends.pause(self.0, true));
    }

    pub(crate) fn resume(&self) {
        host(|host| host.ends.pause(self.0, false));
    }

    pub(crate) fn attachment(&self) -> Option<Vec<u8>> {
        host(|host| host.ends.attachment(self.0))
    }

    pub(crate) fn set_attachment(&self, value: Option<&[u8]>) -> Result<()> {
        host(|host| host.ends.set_attachment(self.0, value))
    }

    pub(crate) fn request_uri(&self) -> Option<String> {
        host(|host| host.ends.request_uri(self.0))
    }
}

/// The Close contract's rules for what may be sent.
fn check_close(code: Option<u16>, reason: Option<&str>) -> Result<()> {
    match (code, reason) {
        (Some(code), _) if !close::is_sendable(code) => Err(Error::InvalidCloseCode(code)),
        (None, Some(_)) => Err(Error::InvalidCloseReason(
            "a reason takes a code".to_owned(),
        )),
        (_, Some(reason)) if reason.len() > 123 => {
            Err(Error::InvalidCloseReason("over 123 bytes".to_owned()))
        }
        _ => Ok(()),
    }
}
