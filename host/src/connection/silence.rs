//! Owns what a connection does about a peer that says nothing: it pings it, and gives it up when no answer comes.

use std::task::{Context, Poll};

use super::keep_alive::Silence;
use super::{Connection, Lost};
use crate::socket::codec;
use crate::socket::end::Hold;
use crate::socket::outbox::Order;

impl Connection {
    /// Ping a peer that has been silent; one that stays so is lost.
    pub(super) fn poll_watch(&mut self, cx: &mut Context<'_>) -> Result<(), Lost> {
        let is_read = !self.outbox.is_above_soft()
            && self.hold() == Hold::No
            && self.pace.as_ref().is_none_or(|pace| pace.is_open());
        let Some(watch) = &mut self.watch else {
            return Ok(());
        };
        if !is_read {
            // Its pong may lie in the system's buffer: nothing can be said about this peer.
            watch.heard();
        }
        while let Poll::Ready(silence) = watch.poll(cx) {
            match silence {
                Silence::Short => {}
                Silence::Ping if self.order == Order::GoOn => {
                    let mut ping = Vec::new();
                    codec::ping(self.outbox.role(), &mut ping);
                    self.outbox.push(&ping);
                    self.counters.pings.add(1);
                }
                // The close handshake has a deadline of its own.
                Silence::Ping => {}
                Silence::Dead => {
                    self.counters.dead_peers.add(1);
                    return Err(Lost);
                }
            }
        }
        Ok(())
    }
}
