//! Owns the floor between the SDK and its host: the events that come up, and the calls that go down. There are two
//! of it with the same functions: `wasm` over the bindings, and `native`, a host in memory for tests.

#[cfg(target_family = "wasm")]
mod wasm;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::{Socket, cancel, event, now, pair, respond, start_timer, var};

#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{Socket, cancel, now, pair, respond, start_timer, var};

use crate::close::CloseEvent;
use crate::message::Message;
use crate::request::Request;

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The first event of every instance.
    Start,
    /// A request, by its id.
    Fetch(u64, Request),
    /// A message for a socket.
    Message(u64, Message),
    /// A socket was closed or lost.
    Close(u64, CloseEvent),
    /// A socket failed.
    Error(u64, String),
    /// A socket's outbox has room again.
    Drain(u64),
    /// The timer of that token went off.
    Timer(u64),
    /// Something that the worker did not ask for.
    #[cfg_attr(
        not(target_family = "wasm"),
        expect(dead_code, reason = "only a newer host knows of more")
    )]
    Unknown,
}

/// A message where it lies: sending copies nothing in the worker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Payload<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl<'a> From<&'a Message> for Payload<'a> {
    fn from(message: &'a Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(bytes) => Self::Binary(bytes),
        }
    }
}
