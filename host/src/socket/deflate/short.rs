//! Owns the compression of short messages: one block with the fixed codes, and back references over a table
//! small enough to be new for each message. zlib clears 128 KiB before each, which costs more than such a
//! message does. RFC 1951, 3.2.

/// Up to here it takes less than half of the time of zlib's fastest level, and gives as few bytes.
pub(super) const LEN_MAX: usize = 4096;

const HASH_BITS: u32 = 11;
/// Shorter references do not save enough to be looked for.
const MATCH_MIN: usize = 4;
const MATCH_MAX: usize = 258;

const END_OF_BLOCK: usize = 256;
/// The fixed codes of literals and lengths, in the order of their bits on the wire, with how many those are.
/// RFC 1951, 3.2.6.
const CODES: [(u16, u32); 288] = {
    let mut codes = [(0, 0); 288];
    fill(&mut codes, 0, 144, 0b0011_0000, 8);
    fill(&mut codes, 144, 256, 0b1_1001_0000, 9);
    fill(&mut codes, 256, 280, 0b000_0000, 7);
    fill(&mut codes, 280, 288, 0b1100_0000, 8);
    codes
};

const fn fill(codes: &mut [(u16, u32)], from: usize, to: usize, first: u16, bits: u32) {
    let (mut symbol, mut code) = (from, first);
    while symbol < to {
        // Codes go out from their highest bit, everything else from its lowest.
        codes[symbol] = (code.reverse_bits() >> (16 - bits), bits);
        symbol += 1;
        code += 1;
    }
}

/// Append a payload of at most [`LEN_MAX`] bytes, and the beginning of the empty block after it that goes on
/// the wire.
pub(super) fn compress(payload: &[u8], window_bits: u8, out: &mut Vec<u8>) {
    debug_assert!(payload.len() <= LEN_MAX, "the table holds small positions");
    out.reserve(payload.len() / 2 + 16);
    let mut bits = Bits {
        out,
        held: 0,
        count: 0,
    };
    // Not the final block; the codes are fixed.
    bits.put(0b010, 3);
    let mut positions = [0u16; 1 << HASH_BITS];
    let mut at = 0;
    while at < payload.len() {
        match reference(payload, at, window_bits, &mut positions) {
            Some((length, distance)) => {
                bits.put_length(length);
                bits.put_distance(distance);
                at += length;
            }
            None => {
                bits.put_code(payload[at].into());
                at += 1;
            }
        }
    }
    bits.put_code(END_OF_BLOCK);
    // A block that is stored, of which the rest is left out.
    bits.put(0b000, 3);
    bits.pad();
}

/// Look for what comes at a position among what was before; gives the length and the distance. Remembers the
/// position.
fn reference(
    payload: &[u8],
    at: usize,
    window_bits: u8,
    positions: &mut [u16; 1 << HASH_BITS],
) -> Option<(usize, usize)> {
    let (here, rest) = payload[at..].split_first_chunk::<MATCH_MIN>()?;
    let hash = u32::from_le_bytes(*here).wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS);
    let slot = &mut positions[hash as usize];
    // One more than the position: 0 is none.
    let next = u16::try_from(at + 1).expect("a short payload has small positions");
    let before = usize::from(std::mem::replace(slot, next)).checked_sub(1)?;
    let distance = at - before;
    let there = payload[before..].strip_prefix(here)?;
    if distance > 1 << window_bits {
        return None;
    }
    let more = rest
        .iter()
        .zip(there)
        .take(MATCH_MAX - MATCH_MIN)
        .take_while(|(a, b)| a == b)
        .count();
    Some((MATCH_MIN + more, distance))
}

/// Bits on their way out.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    /// Of `held`; below 32 between calls.
    count: u32,
}

impl Bits<'_> {
    fn put(&mut self, value: usize, count: u32) {
        self.held |= (value as u64) << self.count;
        self.count += count;
        if self.count >= 32 {
            let [a, b, c, d, ..] = self.held.to_le_bytes();
            self.out.extend_from_slice(&[a, b, c, d]);
            self.held >>= 32;
            self.count -= 32;
        }
    }

    fn put_code(&mut self, symbol: usize) {
        let (code, count) = CODES[symbol];
        self.put(code.into(), count);
    }

    /// Symbols 257 to 285: eight for the lengths 3 to 10, then four for each power of two. RFC 1951, 3.2.5.
    fn put_length(&mut self, length: usize) {
        let over = length - 3;
        match over {
            255 => self.put_code(285),
            0..8 => self.put_code(257 + over),
            _ => {
                let extra = over.ilog2() - 2;
                self.put_code(257 + 4 * (extra as usize) + (over >> extra));
                self.put(over & ((1 << extra) - 1), extra);
            }
        }
    }

    /// Symbols 0 to 29 of five bits: four for the distances 1 to 4, then two for each power of two.
    fn put_distance(&mut self, distance: usize) {
        let over = distance - 1;
        let extra = over.max(2).ilog2() - 1;
        let symbol = 2 * (extra as usize) + (over >> extra);
        self.put(symbol.reverse_bits() >> (usize::BITS - 5), 5);
        self.put(over & ((1 << extra) - 1), extra);
    }

    /// Fill the last byte up, and let go of what is held.
    fn pad(self) {
        let bytes = self.count.div_ceil(8) as usize;
        self.out
            .extend_from_slice(&self.held.to_le_bytes()[..bytes]);
    }
}
