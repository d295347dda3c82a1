//! Owns what may be kept: quotas of bytes, one within another, and the charges on them, which are given back when they are
//! dropped. Knows nothing of what is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, Semaphore};

use crate::config::{Limits, size};
use crate::counters::{Counter, Counters};

/// So many bytes may be kept at a time.
#[derive(Debug)]
pub(crate) struct Quota {
    max: u64,
    used: Gauge,
    /// What is charged here is charged there as well.
    within: Option<Arc<Self>>,
    /// Somebody has been refused since the quota was last relieved,
    is_pressed: AtomicBool,
    /// and has less than a fair share of it.
    is_unfair: AtomicBool,
    pressed: Notify,
    relieved: Arc<Notify>,
}

/// Where it stands how much is kept.
#[derive(Debug)]
enum Gauge {
    Own(Counter),
    /// Among the numbers of the server.
    Public(Arc<Counters>, fn(&Counters) -> &Counter),
}

impl std::ops::Deref for Gauge {
    type Target = Counter;

    fn deref(&self) -> &Counter {
        match self {
            Self::Own(counter) => counter,
            Self::Public(counters, of) => of(counters),
        }
    }
}

impl Quota {
    #[cfg(test)]
    pub(crate) fn new(max: u64) -> Arc<Self> {
        Self::bounded(max, Gauge::Own(Counter::default()), None)
    }

    /// One of the process, of which the server's numbers tell how much is kept.
    fn of_process(max: u64, counters: &Arc<Counters>, of: fn(&Counters) -> &Counter) -> Arc<Self> {
        Self::bounded(max, Gauge::Public(Arc::clone(counters), of), None)
    }

    /// A part of this quota, with a bound of its own.
    pub(crate) fn part(self: &Arc<Self>, max: u64) -> Arc<Self> {
        Self::bounded(max, Gauge::Own(Counter::default()), Some(Arc::clone(self)))
    }

    fn bounded(max: u64, used: Gauge, within: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            max,
            used,
            within,
            is_pressed: AtomicBool::new(false),
            is_unfair: AtomicBool::new(false),
            pressed: Notify::new(),
            relieved: Arc::default(),
        })
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.get()
    }

    /// Whether the bound is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.used() >= self.max
    }

    /// Whether so many more bytes would be taken.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.used().saturating_add(bytes) <= self.max
            && self
                .within
                .as_ref()
                .is_none_or(|within| within.has_room(bytes))
    }

    /// Charge bytes, or note that there is no room for them.
    pub(crate) fn try_take(&self, bytes: u64) -> bool {
        let before = self.used.add_to(bytes);
        let has_room = before.saturating_add(bytes) <= self.max;
        if has_room
            && self
                .within
                .as_ref()
                .is_none_or(|within| within.try_take(bytes))
        {
            return true;
        }
        self.used.sub(bytes);
        if !has_room {
            self.press();
        }
        false
    }

    /// Charge bytes that are there already. Beyond the bound somebody is told.
    pub(crate) fn take(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let before = self.used.add_to(bytes);
        if let Some(within) = &self.within {
            within.take(bytes);
        }
        if before.saturating_add(bytes) > self.max {
            self.press();
        }
    }

    /// Give bytes back.
    pub(crate) fn give(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.used.sub(bytes);
        if let Some(within) = &self.within {
            within.give(bytes);
        }
    }

    /// There is no room: whoever can make some is told.
    pub(crate) fn press(&self) {
        if !self.is_pressed.swap(true, Ordering::Relaxed) {
            self.pressed.notify_one();
        }
    }

    /// There is no room for somebody who has less than a fair share: those who have more are to make some.
    pub(crate) fn press_for_share(&self) {
        self.is_unfair.store(true, Ordering::Relaxed);
        self.press();
    }

    /// Wait until there is no room for somebody. Gives whether those who have more than a fair share are to make some.
    pub(crate) async fn pressed(&self) -> bool {
        self.pressed.notified().await;
        self.is_unfair.swap(false, Ordering::Relaxed)
    }

    /// What could be done to make room is done.
    pub(crate) fn relieved(&self) {
        self.is_pressed.store(false, Ordering::Relaxed);
        self.relieved.notify_waiters();
    }

    /// Wait until what could be done to make room is done, from now on.
    pub(crate) fn is_relieved(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        Arc::clone(&self.relieved).notified_owned()
    }
}

/// Bytes that are charged on a quota, until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    quota: Arc<Quota>,
    bytes: u64,
}

impl Charge {
    /// No bytes yet.
    pub(crate) fn on(quota: &Arc<Quota>) -> Self {
        Self {
            quota: Arc::clone(quota),
            bytes: 0,
        }
    }

