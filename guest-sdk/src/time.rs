//! Owns time: [`sleep`], [`interval`], [`timeout`]. All of them share one timer of the host, always that of the next
//! deadline, so that a worker may have as many as it likes and a `sleep` cannot fail.

use crate::error::{Error, Result};
#[cfg(not(target_family = "wasm"))]
use crate::task::Owner;
use crate::{log, sys};
use futures_core::Stream;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Nanoseconds, which divide without 128 bits.
type Nanos = u64;

/// An entry of the queue: the deadline, then the age, for those that are due at the same time; then the slot.
type Entry = Reverse<(Nanos, u64, usize)>;

/// Somebody who sleeps. A slot is used again; its entry tells whose it is by the age.
struct Sleeper {
    age: u64,
    #[cfg(not(target_family = "wasm"))]
    owner: Owner,
    due: bool,
    /// Nobody has polled yet if there is none.
    waker: Option<Waker>,
}

struct Clock {
    sleepers: Vec<Sleeper>,
    free: Vec<usize>,
    /// Those who gave up stay in it until they are due, or are more than the others.
    queue: BinaryHeap<Entry>,
    /// How many in the queue still sleep.
    waiting: usize,
    last_age: u64,
    /// The host's timer that runs: its token and its time.
    armed: Option<(u64, Nanos)>,
}

thread_local! {
    static CLOCK: RefCell<Clock> = const { RefCell::new(Clock::new()) };
}

impl Clock {
    const fn new() -> Self {
        Self {
            sleepers: Vec::new(),
            free: Vec::new(),
            queue: BinaryHeap::new(),
            waiting: 0,
            last_age: 0,
            armed: None,
        }
    }

    fn add(&mut self, delay: Nanos) -> Sleep {
        let now = sys::now();
        self.last_age += 1;
        let (age, deadline) = (self.last_age, now.saturating_add(delay));
        let sleeper = Sleeper {
            age,
            #[cfg(not(target_family = "wasm"))]
            owner: Owner::now(),
            due: false,
            waker: None,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.sleepers[slot] = sleeper;
                slot
            }
            None => {
                self.sleepers.push(sleeper);
                self.sleepers.len() - 1
            }
        };
        self.queue.push(Reverse((deadline, age, slot)));
        self.waiting += 1;
        self.arm(now);
        Sleep { slot, deadline }
    }

    /// Free a slot. Gives back the waker, to be dropped when no borrow is held.
    fn remove(&mut self, slot: usize) -> Option<Waker> {
        let sleeper = &mut self.sleepers[slot];
        sleeper.age = 0;
        self.free.push(slot);
        if !sleeper.due {
            self.waiting -= 1;
            if self.waiting == 0 {
                // With nobody left a timer would only keep the instance from its rest.
                self.queue.clear();
                self.disarm();
            } else if self.queue.len() > 2 * self.waiting + 64 {
                let sleepers = &self.sleepers;
                self.queue
                    .retain(|Reverse((_, age, slot))| sleepers[*slot].age == *age);
            }
        }
        self.sleepers[slot].waker.take()
    }

    fn disarm(&mut self) {
        if let Some((token, _)) = self.armed.take() {
            sys::cancel(token);
        }
    }

    /// Have the host's timer run for the first in the queue.
    fn arm(&mut self, now: Nanos) {
        let Some(&Reverse((deadline, _, _))) = self.queue.peek() else {
            return;
        };
        if self.armed.is_some_and(|(_, time)| time <= deadline) {
            return;
        }
        self.disarm();
        let delay_ms = deadline.saturating_sub(now).div_ceil(1_000_000);
        let started = match sys::start_timer(delay_ms) {
            // It will go off too early, and be started anew.
            Err(Error::TimeoutTooLong(limit)) => sys::start_timer(limit),
            other => other,
        };
        match started {
            Ok(token) => self.armed = Some((token, deadline)),
            Err(error) => log::error("no timer", &error),
        }
    }

    /// A timer of the host went off. Takes out who is due, to be woken when no borrow is held.
    fn fire(&mut self, token: u64) -> Vec<Waker> {
        let mut due = Vec::new();
        if self.armed.is_none_or(|armed| armed.0 != token) {
            return due;
        }
        self.armed = None;
        let now = sys::now();
        while let Some(&Reverse((deadline, age, slot))) = self.queue.peek()
            && deadline <= now
        {
            self.queue.pop();
            let sleeper = &mut self.sleepers[slot];
            if sleeper.age == age {
                sleeper.due = true;
                self.waiting -= 1;
                due.extend(sleeper.waker.take());
            }
        }
        self.arm(now);
        due
    }
}

/// A timer of the host went off.
pub(crate) fn on_timer(token: u64) {
    let due = CLOCK.with(|clock| clock.borrow_mut().fire(token));
    due.into_iter().for_each(Waker::wake);
}

