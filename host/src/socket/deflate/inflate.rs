//! Owns the way of a compressed payload back, as it comes in, and the bound on what it may grow to. RFC 7692,
//! 7.2.2.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use super::TRAILER;

/// [`TRAILER`], and a final block without content: the stream is over exactly here only if the message had come
/// to its end.
const TRAILER_AND_FINAL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
/// How far back a block can refer.
const WINDOW: usize = 32 * 1024;
/// How often in a message what came before is kept over a final block. A final block takes two bytes, keeping
/// takes a copy of a window.
const FINAL_BLOCKS_MAX: u32 = 256;
/// Streams that a thread keeps for the next messages.
const POOLED_MAX: usize = 8;

/// Boxed, for the box goes to the connection and back.
type Pool = RefCell<Vec<Box<Stream>>>;

thread_local! {
    static POOL: Pool = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// It is not what a compressor makes.
    Corrupt,
    /// It holds more than the message may have.
    TooBig,
}

/// Inflates the messages of one connection, one after the other. Between messages it holds memory only if the
/// peer keeps its context.
#[derive(Debug)]
pub(crate) struct Inflater {
    peer_keeps_context: bool,
    stream: Option<Box<Stream>>,
}

impl Inflater {
    pub(crate) fn new(peer_keeps_context: bool) -> Self {
        Self {
            peer_keeps_context,
            stream: None,
        }
    }

    /// Take more of a message in, from the begin of `piece`, until `out` has grown by `step` bytes or nothing is left.
    /// `out` has what the message gave so far, and nothing else; it never grows over `max` bytes.
    ///
    /// # Errors
    ///
    /// The connection is to fail; nothing may be fed after an error.
    pub(crate) fn feed(
        &mut self,
        piece: &mut &[u8],
        out: &mut Vec<u8>,
        step: usize,
        max: usize,
    ) -> Result<(), InflateError> {
        if piece.is_empty() && !self.has_more() {
            return Ok(());
        }
        self.stream
            .get_or_insert_with(Stream::take)
            .inflate(piece, out, step, max)
    }

    /// Whether what was taken in gives more than there has been room for.
    pub(crate) fn has_more(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.has_more)
    }

    /// The message has come to its end, and `out` has all of it.
    ///
    /// # Errors
    ///
    /// As [`Self::feed`]: a message that was cut short is corrupt. Where the peer keeps its context, that may show
    /// in the next message only.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), InflateError> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        if self.peer_keeps_context {
            if !stream.is_between_blocks {
                stream.end(&TRAILER, out)?;
                stream.is_between_blocks = true;
            }
            stream.final_blocks = 0;
            return Ok(());
        }
        if !stream.is_between_blocks {
            stream.end(&TRAILER_AND_FINAL, out)?;
            if !stream.is_between_blocks {
                return Err(InflateError::Corrupt);
            }
        }
        if let Some(stream) = self.stream.take() {
            stream.give_back();
        }
        Ok(())
    }
}

/// A stream of blocks, and how far it has been read.
#[derive(Debug)]
struct Stream {
    decompress: Decompress,
    /// Nothing of a block has been read since the stream began or a message ended. A message that ends here has
    /// nothing left out: it has no bytes at all, or its sender forgot the empty block after a final one. Neither
    /// is what the RFC says, and neither leaves a doubt.
    is_between_blocks: bool,
    /// All has been taken in, and not all has been given out.
    has_more: bool,
    /// How many this message has had, up to [`FINAL_BLOCKS_MAX`].
    final_blocks: u32,
}

impl Stream {
    /// A fresh stream, in memory that may have been another's.
    fn take() -> Box<Self> {
        let mut stream = POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
            Box::new(Self {
                decompress: Decompress::new(false),
                is_between_blocks: true,
                has_more: false,
                final_blocks: 0,
            })
        });
        stream.decompress.reset(false);
        stream.is_between_blocks = true;
        stream.has_more = false;
        stream.final_blocks = 0;
        stream
    }

    fn give_back(self: Box<Self>) {
        POOL.with_borrow_mut(|pool| {
            if pool.len() < POOLED_MAX {
                pool.push(self);
            }
        });
    }

    fn inflate(
        &mut self,
        piece: &mut &[u8],
        out: &mut Vec<u8>,
        step: usize,
        max: usize,
    ) -> Result<(), InflateError> {
        self.is_between_blocks = false;
        let end = out.len().saturating_add(step.max(1));
        loop {
            let (len, room) = (out.len(), room(out, piece.len(), end, max));
            out.resize(len + room, 0);
            let (before_in, before_out) = (self.decompress.total_in(), self.decompress.total_out());
            let status = self
                .decompress
                .decompress(piece, &mut out[len..], FlushDecompress::None);
            let part = |count: u64| usize::try_from(count).expect("it is part of a slice");
            let given = part(self.decompress.total_out() - before_out);
            out.truncate(len + given);
            if out.len() > max {
                out.truncate(max);
                return Err(InflateError::TooBig);
            }
            let status = status.map_err(|_| InflateError::Corrupt)?;
            *piece = &piece[part(self.decompress.total_in() - before_in)..];
            self.has_more = false;
            match status {
                Status::StreamEnd => {
                    self.go_on_after_the_end(out)?;
                    if piece.is_empty() {
                        self.is_between_blocks = true;
                        return Ok(());
                    }
                }
                // With room left, it can only be waiting for more.
                Status::Ok | Status::BufError if given < room => {
                    return if piece.is_empty() {
                        Ok(())
                    } else {
                        Err(InflateError::Corrupt)
                    };
                }
                Status::Ok | Status::BufError => self.has_more = piece.is_empty(),
            }
            if out.len() >= end {
                return Ok(());
            }
        }
    }

    /// Take in what was left out. Nothing comes out any more, unless a block takes the trailer for its content.
    fn end(&mut self, mut trailer: &[u8], out: &mut Vec<u8>) -> Result<(), InflateError> {
        let len = out.len();
        self.inflate(&mut trailer, out, usize::MAX, len)
            .map_err(|_| InflateError::Corrupt)
    }

    /// A final block ends a stream, but not a message: the next block begins at the next byte (7.2.1), and may
    /// refer to what was before. What earlier messages gave is lost here; no sender is known to need it, for
    /// zlib's own begin a new window then.
    fn go_on_after_the_end(&mut self, out: &[u8]) -> Result<(), InflateError> {
        self.decompress.reset(false);
        if self.final_blocks == FINAL_BLOCKS_MAX {
            return Ok(());
        }
        self.final_blocks += 1;
        let window = &out[out.len().saturating_sub(WINDOW)..];
        self.decompress
            .set_dictionary(window)
            .map_err(|_| InflateError::Corrupt)?;
        Ok(())
    }
}

/// How much of the output is to come next, and room for it. It grows with what has come out already, so that a few bytes
/// cannot claim much: up to the end of a step, or to one byte over the bound, which tells a message that is too big
/// from one that just fits.
fn room(out: &mut Vec<u8>, piece: usize, end: usize, max: usize) -> usize {
    let allowed = max.saturating_add(1).saturating_sub(out.len());
    if out.len() == out.capacity() {
        let wanted = out.len().max(piece.saturating_mul(4)).max(128);
        out.reserve_exact(wanted.min(allowed).max(1));
    }
    let spare = out.capacity() - out.len();
    spare.min(end - out.len()).min(allowed).max(1)
}

#[cfg(test)]
#[path = "inflate_testing.rs"]
pub(super) mod testing;

#[cfg(test)]
#[path = "inflate_tests.rs"]
mod tests;
