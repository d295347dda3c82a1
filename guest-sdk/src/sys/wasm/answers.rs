//! Owns the messages that a turn sends to the sockets whose messages it was given: they are put together here, and the
//! host gets them with one call. It has promised room for them, so that none is refused, and a turn takes effect at its
//! end anyway: nobody sees that they left the worker later.

use super::super::Payload;
use crate::bindings::pairway::worker::sockets;
use crate::bindings::pairway::worker::types::Part;
use std::cell::RefCell;
use std::mem;

/// A longer message is not copied.
const LONGEST: usize = 2048;
/// What a message counts beyond its bytes.
const MESSAGE_COST: usize = 16;
/// Buffers larger than this are not kept.
const KEPT_BYTES: usize = 32 * 1024;

thread_local! {
    static ANSWERS: RefCell<Answers> = const { RefCell::new(Answers::new()) };
}

struct Answers {
    /// Bytes that the host still takes.
    room: usize,
    /// The sockets that it takes them for, in the order of their messages.
    sockets: Vec<u64>,
    /// The one that was sent on last: the next answer is most often for it or the one behind it.
    at: usize,
    parts: Vec<Part>,
    text: String,
    bytes: Vec<u8>,
}

impl Answers {
    const fn new() -> Self {
        Self {
            room: 0,
            sockets: Vec::new(),
            at: 0,
            parts: Vec::new(),
            text: String::new(),
            bytes: Vec::new(),
        }
    }

    fn put(&mut self, socket: u64, payload: Payload<'_>) -> bool {
        let cost = payload.len() + MESSAGE_COST;
        if cost > self.room || payload.len() > LONGEST || !self.find(socket) {
            return false;
        }
        let Ok(length) = u32::try_from(payload.len()) else {
            return false;
        };
        self.room -= cost;
        match payload {
            Payload::Text(text) => self.text.push_str(text),
            Payload::Binary(bytes) => self.bytes.extend_from_slice(bytes),
        }
        self.parts.push(Part {
            socket,
            is_text: matches!(payload, Payload::Text(_)),
            length,
        });
        true
    }

    /// Whether it is one of the sockets.
    fn find(&mut self, socket: u64) -> bool {
        if self.sockets.get(self.at) == Some(&socket) {
            return true;
        }
        let (before, behind) = self.sockets.split_at(self.at);
        let found = |part: &[u64]| part.iter().position(|other| *other == socket);
        let at = found(behind).map(|at| before.len() + at);
        match at.or_else(|| found(before)) {
            Some(at) => {
                self.at = at;
                true
            }
            None => false,
        }
    }
}

/// The host has promised room for answers to these sockets.
pub(crate) fn expect(sockets: impl Iterator<Item = u64>, room: u32) {
    ANSWERS.with_borrow_mut(|answers| {
        answers.room = usize::try_from(room).unwrap_or(0);
        answers.sockets.clear();
        if room > 0 {
            answers.sockets.extend(sockets);
            answers.sockets.dedup();
        }
        answers.at = 0;
    });
}

/// Put an answer to the others. False if it has to be sent at once.
pub(super) fn put(socket: u64, payload: Payload<'_>) -> bool {
    ANSWERS.with_borrow_mut(|answers| answers.put(socket, payload))
}

/// Send what was put together: before anything that stands behind it, and at the end of the turn. What the turn still
/// sends is sent at once.
pub(crate) fn flush() {
    let taken = ANSWERS.with_borrow_mut(|answers| {
        answers.room = 0;
        (!answers.parts.is_empty()).then(|| {
            (
                mem::take(&mut answers.parts),
                mem::take(&mut answers.text),
                mem::take(&mut answers.bytes),
            )
        })
    });
    let Some((mut parts, mut text, mut bytes)) = taken else {
        return;
    };
    // One that is not taken has found its socket closed by the peer, as any message may.
    let _taken = sockets::send_several(&parts, &text, &bytes)
        .expect("the lengths are those of the contents");
    if text.capacity() + bytes.capacity() > KEPT_BYTES {
        return;
    }
    parts.clear();
    text.clear();
    bytes.clear();
    ANSWERS.with_borrow_mut(|answers| {
        (answers.parts, answers.text, answers.bytes) = (parts, text, bytes);
    });
}
