//! Owns the host behind the bindings: translates and delegates, and decides nothing.

use super::{Event, Payload};
use crate::bindings::clock::wasi::clocks::monotonic_clock;
use crate::bindings::exports::pairway::worker::events as exports;
use crate::bindings::pairway::worker::types::{
    Error as WitError, MessageParam, MessageResult, ReadyState as WitState,
};
use crate::bindings::pairway::worker::{http, sockets, timers};
use crate::close::{CloseEvent, ReadyState};
use crate::error::{Error, Result};
use crate::headers::Headers;
use crate::message::Message;
use crate::request::Request;

/// A handle of a socket.
#[derive(Debug)]
pub(crate) struct Socket(sockets::WebSocket);

impl Socket {
    pub(crate) fn id(&self) -> u64 {
        self.0.id()
    }

    pub(crate) fn accept(&self, half_open: bool) -> Result<()> {
        self.0
            .accept(sockets::AcceptOptions { half_open })
            .map_err(error)
    }

    pub(crate) fn send(&self, payload: Payload<'_>) -> Result<()> {
        let message = match payload {
            Payload::Text(text) => MessageParam::Text(text),
            Payload::Binary(bytes) => MessageParam::Binary(bytes),
        };
        self.0.send(message).map_err(error)
    }

    pub(crate) fn close(&self, code: Option<u16>, reason: Option<&str>) -> Result<()> {
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
        self.0.buffered_amount()
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.0.is_writable()
    }

    pub(crate) fn pause(&self) {
        self.0.pause();
    }

    pub(crate) fn resume(&self) {
        self.0.resume();
    }

    pub(crate) fn attachment(&self) -> Option<Vec<u8>> {
        self.0.attachment()
    }

    pub(crate) fn set_attachment(&self, value: Option<&[u8]>) -> Result<()> {
        self.0.set_attachment(value).map_err(error)
    }

    pub(crate) fn request_uri(&self) -> Option<String> {
        self.0.request().map(|request| request.uri)
    }
}

pub(crate) fn pair() -> Result<(Socket, Socket)> {
    let (first, second) = sockets::web_socket_pair().map_err(error)?;
    Ok((Socket(first), Socket(second)))
}

pub(crate) fn respond(
    id: u64,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    socket: Option<Socket>,
) -> Result<()> {
    let socket = socket.map(|socket| socket.0);
    http::respond(
        id,
        http::Response {
            status,
            headers,
            body,
            socket,
        },
    )
    .map_err(error)
}

pub(crate) fn start_timer(delay_ms: u64) -> Result<u64> {
    timers::start(delay_ms).map_err(error)
}

pub(crate) fn cancel(token: u64) {
    timers::cancel(token);
}

/// Nanoseconds since some time in the past.
pub(crate) fn now() -> u64 {
    monotonic_clock::now()
}

pub(crate) fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the host says, in the words of the SDK.
pub(crate) fn event(event: exports::Event) -> Event {
    match event {
        exports::Event::Start(_) => Event::Start,
        exports::Event::Fetch((id, request)) => Event::Fetch(id, self::request(request)),
        exports::Event::Message((id, MessageResult::Text(text))) => {
            Event::Message(id, Message::Text(text))
        }
        exports::Event::Message((id, MessageResult::Binary(bytes))) => {
            Event::Message(id, Message::Binary(bytes))
        }
        exports::Event::Close((id, close)) => Event::Close(
            id,
            CloseEvent {
                code: close.code,
                reason: close.reason,
                was_clean: close.was_clean,
            },
        ),
        exports::Event::Error((id, message)) => Event::Error(id, message),
        exports::Event::Drain(id) => Event::Drain(id),
        exports::Event::Completed((token, exports::Outcome::Done)) => Event::Timer(token),
        exports::Event::Open(_) | exports::Event::Alarm(_) | exports::Event::Completed(_) => {
            Event::Unknown
        }
    }
}

fn request(request: http::RequestResult) -> Request {
    Request {
        method: request.method.into(),
        uri: request.uri,
        headers: Headers::from_raw(request.headers),
        body: request.body,
        peer: request.peer,
    }
}

/// Out of line: on the way of a message this is a branch that is not taken.
#[cold]
fn error(error: WitError) -> Error {
    match error {
        WitError::Unsupported(what) => Error::Unsupported(what),
        WitError::NotAnObject => Error::NotAnObject,
        WitError::NotAccepted => Error::NotAccepted,
        WitError::AlreadyAccepted => Error::AlreadyAccepted,
        WitError::AlreadyUsed => Error::AlreadyUsed,
        WitError::Connecting => Error::Connecting,
        WitError::Closed => Error::Closed,
        WitError::InvalidCloseCode(code) => Error::InvalidCloseCode(code),
        WitError::InvalidCloseReason(why) => Error::InvalidCloseReason(why),
        WitError::OutboxFull(bytes) => Error::OutboxFull(bytes),
        WitError::MessageTooLarge(limit) => Error::MessageTooLarge(limit),
        WitError::TooManySockets(limit) => Error::TooManySockets(limit),
        WitError::TooManyTimers(limit) => Error::TooManyTimers(limit),
        WitError::UnknownRequest(id) => Error::UnknownRequest(id),
        WitError::UnknownSocket(id) => Error::UnknownSocket(id),
        WitError::InvalidResponse(why) => Error::InvalidResponse(why),
        WitError::InvalidUrl(why) => Error::InvalidUrl(why),
        WitError::InvalidProtocol(which) => Error::InvalidProtocol(which),
        WitError::NotAllowed(host) => Error::NotAllowed(host),
        WitError::TooManyTags(limit) => Error::TooManyTags(limit),
        WitError::TagTooLong(limit) => Error::TagTooLong(limit),
        WitError::AttachmentTooLarge(limit) => Error::AttachmentTooLarge(limit),
        WitError::AutoResponseTooLarge(limit) => Error::AutoResponseTooLarge(limit),
        WitError::TimeoutTooLong(limit) => Error::TimeoutTooLong(limit),
        WitError::UnknownNamespace(name) => Error::UnknownNamespace(name),
        WitError::InvalidObjectId(id) => Error::InvalidObjectId(id),
        WitError::KeyTooLarge(limit) => Error::KeyTooLarge(limit),
        WitError::ValueTooLarge(limit) => Error::ValueTooLarge(limit),
        WitError::Sql(message) => Error::Sql(message),
        WitError::Storage(message) => Error::Storage(message),
        WitError::Other(message) => Error::Other(message),
    }
}
