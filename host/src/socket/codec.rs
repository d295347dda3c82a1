//! Owns the bytes of outgoing frames and the mask. Headers are tungstenite's `FrameHeader`, so that one
//! well-tested piece of code knows their layout. RFC 6455, 5.2 and 5.3.

use std::cell::RefCell;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::deflate;
use super::message::{CloseBody, MessageRef};

/// The most bytes a header takes.
pub(crate) const HEADER_MAX: usize = 14;

/// Which side of a connection the host is: a client masks its frames, a server does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    #[default]
    Server,
    Client,
}

impl Role {
    /// A mask that nobody can foresee, for one frame. RFC 6455, 10.3.
    fn new_mask(self) -> Option<[u8; 4]> {
        match self {
            Self::Server => None,
            Self::Client => Some(rand::random()),
        }
    }
}

/// How messages are compressed, where that was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Deflate {
    pub(crate) outgoing: deflate::Outgoing,
    /// A shorter message goes as it is.
    pub(crate) min_bytes: usize,
}

/// How messages stand on the wire of one connection. Where the formats of two servers' connections are equal, so are
/// the frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Format {
    pub(crate) role: Role,
    pub(crate) deflate: Option<Deflate>,
}

impl Format {
    /// That of a connection for which this was agreed on.
    pub(crate) fn new(role: Role, agreed: Option<deflate::Parameters>, min_bytes: usize) -> Self {
        let outgoing = agreed.and_then(|parameters| parameters.outgoing);
        let deflate = outgoing.map(|outgoing| Deflate {
            outgoing,
            min_bytes,
        });
        Self { role, deflate }
    }
}

thread_local! {
    /// Where a message is compressed before its length is known.
    static COMPRESSED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A buffer larger than this is not kept.
const KEPT_BYTES: usize = 256 * 1024;

/// Append one whole frame. A host never fragments.
fn frame(role: Role, opcode: OpCode, payload: &[&[u8]], out: &mut Vec<u8>) {
    put(role, opcode, false, payload, out);
}

fn put(role: Role, opcode: OpCode, rsv1: bool, payload: &[&[u8]], out: &mut Vec<u8>) {
    let len: usize = payload.iter().map(|part| part.len()).sum();
    let header = FrameHeader {
        is_final: true,
        rsv1,
        opcode,
        mask: role.new_mask(),
        ..FrameHeader::default()
    };
    out.reserve(HEADER_MAX + len);
    header
        .format(len as u64, out)
        .expect("writing into a Vec does not fail");
    let from = out.len();
    for part in payload {
        out.extend_from_slice(part);
    }
    if let Some(key) = header.mask {
        mask(&mut out[from..], key, 0);
    }
}

/// Append a message.
pub(crate) fn message(format: Format, message: MessageRef<'_>, out: &mut Vec<u8>) {
    let opcode = match message {
        MessageRef::Text(_) => OpCode::Data(Data::Text),
        MessageRef::Binary(_) => OpCode::Data(Data::Binary),
    };
    let bytes = message.bytes();
    match format.deflate {
        Some(deflate) if bytes.len() >= deflate.min_bytes => {
            compressed(format.role, opcode, bytes, deflate.outgoing, out);
        }
        Some(_) | None => frame(format.role, opcode, &[bytes], out),
    }
}

/// Append a message in compressed form, unless that is no shorter.
fn compressed(
    role: Role,
    opcode: OpCode,
    bytes: &[u8],
    outgoing: deflate::Outgoing,
    out: &mut Vec<u8>,
) {
    COMPRESSED.with_borrow_mut(|buffer| {
        buffer.clear();
        deflate::compress(bytes, outgoing, buffer);
        if buffer.len() < bytes.len() {
            put(role, opcode, true, &[buffer], out);
        } else {
            frame(role, opcode, &[bytes], out);
        }
        if buffer.capacity() > KEPT_BYTES {
            *buffer = Vec::new();
        }
    });
}

/// Append the answer to a ping.
pub(crate) fn pong(role: Role, payload: &[u8], out: &mut Vec<u8>) {
    frame(role, OpCode::Control(Control::Pong), &[payload], out);
}

/// Append a ping, without a payload.
pub(crate) fn ping(role: Role, out: &mut Vec<u8>) {
    frame(role, OpCode::Control(Control::Ping), &[], out);
}

/// Append a Close frame. The reason has been checked, or is the host's own.
pub(crate) fn close(role: Role, body: &CloseBody, out: &mut Vec<u8>) {
    let opcode = OpCode::Control(Control::Close);
    match body {
        None => frame(role, opcode, &[], out),
        Some((code, reason)) => {
            debug_assert!(reason.len() <= 123, "a control frame holds 125 bytes");
            frame(role, opcode, &[&code.to_be_bytes(), reason.as_bytes()], out);
        }
    }
}

/// Apply a mask to bytes of a payload that begin `offset` bytes into it.
pub(crate) fn mask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut turned = mask;
    turned.rotate_left(offset % 4);
    let [a, b, c, d] = turned;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(8);
    for chunk in &mut words {
        let value = u64::from_ne_bytes(
            (&*chunk)
                .try_into()
                .expect("chunks_exact gives chunks of eight"),
        );
        chunk.copy_from_slice(&(value ^ word).to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_take_the_shortest_form() {
        for (len, first) in [
            (0usize, 2usize),
            (125, 2),
            (126, 4),
            (65_535, 4),
            (65_536, 10),
        ] {
            let mut out = Vec::new();
            message(
                Format::default(),
                MessageRef::Binary(&vec![7; len]),
                &mut out,
            );
            assert_eq!(out.len(), len + first, "{len}");
            assert_eq!(out[0], 0x82);
            assert_eq!(out[1] & 0x80, 0, "a server does not mask");
        }
    }

    #[test]
    fn a_close_without_a_code_has_no_body() {
        let mut out = Vec::new();
        close(Role::Server, &None, &mut out);
        assert_eq!(out, [0x88, 0]);
        out.clear();
        close(Role::Server, &Some((4001, "kick".to_owned())), &mut out);
        assert_eq!(out, b"\x88\x06\x0f\xa1kick");
    }

    #[test]
    fn masking_in_pieces_is_masking_at_once() {
        let plain: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let key = [0x12, 0x34, 0x56, 0x78];
        let mut whole = plain.clone();
        mask(&mut whole, key, 0);
        assert_eq!(whole[5], plain[5] ^ key[1]);
        for cut in [0, 1, 3, 7, 8, 9, 501] {
            let mut pieces = plain.clone();
            let (left, right) = pieces.split_at_mut(cut);
            mask(left, key, 0);
            mask(right, key, cut);
            assert_eq!(pieces, whole, "{cut}");
        }
    }
}
