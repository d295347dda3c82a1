//! Owns the points at which a test has the host panic. Without the feature `fault-injection`, which the conformance tests turn on
//! and no build to ship does, a point is nothing.

use crate::counters::Counters;

/// A point in the host's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "fault-injection"),
    expect(unreachable_pub, reason = "with the feature tests can name it")
)]
pub enum Point {
    /// A connection has been accepted.
    Accept,
    /// An HTTP request is being answered.
    Request,
    /// A WebSocket connection looks at what it has read.
    Connection,
    /// A turn is about to begin.
    Turn,
    /// A guest has called an import: `http.respond` or `state.broadcast`.
    Import,
    /// What a turn wrote is about to be made durable.
    Commit,
    /// What a turn asked for is about to be done.
    Effects,
    /// An event is taken out of a session's inbox.
    Inbox,
    /// An object is about to hibernate.
    Hibernate,
    /// An alarm is looked at.
    Alarm,
    /// A connection to another server is being opened, or a request sent to one.
    Outbound,
    /// A request is on its way to an object.
    Object,
}

impl Counters {
    /// Panic here if a test has asked for it.
    #[cfg(not(feature = "fault-injection"))]
    #[inline(always)]
    pub(crate) fn point(&self, _point: Point) {}
}

#[cfg(feature = "fault-injection")]
mod armed {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Counters, Point};

    /// How often each point is to panic.
    #[derive(Debug, Default)]
    pub(crate) struct Armed([AtomicU32; 12]);

    impl Counters {
        /// Panic at this point, so many times, from now on.
        pub fn inject(&self, point: Point, times: u32) {
            self.armed.0[point as usize].store(times, Ordering::SeqCst);
        }

        /// Panic here if a test has asked for it.
        ///
        /// # Panics
        ///
        /// If a test has asked for it.
        pub(crate) fn point(&self, point: Point) {
            let left = &self.armed.0[point as usize];
            if left.load(Ordering::Relaxed) == 0 {
                return;
            }
            let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
            assert!(taken.is_err(), "a fault was injected at {point:?}");
        }
    }
}

#[cfg(feature = "fault-injection")]
pub(crate) use armed::Armed;
