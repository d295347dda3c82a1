//! Owns the operations that the host was asked for and has not finished: from the token in an event to the task that
//! waits. Timers are `time`'s.

use crate::error::Result;
use crate::sys;
#[cfg(not(target_family = "wasm"))]
use crate::task::Owner;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

enum Slot {
    /// Nobody has polled yet if there is no waker.
    Waiting(Option<Waker>),
    Over(Result<sys::Response>),
}

thread_local! {
    static OPERATIONS: RefCell<BTreeMap<u64, Slot>> = const { RefCell::new(BTreeMap::new()) };
    /// Whose each is, in a test.
    #[cfg(not(target_family = "wasm"))]
    static OWNERS: RefCell<BTreeMap<u64, Owner>> = const { RefCell::new(BTreeMap::new()) };
}

/// A request that waits for its response. Dropping it cancels it.
#[derive(Debug)]
pub(crate) struct Operation(u64);

impl Operation {
    /// Wait for what `completed` says of this token.
    pub(crate) fn new(token: u64) -> Self {
        OPERATIONS.with_borrow_mut(|operations| operations.insert(token, Slot::Waiting(None)));
        #[cfg(not(target_family = "wasm"))]
        OWNERS.with_borrow_mut(|owners| owners.insert(token, Owner::now()));
        Self(token)
    }
}

impl Future for Operation {
    type Output = Result<sys::Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The waker before this one is dropped when no borrow is held.
        let (poll, _old) =
            OPERATIONS.with_borrow_mut(|operations| match operations.remove(&self.0) {
                Some(Slot::Over(outcome)) => (Poll::Ready(outcome), None),
                other => {
                    let waiting = Slot::Waiting(Some(cx.waker().clone()));
                    operations.insert(self.0, waiting);
                    (Poll::Pending, other)
                }
            });
        poll
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // Gone only while the thread ends. Once it is over its slot is gone too.
        let slot = OPERATIONS.try_with(|operations| operations.borrow_mut().remove(&self.0));
        if let Ok(Some(Slot::Waiting(_))) = slot {
            sys::cancel(self.0);
        }
    }
}

/// The operation of this token is over. One that nobody waits for any more is dropped.
pub(crate) fn on_completed(token: u64, outcome: Result<sys::Response>) {
    let waiting = OPERATIONS.with_borrow_mut(|operations| {
        let slot = operations.get_mut(&token)?;
        Some(std::mem::replace(slot, Slot::Over(outcome)))
    });
    if let Some(Slot::Waiting(Some(waker))) = waiting {
        waker.wake();
    }
}

/// Whether an operation of theirs is under way.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn is_under_way(of: Owner) -> bool {
    OPERATIONS.with_borrow(|operations| {
        OWNERS.with_borrow(|owners| {
            let mut waiting = operations
                .iter()
                .filter(|(_, slot)| matches!(slot, Slot::Waiting(_)));
            waiting.any(|(token, _)| owners.get(token) == Some(&of))
        })
    })
}

/// Forget every operation, as the end of an instance does.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn clear() {
    // Outside the borrow: the socket of a response calls the host.
    drop(OPERATIONS.take());
    OWNERS.take();
}
