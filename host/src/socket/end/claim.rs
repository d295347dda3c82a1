//! Owns how an end is claimed: accepted by an instance, sent to a client, or given up by both.

use std::sync::{Arc, Weak};

use super::arrive::write;
use super::{Arrival, Claim, End, Inner, Link, Owner, SocketEvent};
use crate::socket::message::{CloseCode, SocketId};
use crate::socket::outbox::{Order, Outbox};
use crate::socket::request::UpgradeRequest;

/// Why an end cannot be accepted or sent in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimError {
    /// The handshake of the outbound socket is not over.
    Connecting,
    AlreadyAccepted,
    AlreadyUsed,
}

impl End {
    /// Take the end's events, first those that have waited. A second call does nothing.
    pub(crate) fn accept(&self, owner: Arc<dyn Owner>, half_open: bool) -> Result<(), ClaimError> {
        let mut inner = self.lock();
        match inner.claim {
            Claim::Free => {}
            Claim::Accepted(_) if inner.handshake.is_connecting() => {
                return Err(ClaimError::Connecting);
            }
            Claim::Accepted(_) if self.is_durable() => return Err(ClaimError::AlreadyAccepted),
            Claim::Accepted(_) => return Ok(()),
            Claim::Sent | Claim::Coupled(_) => return Err(ClaimError::AlreadyUsed),
        }
        inner.claim = Claim::Accepted(owner);
        inner.handshake.set_half_open(half_open);
        inner.in_transit = false;
        let unsent = std::mem::take(&mut inner.unsent);
        inner.release_held(self.id);
        drop(inner);
        self.replay(unsent);
        Ok(())
    }

    /// Have what came for an end on its way arrive, now that it has an owner.
    pub(super) fn replay(&self, unsent: Vec<Arrival>) {
        if unsent.is_empty() {
            return;
        }
        let link = {
            let mut inner = self.lock();
            // Counted anew as it arrives.
            inner.forget_waiting();
            inner.link.clone()
        };
        for arrival in unsent {
            let Some(answer) = self.arrive(arrival) else {
                continue;
            };
            match &link {
                Link::Peer(peer) => {
                    if let Some(peer) = peer.upgrade() {
                        peer.arrive(Arrival::Close(answer));
                    }
                }
                Link::Wire(outbox) => outbox.close(&answer, Order::End),
                Link::Opening | Link::Gone => {}
            }
        }
    }

    /// The end leaves in a response. Of a pair, only one can: somebody must be there to hear the client.
    pub(crate) fn send_out(&self) -> Result<(), ClaimError> {
        if let Link::Peer(peer) = self.link()
            && let Some(peer) = peer.upgrade()
            && matches!(peer.lock().claim, Claim::Sent | Claim::Coupled(_))
        {
            return Err(ClaimError::AlreadyUsed);
        }
        let mut inner = self.lock();
        match inner.claim {
            // Coupled with a client, so the other end has left.
            Claim::Free if inner.is_coupled_away() => return Err(ClaimError::AlreadyUsed),
            Claim::Free => {}
            Claim::Accepted(_) => return Err(ClaimError::AlreadyAccepted),
            Claim::Sent | Claim::Coupled(_) => return Err(ClaimError::AlreadyUsed),
        }
        inner.claim = Claim::Sent;
        // Whatever has arrived belongs to the client.
        let held = std::mem::take(&mut inner.held);
        inner
            .unsent
            .extend(held.into_iter().map(|event| match event {
                SocketEvent::Message(message) => Arrival::Message(message),
                SocketEvent::Close(info) if info.code == CloseCode::NO_STATUS => {
                    Arrival::Close(None)
                }
                SocketEvent::Close(info) if info.was_clean => {
                    Arrival::Close(Some((info.code, info.reason)))
                }
                SocketEvent::Close(_)
                | SocketEvent::Error(_)
                | SocketEvent::Drain
                | SocketEvent::Open
                | SocketEvent::NotOpened(_) => Arrival::Lost,
            }));
        Ok(())
    }

