//! Owns what becomes of the things that arrive for an end: they are an event for its owner, a frame for its
//! client, or held until there is either.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Arrival, Claim, End, Inner, Link, Owner, SocketEvent};
use crate::config::size;
use crate::socket::SocketId;
use crate::socket::message::{CloseBody, CloseInfo, MessageRef};
use crate::socket::outbox::{Order, Outbox};
use crate::socket::state::PeerClose;

/// What a connection may read at a time: it is not to begin where that has no room.
const READ_BYTES: u64 = 128 * 1024;

impl End {
    /// Something that the other end sent. What is given back is to be sent to that other end.
    pub(crate) fn arrive(&self, arrival: Arrival) -> Option<CloseBody> {
        let mut inner = self.lock();
        match &inner.claim {
            Claim::Coupled(outbox) => {
                let outbox = Arc::clone(outbox);
                drop(inner);
                write(&outbox, arrival);
                return None;
            }
            Claim::Sent | Claim::Free if inner.is_on_its_way() => {
                if let Arrival::Message(message) = &arrival {
                    inner.waiting.add(message.cost() as u64);
                }
                inner.unsent.push(arrival);
                return None;
            }
            Claim::Sent | Claim::Free | Claim::Accepted(_) => {}
        }
        match arrival {
            Arrival::Message(message) => {
                if !inner.handshake.has_ended_inward() {
                    inner.waiting.add(message.cost() as u64);
                    inner.raise(self.id, SocketEvent::Message(message));
                }
                None
            }
            Arrival::Close(body) => {
                let verdict = inner.handshake.on_peer_close();
                if verdict == PeerClose::Ignore {
                    return None;
                }
                inner.raise(self.id, SocketEvent::Close(body.clone().into()));
                (verdict == PeerClose::AnswerAndDeliver).then_some(body)
            }
            Arrival::Lost => {
                inner.lose(self.id);
                None
            }
            Arrival::Failed(reason) => {
                inner.fail(self.id, reason);
                None
            }
        }
    }

    /// A message that the owner takes into a turn that somebody is about to run. The connection reads no more until it
    /// is handled: it would answer what stands behind it too early.
    pub(crate) fn gather(&self, message: MessageRef<'_>) {
        let mut inner = self.lock();
        if inner.handshake.has_ended_inward() {
            return;
        }
        let message = message.to_message();
        inner.waiting.add(message.cost() as u64);
        inner.is_gathered = inner.raise(self.id, SocketEvent::Message(message));
    }

    /// Have the connection told when that turn is over. False if it is.
    pub(crate) fn await_turn(&self) -> bool {
        let mut inner = self.lock();
        inner.is_awaited = inner.is_next();
        inner.is_awaited
    }

    /// What was gathered has to wait after all, for as long as it may take.
    pub(crate) fn let_wait(&self) {
        let mut inner = self.lock();
        inner.is_gathered = false;
        if let Link::Wire(outbox) = &inner.link {
            outbox.notify();
        }
    }

    /// The connection, or the other end, is gone without a Close.
    pub(crate) fn lost(&self) {
        self.lock().lose(self.id);
    }

    /// The peer broke the protocol: the worker gets `error`, and no `close`.
    pub(crate) fn failed(&self, reason: &str) {
        let mut inner = self.lock();
        if let Claim::Coupled(_) = inner.claim {
            // Whoever is behind the relay has done nothing wrong: to it the connection is lost.
            return inner.lose(self.id);
        }
        inner.fail(self.id, reason.to_owned());
    }

    /// The worker has been given a message that had waited here. Below `held` the connection is read again,
    /// below `soft` the other end may send again.
    pub(crate) fn took(&self, bytes: usize, held: usize, soft: usize) {
        let mut inner = self.lock();
        let before = inner.waiting_bytes();
        inner.waiting.sub(bytes as u64);
        let after = inner.waiting_bytes();
        let goes_on = after == 0
            && std::mem::take(&mut inner.is_gathered)
            && std::mem::take(&mut inner.is_awaited);
        let goes_on = goes_on || (after == 0 && std::mem::take(&mut inner.waits_for_last));
        match &inner.link {
            Link::Wire(outbox) if goes_on || before > held && after <= held => outbox.notify(),
            Link::Peer(peer) if before > soft && after <= soft => {
                let peer = peer.upgrade();
                drop(inner);
                if let Some(peer) = peer {
                    let mut inner = peer.lock();
                    if std::mem::take(&mut inner.wants_drain) {
                        inner.raise(peer.id, SocketEvent::Drain);
                    }
                }
            }
            Link::Wire(_) | Link::Peer(_) | Link::Opening | Link::Gone => {}
        }
    }

    /// Why the connection is not to be read, if it is not: `held` bytes may wait, and none where all connections together
    /// have as much waiting as they may.
    pub(crate) fn hold(&self, held: usize) -> Hold {
        let mut inner = self.lock();
        let is_full = match &inner.claim {
            Claim::Coupled(outbox) => outbox.is_above_soft(),
            Claim::Free | Claim::Accepted(_) | Claim::Sent => {
                let waiting = inner.waiting_bytes();
                let is_last = waiting > 0 && !inner.waiting.has_room(READ_BYTES);
                inner.waits_for_last = is_last;
                waiting > held || is_last
            }
        };
        if is_full {
            Hold::Full
        } else if inner.is_next() {
            Hold::Turn
        } else {
            Hold::No
        }
    }

