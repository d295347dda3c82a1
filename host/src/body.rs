//! Owns the reading of a body to its end, into one piece of memory that is charged as it grows. How it is framed it does
//! not know.

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;

/// The memory that a body begins with. A length that is only told is not believed.
const FIRST_BYTES: usize = 8 * 1024;

/// Why a body has not been read.
#[derive(Debug)]
pub(crate) enum Unread<E> {
    /// It has more bytes than it may.
    TooLarge,
    /// There is no memory for it.
    NoRoom,
    Broken(E),
}

/// Read a body of up to so many bytes. `grow` is asked before more memory is taken, with how much it will be then.
///
/// # Errors
///
/// Why it has not been read to its end.
pub(crate) async fn read<B>(
    mut body: B,
    limit: usize,
    mut grow: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, Unread<B::Error>>
where
    B: BodyExt<Data = Bytes> + Unpin,
{
    let told = body.size_hint().lower();
    if told > limit as u64 {
        return Err(Unread::TooLarge);
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else {
            continue;
        };
        let len = whole.len() + data.remaining();
        if len > limit {
            return Err(Unread::TooLarge);
        }
        if len > whole.capacity() {
            let capacity = len.max(whole.capacity() * 2).max(FIRST_BYTES).min(limit);
            if !grow(capacity) {
                return Err(Unread::NoRoom);
            }
            whole.reserve_exact(capacity - whole.len());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}
