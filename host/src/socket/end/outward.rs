//! Owns what makes an end outbound: the host is the client of its connection, which `connect` is about to open or a
//! `fetch` has opened. And the relay: two connections whose ends lead to each other, with no worker in between.

use std::sync::Arc;

use super::{Claim, End, Link, Owner, SocketEvent};
use crate::quota::Quota;
use crate::socket::auto_response::AutoResponder;
use crate::socket::message::SocketId;
use crate::socket::outbox::Outbox;
use crate::socket::state::Handshake;

/// What an opening handshake has settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Empty if the server chose none.
    pub(crate) protocol: String,
    /// As in `Sec-WebSocket-Extensions`; empty if none.
    pub(crate) extensions: String,
}

/// What an outbound end knows beyond others.
#[derive(Debug)]
pub(super) struct Outward {
    url: String,
    agreed: Agreed,
}

impl End {
    /// An end that is about to be opened. The owner has accepted it, and takes its events.
    pub(crate) fn connecting(
        id: SocketId,
        url: String,
        owner: Arc<dyn Owner>,
        quota: &Arc<Quota>,
    ) -> Arc<Self> {
        let end = Self::new(id, quota);
        {
            let mut inner = end.lock();
            inner.handshake = Handshake::connecting();
            inner.claim = Claim::Accepted(owner);
            inner.link = Link::Opening;
            let agreed = Agreed::default();
            inner.outward = Some(Box::new(Outward { url, agreed }));
        }
        Arc::new(end)
    }

    /// The same, as a hibernatable socket.
    pub(crate) fn make_durable(&self, responder: &Arc<AutoResponder>, tags: Vec<Arc<str>>) {
        self.lock().tags = tags;
        // Set once: an end is made once.
        drop(self.responder.set(Arc::clone(responder)));
    }

    /// An end that has been opened by a request, and that nobody has claimed.
    pub(crate) fn opened(
        id: SocketId,
        url: String,
        agreed: Agreed,
        outbox: &Arc<Outbox>,
    ) -> Arc<Self> {
        let end = Self::new(id, &outbox.totals().held);
        {
            let mut inner = end.lock();
            inner.link = Link::Wire(Arc::clone(outbox));
            inner.outward = Some(Box::new(Outward { url, agreed }));
        }
        Arc::new(end)
    }

    /// The handshake has succeeded: the owner is told, and sends go to this outbox from now on. False if nobody wants
    /// the connection any more.
    pub(crate) fn open(&self, agreed: Agreed, outbox: &Arc<Outbox>) -> bool {
        let mut inner = self.lock();
        if !inner.handshake.on_open() {
            return false;
        }
        inner.link = Link::Wire(Arc::clone(outbox));
        outbox.set_keep_alive(inner.keep_alive);
        if let Some(outward) = &mut inner.outward {
            outward.agreed = agreed;
        }
        if let Some(owner) = inner.owner() {
            owner.raise(self.id, SocketEvent::Open);
        }
        true
    }

    /// The handshake has failed, or the worker has given it up.
    pub(crate) fn not_opened(&self, reason: &str) {
        let mut inner = self.lock();
        inner.link = Link::Gone;
        if inner.handshake.on_failed()
            && let Some(owner) = inner.owner()
        {
            owner.raise(self.id, SocketEvent::NotOpened(reason.to_owned()));
        }
    }

    pub(crate) fn url(&self) -> Option<String> {
        let inner = self.lock();
        Some(inner.outward.as_ref()?.url.clone())
    }

    /// What the handshake has settled; nothing for an end of a pair.
    pub(crate) fn agreed(&self) -> Agreed {
        let inner = self.lock();
        let outward = inner.outward.as_ref();
        outward
            .map(|outward| outward.agreed.clone())
            .unwrap_or_default()
    }

    /// The end of a connection whose messages all go to another connection.
    pub(super) fn relay(id: SocketId, to: &Arc<Outbox>) -> Arc<Self> {
        let end = Self::new(id, &to.totals().held);
        end.lock().claim = Claim::Coupled(Arc::clone(to));
        Arc::new(end)
    }

    /// The connection that everything goes to which comes from this one's.
    pub(crate) fn relays_to(&self) -> Option<Arc<Outbox>> {
        match &self.lock().claim {
            Claim::Coupled(outbox) => Some(Arc::clone(outbox)),
            Claim::Free | Claim::Accepted(_) | Claim::Sent => None,
        }
    }
}
