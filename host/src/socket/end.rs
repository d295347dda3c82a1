//! Owns one end of a pair: its place in the close handshake, who has claimed it, where its sends lead, and
//! what has arrived that nobody could take yet. Locks are held for moves only, one at a time.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::codec;
use super::message::{CloseBody, CloseCode, CloseInfo, Message, MessageRef, SocketId};
use super::outbox::{Order, Outbox};
use super::state::{Handshake, PeerClose, ReadyState, SendVerdict};

/// An event of a socket, for whoever has accepted it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SocketEvent {
    Message(Message),
    Close(CloseInfo),
    Error(String),
    Drain,
}

/// Messages that a connection has read, for the owner of its socket.
#[derive(Debug)]
pub(crate) struct Delivery<'a> {
    pub(crate) socket: SocketId,
    pub(crate) messages: &'a [MessageRef<'a>],
    /// The connection that delivers: frames for it go into `out` instead of its outbox.
    pub(crate) outbox: &'a Outbox,
    pub(crate) out: &'a mut Vec<u8>,
}

/// Whoever takes the events of accepted ends: an instance of the worker.
pub(crate) trait Owner: Send + Sync + Debug {
    /// Put an event into the owner's inbox. It is handled soon, by another task.
    fn raise(&self, socket: SocketId, event: SocketEvent);

    /// Hand messages over and wait until they are handled. Events raised before are handled before.
    fn deliver<'a>(self: Arc<Self>, delivery: Delivery<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// What one end sends and the other gets.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Message),
    Close(CloseBody),
    /// The sending end is gone without a Close.
    Lost,
}

/// Why an end cannot be accepted or sent in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimError {
    AlreadyAccepted,
    AlreadyUsed,
}

/// The request that a socket was upgraded from.
#[derive(Debug)]
pub(crate) struct UpgradeRequest {
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

#[derive(Debug)]
enum Claim {
    Free,
    /// Keeps its owner alive, as long as the owner keeps it.
    Accepted(Arc<dyn Owner>),
    /// Left in a response; the connection is not there yet.
    Sent,
    /// The client's: what arrives goes out on the wire.
    Coupled(Arc<Outbox>),
}

/// Where the sends of an end lead.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    Peer(Weak<End>),
    Wire(Arc<Outbox>),
    Gone,
}

#[derive(Debug)]
struct Inner {
    handshake: Handshake,
    claim: Claim,
    link: Link,
    held: VecDeque<SocketEvent>,
    /// What arrived for an end that has left in a response, until its connection is there.
    unsent: Vec<Arrival>,
    waiting_bytes: usize,
    paused: bool,
    wants_drain: bool,
    /// The worker has been given the last event.
    is_settled: bool,
    attachment: Option<Box<[u8]>>,
    request: Option<Arc<UpgradeRequest>>,
}

/// One end of a pair.
#[derive(Debug)]
pub(crate) struct End {
    id: SocketId,
    inner: Mutex<Inner>,
}

impl End {
    /// Two ends, joined.
    pub(crate) fn pair(first: SocketId, second: SocketId) -> (Arc<Self>, Arc<Self>) {
        let first = Arc::new(Self::new(first));
        let second = Arc::new(Self::new(second));
        first.lock().link = Link::Peer(Arc::downgrade(&second));
        second.lock().link = Link::Peer(Arc::downgrade(&first));
        (first, second)
    }

    /// An end to which nothing can happen: it stands for one that is gone.
    pub(crate) fn orphan() -> Self {
        let end = Self::new(0);
        end.lock().handshake.on_failed();
        end
    }

