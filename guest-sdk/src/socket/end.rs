//! Owns the ends of a WebSocket that nobody has accepted yet: [`WebSocketPair`] and [`WebSocketEnd`].

use super::WebSocket;
use crate::close::{CloseCode, ReadyState};
use crate::error::Result;
use crate::outgoing::Outgoing;
use crate::storage::json;
use crate::sys::{self, Payload};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// Two ends: what one sends the other receives.
///
/// By convention the client's end leaves in a response and the server's end is accepted. Both may also stay, and be
/// accepted here.
#[derive(Debug)]
pub struct WebSocketPair {
    /// The end for [`Response::from_websocket`](crate::Response::from_websocket).
    pub client: WebSocketEnd,
    /// The end to accept.
    pub server: WebSocketEnd,
}

impl WebSocketPair {
    /// Make a pair.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySockets`](crate::Error::TooManySockets) if the worker holds as many as it may.
    pub fn new() -> Result<Self> {
        let (client, server) = sys::pair()?;
        Ok(Self {
            client: WebSocketEnd(client),
            server: WebSocketEnd(server),
        })
    }
}

/// How an end is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptOptions {
    /// Do not answer the peer's Close at once: the worker may go on sending, until it closes the socket itself.
    pub half_open: bool,
}

/// An end that is not accepted, or one that a durable object has accepted. What arrives for it meanwhile is kept.
///
/// An end that is dropped, neither accepted nor sent in a response, is gone, and the other end with it.
pub struct WebSocketEnd(pub(crate) sys::Socket);

impl fmt::Debug for WebSocketEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketEnd")
            .field("id", &self.id())
            .finish()
    }
}

impl WebSocketEnd {
    /// Take the events of this end, first those that have waited.
    ///
    /// # Errors
    ///
    /// The host's refusal. An end that was made here and is held here can be accepted.
    pub fn accept(self) -> Result<WebSocket> {
        self.accept_with(AcceptOptions::default())
    }

    /// [`accept`](Self::accept) with options.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_with(self, options: AcceptOptions) -> Result<WebSocket> {
        WebSocket::accept(self.0, options)
    }

    /// The id that the socket keeps to its end.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// Where the end stands: open from birth.
    #[must_use]
    pub fn ready_state(&self) -> ReadyState {
        self.0.ready_state()
    }

    /// Send one message. Only an end that a durable object has accepted can: what else accepts an end takes it.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`](crate::Error::NotAccepted); else as [`WebSocket::send`].
    pub fn send<'a>(&self, message: impl Into<Outgoing<'a>>) -> Result<()> {
        self.0.send(message.into().payload())
    }

    /// Send a text message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_text(&self, text: impl AsRef<str>) -> Result<()> {
        self.0.send(Payload::Text(text.as_ref()))
    }

    /// Send a binary message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_binary(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.0.send(Payload::Binary(bytes.as_ref()))
    }

    /// Send a value as JSON, in a text message.
    ///
    /// # Errors
    ///
    /// [`Error::Json`](crate::Error::Json) if the value has no form in JSON; else as [`send`](Self::send).
    pub fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send_text(serde_json::to_string(value)?)
    }

    /// The tags of an end that a durable object has accepted; see [`WebSocket::tags`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::tags`].
    pub fn tags(&self) -> Result<Vec<String>> {
        self.0.tags()
    }

    /// Start the close handshake; see [`WebSocket::close`]. Only an end that a durable object has accepted can.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`](crate::Error::NotAccepted).
    pub fn close(&self) -> Result<()> {
        self.0.close(None, None)
    }

    /// [`close`](Self::close) with a code and a reason, which may be empty.
    ///
    /// # Errors
    ///
    /// [`Error::NotAccepted`](crate::Error::NotAccepted); else as [`WebSocket::close_with`].
    pub fn close_with(&self, code: impl Into<CloseCode>, reason: impl AsRef<str>) -> Result<()> {
        self.0
            .close(Some(code.into().into()), Some(reason.as_ref()))
    }

    /// Leave a value with the socket; see [`WebSocket::serialize_attachment`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::serialize_attachment`].
    pub fn serialize_attachment<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        set_attachment(&self.0, value)
    }

    /// The value that was left with the socket; see [`WebSocket::deserialize_attachment`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::deserialize_attachment`].
    pub fn deserialize_attachment<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        attachment(&self.0)
    }

    /// Leave bytes with the socket, as they are; see [`WebSocket::set_attachment_bytes`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::set_attachment_bytes`].
    pub fn set_attachment_bytes(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.0.set_attachment(Some(bytes.as_ref()))
    }

    /// The bytes that were left with the socket; see [`WebSocket::attachment_bytes`].
    #[must_use]
    pub fn attachment_bytes(&self) -> Option<Vec<u8>> {
        self.0.attachment()
    }
}

pub(super) fn set_attachment<T: Serialize + ?Sized>(socket: &sys::Socket, value: &T) -> Result<()> {
    socket.set_attachment(Some(&json::write(value)?))
}

pub(super) fn attachment<T: DeserializeOwned>(socket: &sys::Socket) -> Result<Option<T>> {
    let Some(bytes) = socket.attachment() else {
        return Ok(None);
    };
    json::read(&bytes).map(Some)
}
