//! Owns the checks. The first bytes of an input choose the circumstances; what follows is fed.

mod decode;
mod inflate;
mod upgrade;

pub use decode::decode;
pub use inflate::inflate;
pub use upgrade::upgrade;

/// Cut bytes into pieces of one to `most`, in a way that the seed settles.
fn pieces(data: &[u8], seed: u8, most: u32) -> Vec<&[u8]> {
    let mut state = u32::from(seed) * 2 + 1;
    let mut rest = data;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let len = (state % most) as usize + 1;
        let (piece, more) = rest.split_at(len.min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces
}
