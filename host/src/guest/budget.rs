//! Owns what one call into an instance may use: CPU time, by the epoch clock, and time on the wall; and what it means
//! when a call ends badly.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Sleep;
use wasmtime::{Store, Trap, UpdateDeadline};

use super::engine::{Clock, TICK};
use super::store::GuestState;
use crate::error::Fault;
use crate::printable::{self, Printable};

/// Ticks that a turn runs before it yields: with fewer than two a tick that falls into a short turn makes
/// it yield with its session locked, and everyone queues behind it (half again the cost of a message).
const TICKS_BEFORE_YIELD: u64 = 2;

/// When the turn under way last got its thread, in ticks.
pub(crate) type Since = Arc<AtomicU64>;

/// Have each call yield now and then, and end when its budget is used up. What the host does for the guest counts as well:
/// it runs on the same thread, and delays the next look at the time.
pub(super) fn divide(store: &mut Store<GuestState>, clock: &Arc<Clock>) {
    let clock = Arc::clone(clock);
    store.epoch_deadline_callback(move |mut store| {
        let state = store.data_mut();
        let spent = clock
            .now()
            .saturating_sub(state.since.load(Ordering::Relaxed));
        state.ticks_left = state
            .ticks_left
            .saturating_sub(spent.max(TICKS_BEFORE_YIELD));
        Ok(if state.ticks_left == 0 {
            UpdateDeadline::Interrupt
        } else {
            let (clock, since) = (Arc::clone(&clock), Arc::clone(&state.since));
            let yielding = Box::pin(async move {
                // Tokio's own, behind which it looks for what has come over the network; a task that only wakes itself is run
                // 61 times before it does.
                tokio::task::yield_now().await;
                since.store(clock.now(), Ordering::Relaxed);
            });
            UpdateDeadline::YieldCustom(TICKS_BEFORE_YIELD, yielding)
        })
    });
}

/// A call did not end in time.
pub(super) struct TooLong;

/// Run a call to its end, but for no longer than this. Most calls end at their first poll, so that the clock
/// is asked for the time only when one does not.
///
/// Dropping the call is safe only because the store is dropped with it, which is what a fault leads to.
pub(super) async fn within<T>(
    time: Duration,
    mut call: Pin<&mut impl Future<Output = T>>,
) -> Result<T, TooLong> {
    let mut sleep: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if let Poll::Ready(done) = call.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        sleep.as_mut().poll(cx).map(|()| Err(TooLong))
    })
    .await
}

/// Give the coming call its CPU budget.
pub(super) fn allow_cpu(store: &mut Store<GuestState>, clock: &Clock) {
    let state = store.data_mut();
    state.since.store(clock.now(), Ordering::Relaxed);
    let tick_ms = u64::try_from(TICK.as_millis()).expect("a tick is a few milliseconds");
    state.ticks_left = state
        .host
        .limits
        .turn_cpu_ms
        .div_ceil(tick_ms)
        .max(TICKS_BEFORE_YIELD);
    store.set_epoch_deadline(TICKS_BEFORE_YIELD);
}

impl GuestState {
    /// Take from the call's budget the time in which another thread worked for it. What the call waited for beyond that costs it
    /// nothing.
    pub(super) fn spend_cpu(&mut self, time: Duration) -> wasmtime::Result<()> {
        let ticks = u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
        self.ticks_left = self.ticks_left.saturating_sub(ticks);
        if ticks > 0 && self.ticks_left == 0 {
            return Err(Trap::Interrupt.into());
        }
        Ok(())
    }
}

/// What an error of wasmtime means for the user of the worker.
pub(super) fn fault(store: &Store<GuestState>, error: &wasmtime::Error) -> Fault {
    let limits = &store.data().host.limits;
    if let Some(Trap::Interrupt) = error.downcast_ref::<Trap>() {
        return Fault::CpuTime(limits.turn_cpu_ms);
    }
    if let Some(fault) = store.data().memory.fault() {
        return fault;
    }
    tracing::debug!(target: "pairway::worker", "{}", Printable(format_args!("{error:?}")));
    Fault::Trap(printable::cut(error.root_cause().to_string()))
}
