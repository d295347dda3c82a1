//! WebSocket frames by hand (RFC 6455, section 5.2): right ones, and wrong ones.

/// One frame as the host sent it, unmasked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// FIN, RSV1 to RSV3 and opcode.
    pub(crate) first: u8,
    pub(crate) masked: bool,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The payload of a frame that must be one whole text message.
    #[track_caller]
    pub(crate) fn into_text(self) -> String {
        assert_eq!(
            self.first,
            frames::FIN | frames::TEXT,
            "not a whole text message: {self:?}"
        );
        String::from_utf8(self.payload).expect("the host sends text in UTF-8")
    }

    /// Code and reason of a frame that must be a Close; 1005 if its body is empty.
    #[track_caller]
    pub(crate) fn into_close(self) -> (u16, String) {
        assert_eq!(
            self.first,
            frames::FIN | frames::CLOSE,
            "not a Close: {self:?}"
        );
        match self.payload[..] {
            [] => (1005, String::new()),
            [high, low, ref reason @ ..] => (
                u16::from_be_bytes([high, low]),
                String::from_utf8(reason.to_vec()).expect("a reason is UTF-8"),
            ),
            [_] => panic!("the host sent half a close code"),
        }
    }
}

/// Frames as a client sends them.
pub(crate) mod frames {
    pub(crate) const FIN: u8 = 0x80;
    pub(crate) const RSV1: u8 = 0x40;
    pub(crate) const RSV2: u8 = 0x20;
    pub(crate) const RSV3: u8 = 0x10;
    pub(crate) const CONTINUATION: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// A masked frame with this first byte.
    pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = head(first, payload.len(), true);
        bytes.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        bytes
    }

    /// The same without a mask, which only a server may send.
    pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = head(first, payload.len(), false);
        bytes.extend(payload);
        bytes
    }

    /// The head of a frame whose payload is so long, mask included.
    pub(crate) fn head(first: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut bytes = vec![first];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ 0..126), _) => bytes.push(mask_bit | length),
            (_, Ok(length)) => {
                bytes.push(mask_bit | 126);
                bytes.extend(length.to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend(MASK);
        }
        bytes
    }

    pub(crate) fn text(text: &str) -> Vec<u8> {
        frame(FIN | TEXT, text.as_bytes())
    }

    pub(crate) fn binary(payload: &[u8]) -> Vec<u8> {
        frame(FIN | BINARY, payload)
    }

    pub(crate) fn ping(payload: &[u8]) -> Vec<u8> {
        frame(FIN | PING, payload)
    }

    pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
        frame(
            FIN | CLOSE,
            &[&code.to_be_bytes(), reason.as_bytes()].concat(),
        )
    }

    /// What a server closes with.
    pub(crate) fn unmasked_close(code: u16, reason: &str) -> Vec<u8> {
        unmasked(
            FIN | CLOSE,
            &[&code.to_be_bytes(), reason.as_bytes()].concat(),
        )
    }

    pub(crate) fn empty_close() -> Vec<u8> {
        frame(FIN | CLOSE, b"")
    }
}
