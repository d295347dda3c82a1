//! Owns the pace of one connection: how many messages a second are read of it, where its operator has set a bound.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Connection;
use crate::socket::outbox::Order;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// As much may come at once as in a second: a client that has been silent may catch up.
const BURST: Duration = Duration::from_secs(1);

/// A bucket of tokens, a second's worth of them, as the time at which it will be full again.
#[derive(Debug)]
pub(super) struct Pace {
    each: Duration,
    full_at: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// So many messages a second; `None` for no bound.
    pub(super) fn new(per_second: u64) -> Option<Box<Self>> {
        let each = NANOS_PER_SECOND.checked_div(per_second)?;
        Some(Box::new(Self {
            each: Duration::from_nanos(each),
            full_at: Instant::now(),
            sleep: None,
        }))
    }

    /// So many messages have been read with one read. They may be more than there were tokens for: then nothing is read
    /// until the bucket has made up for them.
    pub(super) fn take(&mut self, messages: usize) {
        self.take_at(messages, Instant::now());
    }

    fn take_at(&mut self, messages: usize, now: Instant) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.full_at = self.full_at.max(now) + self.each * messages;
    }

    /// When the next message may be read.
    fn opens(&self) -> Instant {
        // What is before the start of the clock is past as well.
        self.full_at.checked_sub(BURST).unwrap_or(self.full_at)
    }

    pub(super) fn is_open(&self) -> bool {
        self.opens() <= Instant::now()
    }

    /// Ready when the next message may be read.
    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_open() {
            self.sleep = None;
            return Poll::Ready(());
        }
        let opens = self.opens();
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(opens)));
        if sleep.deadline() != opens {
            sleep.as_mut().reset(opens);
        }
        sleep.as_mut().poll(cx)
    }
}

impl Connection {
    /// Whether the next message may come already. The answer to our Close has its own time.
    pub(super) fn is_in_pace(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.pace {
            Some(pace) if self.order == Order::GoOn => pace.poll_open(cx).is_ready(),
            Some(_) | None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn as_much_as_in_a_second_comes_at_once_and_the_rest_in_its_time() {
        let mut pace = Pace::new(100).unwrap();
        let now = Instant::now() + SECOND;
        pace.take_at(100, now);
        assert_eq!(pace.opens(), now);
        pace.take_at(1, now);
        assert_eq!(pace.opens(), now + SECOND / 100);
        // A read that brings many is made up for.
        pace.take_at(1_000, now);
        assert_eq!(pace.opens(), now + SECOND / 100 + 10 * SECOND);
    }

    #[test]
    fn a_silent_client_saves_no_more_than_that() {
        let mut pace = Pace::new(10).unwrap();
        let now = Instant::now() + 3600 * SECOND;
        assert!(pace.is_open());
        pace.take_at(11, now);
        assert_eq!(pace.opens(), now + SECOND / 10);
    }

    #[tokio::test]
    async fn whoever_waits_is_told_when_the_next_may_come() {
        let mut pace = Pace::new(1_000).unwrap();
        pace.take(1_005);
        assert!(!pace.is_open());
        std::future::poll_fn(|cx| pace.poll_open(cx)).await;
        assert!(pace.is_open());
    }

    #[test]
    fn without_a_bound_there_is_none() {
        assert!(Pace::new(0).is_none());
    }
}
