//! Owns how storage is asked: [`ListOptions`] and [`ScheduledTime`].

use crate::sys;
use std::time::{Duration, SystemTime};

/// Which entries [`Storage::list_with_options`](super::Storage::list_with_options) gives, or keys
/// [`Storage::keys_with_options`](super::Storage::keys_with_options), and in what order. Keys are compared as bytes.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct ListOptions<'a>(pub(super) sys::List<'a>);

impl<'a> ListOptions<'a> {
    /// All of them, by key.
    pub fn new() -> Self {
        Self::default()
    }

    /// From this key on.
    pub fn start(mut self, key: &'a str) -> Self {
        self.0.start = Some(key);
        self
    }

    /// From the first key behind this one on. Not together with [`start`](Self::start).
    pub fn start_after(mut self, key: &'a str) -> Self {
        self.0.start_after = Some(key);
        self
    }

    /// Up to the last key before this one.
    pub fn end(mut self, key: &'a str) -> Self {
        self.0.end = Some(key);
        self
    }

    /// Only keys that begin so.
    pub fn prefix(mut self, prefix: &'a str) -> Self {
        self.0.prefix = Some(prefix);
        self
    }

    /// Whether the last key comes first.
    pub fn reverse(mut self, reverse: bool) -> Self {
        self.0.reverse = reverse;
        self
    }

    /// At most so many.
    pub fn limit(mut self, limit: usize) -> Self {
        self.0.limit = Some(u32::try_from(limit).unwrap_or(u32::MAX));
        self
    }
}

/// When an alarm is due: a [`Duration`] from now, a number of milliseconds from now as in workers-rs, or a
/// [`SystemTime`].
#[derive(Clone, Copy, Debug)]
pub struct ScheduledTime(Time);

#[derive(Clone, Copy, Debug)]
enum Time {
    /// In milliseconds, negative for the past.
    FromNow(i64),
    /// In milliseconds since 1970.
    At(u64),
}

impl ScheduledTime {
    /// Now is when this is called.
    pub(super) fn unix_ms(self) -> u64 {
        match self.0 {
            Time::FromNow(ms) => sys::unix_time_ms().saturating_add_signed(ms),
            Time::At(ms) => ms,
        }
    }
}

impl From<Duration> for ScheduledTime {
    fn from(from_now: Duration) -> Self {
        let ms = i64::try_from(from_now.as_millis()).unwrap_or(i64::MAX);
        Self(Time::FromNow(ms))
    }
}

impl From<i64> for ScheduledTime {
    fn from(from_now_ms: i64) -> Self {
        Self(Time::FromNow(from_now_ms))
    }
}

impl From<SystemTime> for ScheduledTime {
    fn from(time: SystemTime) -> Self {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self(Time::At(
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        ))
    }
}
