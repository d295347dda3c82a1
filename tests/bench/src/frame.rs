//! Owns the client's half of WebSocket framing: masked frames out, whole frames in.
//! It knows no socket and no message beyond its bytes; an echo server's unfragmented replies are all it accepts.

use anyhow::{Result, bail, ensure};

/// One key for every frame. It is not zero, so the server has its unmasking to do.
pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const LENGTH_IN_2_BYTES: u8 = 126;
const LENGTH_IN_8_BYTES: u8 = 127;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
}

/// A frame as it lies in the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) payload: &'a [u8],
    /// Header and payload together: where the next frame begins.
    pub(crate) bytes: usize,
}

/// A client frame, masked as RFC 6455 section 5.3 demands.
pub(crate) fn masked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FINAL | opcode as u8];
    let length = payload.len();
    if let Ok(length @ ..126) = u8::try_from(length) {
        frame.push(MASKED | length);
    } else if let Ok(length) = u16::try_from(length) {
        frame.push(MASKED | LENGTH_IN_2_BYTES);
        frame.extend(length.to_be_bytes());
    } else {
        frame.push(MASKED | LENGTH_IN_8_BYTES);
        frame.extend((length as u64).to_be_bytes());
    }
    frame.extend(MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// The first frame of `input`, or nothing while it is incomplete.
///
/// # Errors
/// The server sent what an echo server has no reason to send.
pub(crate) fn decode(input: &[u8]) -> Result<Option<Frame<'_>>> {
    let &[first, second, ref rest @ ..] = input else {
        return Ok(None);
    };
    let opcode = match first {
        0x81 => Opcode::Text,
        0x82 => Opcode::Binary,
        0x88 => Opcode::Close,
        other => {
            bail!("a frame that is no whole text, binary or close message: first byte {other:#04x}")
        }
    };
    ensure!(second & MASKED == 0, "the server masked a frame");
    let (length, header) = match second {
        LENGTH_IN_2_BYTES => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 4),
            None => return Ok(None),
        },
        LENGTH_IN_8_BYTES => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    let bytes = header + usize::try_from(length)?;
    Ok(input.get(header..bytes).map(|payload| Frame {
        opcode,
        payload,
        bytes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's frame for the same message: the masked one without key and mask.
    fn as_server(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut frame = masked(opcode, payload);
        let header = frame.len() - payload.len();
        frame.truncate(header - MASK.len());
        frame[1] &= !MASKED;
        frame.extend(payload);
        frame
    }

    #[test]
    fn every_length_form_survives_a_round_trip() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
            let wire = as_server(Opcode::Binary, &payload);
            let frame = decode(&wire).unwrap().unwrap();
            assert_eq!(
                frame,
                Frame {
                    opcode: Opcode::Binary,
                    payload: &payload,
                    bytes: wire.len()
                }
            );
            assert_eq!(
                decode(&wire[..wire.len() - 1]).unwrap(),
                None,
                "{length} bytes less one"
            );
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_incomplete() {
        let wire = as_server(Opcode::Text, &[b'x'; 300]);
        assert!((0..wire.len()).all(|cut| decode(&wire[..cut]).unwrap().is_none()));
    }

    #[test]
    fn the_rfc_example_is_masked_as_printed() {
        // RFC 6455 section 5.7: a single-frame masked text message "Hello".
        let expected = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        assert_eq!(masked(Opcode::Text, b"Hello"), expected);
    }

    #[test]
    fn what_no_echo_server_sends_is_refused() {
        for wire in [[0x01, 0], [0x80, 0], [0x89, 0], [0xc1, 0], [0x82, 0x80]] {
            assert!(decode(&wire).is_err(), "{wire:02x?}");
        }
    }
}
