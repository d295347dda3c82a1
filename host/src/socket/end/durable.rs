//! Owns what makes an end hibernatable: it belongs to a durable object and not to an instance of it, so that its tags,
//! its auto-response and its state outlive the instance.

use std::sync::Arc;

use super::{Arrival, Claim, ClaimError, End, Link, Owner, SocketEvent};
use crate::socket::auto_response::{AutoResponder, AutoResponse};
use crate::socket::message::{CloseBody, CloseCode, CloseInfo};
use crate::socket::outbox::Order;

impl End {
    /// Take the end as a hibernatable socket. Nothing may have been decided about either end of the pair.
    pub(crate) fn accept_durable(
        &self,
        owner: Arc<dyn Owner>,
        responder: &Arc<AutoResponder>,
        tags: Vec<Arc<str>>,
    ) -> Result<(), ClaimError> {
        if let Link::Peer(peer) = self.link()
            && let Some(peer) = peer.upgrade()
            && !peer.is_free()
        {
            return Err(match self.lock().claim {
                Claim::Accepted(_) => ClaimError::AlreadyAccepted,
                Claim::Free | Claim::Sent | Claim::Coupled(_) => ClaimError::AlreadyUsed,
            });
        }
        let mut inner = self.lock();
        match inner.claim {
            Claim::Free if inner.is_coupled_away() => return Err(ClaimError::AlreadyUsed),
            Claim::Free => {}
            Claim::Accepted(_) if inner.handshake.is_connecting() => {
                return Err(ClaimError::Connecting);
            }
            Claim::Accepted(_) => return Err(ClaimError::AlreadyAccepted),
            Claim::Sent | Claim::Coupled(_) => return Err(ClaimError::AlreadyUsed),
        }
        inner.claim = Claim::Accepted(owner);
        inner.tags = tags;
        inner.in_transit = false;
        // Set once: an end is accepted once.
        drop(self.responder.set(Arc::clone(responder)));
        let unsent = std::mem::take(&mut inner.unsent);
        inner.release_held(self.id);
        drop(inner);
        self.replay(unsent);
        Ok(())
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.responder.get().is_some()
    }

    /// Whether the other end of the pair is.
    pub(crate) fn is_peer_durable(&self) -> bool {
        match self.link() {
            Link::Peer(peer) => peer.upgrade().is_some_and(|peer| peer.is_durable()),
            Link::Wire(_) | Link::Opening | Link::Gone => false,
        }
    }

    /// The text that is answered without the worker, if there is one.
    pub(crate) fn auto_response(&self) -> Option<Arc<AutoResponse>> {
        self.responder.get()?.get()
    }

    /// Note that the auto-response has answered. False if nothing may be sent any more.
    pub(crate) fn on_auto_response(&self, now_ms: u64) -> bool {
        let mut inner = self.lock();
        if inner.handshake.has_sent() || inner.handshake.is_over() {
            return false;
        }
        inner.auto_response_at = Some(now_ms);
        true
    }

    pub(crate) fn auto_response_time(&self) -> Option<u64> {
        self.lock().auto_response_at
    }

    pub(crate) fn tags(&self) -> Vec<Arc<str>> {
        self.lock().tags.clone()
    }

    /// Replace the tags; gives those before.
    pub(crate) fn set_tags(&self, tags: Vec<Arc<str>>) -> Vec<Arc<str>> {
        std::mem::replace(&mut self.lock().tags, tags)
    }

    /// The turn that closed this end has failed: its Close is taken back. If the peer has closed meanwhile it is
    /// still to be answered, which happens here.
    pub(crate) fn take_back_close(&self) {
        let mut inner = self.lock();
        inner.closed_with = None;
        if !inner.handshake.take_back_close() {
            return;
        }
        let link = inner.link.clone();
        drop(inner);
        if let Link::Wire(outbox) = link {
            let body = Some((CloseCode::INTERNAL, "the worker failed".to_owned()));
            outbox.close(&body, Order::End);
        }
    }

    /// The host ends this socket because of what its event has done to the worker: Close with 1011, and the end of
    /// the connection. The object is told, so that it can clear up.
    pub(crate) fn close_for_fault(&self, reason: &str) {
        self.end_with(
            Some((CloseCode::INTERNAL, reason.to_owned())),
            CloseInfo {
                code: CloseCode::INTERNAL,
                reason: reason.to_owned(),
                was_clean: false,
            },
        );
    }

    /// The host ends this socket because there was no instance to be had for its event: the client may try again.
    pub(crate) fn close_for_want_of_place(&self) {
        let reason = "the server is too busy".to_owned();
        self.end_with(
            Some((CloseCode::TRY_AGAIN_LATER, reason.clone())),
            CloseInfo {
                code: CloseCode::TRY_AGAIN_LATER,
                reason,
                was_clean: false,
            },
        );
    }

    fn end_with(&self, body: CloseBody, info: CloseInfo) {
        let mut inner = self.lock();
        let has_sent = inner.handshake.has_sent();
        let is_news = inner.handshake.on_failed();
        let link = std::mem::replace(&mut inner.link, Link::Gone);
        if is_news {
            inner.paused = false;
            inner.held.push_back(SocketEvent::Close(info));
            inner.release_held(self.id);
        }
        drop(inner);
        match link {
            Link::Wire(outbox) if has_sent => outbox.order(Order::End),
            Link::Wire(outbox) => outbox.close(&body, Order::End),
            Link::Peer(peer) => {
                if let Some(peer) = peer.upgrade() {
                    peer.arrive(Arrival::Close(body));
                    peer.arrive(Arrival::Lost);
                }
            }
            Link::Opening | Link::Gone => {}
        }
    }

    /// The object is reset: the connection ends without a Close, and no event follows.
    pub(crate) fn reset(&self) {
        let mut inner = self.lock();
        inner.handshake.on_failed();
        let link = std::mem::replace(&mut inner.link, Link::Gone);
        let claim = std::mem::replace(&mut inner.claim, Claim::Free);
        inner.held.clear();
        drop(inner);
        // Not under the lock: the owner may end with this.
        drop(claim);
        match link {
            Link::Wire(outbox) => outbox.order(Order::End),
            Link::Peer(peer) => {
                if let Some(peer) = peer.upgrade() {
                    peer.arrive(Arrival::Lost);
                }
            }
            Link::Opening | Link::Gone => {}
        }
    }

    /// The last event of a hibernatable end is through: it lets go of its owner, who holds it in turn.
    pub(crate) fn let_go(&self) {
        let claim = {
            let mut inner = self.lock();
            std::mem::replace(&mut inner.claim, Claim::Free)
        };
        drop(claim);
    }
}