    /// Whether a message that has been read may wait here.
    pub(crate) fn has_room(&self, cost: usize) -> bool {
        self.lock().waiting.has_room(cost as u64)
    }

    /// Bytes that have arrived and not been taken.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.lock().waiting_bytes()
    }

    /// Whether the other end of a pair may send a message that costs so much, behind so many bytes of its turn: one that is
    /// alone is taken in any case that what is kept for the instance allows.
    pub(crate) fn takes(&self, staged: usize, cost: usize, hard: usize) -> bool {
        let inner = self.lock();
        let before = inner.waiting_bytes() + staged;
        (before == 0 || before + cost <= hard) && inner.waiting.has_room(cost as u64)
    }

    pub(crate) fn want_drain(&self) {
        self.lock().wants_drain = true;
    }

    /// The connection's outbox has room again.
    pub(crate) fn raise_drain(&self) {
        let inner = self.lock();
        if let Claim::Coupled(outbox) = &inner.claim {
            // That connection may have stopped reading for this one.
            return outbox.notify();
        }
        if !inner.handshake.is_over()
            && let Some(owner) = inner.owner()
        {
            owner.raise(self.id, SocketEvent::Drain);
        }
    }

    pub(crate) fn pause(&self, paused: bool) {
        let mut inner = self.lock();
        inner.paused = paused;
        inner.release_held(self.id);
    }

    /// Whoever takes messages at once; `None` if they have to be held.
    pub(crate) fn taker(&self) -> Option<Arc<dyn Owner>> {
        let inner = self.lock();
        if inner.paused || !inner.held.is_empty() || inner.handshake.has_ended_inward() {
            return None;
        }
        inner.owner()
    }
}

/// Whether a connection is held back from reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    No,
    /// What was read last is on its way into a turn, before which nothing more is to be read.
    Turn,
    /// More waits for the worker than is to be kept.
    Full,
}

impl Inner {
    fn waiting_bytes(&self) -> usize {
        size(self.waiting.used())
    }

    /// What waits has gone elsewhere, or is counted anew as it arrives.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.sub(self.waiting.used());
    }

    /// What waits is to be handled before anything behind it.
    fn is_next(&self) -> bool {
        self.is_gathered && !self.handshake.has_ended_inward()
    }

    /// What arrives is for somebody who is not there yet.
    pub(super) fn is_on_its_way(&self) -> bool {
        match self.claim {
            Claim::Sent => true,
            Claim::Free => self.in_transit,
            Claim::Accepted(_) | Claim::Coupled(_) => false,
        }
    }

    pub(super) fn owner(&self) -> Option<Arc<dyn Owner>> {
        match &self.claim {
            Claim::Accepted(owner) => Some(Arc::clone(owner)),
            Claim::Free | Claim::Sent | Claim::Coupled(_) => None,
        }
    }

    /// Give an event to the owner, or keep it until there is one that takes it. Gives whether it is handled soon.
    fn raise(&mut self, id: SocketId, event: SocketEvent) -> bool {
        if let Claim::Accepted(owner) = &self.claim
            && !self.paused
            && self.held.is_empty()
        {
            return owner.raise(id, event);
        }
        self.held.push_back(event);
        false
    }

    pub(super) fn release_held(&mut self, id: SocketId) {
        if self.paused {
            return;
        }
        if let Some(owner) = self.owner() {
            for event in self.held.drain(..) {
                owner.raise(id, event);
            }
            self.held = VecDeque::new();
        }
        // The connection may have stopped reading until somebody takes its messages.
        if let Link::Wire(outbox) = &self.link {
            outbox.notify();
        }
    }

    fn lose(&mut self, id: SocketId) {
        self.link = Link::Gone;
        if let Claim::Coupled(outbox) = &self.claim {
            write(outbox, Arrival::Lost);
        } else if self.is_on_its_way() {
            self.unsent.push(Arrival::Lost);
        } else if self.handshake.on_lost() {
            self.raise(id, SocketEvent::Close(CloseInfo::lost()));
        }
    }

    fn fail(&mut self, id: SocketId, reason: String) {
        self.link = Link::Gone;
        if self.is_on_its_way() {
            // Behind the messages that wait for whoever gets the end.
            self.unsent.push(Arrival::Failed(reason));
        } else if self.handshake.on_failed() {
            self.raise(id, SocketEvent::Error(reason));
        }
    }
}

/// Put what arrives for a client onto its wire.
pub(super) fn write(outbox: &Outbox, arrival: Arrival) {
    match arrival {
        Arrival::Message(message) => outbox.push_message(message.as_ref()),
        Arrival::Close(body) => outbox.close(&body, Order::AwaitClose),
        Arrival::Lost | Arrival::Failed(_) => outbox.order(Order::End),
    }
}
