//! Owns the way from bytes to messages, without I/O: a connection feeds it what it reads, and gets
//! messages where they lie in that buffer, or put together if they came in pieces. Between messages it
//! holds no buffer. RFC 6455, 5; strict where Cloudflare's system is lenient (`COMPATIBILITY.md`).

use std::io::Cursor;
use std::ops::Range;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::assembly::Assembly;
use super::codec::{self, HEADER_MAX, Role};
use super::message::CloseBody;
use super::violation::Violation;

/// One thing that came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A message that lies in the buffer, unmasked. Text is still to be checked.
    Inline {
        text: bool,
        is_compressed: bool,
        at: Range<usize>,
    },
    /// A message that was put together. Text has been checked, unless it is compressed.
    Whole {
        text: bool,
        is_compressed: bool,
        bytes: Vec<u8>,
    },
    Ping {
        payload: Vec<u8>,
    },
    Close(CloseBody),
}

/// A frame whose payload has not come to its end.
#[derive(Debug)]
struct OpenFrame {
    kind: Kind,
    is_final: bool,
    mask: Option<[u8; 4]>,
    taken: usize,
    remaining: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Ping,
    Pong,
    Close,
}

/// Takes the frames of one peer apart.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Ours: the peer is the other one.
    role: Role,
    message_max: usize,
    /// Compression was agreed on.
    may_compress: bool,
    /// The beginning of a header that was cut in two.
    head: Vec<u8>,
    frame: Option<Box<OpenFrame>>,
    message: Option<Box<Assembly>>,
    control: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new(role: Role, message_max: usize, may_compress: bool) -> Self {
        Self {
            role,
            message_max,
            may_compress,
            head: Vec::new(),
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// Bytes of a message that has not come to its end.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.message
            .as_ref()
            .map_or(0, |message| message.bytes.capacity())
    }

    /// Take all of `buf` in; what is complete is appended to `items`. Nothing may be fed after a violation
    /// or a Close.
    pub(crate) fn decode(
        &mut self,
        buf: &mut [u8],
        items: &mut Vec<Item>,
    ) -> Result<(), Violation> {
        let mut at = 0;
        loop {
            if self.frame.is_some() {
                at = self.take_payload(buf, at, items)?;
            }
            if at == buf.len() || matches!(items.last(), Some(Item::Close(_))) {
                return Ok(());
            }
            let Some((header, len, next)) = self.take_header(buf, at)? else {
                return Ok(());
            };
            at = next;
            let kind = self.check(&header, len)?;
            let len = usize::try_from(len).map_err(|_| self.too_large(len))?;
            let mask = self.mask_of(&header)?;
            // The common case: a message in one frame that lies whole in the buffer stays there.
            let is_inline = kind == Kind::Data
                && header.is_final
                && self.message.is_none()
                && buf.len() - at >= len;
            let text = header.opcode == OpCode::Data(Data::Text);
            if is_inline {
                let whole = at..at + len;
                if let Some(mask) = mask {
                    codec::mask(&mut buf[whole.clone()], mask, 0);
                }
                at += len;
                items.push(Item::Inline {
                    text,
                    is_compressed: header.rsv1,
                    at: whole,
                });
                continue;
            }
            if kind == Kind::Data && self.message.is_none() {
                self.message = Some(Box::new(Assembly::new(text, header.rsv1)));
            }
            self.frame = Some(Box::new(OpenFrame {
                kind,
                is_final: header.is_final,
                mask,
                taken: 0,
                remaining: len,
            }));
        }
    }

    /// Read a header that may have begun in an earlier buffer. Gives it with the length of its payload and
    /// where that begins; `None` if more bytes are needed, all of `buf` being taken then.
    fn take_header(
        &mut self,
        buf: &[u8],
        at: usize,
    ) -> Result<Option<(FrameHeader, u64, usize)>, Violation> {
        let broken = |_| Violation::protocol("malformed frame header");
        if self.head.is_empty() {
            let mut cursor = Cursor::new(&buf[at..]);
            if let Some((header, len)) = FrameHeader::parse(&mut cursor).map_err(broken)? {
                let read = header_len(&cursor, &header, len)?;
                return Ok(Some((header, len, at + read)));
            }
            self.head.extend_from_slice(&buf[at..]);
            return Ok(None);
        }
        let before = self.head.len();
        let more = (HEADER_MAX - before).min(buf.len() - at);
        self.head.extend_from_slice(&buf[at..at + more]);
        let mut cursor = Cursor::new(&self.head[..]);
        let Some((header, len)) = FrameHeader::parse(&mut cursor).map_err(broken)? else {
            return Ok(None);
        };
        let read = header_len(&cursor, &header, len)?;
        self.head = Vec::new();
        Ok(Some((header, len, at + read - before)))
    }

    /// Hold a header against RFC 6455, 5.2, 5.4 and 5.5, and against the limit.
    fn check(&self, header: &FrameHeader, len: u64) -> Result<Kind, Violation> {
        let is_compressed = header.rsv1 && self.may_compress;
        if (header.rsv1 && !is_compressed) || header.rsv2 || header.rsv3 {
            return Err(Violation::protocol(
                "reserved bits are set but no extension was agreed on",
            ));
        }
        let kind = match header.opcode {
            OpCode::Data(Data::Text | Data::Binary) => {
                if self.message.is_some() {
                    return Err(Violation::protocol("a new message inside a fragmented one"));
                }
                Kind::Data
            }
            OpCode::Data(Data::Continue) => {
                if self.message.is_none() {
                    return Err(Violation::protocol("a continuation without a message"));
                }
                Kind::Data
            }
            OpCode::Control(Control::Ping) => Kind::Ping,
            OpCode::Control(Control::Pong) => Kind::Pong,
            OpCode::Control(Control::Close) => Kind::Close,
            OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
                return Err(Violation::protocol("unknown opcode"));
            }
        };
        let is_first = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        if is_compressed && !is_first {
            return Err(Violation::protocol(
                "only the first frame of a message says that it is compressed",
            ));
        }
        if kind == Kind::Data {
            let before = self
                .message
                .as_ref()
                .map_or(0, |message| message.bytes.len());
            let total = len.saturating_add(before as u64);
            if total > self.message_max as u64 {
                return Err(self.too_large(total));
            }
        } else if !header.is_final {
            return Err(Violation::protocol("a fragmented control frame"));
        } else if len > 125 {
            return Err(Violation::protocol("a control frame of over 125 bytes"));
        }
        Ok(kind)
    }

    /// The mask of a frame, which a client must use and a server must not. RFC 6455, 5.1.
    fn mask_of(&self, header: &FrameHeader) -> Result<Option<[u8; 4]>, Violation> {
        match (self.role, header.mask) {
            (Role::Server, None) => Err(Violation::protocol("a client must mask its frames")),
            (Role::Client, Some(_)) => {
                Err(Violation::protocol("a server must not mask its frames"))
            }
            (Role::Server | Role::Client, mask) => Ok(mask),
        }
    }

    fn too_large(&self, len: u64) -> Violation {
        Violation::too_large(self.message_max, Some(len))
    }

    /// Take payload of the open frame from `buf`, beginning at `at`; gives where it ends.
    fn take_payload(
        &mut self,
        buf: &mut [u8],
        at: usize,
        items: &mut Vec<Item>,
    ) -> Result<usize, Violation> {
        let Some(frame) = &mut self.frame else {
            return Ok(at);
        };
        let take = frame.remaining.min(buf.len() - at);
        let bytes = &mut buf[at..at + take];
        if let Some(mask) = frame.mask {
            codec::mask(bytes, mask, frame.taken);
        }
        frame.taken += take;
        frame.remaining -= take;
        let (kind, ends_message) = (frame.kind, frame.is_final);
        let ended = frame.remaining == 0;
        if ended {
            self.frame = None;
        }
        match kind {
            Kind::Data => self.take_data(bytes, ended && ends_message, items)?,
            Kind::Ping | Kind::Pong | Kind::Close => {
                self.take_control(kind, bytes, ended, items)?;
            }
        }
        Ok(at + take)
    }

    fn take_data(
        &mut self,
        bytes: &[u8],
        ended: bool,
        items: &mut Vec<Item>,
    ) -> Result<(), Violation> {
        let message = self
            .message
            .as_mut()
            .expect("a data frame is opened together with its message");
        message.take(bytes, ended)?;
        if ended && let Some(message) = self.message.take() {
            items.push(Item::Whole {
                text: message.text,
                is_compressed: message.is_compressed,
                bytes: message.bytes,
            });
        }
        Ok(())
    }

    fn take_control(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        ended: bool,
        items: &mut Vec<Item>,
    ) -> Result<(), Violation> {
        self.control.extend_from_slice(bytes);
        if !ended {
            return Ok(());
        }
        let payload = std::mem::take(&mut self.control);
        match kind {
            Kind::Ping => items.push(Item::Ping { payload }),
            Kind::Close => items.push(Item::Close(close_body(&payload)?)),
            // A pong nobody asked for is ignored. RFC 6455, 5.5.3.
            Kind::Pong | Kind::Data => {}
        }
        Ok(())
    }
}

/// How long a header was that has been read. RFC 6455, 5.2: the length of the payload takes as few bytes as it can, which
/// the parser does not look at.
fn header_len(cursor: &Cursor<&[u8]>, header: &FrameHeader, len: u64) -> Result<usize, Violation> {
    let read = usize::try_from(cursor.position()).expect("a header has 14 bytes at most");
    if read > header.len(len) {
        return Err(Violation::protocol("a length in more bytes than it needs"));
    }
    Ok(read)
}

/// Read the body of a Close frame. RFC 6455, 5.5.1. Whether its code is one that a peer may send depends on
/// the one we sent, which is not known here.
fn close_body(payload: &[u8]) -> Result<CloseBody, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return match payload {
            [] => Ok(None),
            _ => Err(Violation::protocol("a Close body of one byte")),
        };
    };
    let code = u16::from_be_bytes(*code);
    let reason = simdutf8::basic::from_utf8(reason).map_err(|_| Violation::utf8())?;
    Ok(Some((code, reason.to_owned())))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
