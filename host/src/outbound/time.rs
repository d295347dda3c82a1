//! Owns the time that an outbound operation has, and the sentence when it is over.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::Failed;

/// What stands for ever in a limit that no clock can express: thirty years.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Until when an operation must be done, and which limit says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    until: Instant,
    limit: &'static str,
    ms: u64,
}

impl Time {
    /// The time that a limit gives from now on.
    pub(super) fn new(limit: &'static str, ms: u64) -> Self {
        let time = Duration::from_millis(ms).min(FOR_EVER);
        Self {
            until: Instant::now() + time,
            limit,
            ms,
        }
    }

    /// The one of two that is over first.
    pub(super) fn sooner(self, other: Self) -> Self {
        if other.until < self.until {
            other
        } else {
            self
        }
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Let a step take no longer than there is time. `step` completes the sentence "it takes too long to …".
    pub(super) async fn hold<T>(
        &self,
        step: impl FnOnce() -> String,
        work: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        match timeout_at(self.until, work).await {
            Ok(done) => done,
            Err(_) => {
                let Self { limit, ms, .. } = self;
                Err(Failed::new(format!(
                    "it takes too long to {}: {ms} ms are over (limit {limit})",
                    step()
                )))
            }
        }
    }
}
