//! Owns one end of a pair: its place in the close handshake, who has claimed it, where its sends lead, and
//! what has arrived that nobody could take yet. Locks are held for moves only, one at a time.

mod arrive;
mod claim;
mod durable;
mod outward;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::auto_response::AutoResponder;
use super::message::{CloseBody, CloseCode, CloseInfo, Message, MessageRef, SocketId};
use super::outbox::{KeepAlive, Order, Outbox};
use super::request::UpgradeRequest;
use super::state::{Handshake, ReadyState, SendVerdict};
use crate::quota::{Charge, Meter, Quota};

pub(crate) use self::arrive::Hold;
pub(crate) use self::claim::ClaimError;
pub(crate) use self::outward::Agreed;
use self::outward::Outward;

/// An event of a socket, for whoever has accepted it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SocketEvent {
    /// An outbound socket is open.
    Open,
    /// An outbound socket did not open. The last event.
    NotOpened(String),
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
    /// Nothing stands behind them that has to wait until they are handled, such as a Close.
    pub(crate) may_gather: bool,
}

/// Whoever takes the events of accepted ends: an instance of the worker.
pub(crate) trait Owner: Send + Sync + Debug {
    /// Put an event into the owner's inbox. Gives whether it is handled soon, by another task: nothing is in the way.
    fn raise(&self, socket: SocketId, event: SocketEvent) -> bool;

    /// Hand messages over and wait until they are handled, as many as fit into one turn: gives how many that
    /// were. Zero, if they have to wait: they are to be raised then. Events raised before are handled before.
    ///
    /// `None` if somebody is on the way who handles what is raised now: they are to be left there, with [`End::gather`].
    fn deliver(self: Arc<Self>, delivery: Delivery<'_>) -> Option<Turn<'_>>;
}

/// A turn that is to be run.
pub(crate) struct Turn<'a> {
    /// It waits for the messages of others, which then share it.
    pub(crate) is_shared: bool,
    /// Gives how many messages were taken.
    pub(crate) run: Pin<Box<dyn Future<Output = usize> + Send + 'a>>,
}

/// What one end sends and the other gets.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Message),
    Close(CloseBody),
    /// The sending end is gone without a Close.
    Lost,
    /// The sending end broke the protocol, and is gone.
    Failed(String),
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
    /// An outbound end: the connection is not there yet.
    Opening,
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
    /// The end has left an object in a response, and come to the instance that asked: nobody answers for it.
    in_transit: bool,
    /// Bytes that have arrived and not been taken.
    waiting: Meter,
    /// What waits is on its way into a turn, and the connection is not to go on before it.
    is_gathered: bool,
    /// The connection is to be told when that turn is over.
    is_awaited: bool,
    /// The connection is not read until nothing waits here any more.
    waits_for_last: bool,
    paused: bool,
    wants_drain: bool,
    /// The code of our own Close.
    closed_with: Option<u16>,
    /// The worker has been given the last event.
    is_settled: bool,
    attachment: Option<Attachment>,
    request: Option<Arc<UpgradeRequest>>,
    tags: Vec<Arc<str>>,
    /// When the auto-response last answered, in milliseconds since 1970.
    auto_response_at: Option<u64>,
    keep_alive: Option<KeepAlive>,
    /// Set for an outbound end.
    outward: Option<Box<Outward>>,
}

/// What an end takes itself, and what refers to it.
pub(crate) const END_BYTES: u64 = 1024;

/// Bytes that a worker has left with a socket.
#[derive(Debug)]
pub(crate) struct Attachment {
    bytes: Box<[u8]>,
    _charge: Charge,
}

impl Attachment {
    /// `None` if there is no room for them.
    pub(crate) fn new(bytes: Vec<u8>, quota: &Arc<Quota>) -> Option<Self> {
        let charge = Charge::of(quota, bytes.len() as u64)?;
        Some(Self {
            bytes: bytes.into_boxed_slice(),
            _charge: charge,
        })
    }
}

/// One end of a pair.
#[derive(Debug)]
pub(crate) struct End {
    id: SocketId,
    /// Set for a hibernatable end: where its object's auto-response is.
    responder: OnceLock<Arc<AutoResponder>>,
    inner: Mutex<Inner>,
}