/// Forget every sleeper, as the end of an instance does.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn clear() {
    CLOCK.with(|clock| clock.replace(Clock::new()));
}

/// Whether a task of theirs sleeps.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn sleeps(owner: Owner) -> bool {
    CLOCK.with_borrow(|clock| {
        let mut sleepers = clock.sleepers.iter();
        sleepers.any(|sleeper| sleeper.age > 0 && !sleeper.due && sleeper.owner == owner)
    })
}

/// Five hundred years at most.
fn nanos(duration: Duration) -> Nanos {
    duration
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(duration.subsec_nanos()))
}

/// As the host counts what is short. What is more than can be said is over every limit.
pub(crate) fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Wait so long. The time runs from the call, not from the first poll.
///
/// ```
/// # use pairway::*;
/// # use std::time::Duration;
/// # testing::run(async {
/// sleep(Duration::from_secs(3600)).await; // no time at all in a test: there it is virtual
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(duration)
}

/// The future of [`sleep`].
#[derive(Debug)]
pub struct Sleep {
    slot: usize,
    deadline: Nanos,
}

impl Sleep {
    pub(crate) fn new(duration: Duration) -> Self {
        Self::of(nanos(duration))
    }

    fn of(delay: Nanos) -> Self {
        CLOCK.with(|clock| clock.borrow_mut().add(delay))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The waker before this one is dropped when no borrow is held.
        let (poll, _old) = CLOCK.with(|clock| {
            let sleeper = &mut clock.borrow_mut().sleepers[self.slot];
            match &sleeper.waker {
                _ if sleeper.due => (Poll::Ready(()), None),
                Some(waker) if waker.will_wake(cx.waker()) => (Poll::Pending, None),
                _ => (Poll::Pending, sleeper.waker.replace(cx.waker().clone())),
            }
        });
        poll
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // Gone only while the thread ends, or with the test that it is left over from.
        let _waker = CLOCK.try_with(|clock| {
            let mut clock = clock.borrow_mut();
            (self.slot < clock.sleepers.len()).then(|| clock.remove(self.slot))
        });
    }
}

/// [`sleep`] under its name in workers-rs: `Delay::from(duration).await`.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Delay(Sleep);

impl From<Duration> for Delay {
    fn from(duration: Duration) -> Self {
        Self(Sleep::new(duration))
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// Something that happens again and again: first when one period has passed, and then once a period. A stream, and
/// [`Interval::tick`].
///
/// A worker that is late gets one tick for all that it missed. A period below one millisecond is one millisecond.
pub fn interval(period: Duration) -> Interval {
    let period = nanos(period).max(1_000_000);
    Interval {
        period,
        next: Sleep::of(period),
    }
}

/// Made by [`interval`].
#[derive(Debug)]
pub struct Interval {
    period: Nanos,
    next: Sleep,
}

impl Interval {
    /// Wait for the next tick. Dropping the future loses none.
    pub async fn tick(&mut self) {
        poll_fn(|cx| self.poll_tick(cx)).await;
    }

    fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Poll::Ready(()) = Pin::new(&mut self.next).poll(cx) else {
            return Poll::Pending;
        };
        // From when it was due and not from now, so that delays do not add up; what was missed is left out.
        let late = sys::now().saturating_sub(self.next.deadline);
        self.next = Sleep::of(self.period - late % self.period);
        Poll::Ready(())
    }
}

impl Stream for Interval {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_tick(cx).map(Some)
    }
}

/// Wait for a future, but no longer than this.
///
/// # Errors
///
/// [`Error::Elapsed`] if the time ran out. The future is dropped then.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Result<T> {
    let outcome = within(Some(duration), future).await;
    outcome.ok_or(Error::Elapsed)
}

/// Wait for a future, but no longer than this if there is a bound; `None` if it ran out. A future that is ready at
/// once costs no timer.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let (mut future, mut sleep) = (pin!(future), None);
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        let Some(limit) = limit else {
            return Poll::Pending;
        };
        let sleep = sleep.get_or_insert_with(|| Sleep::new(limit));
        Pin::new(sleep).poll(cx).map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_that_were_given_up_do_not_pile_up_and_the_last_stops_the_timer() {
        let state = || {
            CLOCK.with_borrow(|clock| {
                (
                    clock.queue.len(),
                    clock.sleepers.len(),
                    clock.armed.is_some(),
                )
            })
        };
        let long = sleep(Duration::from_secs(3600));
        for _ in 0..1000 {
            drop(sleep(Duration::from_secs(1)));
        }
        let (queue, slots, armed) = state();
        assert!(
            queue <= 67 && slots == 2 && armed,
            "{queue} {slots} {armed}"
        );
        drop(long);
        assert_eq!(state(), (0, 2, false));
    }
}