    /// So many bytes; `None` if there is no room for them.
    pub(crate) fn of(quota: &Arc<Quota>, bytes: u64) -> Option<Self> {
        let mut charge = Self::on(quota);
        charge.try_grow(bytes).then_some(charge)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Charge more. False, and as before, if there is no room.
    pub(crate) fn try_grow(&mut self, bytes: u64) -> bool {
        let has_room = self.quota.try_take(bytes);
        if has_room {
            self.bytes += bytes;
        }
        has_room
    }

    /// Charge so many instead, of what is there already.
    pub(crate) fn set(&mut self, bytes: u64) {
        if bytes > self.bytes {
            self.quota.take(bytes - self.bytes);
        } else {
            self.quota.give(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.quota.give(self.bytes);
    }
}

/// What is kept up to here, or beyond a step, is not charged: it is little, and charging costs time.
const STEP: u64 = 4096;

/// Bytes that come and go in small pieces. Charged in steps, the first of which is free.
#[derive(Debug)]
pub(crate) struct Meter {
    charge: Charge,
    /// Charged in any case.
    base: u64,
    used: u64,
}

impl Meter {
    pub(crate) fn on(quota: &Arc<Quota>) -> Self {
        Self::with_base(quota, 0)
    }

    /// For something that itself takes so many bytes, which are there already.
    pub(crate) fn with_base(quota: &Arc<Quota>, base: u64) -> Self {
        let mut charge = Charge::on(quota);
        charge.set(base);
        Self {
            charge,
            base,
            used: 0,
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    fn wanted(&self, used: u64) -> u64 {
        self.base + steps(used)
    }

    /// Whether so many more bytes would be taken.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let quota = &self.charge.quota;
        let more = self
            .wanted(self.used + bytes)
            .saturating_sub(self.charge.bytes);
        more == 0 || quota.has_room(more)
    }

    /// Add bytes. False, and as before, if there is no room.
    pub(crate) fn try_add(&mut self, bytes: u64) -> bool {
        let wanted = self.wanted(self.used + bytes);
        let more = wanted.saturating_sub(self.charge.bytes);
        let has_room = more == 0 || self.charge.try_grow(more);
        if has_room {
            self.used += bytes;
        }
        has_room
    }

    /// Add bytes that are there already.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.used += bytes;
        let wanted = self.wanted(self.used);
        if wanted > self.charge.bytes {
            self.charge.set(wanted);
        }
    }

    /// Take bytes away, as many as there are at most.
    pub(crate) fn sub(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
        let wanted = self.wanted(self.used);
        if wanted < self.charge.bytes {
            self.charge.set(wanted);
        }
    }

    /// Charge another quota from now on.
    pub(crate) fn move_to(&mut self, quota: &Arc<Quota>) {
        let mut moved = Self::with_base(quota, self.base);
        moved.add(self.used);
        *self = moved;
    }
}

/// What is charged for so many bytes.
pub(crate) fn steps(bytes: u64) -> u64 {
    match bytes {
        0..=STEP => 0,
        more => more.next_multiple_of(STEP),
    }
}

/// The quotas of the process.
#[derive(Debug)]
pub(crate) struct Totals {
    /// Linear memory of instances.
    pub(crate) guests: Arc<Quota>,
    /// What the host keeps for instances.
    pub(crate) host: Arc<Quota>,
    /// Messages that wait for slow clients.
    pub(crate) outboxes: Arc<Quota>,
    /// Received messages that wait for workers.
    pub(crate) held: Arc<Quota>,
    /// Bodies of HTTP requests and responses.
    pub(crate) bodies: Arc<Quota>,
    /// Who may inflate a long message.
    pub(crate) inflating: Semaphore,
}

impl Totals {
    pub(crate) fn new(limits: &Limits, counters: &Arc<Counters>) -> Self {
        let quota = |max, of| Quota::of_process(max, counters, of);
        Self {
            guests: quota(limits.guests_total_bytes, |of| &of.guest_bytes_live),
            host: quota(limits.host_total_bytes, |of| &of.host_bytes_live),
            outboxes: quota(limits.outbox_total_bytes, |of| &of.outbox_bytes_live),
            held: quota(limits.held_total_bytes, |of| &of.held_bytes_live),
            bodies: quota(limits.body_total_bytes, |of| &of.body_bytes_live),
            inflating: Semaphore::new(size(limits.inflating).min(Semaphore::MAX_PERMITS)),
        }
    }
}

#[cfg(test)]
impl Totals {
    /// Totals of their own for a test.
    pub(crate) fn testing() -> Arc<Self> {
        Arc::new(Self::new(&Limits::default(), &Arc::default()))
    }
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
