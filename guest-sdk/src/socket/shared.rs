//! Owns what the handles of one accepted socket share, and the table that leads from the id in an event to it. Of a
//! hibernatable socket the table itself holds what they share, so that an event costs the host no question.

use super::inbox::{End, Inbox};
use crate::close::{self, CloseEvent};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::parting;
use crate::sys::{self, Payload};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

/// Ids are the host's and count up: they need no hash against an attacker, and SipHash would cost more than the rest
/// of the way of a message.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte) ^ self.0.rotate_left(8));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // hashbrown takes the bucket from the low bits and a tag from the high ones.
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ id;
    }
}

/// Ask the host how full an outbox is after so many bytes. Small against its limits.
const ASK_AFTER: u64 = 64 * 1024;
/// So that empty messages count.
const MESSAGE_COST: u64 = 16;

enum Entry {
    /// Lives as long as its handles.
    Standard(Weak<Shared>),
    /// Lives until the socket is over, or the instance is.
    Durable(Rc<Shared>),
}

type Table = HashMap<u64, Entry, BuildHasherDefault<IdHasher>>;

thread_local! {
    static TABLE: RefCell<Table> = const { RefCell::new(Table::with_hasher(BuildHasherDefault::new())) };
}

pub(super) struct Shared {
    pub(super) id: u64,
    pub(super) raw: sys::Socket,
    /// Hibernatable: its events go to the handlers of its object, and it outlives its handles.
    pub(super) is_durable: bool,
    /// Outbound, and its handshake is not over: until then it is nobody's but of who opens it.
    is_opening: Cell<bool>,
    inbox: RefCell<Inbox>,
    /// Bytes sent since the host was last asked how full the outbox is.
    unasked: Cell<u64>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Accept an end; its events arrive here from now on.
    pub(super) fn accept(raw: sys::Socket, half_open: bool) -> Result<Rc<Self>> {
        raw.accept(half_open)?;
        Ok(Self::new(raw, false, false))
    }

    /// Open an outbound socket; its events arrive here from now on.
    pub(super) fn connect(connect: sys::Connect<'_>) -> Result<Rc<Self>> {
        let raw = sys::connect(connect)?;
        Ok(Self::new(raw, connect.durable.is_some(), true))
    }

    /// The hibernatable socket of that id, if it is in the table; `Some(None)` if another socket is.
    pub(super) fn known(id: u64) -> Option<Option<Rc<Self>>> {
        TABLE.with_borrow(|table| match table.get(&id)? {
            Entry::Durable(shared) if !shared.is_opening.get() => Some(Some(Rc::clone(shared))),
            Entry::Durable(_) | Entry::Standard(_) => Some(None),
        })
    }

    /// The first event of a hibernatable socket in this instance, or the first question for it.
    #[cold]
    pub(super) fn adopt(id: u64, object: sys::Object) -> Option<Rc<Self>> {
        Some(Self::new(object.socket(id)?, true, false))
    }

    fn new(raw: sys::Socket, is_durable: bool, is_opening: bool) -> Rc<Self> {
        let shared = Rc::new(Self {
            id: raw.id(),
            raw,
            is_durable,
            is_opening: Cell::new(is_opening),
            inbox: RefCell::default(),
            unasked: Cell::new(0),
        });
        let entry = if is_durable {
            Entry::Durable(Rc::clone(&shared))
        } else {
            Entry::Standard(Rc::downgrade(&shared))
        };
        TABLE.with_borrow_mut(|table| table.insert(shared.id, entry));
        shared
    }

    pub(super) fn send(&self, payload: Payload<'_>) -> Result<()> {
        self.raw.send_by_id(self.id, payload)?;
        self.unasked
            .set(self.unasked.get() + payload.len() as u64 + MESSAGE_COST);
        Ok(())
    }

    /// Whether the outbox has room; if not, the host says when it has. It is not asked each time: that would double
    /// the calls on the way of a message.
    pub(super) fn is_writable(&self) -> bool {
        if self.unasked.get() < ASK_AFTER {
            return true;
        }
        let is_writable = self.raw.is_writable();
        if is_writable {
            self.unasked.set(0);
        }
        is_writable
    }

    /// The next message; `Ready(None)` when the socket has ended and all are taken.
    pub(super) fn poll_message(&self, cx: &Context<'_>) -> Poll<Option<Message>> {
        let mut inbox = self.inbox.borrow_mut();
        if let Some((message, resume)) = inbox.pop() {
            drop(inbox);
            if resume {
                self.raw.resume();
            }
            return Poll::Ready(Some(message));
        }
        if inbox.end.is_some() || self.is_durable {
            return Poll::Ready(None);
        }
        inbox.receivers.add(cx.waker());
        Poll::Pending
    }

