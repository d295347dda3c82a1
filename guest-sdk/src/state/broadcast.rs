//! Owns [`Broadcast`]: one message for many sockets.

use crate::error::Result;
use crate::message::Message;
use crate::socket::WebSocket;
use crate::sys::{self, Payload};

/// A message to be sent, where it lies: from a [`Message`], a text or bytes, borrowed or not.
#[derive(Debug)]
pub struct Outgoing<'a>(Content<'a>);

#[derive(Debug)]
enum Content<'a> {
    Borrowed(Payload<'a>),
    Owned(Message),
}

impl<'a> From<&'a Message> for Outgoing<'a> {
    fn from(message: &'a Message) -> Self {
        Self(Content::Borrowed(message.into()))
    }
}

impl<'a> From<&'a str> for Outgoing<'a> {
    fn from(text: &'a str) -> Self {
        Self(Content::Borrowed(Payload::Text(text)))
    }
}

impl<'a> From<&'a String> for Outgoing<'a> {
    fn from(text: &'a String) -> Self {
        Self(Content::Borrowed(Payload::Text(text)))
    }
}

impl<'a> From<&'a [u8]> for Outgoing<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Content::Borrowed(Payload::Binary(bytes)))
    }
}

impl From<Message> for Outgoing<'_> {
    fn from(message: Message) -> Self {
        Self(Content::Owned(message))
    }
}

impl From<String> for Outgoing<'_> {
    fn from(text: String) -> Self {
        Self(Content::Owned(text.into()))
    }
}

impl From<Vec<u8>> for Outgoing<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Content::Owned(bytes.into()))
    }
}

/// Made by [`State::broadcast`](crate::State::broadcast). Nothing is sent before [`send`](Self::send).
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Broadcast<'a> {
    host: sys::Object,
    message: Outgoing<'a>,
    tag: Option<&'a str>,
    except: Vec<u64>,
}

impl<'a> Broadcast<'a> {
    pub(super) fn new(host: sys::Object, message: Outgoing<'a>) -> Self {
        Self {
            host,
            message,
            tag: None,
            except: Vec::new(),
        }
    }

    /// Only to sockets with this tag. Of several calls the last counts.
    pub fn tag(mut self, tag: &'a str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Not to this socket; may be repeated.
    pub fn except(mut self, socket: &WebSocket) -> Self {
        self.except.push(socket.id());
        self
    }

    /// Send it. Sockets that take no messages, because they are closing or their outbox is full, are passed over;
    /// returns how many took it.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn send(self) -> Result<u32> {
        let payload = match &self.message.0 {
            Content::Borrowed(payload) => *payload,
            Content::Owned(message) => message.into(),
        };
        self.host.broadcast(self.tag, &self.except, payload)
    }
}
