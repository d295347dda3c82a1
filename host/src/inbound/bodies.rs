//! Owns how much memory the bodies of HTTP requests and responses take together, and who gives way when it is too much:
//! requests leave half of it to responses, and of the responses those whose clients have taken nothing for longest go first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::Exchange;
use crate::config::{Limits, millis};
use crate::counters::Counters;
use crate::quota::{Charge, Quota, steps};

/// The bodies under way.
#[derive(Debug)]
pub(crate) struct Bodies {
    responses: Arc<Quota>,
    requests: Arc<Quota>,
    /// A client that has taken nothing for so long gives way to others.
    patience: Duration,
    stalled: Mutex<BTreeMap<Key, Entry>>,
    counters: Arc<Counters>,
}

/// Since when a client has taken nothing. The address of its exchange tells apart those of the same time.
type Key = (Instant, usize);

#[derive(Debug)]
struct Entry {
    exchange: Arc<Exchange>,
    waker: Option<Waker>,
}

impl Bodies {
    /// Within the total of the process.
    pub(crate) fn new(total: &Arc<Quota>, limits: &Limits, counters: &Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            counters: Arc::clone(counters),
            responses: Arc::clone(total),
            requests: total.part(total.max() / 2),
            patience: millis(limits.response_stall_ms) / 10,
            stalled: Mutex::default(),
        })
    }

    /// For the body of a request that is about to come in.
    pub(crate) fn request(&self) -> Charge {
        Charge::on(&self.requests)
    }

    /// Make a request's charge so large; false if there is no room for it.
    pub(crate) fn grow(&self, charge: &mut Charge, bytes: u64) -> bool {
        let more = steps(bytes).saturating_sub(charge.bytes());
        if more == 0 {
            return true;
        }
        if self.requests.used() + more > self.requests.max() {
            // Requests have their half: no response can make room for them.
            self.counters.bodies_refused.add(1);
            return false;
        }
        let grown = self.with_room(|| charge.try_grow(more).then_some(()));
        grown.is_some()
    }

    /// Charge the body of a response, for as long as it is written; false if there is no room for it.
    pub(crate) fn keep(&self, exchange: &Exchange, bytes: u64) -> bool {
        let bytes = steps(bytes);
        if bytes == 0 {
            return true;
        }
        let charge = self.with_room(|| Charge::of(&self.responses, bytes));
        charge.map(|charge| exchange.keep(charge)).is_some()
    }

    /// Try, and have clients that take nothing give way while that fails.
    fn with_room<T>(&self, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            let done = attempt();
            if done.is_some() {
                return done;
            }
            if !self.give_up_one() {
                self.counters.bodies_refused.add(1);
                return None;
            }
        }
    }

    /// Give up the response whose client has taken nothing for longest. False if there is none that one may give up.
    fn give_up_one(&self) -> bool {
        let now = Instant::now();
        let mut stalled = self.stalled();
        let Some(first) = stalled.first_entry() else {
            return false;
        };
        if now < first.key().0 + self.patience {
            return false;
        }
        let entry = first.remove();
        drop(stalled);
        // It is given up in any case: what it holds is free as soon as its task runs.
        entry.exchange.release();
        if let Some(waker) = entry.waker {
            waker.wake();
        }
        true
    }

    /// A client is dropped because it has taken nothing.
    pub(super) fn note_dropped(&self) {
        self.counters.stalled_clients.add(1);
    }

    /// A client does not take what is to be written, from now on and until this is dropped.
    pub(super) fn enter_stalled(self: &Arc<Self>, exchange: &Arc<Exchange>) -> Stalled {
        let key = (Instant::now(), Arc::as_ptr(exchange).addr());
        let entry = Entry {
            exchange: Arc::clone(exchange),
            waker: None,
        };
        self.stalled().insert(key, entry);
        Stalled {
            bodies: Arc::clone(self),
            key,
        }
    }

    fn stalled(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that takes nothing.
#[derive(Debug)]
pub(super) struct Stalled {
    bodies: Arc<Bodies>,
    key: Key,
}

impl Stalled {
    /// Ready when its response is given up for the sake of others.
    pub(super) fn poll_given_up(&self, cx: &Context<'_>) -> Poll<()> {
        let mut stalled = self.bodies.stalled();
        let Some(entry) = stalled.get_mut(&self.key) else {
            return Poll::Ready(());
        };
        match &mut entry.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => entry.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        self.bodies.stalled().remove(&self.key);
    }
}
