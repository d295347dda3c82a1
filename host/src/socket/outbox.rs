//! Owns what others have for a connection: frames to write and orders about its end. The connection's task
//! holds the other side and is woken. Nobody else touches the TCP stream, but for a turn to which it is lent.

mod lend;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;

use super::codec::{self, Format, Role};
use super::frames::Frames;
use super::message::{CloseBody, MessageRef};
use crate::quota::{Totals, steps};

use self::lend::Holder;
pub(crate) use self::lend::{Wire, Writes, spare};

/// How far a connection is to go. Orders only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    GoOn,
    /// Our Close is queued; the peer's is awaited.
    AwaitClose,
    /// Write what is queued, then end the connection.
    End,
    /// End the connection now.
    Drop,
}

/// How a connection watches over a peer that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeepAlive {
    /// Milliseconds of silence before a ping.
    pub(crate) interval_ms: u32,
    /// Milliseconds after it in which something must come.
    pub(crate) timeout_ms: u32,
}

/// What wakes a connection's task apart from its TCP stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wake {
    pub(crate) order: Order,
    pub(crate) keep_alive: Option<KeepAlive>,
}

#[derive(Debug)]
struct Inner {
    frames: Frames,
    order: Order,
    keep_alive: Option<KeepAlive>,
    waker: Option<Waker>,
    gone: bool,
    holder: Holder,
    /// `None` where writing takes more than that, as with TLS.
    wire: Option<Arc<dyn Wire>>,
}

/// A message that an empty outbox takes in any case.
const SHORT_BYTES: usize = 64 * 1024;

/// The outbox of one connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    format: Format,
    inner: Mutex<Inner>,
    /// Bytes queued here or held by the connection's task, not yet taken by the operating system.
    buffered: AtomicUsize,
    /// What is charged for them.
    charged: AtomicU64,
    totals: Arc<Totals>,
    soft: usize,
    /// The soft bound has been passed, and nobody told since that it no longer is.
    above_soft: AtomicBool,
}

impl Outbox {
    pub(crate) fn new(format: Format, soft: usize, totals: &Arc<Totals>) -> Self {
        Self {
            format,
            inner: Mutex::new(Inner {
                frames: Frames::default(),
                order: Order::GoOn,
                keep_alive: None,
                waker: None,
                gone: false,
                holder: Holder::Task,
                wire: None,
            }),
            buffered: AtomicUsize::new(0),
            charged: AtomicU64::new(0),
            totals: Arc::clone(totals),
            soft,
            above_soft: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which side of the connection the host is.
    pub(crate) fn role(&self) -> Role {
        self.format.role
    }

    /// How messages stand on its connection's wire.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed)
    }

    /// Whether a message of so many bytes may go behind `before` bytes: any into an empty outbox. Where all outboxes
    /// together have as much as they may, only a short one into an empty one.
    pub(crate) fn takes(&self, before: usize, bytes: usize, hard: usize) -> bool {
        match self.totals.outboxes.is_full() {
            false => before == 0 || before + bytes <= hard,
            true => before == 0 && bytes <= SHORT_BYTES,
        }
    }

    pub(crate) fn totals(&self) -> &Arc<Totals> {
        &self.totals
    }

    pub(crate) fn is_above_soft(&self) -> bool {
        self.buffered() > self.soft
    }

    /// Queue whole frames, and wake the task.
    pub(crate) fn push(&self, frames: &[u8]) {
        self.queue(frames.len(), |queue| queue.push(frames));
    }

    /// Queue a frame that goes to many, and wake the task.
    pub(crate) fn push_shared(&self, frame: &Bytes) {
        self.queue(frame.len(), |queue| queue.push_shared(frame));
    }

    fn queue(&self, bytes: usize, put: impl FnOnce(&mut Frames)) {
        let mut inner = self.lock();
        // Nothing follows a Close. RFC 6455, 5.5.1.
        if inner.gone || inner.order >= Order::AwaitClose {
            return;
        }
        put(&mut inner.frames);
        self.count(bytes);
        wake(inner);
    }

    fn count(&self, bytes: usize) {
        let before = self.buffered.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.soft {
            self.above_soft.store(true, Ordering::Relaxed);
        }
        self.charge(before + bytes);
    }

    /// Have so many bytes charged. What several threads change at a time adds up, in whatever order.
    fn charge(&self, buffered: usize) {
        let wanted = steps(buffered as u64);
        if wanted == self.charged.load(Ordering::Relaxed) {
            return;
        }
        let before = self.charged.swap(wanted, Ordering::Relaxed);
        let quota = &self.totals.outboxes;
        if wanted > before {
            quota.take(wanted - before);
        } else {
            quota.give(before - wanted);
        }
    }

    /// Called by the connection's own turn, before the session is let go: what others have queued goes
    /// first, then the turn's own frames. They are counted as buffered here.
    pub(crate) fn put_behind_queue(&self, own: &mut Vec<u8>, from: usize) {
        let mut inner = self.lock();
        let bytes = own.len() - from;
        if inner.order >= Order::AwaitClose {
            own.truncate(from);
            return;
        }
        self.count(bytes);
        if inner.is_lent() {
            inner.frames.push(&own[from..]);
            own.truncate(from);
            return;
        }
        inner.holder = Holder::Task;
        if !inner.frames.is_empty() {
            own.splice(from..from, inner.frames.take_bytes());
        }
    }

    /// Queue a message.
    pub(crate) fn push_message(&self, message: MessageRef<'_>) {
        let mut frame = Vec::new();
        codec::message(self.format, message, &mut frame);
        self.push(&frame);
    }

    /// Queue a Close frame, unless there is one already, and give the order that follows from it.
    pub(crate) fn close(&self, body: &CloseBody, order: Order) {
        let mut frame = Vec::new();
        codec::close(self.role(), body, &mut frame);
        self.push(&frame);
        self.order(order);
    }

    pub(crate) fn order(&self, order: Order) {
        let mut inner = self.lock();
        inner.order = inner.order.max(order);
        wake(inner);
    }

    /// End the connection now, and drop what is queued here. False if that has been ordered before.
    pub(crate) fn drop_now(&self) -> bool {
        let mut inner = self.lock();
        let is_news = inner.order < Order::Drop;
        inner.order = Order::Drop;
        wake(inner);
        is_news
    }

    pub(crate) fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        let mut inner = self.lock();
        if inner.keep_alive != keep_alive {
            inner.keep_alive = keep_alive;
            wake(inner);
        }
    }

