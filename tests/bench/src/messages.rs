//! Owns what one connection says: numbered messages, framed once, and the check of each reply.
//! It knows no socket; sending a message only changes eight digits in a frame that is already there.

use anyhow::{Result, ensure};

use crate::frame::{self, Frame, MASK, Opcode};

/// Every message begins with its number in this many hexadecimal digits.
pub(crate) const DIGITS: usize = 8;

/// The messages of one connection, in order: `sent` have gone, `received` have come back.
#[derive(Debug)]
pub(crate) struct Messages {
    opcode: Opcode,
    /// As many equal frames as may be under way at once.
    frames: Vec<u8>,
    frame_bytes: usize,
    header_bytes: usize,
    /// The payload of the next reply, but for its number.
    expected: Vec<u8>,
    sent: u32,
    received: u32,
}

impl Messages {
    /// Messages of `size` bytes, of which `window` fit into one write; `connection` makes them its own.
    pub(crate) fn new(opcode: Opcode, size: usize, window: usize, connection: usize) -> Self {
        let letters = (b'a'..=b'z').cycle().skip(connection % 26);
        let label = format!("{:0DIGITS$}{connection:0DIGITS$x}", 0).into_bytes();
        let expected: Vec<u8> = label.into_iter().chain(letters).take(size).collect();
        let frame = frame::masked(opcode, &expected);
        let (frame_bytes, header_bytes) = (frame.len(), frame.len() - size);
        Self {
            opcode,
            frames: frame.repeat(window),
            frame_bytes,
            header_bytes,
            expected,
            sent: 0,
            received: 0,
        }
    }

    /// The largest reply the server can have under way, in bytes.
    pub(crate) fn window_bytes(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn window(&self) -> usize {
        self.frames.len() / self.frame_bytes
    }

    pub(crate) fn outstanding(&self) -> u32 {
        self.sent - self.received
    }

    pub(crate) fn received(&self) -> u32 {
        self.received
    }

    /// The next `count` messages, ready for the wire.
    pub(crate) fn next(&mut self, count: usize) -> &[u8] {
        let batch = &mut self.frames[..count * self.frame_bytes];
        for frame in batch.chunks_exact_mut(self.frame_bytes) {
            let number = digits(self.sent);
            let place = &mut frame[self.header_bytes..self.header_bytes + DIGITS];
            for (index, byte) in place.iter_mut().enumerate() {
                *byte = number[index] ^ MASK[index % MASK.len()];
            }
            self.sent += 1;
        }
        batch
    }

    /// Accepts `reply` as the echo of the oldest message under way.
    ///
    /// # Errors
    /// It is not that message, bit for bit.
    pub(crate) fn check(&mut self, reply: &Frame<'_>) -> Result<()> {
        ensure!(
            self.outstanding() > 0,
            "a reply nobody asked for: {:?}",
            reply.opcode
        );
        self.expected[..DIGITS].copy_from_slice(&digits(self.received));
        ensure!(
            reply.opcode == self.opcode && reply.payload == self.expected,
            "message {} came back wrong: {:?} of {} bytes instead of {:?} of {} bytes, or other contents",
            self.received,
            reply.opcode,
            reply.payload.len(),
            self.opcode,
            self.expected.len(),
        );
        self.received += 1;
        Ok(())
    }
}

/// `number`, as messages begin with it.
pub(crate) fn digits(number: u32) -> [u8; DIGITS] {
    std::array::from_fn(|index| {
        let nibble = (number >> (28 - 4 * index)) & 0xf;
        b"0123456789abcdef"[nibble as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an echo server would see of the first frame in `wire`.
    fn unmasked(messages: &Messages, wire: &[u8]) -> Vec<u8> {
        let payload = &wire[messages.header_bytes..messages.frame_bytes];
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect()
    }

    fn reply(payload: &[u8]) -> Frame<'_> {
        Frame {
            opcode: Opcode::Binary,
            payload,
            bytes: 0,
        }
    }

    #[test]
    fn an_echo_is_accepted_once_and_in_order() {
        let mut messages = Messages::new(Opcode::Binary, 32, 2, 7);
        let wire = messages.next(2).to_vec();
        let (first, second) = wire.split_at(messages.frame_bytes);
        let (first, second) = (unmasked(&messages, first), unmasked(&messages, second));
        assert!(first.starts_with(b"0000000000000007h"));
        assert!(messages.check(&reply(&second)).is_err(), "overtaken");
        messages.check(&reply(&first)).unwrap();
        assert!(messages.check(&reply(&first)).is_err(), "doubled");
        messages.check(&reply(&second)).unwrap();
        assert!(messages.check(&reply(&second)).is_err(), "unasked");
    }

    #[test]
    fn another_type_or_length_is_refused() {
        let mut messages = Messages::new(Opcode::Text, 32, 1, 0);
        let wire = messages.next(1).to_vec();
        let payload = unmasked(&messages, &wire);
        assert!(messages.check(&reply(&payload)).is_err(), "binary for text");
        let short = Frame {
            opcode: Opcode::Text,
            payload: &payload[..31],
            bytes: 0,
        };
        assert!(messages.check(&short).is_err(), "a byte lost");
    }

    #[test]
    fn numbers_are_written_in_hexadecimal() {
        assert_eq!(&digits(0x0123_cdef), b"0123cdef");
    }
}
