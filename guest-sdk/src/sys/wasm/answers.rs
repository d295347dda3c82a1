//! Owns the messages that a turn sends to the sockets whose messages it was given: they are put together here, and the
//! host gets them with one call. It has promised room for them, so that none is refused, and a turn takes effect at its
//! end anyway: nobody sees that they left the worker later.

use super::super::Payload;
use crate::bindings::pairway::worker::sockets;
use crate::bindings::pairway::worker::types::Run;
use std::cell::{Cell, RefCell};

/// A longer message is not copied.
const LONGEST: usize = 2048;
/// What a message counts beyond its bytes.
const MESSAGE_COST: usize = 16;
/// Buffers larger than this are not kept.
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    /// Whether answers are put together. What is below is not touched where they are not.
    static IS_OPEN: Cell<bool> = const { Cell::new(false) };
    static ANSWERS: RefCell<Answers> = const { RefCell::new(Answers::new()) };
}

struct Answers {
    /// Bytes that the host still takes.
    room: usize,
    /// The sockets that it takes them for, in the order of their messages.
    sockets: Vec<u64>,
    /// The one that was sent on last.
    at: usize,
    runs: Vec<Run>,
    lengths: Vec<u32>,
    text: String,
    bytes: Vec<u8>,
}

impl Answers {
    const fn new() -> Self {
        Self {
            room: 0,
            sockets: Vec::new(),
            at: 0,
            runs: Vec::new(),
            lengths: Vec::new(),
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
        let is_text = match payload {
            Payload::Text(text) => {
                self.text.push_str(text);
                true
            }
            Payload::Binary(bytes) => {
                self.bytes.extend_from_slice(bytes);
                false
            }
        };
        self.lengths.push(length);
        match self.runs.last_mut() {
            Some(run) if (run.socket, run.is_text) == (socket, is_text) => run.messages += 1,
            _ => self.runs.push(Run {
                socket,
                is_text,
                messages: 1,
            }),
        }
        true
    }

    /// Whether it is one of the sockets.
    fn find(&mut self, socket: u64) -> bool {
        // Most often the one before, or the one behind it.
        let mut places = (self.at..self.sockets.len()).chain(0..self.at);
        let found = places.find(|at| self.sockets[*at] == socket);
        self.at = found.unwrap_or(self.at);
        found.is_some()
    }

    fn send(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        let sent = sockets::send_several(&self.runs, &self.lengths, &self.text, &self.bytes);
        // One that is not taken has found its socket closed by the peer, as any message may.
        let _taken = sent.expect("the lengths are those of the contents");
        if self.text.capacity() + self.bytes.capacity() > KEPT_BYTES {
            *self = Self::new();
        }
        self.runs.clear();
        self.lengths.clear();
        self.text.clear();
        self.bytes.clear();
    }
}

/// The host has promised room for answers to these sockets.
pub(crate) fn expect(sockets: impl Iterator<Item = u64>, room: u32) {
    if room == 0 {
        return;
    }
    IS_OPEN.set(true);
    ANSWERS.with_borrow_mut(|answers| {
        answers.room = usize::try_from(room).unwrap_or(0);
        answers.sockets.clear();
        answers.sockets.extend(sockets);
        answers.sockets.dedup();
        answers.at = 0;
    });
}

/// Put an answer to the others. False if it has to be sent at once.
pub(super) fn put(socket: u64, payload: Payload<'_>) -> bool {
    IS_OPEN.get() && ANSWERS.with_borrow_mut(|answers| answers.put(socket, payload))
}

/// Send what was put together: before anything that stands behind it, and at the end of the turn. What the turn still
/// sends is sent at once.
pub(crate) fn flush() {
    if IS_OPEN.replace(false) {
        ANSWERS.with_borrow_mut(Answers::send);
    }
}