    /// Have the task look at its state again.
    pub(crate) fn notify(&self) {
        wake(self.lock());
    }

    /// A `send` was refused. True if the outbox is below its soft bound
    /// by now, so that a `drain` event is due at once: nothing will be written that could bring one.
    pub(crate) fn refuse(&self) -> bool {
        self.above_soft.store(true, Ordering::SeqCst);
        if self.buffered.load(Ordering::SeqCst) <= self.soft {
            return self.calm();
        }
        false
    }

    /// The outbox is below its soft bound. True if somebody is to be told.
    fn calm(&self) -> bool {
        self.above_soft.swap(false, Ordering::SeqCst)
    }

    /// The task takes what is queued and leaves its waker.
    pub(crate) fn take(&self, cx: &mut Context<'_>, pending: &mut Frames) -> Wake {
        let mut inner = self.lock();
        match &mut inner.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let order = if !inner.is_lent() {
            if !inner.frames.is_empty() {
                pending.append(&mut inner.frames);
            }
            inner.holder = match pending.is_empty() {
                true => Holder::Nobody,
                false => Holder::Task,
            };
            inner.order
        } else if inner.order == Order::Drop {
            Order::Drop
        } else {
            // What the turn writes goes before what was queued for the end.
            Order::GoOn
        };
        Wake {
            order,
            keep_alive: inner.keep_alive,
        }
    }

    /// The operating system has taken bytes. True if a `drain` event is due.
    pub(crate) fn written(&self, bytes: usize) -> bool {
        let after = self.buffered.fetch_sub(bytes, Ordering::SeqCst) - bytes;
        self.charge(after);
        after <= self.soft && self.above_soft.load(Ordering::SeqCst) && self.calm()
    }

    /// The connection is over; what is queued, and will be, is dropped.
    pub(crate) fn gone(&self) {
        let mut inner = self.lock();
        inner.gone = true;
        inner.frames = Frames::default();
        inner.waker = None;
        inner.wire = None;
        inner.holder = Holder::Task;
        self.buffered.store(0, Ordering::Relaxed);
        self.charge(0);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.charge(0);
    }
}

/// Wake the task once, without the lock.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(soft: usize) -> Outbox {
        Outbox::new(Format::default(), soft, &Totals::testing())
    }

    fn take(outbox: &Outbox, pending: &mut Frames) -> Wake {
        outbox.take(&mut Context::from_waker(Waker::noop()), pending)
    }

    #[test]
    fn frames_of_others_go_before_those_of_a_later_turn() {
        let outbox = outbox(100);
        outbox.push(b"others");
        let mut own = b"earlier".to_vec();
        own.extend_from_slice(b"mine");
        outbox.put_behind_queue(&mut own, 7);
        assert_eq!(own, b"earlierothersmine");
        assert_eq!(outbox.buffered(), 10);
    }

    #[test]
    fn drain_is_due_once_after_the_soft_bound_was_passed() {
        let outbox = outbox(4);
        outbox.push(b"123");
        assert!(!outbox.written(3));
        outbox.push(b"123456");
        assert!(!outbox.written(1));
        assert!(outbox.written(2));
        assert!(!outbox.written(3));
    }

    #[test]
    fn a_refusal_by_an_outbox_that_is_empty_by_now_makes_drain_due_at_once() {
        let outbox = outbox(4);
        assert!(outbox.refuse());
        outbox.push(b"123456");
        assert!(!outbox.refuse());
        assert!(outbox.written(6));
    }

    #[test]
    fn what_waits_is_charged_until_it_is_written_or_the_connection_is_gone() {
        let outbox = outbox(4);
        let used = || outbox.totals().outboxes.used();
        outbox.push(&[0; 100]);
        assert_eq!(used(), 0, "little costs nothing");
        outbox.push(&[0; 10_000]);
        assert_eq!(used(), 12_288);
        outbox.written(10_000);
        assert_eq!(used(), 0);
        outbox.push(&[0; 10_000]);
        outbox.gone();
        assert_eq!(used(), 0);
    }

    #[test]
    fn where_all_outboxes_are_full_nothing_goes_behind_anything() {
        let outbox = outbox(4);
        assert!(outbox.takes(10, 10, 20) && !outbox.takes(10, 11, 20));
        let quota = &outbox.totals().outboxes;
        quota.take(quota.max());
        assert!(outbox.takes(0, 100, 20) && !outbox.takes(1, 1, 20));
    }

    #[test]
    fn nothing_is_queued_behind_the_end_and_orders_only_grow() {
        let outbox = outbox(4);
        outbox.close(&None, Order::End);
        outbox.push(b"late");
        outbox.order(Order::AwaitClose);
        let mut pending = Frames::default();
        assert_eq!(take(&outbox, &mut pending).order, Order::End);
        assert_eq!(pending.take_bytes(), [0x88, 0]);
    }
}