    /// How it ended; `None` while it has not.
    pub(super) fn end(&self) -> Option<End> {
        self.inbox.borrow().end.clone()
    }

    /// Wait for the handshake of an outbound socket.
    pub(super) fn poll_open(&self, cx: &Context<'_>) -> Poll<Result<()>> {
        // It may have been open and be over by now: what it got before is still to be read.
        if !self.is_opening.get() {
            return Poll::Ready(Ok(()));
        }
        let mut inbox = self.inbox.borrow_mut();
        match &inbox.end {
            Some(End::Failed(why)) => Poll::Ready(Err(Error::SocketFailed(why.clone()))),
            Some(End::Closed(event)) => Poll::Ready(Err(Error::SocketFailed(event.reason.clone()))),
            None => {
                inbox.senders.add(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Have this task woken when the outbox has room again, or the socket has ended.
    pub(super) fn wait_for_room(&self, cx: &Context<'_>) {
        self.inbox.borrow_mut().senders.add(cx.waker());
    }

    /// It is over. A hibernatable socket stays in the table until its handler has been told.
    pub(super) fn finish(&self, end: End) {
        if !self.is_durable {
            forget(self.id);
        }
        let mut inbox = self.inbox.borrow_mut();
        inbox.end = Some(end);
        let (receivers, senders) = (inbox.receivers.take(), inbox.senders.take());
        drop(inbox);
        receivers.wake();
        senders.wake();
    }
}

/// The last handle is gone: nobody can read or close this socket any more, so it must not stay open and keep its
/// client waiting. Where either side has closed it already, this `close` does nothing.
///
/// A hibernatable socket is its object's and stays.
impl Drop for Shared {
    fn drop(&mut self) {
        if self.is_durable {
            return;
        }
        // Gone only while the thread ends, and then there is no host either.
        let Ok(_) = TABLE.try_with(|table| table.borrow_mut().remove(&self.id)) else {
            return;
        };
        let inbox = self.inbox.get_mut();
        if inbox.paused {
            // The peer's Close waits behind its messages.
            self.raw.resume();
        }
        match &inbox.end {
            // Still to be answered if the socket is half-open.
            Some(End::Closed(event)) if close::is_sendable(event.code) => {
                let _ended_already = self.raw.close(Some(event.code), None);
            }
            _ => parting::leave(self.id, &self.raw),
        }
    }
}

fn find(id: u64) -> Option<Rc<Shared>> {
    TABLE.with_borrow(|table| match table.get(&id)? {
        Entry::Standard(shared) => shared.upgrade(),
        Entry::Durable(shared) => Some(Rc::clone(shared)),
    })
}

/// Take a socket out of the table.
pub(crate) fn forget(id: u64) {
    // Gone only while the thread ends. What is taken out is dropped outside the borrow: a handle calls the host.
    let _entry = TABLE.try_with(|table| table.borrow_mut().remove(&id));
}

/// A message arrived. One for a socket that nobody holds any more is dropped.
pub(crate) fn on_message(id: u64, message: Message) {
    let Some(socket) = find(id) else { return };
    let mut inbox = socket.inbox.borrow_mut();
    let pause = inbox.push(message);
    let receivers = inbox.receivers.take();
    drop(inbox);
    if pause {
        socket.raw.pause();
    }
    receivers.wake();
}

/// The socket is over.
pub(crate) fn on_close(id: u64, event: CloseEvent) {
    if let Some(socket) = find(id) {
        socket.finish(End::Closed(event));
        // One that never opened: its object has not been told of it.
        forget(id);
    }
}

/// The socket failed.
pub(crate) fn on_error(id: u64, message: String) {
    if let Some(socket) = find(id) {
        socket.finish(End::Failed(message));
    }
}

/// Whether it is an outbound socket whose handshake is not over.
pub(crate) fn is_opening(id: u64) -> bool {
    find(id).is_some_and(|socket| socket.is_opening.get())
}

/// The socket is open.
pub(crate) fn on_open(id: u64) {
    if let Some(socket) = find(id) {
        socket.is_opening.set(false);
        on_drain(id);
    }
}

/// The socket's outbox has room again.
pub(crate) fn on_drain(id: u64) {
    if let Some(socket) = find(id) {
        let senders = socket.inbox.borrow_mut().senders.take();
        senders.wake();
    }
}

/// Forget every socket, as the end of an instance does.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn clear() {
    TABLE.take();
}
