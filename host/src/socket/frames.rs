//! Owns frames that wait to be written, in order: those of one connection, copied, and large ones that many
//! connections share. Empty, it holds no memory.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// A frame of at least this many bytes is shared; a smaller one is cheaper to copy than to keep count of.
const SHARED_BYTES: usize = 4 * 1024;

/// Copied frames are queued in pieces of about this size: one that grew would be moved again and again, and what was
/// written of it not given back.
const PIECE_BYTES: usize = 64 * 1024;

/// The most pieces that one write takes.
const SLICES: usize = 16;

/// Frames in the order in which they are to be written.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Goes before `tail`.
    queue: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// How much of the first piece has been written.
    written: usize,
    len: usize,
}

impl Frames {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push(&mut self, frames: &[u8]) {
        if self.tail.len() >= PIECE_BYTES {
            self.seal();
        }
        self.tail.extend_from_slice(frames);
        self.len += frames.len();
    }

    /// Queue a frame that other connections have, too.
    pub(crate) fn push_shared(&mut self, frame: &Bytes) {
        if frame.len() < SHARED_BYTES {
            self.push(frame);
            return;
        }
        self.seal();
        self.queue.push_back(frame.clone());
        self.len += frame.len();
    }

    /// Put frames before the others, of which nothing has been written.
    pub(crate) fn push_front(&mut self, frames: &[u8]) {
        debug_assert_eq!(self.written, 0, "the first piece cannot be moved back");
        self.queue.push_front(Bytes::copy_from_slice(frames));
        self.len += frames.len();
    }

    /// Move what was copied behind what is shared, so that more can follow.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.queue
                .push_back(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }

    /// Take all of it out and put it behind what is here.
    pub(crate) fn append(&mut self, other: &mut Self) {
        let other = std::mem::take(other);
        if self.is_empty() {
            *self = other;
            return;
        }
        debug_assert_eq!(
            other.written, 0,
            "only a connection writes, and what it writes stays with it"
        );
        self.len += other.len;
        if other.queue.is_empty() {
            self.tail.extend_from_slice(&other.tail);
            return;
        }
        self.seal();
        self.queue.extend(other.queue);
        self.tail = other.tail;
    }

    /// Take all of it out, as bytes.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        let taken = std::mem::take(self);
        if taken.queue.is_empty() && taken.written == 0 {
            return taken.tail;
        }
        let mut bytes = Vec::with_capacity(taken.len);
        for piece in taken.pieces() {
            bytes.extend_from_slice(piece);
        }
        bytes
    }

    /// What is to be written, if it is in one piece.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        match (self.queue.len(), self.queue.front()) {
            (0, _) => Some(&self.tail[self.written..]),
            (1, Some(piece)) if self.tail.is_empty() => Some(&piece[self.written..]),
            _ => None,
        }
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.written;
        self.queue
            .iter()
            .map(|bytes| &bytes[..])
            .chain([&self.tail[..]])
            .map(move |piece| &piece[std::mem::take(&mut skip)..])
            .filter(|piece| !piece.is_empty())
    }

    /// What the next write is to take: how many of the slices are filled.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(self.pieces()) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    /// Slices to fill.
    pub(crate) fn slices<'a>() -> [IoSlice<'a>; SLICES] {
        [IoSlice::new(&[]); SLICES]
    }

    /// The operating system has taken so many bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.len -= bytes;
        if self.len == 0 {
            *self = Self::default();
            return;
        }
        self.written += bytes;
        while let Some(first) = self.queue.front()
            && first.len() <= self.written
        {
            self.written -= first.len();
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(frames: &mut Frames, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !frames.is_empty() {
            let mut slices = Frames::slices();
            let filled = frames.fill(&mut slices);
            let next: Vec<u8> = slices[..filled]
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .take(step)
                .collect();
            assert!(!next.is_empty());
            frames.advance(next.len());
            out.extend(next);
        }
        out
    }

    #[test]
    fn order_is_kept_whatever_is_shared_and_however_little_is_written() {
        let large = Bytes::from(vec![b'L'; SHARED_BYTES]);
        let mut expected = b"ab".to_vec();
        expected.extend_from_slice(&large);
        expected.extend_from_slice(&large);
        expected.extend_from_slice(b"cdef");
        for step in [1, 3, 4096, 100_000] {
            let mut frames = Frames::default();
            frames.push(b"a");
            frames.push_shared(&Bytes::from_static(b"b"));
            frames.push_shared(&large);
            let mut more = Frames::default();
            more.push_shared(&large);
            more.push(b"cd");
            frames.append(&mut more);
            assert!(more.is_empty());
            frames.push(b"ef");
            assert_eq!(written(&mut frames, step), expected, "{step}");
        }
    }

    #[test]
    fn a_large_frame_is_not_copied() {
        let large = Bytes::from(vec![b'L'; SHARED_BYTES]);
        let mut frames = Frames::default();
        frames.push_shared(&large);
        let mut slices = Frames::slices();
        assert_eq!(frames.fill(&mut slices), 1);
        assert_eq!(slices[0].as_ptr(), large.as_ptr());
    }

    #[test]
    fn what_is_taken_as_bytes_is_what_was_not_written() {
        let mut frames = Frames::default();
        frames.push_shared(&Bytes::from(vec![b'L'; SHARED_BYTES]));
        frames.push(b"tail");
        frames.advance(SHARED_BYTES - 1);
        assert_eq!(frames.take_bytes(), b"Ltail");
        assert!(frames.is_empty());
    }
}
