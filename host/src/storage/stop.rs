//! Owns how a statement that runs on a thread of its own is told that nobody waits for it any more.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Interrupts the engine, from any thread.
type Interrupt = Box<dyn Fn() + Send + Sync>;

/// Between whoever waits for a statement and the statement.
#[derive(Default)]
pub(crate) struct Stop {
    is_given_up: AtomicBool,
    /// There while a statement runs.
    interrupt: Mutex<Option<Interrupt>>,
}

impl Stop {
    fn running(&self) -> MutexGuard<'_, Option<Interrupt>> {
        self.interrupt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody waits for what runs, nor for what would run before the turn is undone.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::SeqCst);
        self.interrupt();
    }

    /// Time is over. It ends also those instructions of the engine that do not look at the clock but at this.
    pub(crate) fn interrupt(&self) {
        if let Some(interrupt) = &*self.running() {
            interrupt();
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    /// The turn is over: the next is waited for.
    pub(super) fn reset(&self) {
        self.is_given_up.store(false, Ordering::SeqCst);
    }

    /// A statement runs that this interrupts, until the guard is dropped.
    pub(super) fn arm(&self, interrupt: Interrupt) -> Armed<'_> {
        *self.running() = Some(interrupt);
        Armed(self)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("is_given_up", &self.is_given_up)
            .finish_non_exhaustive()
    }
}

/// A statement runs.
#[derive(Debug)]
pub(super) struct Armed<'s>(&'s Stop);

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        *self.0.running() = None;
    }
}
