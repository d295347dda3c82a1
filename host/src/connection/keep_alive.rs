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
        if std::mem::take(&mut self.pinged) {
            let next = self.heard + millis(self.keep_alive.interval_ms.into());
            self.timer.as_mut().reset(next);
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Silence> {
        ready!(self.timer.as_mut().poll(cx));
        // The timer may be looked at late: a thread that was busy says nothing about the peer.
        let due = self.timer.deadline().max(Instant::now());
        let (silence, next) = judge(self.keep_alive, due, self.heard, self.pinged);
        self.pinged = silence == Silence::Ping;
        self.timer.as_mut().reset(next);
        Poll::Ready(silence)
    }
}

/// What the silence has come to when the timer is seen to have gone off, at `due`, and when it is to go off next.
fn judge(keep_alive: KeepAlive, due: Instant, heard: Instant, pinged: bool) -> (Silence, Instant) {
    let interval = millis(keep_alive.interval_ms.into());
    let timeout = millis(keep_alive.timeout_ms.into());
    if pinged {
        (Silence::Dead, due + interval)
    } else if heard > due - interval {
        (Silence::Short, heard + interval)
    } else {
        (Silence::Ping, due + timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALIVE: KeepAlive = KeepAlive {
        interval_ms: 1000,
        timeout_ms: 300,
    };

    #[test]
    fn a_silent_peer_is_pinged_and_then_given_up() {
        let begin = Instant::now();
        let after = |ms| begin + millis(ms);
        let pinged = judge(KEEP_ALIVE, after(1000), begin, false);
        assert_eq!(pinged, (Silence::Ping, after(1300)));
        assert_eq!(judge(KEEP_ALIVE, pinged.1, begin, true).0, Silence::Dead);
    }

    #[test]
    fn a_peer_that_says_anything_is_left_alone_for_another_interval() {
        let begin = Instant::now();
        let after = |ms| begin + millis(ms);
        let short = (Silence::Short, after(1600));
        assert_eq!(judge(KEEP_ALIVE, after(1000), after(600), false), short);
        let pinged = (Silence::Ping, after(1900));
        assert_eq!(judge(KEEP_ALIVE, after(1600), after(600), false), pinged);
    }

    #[tokio::test]
    async fn a_look_that_comes_late_leaves_the_peer_its_time_to_answer() {
        let mut watch = Watch::new(KeepAlive {
            interval_ms: 1,
            timeout_ms: 200,
        });
        // The thread is busy for longer than the peer has in all.
        std::thread::sleep(millis(250));
        let silence = std::future::poll_fn(|cx| watch.poll(cx)).await;
        assert_eq!(silence, Silence::Ping);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(watch.poll(&mut cx).is_pending());
    }
}
