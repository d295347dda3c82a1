//! Owns the handle of a socket, over the bindings.

use super::super::{Connect, KeepAlive, Payload, UpgradeRequest};
use super::answers;
use super::error::error;
use crate::bindings::pairway::worker::types::{
    Error as WitError, MessageParam, ReadyState as WitState,
};
use crate::bindings::pairway::worker::{sockets, state};
use crate::close::ReadyState;
use crate::error::Result;

/// A handle of a socket.
#[derive(Debug)]
pub(crate) struct Socket(sockets::WebSocket);

impl Socket {
    pub(super) fn from_raw(raw: sockets::WebSocket) -> Self {
        Self(raw)
    }

    pub(super) fn into_raw(self) -> sockets::WebSocket {
        self.0
    }

    pub(super) fn raw(&self) -> &sockets::WebSocket {
        &self.0
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id()
    }

    pub(crate) fn accept(&self, half_open: bool) -> Result<()> {
        self.0
            .accept(sockets::AcceptOptions { half_open })
            .map_err(error)
    }

    pub(crate) fn send(&self, payload: Payload<'_>) -> Result<()> {
        answers::flush();
        self.0.send(payload.into()).map_err(error)
    }

    /// [`Self::send`] where the id is known: the host finds an accepted socket more cheaply by it than by the handle.
    pub(crate) fn send_by_id(&self, id: u64, payload: Payload<'_>) -> Result<()> {
        if answers::put(id, payload) {
            return Ok(());
        }
        answers::flush();
        match sockets::send(id, payload.into()) {
            // Also the answer for a socket that is over, of which the handle knows more.
            Err(WitError::NotAccepted) => self.send(payload),
            done => done.map_err(error),
        }
    }

    pub(crate) fn close(&self, code: Option<u16>, reason: Option<&str>) -> Result<()> {
        answers::flush();
        self.0.close(code, reason).map_err(error)
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        match self.0.ready_state() {
            WitState::Connecting => ReadyState::Connecting,
            WitState::Open => ReadyState::Open,
            WitState::Closing => ReadyState::Closing,
            WitState::Closed => ReadyState::Closed,
        }
    }

    pub(crate) fn url(&self) -> Option<String> {
        self.0.url()
    }

    pub(crate) fn protocol(&self) -> String {
        self.0.protocol()
    }

    pub(crate) fn extensions(&self) -> String {
        self.0.extensions()
    }

    pub(crate) fn buffered_amount(&self) -> u64 {
        answers::flush();
        self.0.buffered_amount()
    }

    pub(crate) fn is_writable(&self) -> bool {
        answers::flush();
        self.0.is_writable()
    }

    pub(crate) fn pause(&self) {
        answers::flush();
        self.0.pause();
    }

    pub(crate) fn resume(&self) {
        answers::flush();
        self.0.resume();
    }

    pub(crate) fn attachment(&self) -> Option<Vec<u8>> {
        self.0.attachment()
    }

    pub(crate) fn set_attachment(&self, value: Option<&[u8]>) -> Result<()> {
        self.0.set_attachment(value).map_err(error)
    }

    pub(crate) fn request(&self) -> Option<UpgradeRequest> {
        let request = self.0.request()?;
        Some(UpgradeRequest {
            uri: request.uri,
            headers: request.headers,
        })
    }

    pub(crate) fn set_keep_alive(&self, options: Option<KeepAlive>) -> Result<()> {
        let options = options.map(|options| sockets::KeepAlive {
            interval_ms: options.interval_ms,
            timeout_ms: options.timeout_ms,
        });
        self.0.set_keep_alive(options).map_err(error)
    }

    pub(crate) fn tags(&self) -> Result<Vec<String>> {
        state::get_tags(self.id()).map_err(error)
    }

    pub(crate) fn set_tags(&self, tags: &[&str]) -> Result<()> {
        state::set_tags(self.id(), tags).map_err(error)
    }
}

impl<'a> From<Payload<'a>> for MessageParam<'a> {
    fn from(payload: Payload<'a>) -> Self {
        match payload {
            Payload::Text(text) => Self::Text(text),
            Payload::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

pub(crate) fn pair() -> Result<(Socket, Socket)> {
    let (first, second) = sockets::web_socket_pair().map_err(error)?;
    Ok((Socket(first), Socket(second)))
}

/// A handle of a socket that this instance holds.
pub(crate) fn socket(id: u64) -> Option<Socket> {
    sockets::get_web_socket(id).map(Socket)
}

pub(crate) fn connect(connect: Connect<'_>) -> Result<Socket> {
    answers::flush();
    let options = sockets::ConnectOptions {
        protocols: connect.protocols,
        headers: connect.headers,
        hibernatable: connect.durable.map(|(_, tags)| tags),
    };
    let socket = sockets::connect(connect.url, options).map_err(error)?;
    Ok(Socket(socket))
}