    fn new(id: SocketId) -> Self {
        Self {
            id,
            inner: Mutex::new(Inner {
                handshake: Handshake::default(),
                claim: Claim::Free,
                link: Link::Gone,
                held: VecDeque::new(),
                unsent: Vec::new(),
                waiting_bytes: 0,
                paused: false,
                wants_drain: false,
                is_settled: false,
                attachment: None,
                request: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> SocketId {
        self.id
    }

    /// Take the end's events, first those that have waited. A second call does nothing.
    pub(crate) fn accept(&self, owner: Arc<dyn Owner>, half_open: bool) -> Result<(), ClaimError> {
        let mut inner = self.lock();
        match inner.claim {
            Claim::Free => {}
            Claim::Accepted(_) => return Ok(()),
            Claim::Sent | Claim::Coupled(_) => return Err(ClaimError::AlreadyUsed),
        }
        inner.claim = Claim::Accepted(owner);
        inner.handshake.set_half_open(half_open);
        inner.release_held(self.id);
        Ok(())
    }

    /// The end leaves in a response.
    pub(crate) fn send_out(&self) -> Result<(), ClaimError> {
        let mut inner = self.lock();
        match inner.claim {
            Claim::Free => {}
            Claim::Accepted(_) => return Err(ClaimError::AlreadyAccepted),
            Claim::Sent | Claim::Coupled(_) => return Err(ClaimError::AlreadyUsed),
        }
        inner.claim = Claim::Sent;
        // Whatever has arrived belongs to the client.
        let held = std::mem::take(&mut inner.held);
        inner.unsent.extend(held.into_iter().map(|event| match event {
            SocketEvent::Message(message) => Arrival::Message(message),
            SocketEvent::Close(info) if info.code == CloseCode::NO_STATUS => Arrival::Close(None),
            SocketEvent::Close(info) if info.was_clean => Arrival::Close(Some((info.code, info.reason))),
            SocketEvent::Close(_) | SocketEvent::Error(_) | SocketEvent::Drain => Arrival::Lost,
        }));
        Ok(())
    }

    /// The connection of an end that has left is there: write what has waited, and couple the other end
    /// with it. Gives that other end, unless it is gone.
    pub(crate) fn couple(&self, outbox: &Arc<Outbox>, request: UpgradeRequest) -> Option<Arc<Self>> {
        let mut inner = self.lock();
        for arrival in std::mem::take(&mut inner.unsent) {
            write(outbox, arrival);
        }
        inner.waiting_bytes = 0;
        inner.claim = Claim::Coupled(Arc::clone(outbox));
        let Link::Peer(peer) = std::mem::replace(&mut inner.link, Link::Gone) else {
            return None;
        };
        drop(inner);
        let peer = peer.upgrade()?;
        let mut inner = peer.lock();
        inner.request = Some(Arc::new(request));
        if matches!(inner.link, Link::Peer(_)) {
            inner.link = Link::Wire(Arc::clone(outbox));
        }
        drop(inner);
        Some(peer)
    }

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
            Claim::Sent => {
                if let Arrival::Message(message) = &arrival {
                    inner.waiting_bytes += message.cost();
                }
                inner.unsent.push(arrival);
                return None;
            }
            Claim::Free | Claim::Accepted(_) => {}
        }
        match arrival {
            Arrival::Message(message) => {
                if !inner.handshake.has_ended_inward() {
                    inner.waiting_bytes += message.cost();
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
        }
    }

    /// The connection, or the other end, is gone without a Close.
    pub(crate) fn lost(&self) {
        self.lock().lose(self.id);
    }

    /// The peer broke the protocol: the worker gets `error`, and no `close`.
    pub(crate) fn failed(&self, reason: &str) {
        let mut inner = self.lock();
        inner.link = Link::Gone;
        if inner.handshake.on_failed() {
            inner.raise(self.id, SocketEvent::Error(reason.to_owned()));
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
            Link::Gone => {}
        }
    }

    /// An end that left in a response did not get its connection.
    pub(crate) fn not_coupled(&self) {
        let mut inner = self.lock();
        let link = std::mem::replace(&mut inner.link, Link::Gone);
        drop(inner);
        if let Link::Peer(peer) = link
            && let Some(peer) = peer.upgrade()
        {
            peer.lost();
        }
    }

    pub(crate) fn is_free(&self) -> bool {
        matches!(self.lock().claim, Claim::Free)
    }

    /// Whoever takes messages at once; `None` if they have to be held.
    pub(crate) fn taker(&self) -> Option<Arc<dyn Owner>> {
        let inner = self.lock();
        if inner.paused || !inner.held.is_empty() || inner.handshake.has_ended_inward() {
            return None;
        }
        inner.owner()
    }

    /// The verdict on a message, where it leads, and the bytes that wait there.
    pub(crate) fn on_send(&self) -> Result<(SendVerdict, Link), ClaimNeeded> {
        let inner = self.lock();
        match inner.claim {
            Claim::Accepted(_) => Ok((inner.handshake.on_send(), inner.link.clone())),
            Claim::Free | Claim::Sent | Claim::Coupled(_) => Err(ClaimNeeded),
        }
    }

    /// The worker closes. Gives where the Close is to go; `None` if none is to be sent.
    pub(crate) fn on_close(&self) -> Result<Option<Link>, ClaimNeeded> {
        let mut inner = self.lock();
        if !matches!(inner.claim, Claim::Accepted(_)) {
            return Err(ClaimNeeded);
        }
        Ok(inner.handshake.on_close().then(|| inner.link.clone()))
    }

    /// The host closes in the worker's place: the server shuts down.
    pub(crate) fn close_by_host(&self, body: &CloseBody) {
        let mut inner = self.lock();
        if !inner.handshake.on_close() {
            return;
        }
        let Link::Wire(outbox) = inner.link.clone() else {
            return;
        };
        let order = inner.handshake.order();
        drop(inner);
        outbox.close(body, order);
    }

    /// What the connection has to do once our Close is queued.
    pub(crate) fn close_order(&self) -> Order {
        self.lock().handshake.order()
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        self.lock().handshake.ready_state()
    }

    pub(crate) fn has_sent_close(&self) -> bool {
        self.lock().handshake.has_sent()
    }

    pub(crate) fn link(&self) -> Link {
        self.lock().link.clone()
    }

    /// Whether anything can still happen to this end that comes from outside its instance.
    pub(crate) fn is_reachable(&self, instance_holds: impl Fn(SocketId) -> bool) -> bool {
        match self.link() {
            Link::Wire(_) => true,
            Link::Gone => false,
            Link::Peer(peer) => peer.upgrade().is_some_and(|peer| !instance_holds(peer.id)),
        }
    }

    /// The worker has been given the last event; true if nothing is left to do for this end.
    pub(crate) fn settle(&self) -> bool {
        let mut inner = self.lock();
        inner.handshake.settle();
        inner.is_settled = true;
        inner.handshake.is_over()
    }

    /// The last event is through, and so is the handshake.
    pub(crate) fn is_forgettable(&self) -> bool {
        let inner = self.lock();
        inner.is_settled && inner.handshake.is_over()
    }

    /// The worker has been given a message that had waited here.
    pub(crate) fn took(&self, bytes: usize, bound: usize) {
        let mut inner = self.lock();
        let before = inner.waiting_bytes;
        inner.waiting_bytes = before.saturating_sub(bytes);
        if before <= bound || inner.waiting_bytes > bound {
            return;
        }
        let link = inner.link.clone();
        drop(inner);
        match link {
            Link::Wire(outbox) => outbox.notify(),
            Link::Peer(peer) => {
                if let Some(peer) = peer.upgrade() {
                    let mut inner = peer.lock();
                    if std::mem::take(&mut inner.wants_drain) {
                        inner.raise(peer.id, SocketEvent::Drain);
                    }
                }
            }
            Link::Gone => {}
        }
    }

    /// Bytes that have arrived and not been taken.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.lock().waiting_bytes
    }

    pub(crate) fn want_drain(&self) {
        self.lock().wants_drain = true;
    }

    pub(crate) fn raise_drain(&self) {
        let inner = self.lock();
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

    pub(crate) fn attachment(&self) -> Option<Vec<u8>> {
        self.lock().attachment.as_deref().map(<[u8]>::to_vec)
    }

    pub(crate) fn set_attachment(&self, value: Option<Vec<u8>>) {
        self.lock().attachment = value.map(Vec::into_boxed_slice);
    }

    pub(crate) fn request(&self) -> Option<Arc<UpgradeRequest>> {
        self.lock().request.clone()
    }
}

/// The end has not been accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClaimNeeded;

impl Handshake {
    /// What a connection does once our Close is queued.
    fn order(self) -> Order {
        if self.ready_state() == ReadyState::Closed {
            Order::End
        } else {
            Order::AwaitClose
        }
    }
}

impl Inner {
    fn owner(&self) -> Option<Arc<dyn Owner>> {
        match &self.claim {
            Claim::Accepted(owner) => Some(Arc::clone(owner)),
            Claim::Free | Claim::Sent | Claim::Coupled(_) => None,
        }
    }

    /// Give an event to the owner, or keep it until there is one that takes it.
    fn raise(&mut self, id: SocketId, event: SocketEvent) {
        if self.paused || !self.held.is_empty() {
            self.held.push_back(event);
            return;
        }
        match &self.claim {
            Claim::Accepted(owner) => owner.raise(id, event),
            Claim::Free | Claim::Sent | Claim::Coupled(_) => self.held.push_back(event),
        }
    }

    fn release_held(&mut self, id: SocketId) {
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
        if matches!(self.claim, Claim::Sent) {
            self.unsent.push(Arrival::Lost);
        } else if self.handshake.on_lost() {
            self.raise(id, SocketEvent::Close(CloseInfo::lost()));
        }
    }
}

/// Put what arrives for a client onto its wire.
fn write(outbox: &Outbox, arrival: Arrival) {
    match arrival {
        Arrival::Message(message) => {
            let mut frame = Vec::new();
            codec::message(message.as_ref(), &mut frame);
            outbox.push(&frame);
        }
        Arrival::Close(body) => outbox.close(&body, Order::AwaitClose),
        Arrival::Lost => outbox.order(Order::End),
    }
}
