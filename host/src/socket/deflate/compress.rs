//! Owns the way of a payload into its compressed form. Each message stands for itself, so that the
//! compressors belong to the threads, not to the connections. RFC 7692, 7.2.1.

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress};

use super::{Outgoing, TRAILER, short};

thread_local! {
    /// One for each window that a peer has asked for, made at the first message.
    static COMPRESSORS: RefCell<Vec<(Outgoing, Compress)>> = const { RefCell::new(Vec::new()) };
}

/// Append the compressed form of a payload to `out`.
pub(crate) fn compress(payload: &[u8], outgoing: Outgoing, out: &mut Vec<u8>) {
    // 7.2.3.6: what is left of an empty block.
    if payload.is_empty() {
        out.push(0x00);
        return;
    }
    if outgoing.level == 1 && payload.len() <= short::LEN_MAX {
        short::compress(payload, outgoing.window_bits, out);
        return;
    }
    COMPRESSORS.with_borrow_mut(|compressors| {
        let at = compressors
            .iter()
            .position(|(made_for, _)| *made_for == outgoing)
            .unwrap_or_else(|| {
                compressors.push((outgoing, compressor(outgoing)));
                compressors.len() - 1
            });
        let (_, compressor) = &mut compressors[at];
        compressor.reset();
        flush(compressor, payload, out);
    });
    debug_assert!(out.ends_with(&TRAILER), "a flush ends with an empty block");
    out.truncate(out.len() - TRAILER.len());
}

fn compressor(outgoing: Outgoing) -> Compress {
    let level = Compression::new(outgoing.level.into());
    Compress::new_with_window_bits(level, false, outgoing.window_bits)
}

/// Append all of a payload and the empty block after it.
fn flush(compressor: &mut Compress, payload: &[u8], out: &mut Vec<u8>) {
    let begin = compressor.total_in();
    // Enough for most text at the first go, and for the block headers of a short message.
    out.reserve(payload.len() / 2 + 64);
    loop {
        let taken = usize::try_from(compressor.total_in() - begin).expect("it is part of a slice");
        compressor
            .compress_vec(&payload[taken..], out, FlushCompress::Sync)
            .expect("a compressor between two flushes takes any bytes");
        // The flush is complete when it left room. If it stopped at the very end, the next call adds a second
        // empty block, which does no harm.
        if out.len() < out.capacity() {
            return;
        }
        out.reserve(payload.len() / 2 + 64);
    }
}

#[cfg(test)]
#[path = "compress_tests.rs"]
mod tests;
