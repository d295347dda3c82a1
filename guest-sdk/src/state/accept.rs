//! Owns [`Accept`], the builder of a hibernatable socket.

use super::State;
use crate::error::Result;
use crate::socket::{WebSocket, WebSocketEnd};
use serde::Serialize;

/// Made by [`State::accept_websocket`]. Nothing is accepted before [`accept`](Self::accept) or
/// [`attach`](Self::attach).
#[derive(Debug)]
#[must_use = "nothing is accepted before `accept` or `attach`"]
pub struct Accept<'a> {
    state: State,
    server: &'a WebSocketEnd,
    tags: Vec<&'a str>,
}

impl<'a> Accept<'a> {
    pub(super) fn new(state: State, server: &'a WebSocketEnd) -> Self {
        Self {
            state,
            server,
            tags: Vec::new(),
        }
    }

    /// A tag to find the socket by; may be repeated.
    pub fn tag(mut self, tag: &'a str) -> Self {
        self.tags.push(tag);
        self
    }

    /// Accept the end. Returns a handle of the socket.
    ///
    /// # Errors
    ///
    /// As [`State::accept_websocket_with_tags`].
    pub fn accept(self) -> Result<WebSocket> {
        self.state
            .accept_websocket_with_tags(self.server, &self.tags)
    }

    /// Accept the end, and leave a value with it.
    ///
    /// # Errors
    ///
    /// As [`WebSocketEnd::serialize_attachment`], and nothing is accepted; else as [`accept`](Self::accept).
    pub fn attach<T: Serialize + ?Sized>(self, value: &T) -> Result<WebSocket> {
        self.server.serialize_attachment(value)?;
        self.accept()
    }

    /// Accept the end, and leave bytes with it, as they are.
    ///
    /// # Errors
    ///
    /// As [`WebSocketEnd::set_attachment_bytes`], and nothing is accepted; else as [`accept`](Self::accept).
    pub fn attach_bytes(self, bytes: impl AsRef<[u8]>) -> Result<WebSocket> {
        self.server.set_attachment_bytes(bytes)?;
        self.accept()
    }
}
