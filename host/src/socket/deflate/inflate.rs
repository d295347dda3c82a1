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

    /// Take the next piece of a message in. `out` has what the message gave so far, and nothing else; it never
    /// grows over `max` bytes.
    ///
    /// # Errors
    ///
    /// The connection is to fail; nothing may be fed after an error.
    pub(crate) fn feed(
        &mut self,
        piece: &[u8],
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<(), InflateError> {
        if piece.is_empty() {
            return Ok(());
        }
        self.stream
            .get_or_insert_with(Stream::take)
            .inflate(piece, out, max)
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
                final_blocks: 0,
            })
        });
        stream.decompress.reset(false);
        stream.is_between_blocks = true;
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
        mut piece: &[u8],
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<(), InflateError> {
        self.is_between_blocks = false;
        loop {
            make_room(out, piece.len(), max);
            let before = self.decompress.total_in();
            let status = self
                .decompress
                .decompress_vec(piece, out, FlushDecompress::None);
            if out.len() > max {
                out.truncate(max);
                return Err(InflateError::TooBig);
            }
            let status = status.map_err(|_| InflateError::Corrupt)?;
            let taken = usize::try_from(self.decompress.total_in() - before)
                .expect("it is part of a slice");
            piece = &piece[taken..];
            match status {
                Status::StreamEnd => {
                    self.go_on_after_the_end(out)?;
                    if piece.is_empty() {
                        self.is_between_blocks = true;
                        return Ok(());
                    }
                }
                // With room left, it can only be waiting for more.
                Status::Ok | Status::BufError if out.len() < out.capacity() => {
                    return if piece.is_empty() {
                        Ok(())
                    } else {
                        Err(InflateError::Corrupt)
                    };
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }

    /// Take in what was left out. Nothing comes out any more, unless a block takes the trailer for its content.
    fn end(&mut self, trailer: &[u8], out: &mut Vec<u8>) -> Result<(), InflateError> {
        let len = out.len();
        self.inflate(trailer, out, len)
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

/// Make room for output if there is none. It grows with what has come out already, so that a few bytes cannot
/// claim much, and to one byte over the bound, which tells a message that is too big from one that just fits.
fn make_room(out: &mut Vec<u8>, piece: usize, max: usize) {
    if out.len() < out.capacity() {
        return;
    }
    let wanted = out.len().max(piece.saturating_mul(4)).max(128);
    let allowed = max.saturating_add(1).saturating_sub(out.len());
    out.reserve_exact(wanted.min(allowed).max(1));
}

#[cfg(test)]
#[path = "inflate_testing.rs"]
pub(super) mod testing;

#[cfg(test)]
#[path = "inflate_tests.rs"]
mod tests;
