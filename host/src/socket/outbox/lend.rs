//! Owns the lending of an idle connection's wire to a turn, which writes small frames itself: the connection's task
//! need not be woken for them. What others queue meanwhile goes behind.

use std::cell::Cell;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Inner, Order, Outbox};

/// The way to the operating system that needs no task.
pub(crate) trait Wire: Send + Sync + Debug {
    /// Write at once what the operating system takes.
    ///
    /// # Errors
    ///
    /// The system's; `WouldBlock` if it takes nothing now.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
}

/// Who may write to the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// The connection's task, which has something to write, or may have.
    Task,
    /// Nobody has anything to write.
    Nobody,
    /// A turn.
    Turn,
}

/// More connections are woken rather than written to: their threads share the work.
const WIRES: usize = 64;
/// Of longer frames the copy costs less than they do.
const FRAMES_BYTES: usize = 4096;

/// A buffer larger than this is not kept.
const KEPT_BYTES: usize = 256 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer for the frames of a turn: most often one that grew in the turns before.
pub(crate) fn spare() -> Vec<u8> {
    SPARE.take()
}

/// Frames of a turn, and the wires that were lent for them. What is not written when this is dropped the connections'
/// tasks write.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    frames: Vec<u8>,
    lent: Vec<Lent>,
    /// How many of them have been given back.
    done: usize,
}

#[derive(Debug)]
struct Lent {
    outbox: Arc<Outbox>,
    wire: Arc<dyn Wire>,
    /// Which of the frames.
    range: Range<usize>,
}

impl Writes {
    /// Keep a place for these frames of the turn, if the connection's wire is free; else they are to be queued.
    pub(crate) fn add(&mut self, outbox: &Arc<Outbox>, range: &Range<usize>) -> bool {
        if self.lent.len() >= WIRES || range.len() > FRAMES_BYTES {
            return false;
        }
        let Some(wire) = outbox.lend(range.len()) else {
            return false;
        };
        self.lent.push(Lent {
            outbox: Arc::clone(outbox),
            wire,
            range: range.clone(),
        });
        true
    }

    /// The frames of which ranges were added, if any were.
    pub(crate) fn are_of(&mut self, frames: Vec<u8>) {
        self.frames = frames;
    }

    /// Write them.
    pub(crate) fn write(mut self) {
        while let Some(lent) = self.lent.get(self.done) {
            let frames = &self.frames[lent.range.clone()];
            // What is wrong with the wire its connection finds out.
            let written = lent.wire.try_write(frames).unwrap_or(0);
            self.done += 1;
            lent.outbox.give_back(written, &frames[written..]);
        }
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        for lent in &self.lent[self.done..] {
            lent.outbox.give_back(0, &self.frames[lent.range.clone()]);
        }
        let mut frames = std::mem::take(&mut self.frames);
        if (1..=KEPT_BYTES).contains(&frames.capacity()) {
            frames.clear();
            SPARE.set(frames);
        }
    }
}

impl Outbox {
    /// The connection is there, and its wire may be lent.
    pub(crate) fn attach(&self, wire: Arc<dyn Wire>) {
        self.lock().wire = Some(wire);
    }

    /// Lend the wire for so many bytes, which count as buffered until it is given back.
    fn lend(&self, bytes: usize) -> Option<Arc<dyn Wire>> {
        let mut inner = self.lock();
        let is_free = inner.holder == Holder::Nobody
            && inner.frames.is_empty()
            && inner.order == Order::GoOn
            && bytes <= self.soft;
        if !is_free {
            return None;
        }
        let wire = Arc::clone(inner.wire.as_ref()?);
        inner.holder = Holder::Turn;
        self.count(bytes);
        Some(wire)
    }

    /// The turn has written so much, and this is left, which goes before what was queued meanwhile.
    fn give_back(&self, written: usize, rest: &[u8]) {
        let mut inner = self.lock();
        if inner.gone {
            return;
        }
        // No `drain` can be due: what was lent was below the soft bound, and what came behind it is in the queue.
        let after = self.buffered.fetch_sub(written, Ordering::SeqCst) - written;
        self.charge(after);
        if !rest.is_empty() {
            inner.frames.push_front(rest);
        }
        if inner.frames.is_empty() && inner.order == Order::GoOn {
            inner.holder = Holder::Nobody;
        } else {
            inner.holder = Holder::Task;
            super::wake(inner);
        }
    }

