//! Owns the buffers of a connection that is at work. They belong to the thread and are lent, so that a
//! connection that idles holds none.

use std::cell::RefCell;

use crate::socket::decode::Item;

/// Bytes read at a time.
pub(super) const READ_BYTES: usize = 128 * 1024;

/// Sets of buffers that a thread keeps: more than one, since a turn can yield to another connection.
const KEPT: usize = 4;

/// A buffer larger than this is not kept.
const KEPT_BYTES: usize = 256 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Work>> = const { RefCell::new(Vec::new()) };
}

/// A set of buffers.
#[derive(Debug)]
pub(super) struct Work {
    /// Initialised once, read into again and again.
    pub(super) buf: Vec<u8>,
    pub(super) len: usize,
    pub(super) items: Vec<Item>,
    /// Frames to write.
    pub(super) out: Vec<u8>,
}

impl Work {
    pub(super) fn take() -> Self {
        POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| Self {
            buf: vec![0; READ_BYTES],
            len: 0,
            items: Vec::new(),
            out: Vec::new(),
        })
    }

    /// A set that has read these bytes, which are no more than [`READ_BYTES`].
    pub(super) fn with(bytes: &[u8]) -> Self {
        let mut work = Self::take();
        work.buf[..bytes.len()].copy_from_slice(bytes);
        work.len = bytes.len();
        work
    }

    pub(super) fn put_back(mut self) {
        self.items.clear();
        self.out.clear();
        if self.out.capacity() > KEPT_BYTES {
            self.out = Vec::new();
        }
        POOL.with_borrow_mut(|pool| {
            if pool.len() < KEPT {
                pool.push(self);
            }
        });
    }
}
