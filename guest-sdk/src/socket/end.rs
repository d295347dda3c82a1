//! Owns the ends of a WebSocket that nobody has accepted yet: [`WebSocketPair`] and [`WebSocketEnd`].

use super::WebSocket;
use crate::close::{CloseCode, ReadyState};
use crate::error::Result;
use crate::message::Message;
use crate::sys;
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
    pub fn send(&self, message: impl Into<Message>) -> Result<()> {
        self.0.send(sys::Payload::from(&message.into()))
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
}

pub(super) fn set_attachment<T: Serialize + ?Sized>(socket: &sys::Socket, value: &T) -> Result<()> {
    socket.set_attachment(Some(&serde_json::to_vec(value)?))
}

pub(super) fn attachment<T: DeserializeOwned>(socket: &sys::Socket) -> Result<Option<T>> {
    let Some(bytes) = socket.attachment() else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_slice(&bytes)?))
}
