//! Owns how sockets end that a task has let go of: whoever drops the last handle of one says by how it ends itself whether
//! that was a goodbye or a fault. Knows no task.

use crate::sys;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// RFC 6455, 7.4.1: an endpoint that is going away,
const GOING_AWAY: u16 = 1001;
/// and one that could not do what it should.
const FAULT: u16 = 1011;

thread_local! {
    /// Whether somebody waits to see how the task ends that runs.
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    /// Whether it has let go of sockets since it was polled. Most have not, and this is all that is looked at for each message.
    static HAS_LEFT: Cell<bool> = const { Cell::new(false) };
    /// Of which.
    static LEFT: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Run a task. The sockets that it lets go of are closed once it gives way: with 1011 if what it ends with is a fault, else
/// with 1001.
pub(crate) async fn watch<T>(future: impl Future<Output = T>, is_fault: fn(&T) -> bool) -> T {
    let mut future = pin!(Some(future));
    poll_fn(|cx| {
        let is_inner = IS_WATCHED.replace(true);
        let poll = match future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            // Not polled again once it was ready.
            None => Poll::Pending,
        };
        let mut code = GOING_AWAY;
        if let Poll::Ready(value) = &poll {
            // With what it still holds.
            future.set(None);
            if is_fault(value) {
                code = FAULT;
            }
        }
        if !is_inner {
            IS_WATCHED.set(false);
            close_left(code);
        }
        poll
    })
    .await
}

fn close_left(code: u16) {
    if !HAS_LEFT.replace(false) {
        return;
    }
    for id in LEFT.take() {
        if let Some(socket) = sys::socket(id) {
            let _ended_already = socket.close(Some(code), None);
        }
    }
}

/// The last handle of a socket is dropped, which nobody has closed.
pub(crate) fn leave(id: u64, socket: &sys::Socket) {
    // Gone only while the thread ends, and then there is no host either.
    if IS_WATCHED.try_with(Cell::get).unwrap_or(false) {
        HAS_LEFT.set(true);
        LEFT.with_borrow_mut(|left| left.push(id));
    } else {
        let _ended_already = socket.close(Some(GOING_AWAY), None);
    }
}

/// Forget what a task that panicked has left, as the end of an instance does.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn clear() {
    IS_WATCHED.set(false);
    HAS_LEFT.set(false);
    LEFT.take();
}
