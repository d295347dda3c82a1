//! Compression: what comes back is what went in; garbage stays within its bound, reads the same wherever it is cut,
//! and as others read it.

use flate2::{Decompress, FlushDecompress, Status};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{self, DecompressorOxide, inflate_flags};

use super::pieces;
use crate::socket::deflate::{InflateError, Inflater, Outgoing, compress};

/// What a compressor leaves out at the end of a message, and a final block without content.
const TRAILER_AND_FINAL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// Input: a byte of flags, one that settles the cuts and the window, the payload.
///
/// # Panics
///
/// If the inflater or the compressor is wrong.
pub fn inflate(data: &[u8]) {
    let [flags, cuts, payload @ ..] = data else {
        return;
    };
    let keeps_context = flags & 1 != 0;
    if flags & 2 == 0 {
        let max = [1 << 20, 0, 100, 5000][usize::from(flags >> 2 & 3)];
        garbage(payload, *cuts, keeps_context, max);
    } else {
        // The level that most use more often than the others.
        let level = (flags >> 2 & 15).clamp(1, 9);
        let window_bits = 9 + cuts % 7;
        round_trip(
            payload,
            *cuts,
            keeps_context,
            Outgoing { window_bits, level },
        );
    }
}

fn garbage(payload: &[u8], cuts: u8, keeps_context: bool, max: usize) {
    let whole = message(&mut Inflater::new(keeps_context), &[payload], max);
    for cut in [pieces(payload, cuts, 40), pieces(payload, 0, 1)] {
        let mut inflater = Inflater::new(keeps_context);
        assert_eq!(message(&mut inflater, &cut, max), whole, "in pieces");
        // The next one of the connection.
        if whole.is_ok() {
            let _ = message(&mut inflater, &cut, max);
        }
    }
    let oracle = one_shot(payload).filter(|bytes| bytes.len() <= max);
    if let Some(bytes) = &oracle {
        assert_eq!(whole.as_ref(), Ok(bytes), "as in one go");
    }
    // miniz knows nothing of what follows a final block; without one it has to agree.
    if oracle.is_some()
        && let Some(bytes) = miniz(payload, 1 << 15)
    {
        assert_eq!(whole, Ok(bytes), "as miniz reads it");
    }
}

fn round_trip(payload: &[u8], cuts: u8, keeps_context: bool, outgoing: Outgoing) {
    let mut compressed = Vec::new();
    compress(payload, outgoing, &mut compressed);
    // A peer with a window of this size and no more.
    let theirs = miniz(&compressed, 1 << outgoing.window_bits);
    assert_eq!(theirs.as_deref(), Some(payload), "{outgoing:?}");
    let mut inflater = Inflater::new(keeps_context);
    for cut in [
        vec![&compressed[..]],
        pieces(&compressed, cuts, 40),
        pieces(&compressed, 0, 1),
    ] {
        let ours = message(&mut inflater, &cut, payload.len());
        assert_eq!(ours.as_deref(), Ok(payload), "{outgoing:?}");
    }
    if let Some(max) = payload.len().checked_sub(1) {
        let ours = message(&mut Inflater::new(keeps_context), &[&compressed], max);
        assert_eq!(ours, Err(InflateError::TooBig), "{outgoing:?}");
    }
}

fn message(inflater: &mut Inflater, pieces: &[&[u8]], max: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    let fed = pieces
        .iter()
        .try_for_each(|piece| inflater.feed(&mut { *piece }, &mut out, usize::MAX, max));
    let finished = fed.and_then(|()| inflater.finish(&mut out));
    assert!(out.len() <= max, "{} > {max}", out.len());
    assert!(out.capacity() <= max + 129, "{} claimed", out.capacity());
    finished.map(|()| out)
}

/// What zlib makes of a message in one go, if it is one stream that comes to its end with the trailer. One that was cut
/// short inside a stored block takes the trailer for its content, and is none.
fn one_shot(payload: &[u8]) -> Option<Vec<u8>> {
    let mut decompress = Decompress::new(false);
    // No payload of this length holds more.
    let mut out = Vec::with_capacity(payload.len() * 1040 + 64);
    let flush = FlushDecompress::None;
    let status = decompress.decompress_vec(payload, &mut out, flush).ok()?;
    let len = out.len();
    if status == Status::StreamEnd || payload.is_empty() {
        return None;
    }
    let status = decompress.decompress_vec(&TRAILER_AND_FINAL, &mut out, flush);
    let taken = usize::try_from(decompress.total_in()).ok()?;
    let is_whole = matches!(status, Ok(Status::StreamEnd))
        && taken == payload.len() + TRAILER_AND_FINAL.len()
        && out.len() == len;
    is_whole.then_some(out)
}

/// What another's inflater makes of a message, with a window of so many bytes.
fn miniz(payload: &[u8], window: usize) -> Option<Vec<u8>> {
    let stream = [payload, &TRAILER_AND_FINAL].concat();
    let mut state = Box::<DecompressorOxide>::default();
    let mut ring = vec![0; window];
    let (mut read, mut at, mut out) = (0, 0, Vec::new());
    loop {
        let flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
        let (status, taken, written) =
            core::decompress(&mut state, &stream[read..], &mut ring, at, flags);
        out.extend_from_slice(&ring[at..at + written]);
        read += taken;
        at = (at + written) % window;
        match status {
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::Done => return Some(out),
            _ => return None,
        }
    }
}
