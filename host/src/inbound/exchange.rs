//! Owns [`Exchange`], what the service and the stream of one HTTP connection tell each other: whose turn it is, and what is
//! charged for the response that is being written.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::quota::Charge;

/// Whose turn it is on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Turn {
    /// The client's: it may send the head of a request.
    Clients,
    /// The service's, which reads the rest of the request.
    Request,
    /// The service's, which has read all of it. Whoever reads on, reads the next head.
    Response,
    /// The service's, which does not read what is left of the request.
    Refusal,
}

/// What service and stream of a connection tell each other.
#[derive(Debug)]
pub(crate) struct Exchange {
    turn: AtomicU8,
    /// For the response that is being written.
    response: Mutex<Option<Charge>>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            turn: AtomicU8::new(Turn::Clients as u8),
            response: Mutex::default(),
        }
    }
}

impl Exchange {
    /// The head of a request has come.
    pub(crate) fn begin(&self) {
        self.set(Turn::Request);
    }

    /// The request is here whole.
    pub(crate) fn has_read(&self) {
        self.set(Turn::Response);
    }

    /// What is left of the request is not read, and the response is the connection's last.
    pub(crate) fn refuse(&self) {
        self.set(Turn::Refusal);
    }

    /// A response is being written, for as long as it is.
    pub(crate) fn keep(&self, charge: Charge) {
        *self.charge() = Some(charge);
    }

    /// Give back what is charged for the response.
    pub(super) fn release(&self) {
        drop(self.charge().take());
    }

    fn charge(&self) -> MutexGuard<'_, Option<Charge>> {
        self.response.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, turn: Turn) {
        self.turn.store(turn as u8, Ordering::Relaxed);
    }

    pub(super) fn is(&self, turn: Turn) -> bool {
        self.turn.load(Ordering::Relaxed) == turn as u8
    }
}
