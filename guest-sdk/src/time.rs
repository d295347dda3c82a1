//! Owns time: [`sleep`], [`interval`], [`timeout`]. All of them share one timer of the host, always that of the next
//! deadline, so that a worker may have as many as it likes and a `sleep` cannot fail.

use crate::error::{Error, Result};
use crate::sys;
use futures_core::Stream;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// When, and which of those that are due at the same time.
type Key = (Duration, u64);

#[derive(Default)]
struct Clock {
    /// Who sleeps. A sleeper that nobody has polled yet has no waker.
    sleepers: BTreeMap<Key, Option<Waker>>,
    next: u64,
    /// The host's timer that runs: its token and its time.
    armed: Option<(u64, Duration)>,
}

thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::default();
}

impl Clock {
    fn add(&mut self, delay: Duration) -> Key {
        let now = sys::now();
        let key = (now.saturating_add(delay), self.next);
        self.next += 1;
        self.sleepers.insert(key, None);
        self.arm(now);
        key
    }

    fn remove(&mut self, key: Key) {
        // The timer may stay for a later sleeper, but with none it would keep the instance from its rest.
        if self.sleepers.remove(&key).is_some() && self.sleepers.is_empty() {
            self.disarm();
        }
    }

    fn disarm(&mut self) {
        if let Some((token, _)) = self.armed.take() {
            sys::cancel(token);
        }
    }

    /// Have the host's timer run for the first sleeper.
    fn arm(&mut self, now: Duration) {
        let Some((&(deadline, _), _)) = self.sleepers.first_key_value() else {
            return;
        };
        if self.armed.is_some_and(|(_, time)| time <= deadline) {
            return;
        }
        self.disarm();
        let delay = nanos(deadline.saturating_sub(now)).div_ceil(1_000_000);
        let started = match sys::start_timer(delay) {
            // It will go off too early, and be started anew.
            Err(Error::TimeoutTooLong(limit)) => sys::start_timer(limit),
            other => other,
        };
        match started {
            Ok(token) => self.armed = Some((token, deadline)),
            Err(error) => crate::log::error(format_args!("no timer: {error}")),
        }
    }

    /// A timer of the host went off. Takes out who is due, to be woken when no borrow is held.
    fn fire(&mut self, token: u64) -> Vec<Waker> {
        if self.armed.is_none_or(|armed| armed.0 != token) {
            return Vec::new();
        }
        self.armed = None;
        let now = sys::now();
        let later = self
            .sleepers
            .split_off(&(now.saturating_add(Duration::from_nanos(1)), 0));
        let due = std::mem::replace(&mut self.sleepers, later);
        self.arm(now);
        due.into_values().flatten().collect()
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
    CLOCK.with(RefCell::take);
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
    key: Key,
}

impl Sleep {
    pub(crate) fn new(duration: Duration) -> Self {
        Self {
            key: CLOCK.with(|clock| clock.borrow_mut().add(duration)),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        CLOCK.with(
            |clock| match clock.borrow_mut().sleepers.get_mut(&self.key) {
                // Taken out because it was due.
                None => Poll::Ready(()),
                Some(waker) => {
                    if waker
                        .as_ref()
                        .is_none_or(|waker| !waker.will_wake(cx.waker()))
                    {
                        *waker = Some(cx.waker().clone());
                    }
                    Poll::Pending
                }
            },
        )
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // Gone only while the thread ends.
        let _gone = CLOCK.try_with(|clock| clock.borrow_mut().remove(self.key));
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
    let period = period.max(Duration::from_millis(1));
    Interval {
        period,
        next: Sleep::new(period),
    }
}

/// Made by [`interval`].
#[derive(Debug)]
pub struct Interval {
    period: Duration,
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
        let (late, period) = (
            nanos(sys::now().saturating_sub(self.next.key.0)),
            nanos(self.period),
        );
        self.next = Sleep::new(Duration::from_nanos(period - late % period));
        Poll::Ready(())
    }
}

impl Stream for Interval {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_tick(cx).map(Some)
    }
}

/// Five hundred years at most, in what divides without 128 bits.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Wait for a future, but no longer than this.
///
/// # Errors
///
/// [`Error::Elapsed`] if the time ran out. The future is dropped then.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Result<T> {
    let (mut future, mut sleep) = (pin!(future), pin!(Sleep::new(duration)));
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        sleep.as_mut().poll(cx).map(|()| Err(Error::Elapsed))
    })
    .await
}