    /// The connection of an end that has left is there: write what has waited, and couple the other end
    /// with it. Gives that other end, unless it is gone. `id` is that of the relay, should one be needed.
    pub(crate) fn couple(
        &self,
        outbox: &Arc<Outbox>,
        request: UpgradeRequest,
        id: SocketId,
    ) -> Option<Arc<Self>> {
        let mut inner = self.lock();
        for arrival in std::mem::take(&mut inner.unsent) {
            write(outbox, arrival);
        }
        inner.forget_waiting();
        inner.claim = Claim::Coupled(Arc::clone(outbox));
        let peer = match &inner.link {
            Link::Peer(peer) => Weak::clone(peer),
            Link::Wire(upstream) => {
                // It may have stopped reading until somebody took its messages.
                upstream.notify();
                return Some(Self::relay(id, upstream));
            }
            Link::Opening | Link::Gone => return None,
        };
        inner.link = Link::Gone;
        drop(inner);
        let peer = peer.upgrade()?;
        let mut inner = peer.lock();
        inner.request = Some(Arc::new(request));
        if matches!(inner.link, Link::Peer(_)) {
            inner.waiting.move_to(&outbox.totals().held);
            inner.link = Link::Wire(Arc::clone(outbox));
            outbox.set_keep_alive(inner.keep_alive);
        }
        drop(inner);
        Some(peer)
    }

    /// An end that left in a response has come to another instance, which may accept it or send it on. What arrives
    /// for it is kept until then.
    pub(crate) fn come_back(&self) {
        let mut inner = self.lock();
        inner.claim = Claim::Free;
        inner.in_transit = true;
    }

    /// An end that left in a response did not get its connection.
    pub(crate) fn not_coupled(&self) {
        let mut inner = self.lock();
        let link = std::mem::replace(&mut inner.link, Link::Gone);
        drop(inner);
        match link {
            Link::Peer(peer) => {
                if let Some(peer) = peer.upgrade() {
                    peer.lost();
                }
            }
            Link::Wire(outbox) => {
                let body = Some((CloseCode::GOING_AWAY, "the client is gone".to_owned()));
                outbox.close(&body, Order::AwaitClose);
            }
            Link::Opening | Link::Gone => {}
        }
    }

    /// The host gives the socket up: its worker died, or never accepted it. No event follows for it.
    pub(crate) fn give_up(&self, reason: &str) {
        let mut inner = self.lock();
        let has_sent = inner.handshake.has_sent();
        inner.handshake.on_failed();
        let link = std::mem::replace(&mut inner.link, Link::Gone);
        drop(inner);
        let body = Some((CloseCode::INTERNAL, reason.to_owned()));
        match link {
            // Nothing follows a Close, not even another. RFC 6455, 5.5.1.
            Link::Wire(outbox) if has_sent => outbox.order(Order::End),
            Link::Wire(outbox) => outbox.close(&body, Order::End),
            Link::Peer(_) if has_sent => {}
            Link::Peer(peer) => {
                if let Some(peer) = peer.upgrade() {
                    peer.arrive(Arrival::Close(body));
                    peer.arrive(Arrival::Lost);
                }
            }
            Link::Opening | Link::Gone => {}
        }
    }

    /// The connection's task was dropped before its end, with the runtime: nothing can happen to this end any
    /// more, and it lets go of its owner, who holds it in turn.
    pub(crate) fn forsake(&self) {
        let mut inner = self.lock();
        inner.link = Link::Gone;
        inner.handshake.on_failed();
        let claim = std::mem::replace(&mut inner.claim, Claim::Free);
        drop(inner);
        // Not under the lock: the owner may end with this, and its ends with it.
        drop(claim);
    }

    pub(crate) fn is_free(&self) -> bool {
        matches!(self.lock().claim, Claim::Free)
    }
}

impl Inner {
    /// The other end of the pair has left, and has got its connection.
    pub(super) fn is_coupled_away(&self) -> bool {
        self.outward.is_none() && matches!(self.link, Link::Wire(_))
    }
}