impl End {
    /// Two ends, joined. What waits in either is charged to this quota, until it has a connection.
    pub(crate) fn pair(
        first: SocketId,
        second: SocketId,
        quota: &Arc<Quota>,
    ) -> (Arc<Self>, Arc<Self>) {
        let first = Arc::new(Self::new(first, quota));
        let second = Arc::new(Self::new(second, quota));
        first.lock().link = Link::Peer(Arc::downgrade(&second));
        second.lock().link = Link::Peer(Arc::downgrade(&first));
        (first, second)
    }

    /// An end to which nothing can happen: it stands for one that is gone.
    pub(crate) fn orphan(outbox: &Outbox) -> Self {
        let end = Self::new(0, &outbox.totals().held);
        end.lock().handshake.on_failed();
        end
    }

    fn new(id: SocketId, quota: &Arc<Quota>) -> Self {
        Self {
            id,
            responder: OnceLock::new(),
            inner: Mutex::new(Inner {
                handshake: Handshake::default(),
                claim: Claim::Free,
                link: Link::Gone,
                held: VecDeque::new(),
                unsent: Vec::new(),
                in_transit: false,
                waiting: Meter::with_base(quota, END_BYTES),
                is_gathered: false,
                is_awaited: false,
                waits_for_last: false,
                paused: false,
                wants_drain: false,
                closed_with: None,
                is_settled: false,
                attachment: None,
                request: None,
                tags: Vec::new(),
                auto_response_at: None,
                keep_alive: None,
                outward: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> SocketId {
        self.id
    }

    /// The verdict on a message, where it leads, and the bytes that wait there.
    pub(crate) fn on_send(&self) -> Result<(SendVerdict, Link), ClaimNeeded> {
        let inner = self.lock();
        match inner.claim {
            Claim::Accepted(_) => Ok((inner.handshake.on_send(), inner.link.clone())),
            // A hibernatable one whose last event is through has let go of its owner.
            Claim::Free if self.is_durable() => Ok((inner.handshake.on_send(), Link::Gone)),
            Claim::Free | Claim::Sent | Claim::Coupled(_) => Err(ClaimNeeded),
        }
    }

    /// The worker closes. Gives where the Close is to go; `None` if none is to be sent.
    pub(crate) fn on_close(&self, body: &CloseBody) -> Result<Option<Link>, ClaimNeeded> {
        let mut inner = self.lock();
        if !matches!(inner.claim, Claim::Accepted(_)) {
            return if self.is_durable() {
                Ok(None)
            } else {
                Err(ClaimNeeded)
            };
        }
        inner.closed_with = body.as_ref().map(|(code, _)| *code);
        Ok(inner.handshake.on_close().then(|| inner.link.clone()))
    }

    /// The host closes in the worker's place: the server shuts down. `own` is the outbox of the end's connection.
    pub(crate) fn close_by_host(&self, body: &CloseBody, own: &Outbox) {
        let mut inner = self.lock();
        if let Claim::Coupled(_) = inner.claim {
            drop(inner);
            return own.close(body, Order::AwaitClose);
        }
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

    /// Whether the peer may close with this code: one of those that a peer may send, or, as an answer, the one
    /// we sent, which can be any that Cloudflare's system lets a worker use.
    pub(crate) fn may_be_closed_with(&self, code: u16) -> bool {
        CloseCode::may_be_received(code) || self.lock().closed_with == Some(code)
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
            Link::Wire(_) | Link::Opening => true,
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

    pub(crate) fn attachment(&self) -> Option<Vec<u8>> {
        let inner = self.lock();
        inner.attachment.as_ref().map(|kept| kept.bytes.to_vec())
    }

    /// Leave bytes with the socket; gives those before.
    pub(crate) fn set_attachment(&self, value: Option<Attachment>) -> Option<Attachment> {
        std::mem::replace(&mut self.lock().attachment, value)
    }

    /// Have the connection, there or to come, ping a silent peer.
    pub(crate) fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        let mut inner = self.lock();
        inner.keep_alive = keep_alive;
        if let Link::Wire(outbox) = &inner.link {
            outbox.set_keep_alive(keep_alive);
        }
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
