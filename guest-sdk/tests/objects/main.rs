//! What durable objects do, told through the interface alone: the Hibernation contract of `wit/README.md`.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod life;
mod room;
mod sockets;

use pairway::*;
use std::cell::RefCell;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    /// What handlers have to tell.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Of the room that woke last.
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

fn log(line: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(line.into()));
}

fn take_log() -> Vec<String> {
    LOG.take()
}