    /// The connection's task has written all that it had.
    pub(crate) fn all_written(&self) {
        let mut inner = self.lock();
        if inner.holder == Holder::Task && inner.frames.is_empty() {
            inner.holder = Holder::Nobody;
        }
    }
}

impl Inner {
    /// Whether a turn is writing: the task has to leave the queue alone.
    pub(super) fn is_lent(&self) -> bool {
        self.holder == Holder::Turn
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::task::{Context, Waker};

    use super::*;
    use crate::quota::Totals;
    use crate::socket::codec::Format;
    use crate::socket::frames::Frames;

    /// Takes so many bytes of each write.
    #[derive(Debug)]
    struct Narrow(usize, Mutex<Vec<u8>>);

    impl Wire for Narrow {
        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.1.lock().unwrap().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
    }

    /// An outbox whose task has nothing to do.
    fn idle(takes: usize) -> (Arc<Outbox>, Arc<Narrow>) {
        let outbox = Arc::new(Outbox::new(Format::default(), 100, &Totals::testing()));
        let wire = Arc::new(Narrow(takes, Mutex::default()));
        outbox.attach(Arc::<Narrow>::clone(&wire));
        assert_eq!(take(&outbox), b"");
        (outbox, wire)
    }

    /// What the task gets to write. It has it written.
    fn take(outbox: &Outbox) -> Vec<u8> {
        let mut pending = Frames::default();
        outbox.take(&mut Context::from_waker(Waker::noop()), &mut pending);
        let bytes = pending.take_bytes();
        outbox.written(bytes.len());
        outbox.all_written();
        bytes
    }

    fn writes(outbox: &Arc<Outbox>, frames: &[u8]) -> Writes {
        let mut writes = Writes::default();
        assert!(writes.add(outbox, &(0..frames.len())));
        writes.are_of(frames.to_vec());
        writes
    }

    #[test]
    fn what_is_queued_while_a_turn_writes_goes_behind_it() {
        let (outbox, wire) = idle(3);
        let writes = writes(&outbox, b"first");
        outbox.push(b"second");
        let mut own = b"third".to_vec();
        outbox.put_behind_queue(&mut own, 0);
        assert_eq!(own, b"", "the task must not write it now");
        assert_eq!(take(&outbox), b"", "nor what is queued");
        assert_eq!(outbox.buffered(), 16);
        writes.write();
        assert_eq!(*wire.1.lock().unwrap(), b"fir");
        assert_eq!(take(&outbox), b"stsecondthird");
        assert_eq!(outbox.buffered(), 0);
    }

    #[test]
    fn the_wire_is_lent_once_and_only_while_nothing_waits() {
        let (outbox, _) = idle(100);
        let first = writes(&outbox, b"first");
        assert!(!Writes::default().add(&outbox, &(0..1)));
        first.write();
        outbox.push(b"queued");
        assert!(!Writes::default().add(&outbox, &(0..1)));
        assert_eq!(take(&outbox), b"queued");
        writes(&outbox, b"again").write();
        outbox.put_behind_queue(&mut b"own".to_vec(), 0);
        assert!(
            !Writes::default().add(&outbox, &(0..1)),
            "the task has frames of its own"
        );
    }

    #[test]
    fn what_a_turn_does_not_get_to_the_task_writes() {
        let (outbox, wire) = idle(100);
        drop(writes(&outbox, b"first"));
        assert_eq!(take(&outbox), b"first");
        assert_eq!(*wire.1.lock().unwrap(), b"");
    }

    #[test]
    fn an_order_waits_until_the_turn_has_written() {
        let (outbox, _) = idle(100);
        let writes = writes(&outbox, b"first");
        outbox.close(&None, Order::End);
        let order = || {
            let mut cx = Context::from_waker(Waker::noop());
            outbox.take(&mut cx, &mut Frames::default()).order
        };
        assert_eq!(order(), Order::GoOn);
        writes.write();
        assert_eq!(order(), Order::End);
    }

    #[test]
    fn a_connection_that_is_gone_meanwhile_counts_nothing() {
        let (outbox, _) = idle(100);
        let writes = writes(&outbox, b"first");
        outbox.gone();
        writes.write();
        assert_eq!(outbox.buffered(), 0);
        assert!(!Writes::default().add(&outbox, &(0..1)));
    }
}
