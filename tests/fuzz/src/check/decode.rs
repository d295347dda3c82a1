//! Frames: a stream reads the same wherever it is cut, within its bounds, and as tungstenite reads it.

use std::io::{Cursor, Read, Result as IoResult, Write};

use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as TheirError, Message};

use super::pieces;
use crate::socket::assembly::Inflation;
use crate::socket::codec::Role;
use crate::socket::decode::{Decoder, Item};
use crate::socket::deflate::Inflater;
use crate::socket::violation::Violation;

/// What a connection makes of a stream.
type Outcome = (Vec<Item>, Option<Violation>);

struct Case {
    role: Role,
    message_max: usize,
    /// With an inflater or not; whether the peer keeps its context.
    inflater: Option<bool>,
}

/// Input: a byte of flags, one that settles the cuts, the stream.
///
/// # Panics
///
/// If the decoder is wrong.
pub fn decode(data: &[u8]) {
    let [flags, cuts, stream @ ..] = data else {
        return;
    };
    let case = Case {
        role: match flags & 1 {
            0 => Role::Server,
            _ => Role::Client,
        },
        message_max: [1000, 5, 125, 1 << 20][usize::from(flags >> 1 & 3)],
        inflater: (flags & 8 != 0).then_some(flags & 16 != 0),
    };
    let whole = run(&case, &[stream]);
    assert_eq!(run(&case, &pieces(stream, *cuts, 40)), whole, "in pieces");
    assert_eq!(run(&case, &pieces(stream, 0, 1)), whole, "byte by byte");
    for item in &whole.0 {
        let len = match item {
            Item::Whole { bytes, .. } => bytes.len(),
            Item::Ping { payload } => payload.len().saturating_sub(125),
            Item::Inline { .. } | Item::Close(_) => 0,
        };
        assert!(len <= case.message_max, "too large: {item:?}");
    }
    if case.inflater.is_none() {
        let (items, ended) = tungstenite(&case, stream);
        // It does not ask for the shortest form of a length, and reads on where we do not.
        let is_stricter = whole
            .1
            .as_ref()
            .is_some_and(|violation| violation.reason == "a length in more bytes than it needs");
        assert!(
            whole.0.starts_with(&items) || (is_stricter && items.starts_with(&whole.0)),
            "tungstenite reads {items:?}, and we {whole:?}"
        );
        // It has had all: we may refuse what comes then, but have not read more than it did.
        assert!(
            !ended || is_stricter || whole.0.len() == items.len(),
            "{whole:?}"
        );
    }
}

/// Feed a stream as a connection does: what came before a violation is handled first, and text is checked then.
fn run(case: &Case, pieces: &[&[u8]]) -> Outcome {
    let mut inflater = case.inflater.map(Inflater::new);
    let mut decoder = Decoder::new(case.role, case.message_max, inflater.is_some());
    let mut done = Vec::new();
    for piece in pieces {
        let mut buf = piece.to_vec();
        let mut items = Vec::new();
        let decoded = decoder.decode(&mut buf, &mut items);
        for item in items {
            let item = match item {
                Item::Inline {
                    text,
                    is_compressed,
                    at,
                } => Item::Whole {
                    text,
                    is_compressed,
                    bytes: buf[at].to_vec(),
                },
                other => other,
            };
            let item = match inflated(item, inflater.as_mut(), case.message_max) {
                Ok(item) => item,
                Err(violation) => return (done, Some(violation)),
            };
            if let Item::Whole { text: true, bytes, .. } = &item
                && std::str::from_utf8(bytes).is_err()
            {
                return (done, Some(Violation::utf8()));
            }
            done.push(item);
        }
        if let Err(violation) = decoded {
            return (done, Some(violation));
        }
        // A message grows as a `Vec` does.
        assert!(decoder.unfinished_bytes() <= (2 * case.message_max).max(8));
        if matches!(done.last(), Some(Item::Close(_))) {
            break;
        }
    }
    (done, None)
}

/// A message out of its compressed form, in small steps.
fn inflated(item: Item, inflater: Option<&mut Inflater>, max: usize) -> Result<Item, Violation> {
    let (Item::Whole { text, is_compressed: true, bytes }, Some(inflater)) = (&item, inflater) else {
        return Ok(item);
    };
    let mut inflation = Inflation::new(bytes);
    while !inflation.go_on(inflater, 100, max)? {}
    Ok(Item::Whole {
        text: *text,
        is_compressed: false,
        bytes: inflation.finish(),
    })
}

/// What tungstenite makes of it, and whether it came to the end of the stream.
fn tungstenite(case: &Case, stream: &[u8]) -> (Vec<Item>, bool) {
    let role = match case.role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(case.message_max))
        // A control frame counts here too.
        .max_frame_size(Some(case.message_max.max(125)));
    let mut socket = WebSocket::from_raw_socket(Peer(Cursor::new(stream)), role, Some(config));
    let mut items = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => items.push(Item::Whole {
                text: true,
                is_compressed: false,
                bytes: text.as_bytes().to_vec(),
            }),
            Ok(Message::Binary(bytes)) => items.push(Item::Whole {
                text: false,
                is_compressed: false,
                bytes: bytes.to_vec(),
            }),
            Ok(Message::Ping(payload)) => items.push(Item::Ping {
                payload: payload.to_vec(),
            }),
            Ok(Message::Close(body)) => {
                let body = body.map(|body| (body.code.into(), body.reason.as_str().to_owned()));
                // This is what it puts in the place of a code that must not be sent; our connections see to that.
                if body != Some((1002, "Protocol violation".to_owned())) {
                    items.push(Item::Close(body));
                }
                return (items, false);
            }
            Ok(Message::Pong(_) | Message::Frame(_)) => {}
            Err(TheirError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return (items, true);
            }
            Err(_) => return (items, false),
        }
    }
}

/// A peer that says what it says, whatever it is told.
struct Peer<'a>(Cursor<&'a [u8]>);

impl Read for Peer<'_> {
    fn read(&mut self, buf: &mut [u8]) -> IoResult<usize> {
        self.0.read(buf)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, buf: &[u8]) -> IoResult<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}
