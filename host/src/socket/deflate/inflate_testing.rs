//! What the tests of both directions use.

use super::{InflateError, Inflater};

/// Text that can be compressed; Python's `b"word %d of %d; " % (i * 7 % 13, i * i % 97)` joined and cut.
pub(crate) fn words(len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut i = 0;
    while out.len() < len {
        out.extend_from_slice(format!("word {} of {}; ", i * 7 % 13, i * i % 97).as_bytes());
        i += 1;
    }
    out.truncate(len);
    out
}

/// Inflate one message of a peer that does not keep its context.
pub(crate) fn inflate(payload: &[u8]) -> Result<Vec<u8>, InflateError> {
    message(&mut Inflater::new(false), &[payload])
}

/// Inflate the next message, which comes in these pieces.
pub(crate) fn message(inflater: &mut Inflater, pieces: &[&[u8]]) -> Result<Vec<u8>, InflateError> {
    bounded(inflater, pieces, usize::MAX)
}

pub(crate) fn bounded(
    inflater: &mut Inflater,
    pieces: &[&[u8]],
    max: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    for piece in pieces {
        inflater.feed(&mut { *piece }, &mut out, usize::MAX, max)?;
    }
    inflater.finish(&mut out)?;
    Ok(out)
}
