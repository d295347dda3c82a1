//! Owns the watch over a peer that says nothing: when to ping it, and when to give it up. Decides; the connection acts.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::millis;
use crate::socket::outbox::KeepAlive;

/// What a silence has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Something has come meanwhile.
    Short,
    /// The peer is to be pinged.
    Ping,
    /// The ping was not answered.
    Dead,
}

/// Watches over one peer.
#[derive(Debug)]
pub(super) struct Watch {
    keep_alive: KeepAlive,
    /// When something last came. A message moves this and not the timer, which looks here when it goes off.
    heard: Instant,
    pinged: bool,
    timer: Pin<Box<Sleep>>,
}

impl Watch {
    fn new(keep_alive: KeepAlive) -> Self {
        let now = Instant::now();
        Self {
            keep_alive,
            heard: now,
            pinged: false,
            timer: Box::pin(sleep_until(now + millis(keep_alive.interval_ms.into()))),
        }
    }

    /// Begin, change or end a watch as is asked for. True if there is one.
    pub(super) fn keep(watch: &mut Option<Box<Self>>, asked: Option<KeepAlive>) -> bool {
        if watch.as_ref().map(|watch| watch.keep_alive) != asked {
            *watch = asked.map(|keep_alive| Box::new(Self::new(keep_alive)));
        }
        watch.is_some()
    }

    /// Something came. Whatever it is shows that the peer lives.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Silence> {
        ready!(self.timer.as_mut().poll(cx));
        let KeepAlive {
            interval_ms,
            timeout_ms,
        } = self.keep_alive;
        let wait = if self.pinged { timeout_ms } else { interval_ms };
        let begun = self.timer.deadline() - millis(wait.into());
        if self.heard > begun {
            self.pinged = false;
            let next = self.heard + millis(interval_ms.into());
            self.timer.as_mut().reset(next);
            return Poll::Ready(Silence::Short);
        }
        if self.pinged {
            return Poll::Ready(Silence::Dead);
        }
        self.pinged = true;
        let next = self.timer.deadline() + millis(timeout_ms.into());
        self.timer.as_mut().reset(next);
        Poll::Ready(Silence::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    async fn next(watch: &mut Watch) -> Silence {
        poll_fn(|cx| watch.poll(cx)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_pinged_and_then_given_up() {
        let begin = Instant::now();
        let mut watch = Watch::new(KeepAlive {
            interval_ms: 1000,
            timeout_ms: 300,
        });
        assert_eq!(next(&mut watch).await, Silence::Ping);
        assert_eq!(begin.elapsed().as_millis(), 1000);
        assert_eq!(next(&mut watch).await, Silence::Dead);
        assert_eq!(begin.elapsed().as_millis(), 1300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_anything_is_left_alone_for_another_interval() {
        let begin = Instant::now();
        let mut watch = Watch::new(KeepAlive {
            interval_ms: 1000,
            timeout_ms: 300,
        });
        tokio::time::advance(Duration::from_millis(600)).await;
        watch.heard();
        assert_eq!(next(&mut watch).await, Silence::Short);
        assert_eq!(next(&mut watch).await, Silence::Ping);
        assert_eq!(begin.elapsed().as_millis(), 1600);
        tokio::time::advance(Duration::from_millis(100)).await;
        watch.heard();
        assert_eq!(next(&mut watch).await, Silence::Short);
        assert_eq!(next(&mut watch).await, Silence::Ping);
        assert_eq!(begin.elapsed().as_millis(), 2700);
    }
}
