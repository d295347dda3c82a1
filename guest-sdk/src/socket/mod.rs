//! Owns [`WebSocket`], the handle of an accepted socket. What its handles share is in `shared`, the inbox in `inbox`,
//! the traits of `futures` in `stream`.

mod connect;
mod durable;
mod end;
mod inbox;
mod shared;
mod stream;

pub use connect::{Connect, ConnectDurable};
pub use durable::KeepAlive;
pub(crate) use durable::{Over, durable, listed};
pub use end::{AcceptOptions, WebSocketEnd, WebSocketPair};
#[cfg(not(target_family = "wasm"))]
pub(crate) use shared::{clear, forget};
pub(crate) use shared::{is_opening, on_close, on_drain, on_error, on_message, on_open};
pub use stream::{EventStream, WebSocketReceiver, WebSocketSender, WebsocketEvent};

use crate::close::{CloseCode, CloseEvent, ReadyState};
use crate::error::{Error, Result};
use crate::headers::Headers;
use crate::message::Message;
use crate::outgoing::Outgoing;
use crate::sys::{self, Payload};
use inbox::End;
use serde::{Serialize, de::DeserializeOwned};
use shared::Shared;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A handle of an accepted socket. Clones are handles of the same socket: what one of them receives the others do not.
///
/// ```
/// use pairway::*;
///
/// # testing::run(async {
/// let WebSocketPair { client, server } = WebSocketPair::new().unwrap();
/// let (mut client, mut server) = (client.accept().unwrap(), server.accept().unwrap());
///
/// client.send("hello").unwrap();
/// assert_eq!(server.recv().await.unwrap(), Some(Message::from("hello")));
///
/// client.close_with(CloseCode::Normal, "bye").unwrap();
/// assert_eq!(server.recv().await.unwrap(), None);
/// assert_eq!(server.close_event().unwrap().reason, "bye");
/// # });
/// ```
///
/// Sending never blocks: a message is queued and leaves when the worker has nothing more to do. To keep from sending
/// faster than the peer reads, await [`ready`](Self::ready) before each message, or use the socket as a `Sink`. In the
/// other direction it is automatic: a peer that sends faster than the worker receives is not read for a while.
///
/// When the last handle is dropped and neither side has closed the socket, it is closed: nobody could read it any more.
/// With 1001; or with 1011 if the task that holds it ends with an error, so that the peer can tell a fault from a goodbye.
///
/// A hibernatable socket, which [`State::accept_web_socket`](crate::State::accept_web_socket) takes, is its object's:
/// it outlives its handles, and its messages go to the object's handlers and not to [`recv`](Self::recv).
#[derive(Debug)]
pub struct WebSocket {
    shared: Rc<Shared>,
    /// Whether this handle has said how the socket ended. A stream that fails does so once and is over.
    told: bool,
}

impl Clone for WebSocket {
    fn clone(&self) -> Self {
        Self {
            shared: Rc::clone(&self.shared),
            told: self.told,
        }
    }
}

/// Two handles are equal if they are of the same socket.
impl PartialEq for WebSocket {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for WebSocket {}

impl WebSocket {
    pub(crate) fn accept(raw: sys::Socket, options: AcceptOptions) -> Result<Self> {
        Ok(Self {
            shared: Shared::accept(raw, options.half_open)?,
            told: false,
        })
    }

    /// The id: the same from birth to end, never used twice by one host process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// The next message; `None` when the socket has been closed or its connection was lost, and
    /// [`close_event`](Self::close_event) says how.
    ///
    /// Dropping the future, as a [`timeout`](crate::timeout) does, loses no message.
    ///
    /// # Errors
    ///
    /// [`Error::SocketFailed`] if the peer broke the protocol or a limit; [`Error::AlreadyAccepted`] if the socket is
    /// hibernatable. Once, and `None` from then on.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        poll_fn(|cx| self.poll_recv(cx)).await.transpose()
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Message>>> {
        let Poll::Ready(message) = self.shared.poll_message(cx) else {
            return Poll::Pending;
        };
        Poll::Ready(message.map(Ok).or_else(|| {
            if std::mem::replace(&mut self.told, true) {
                return None;
            }
            match self.shared.end() {
                Some(End::Failed(why)) => Some(Err(Error::SocketFailed(why))),
                None if self.shared.is_durable => Some(Err(Error::AlreadyAccepted)),
                _ => None,
            }
        }))
    }

    /// Send one message: text from `&str` and `String`, binary from `&[u8]` and `Vec<u8>`, a [`Message`] or a `&Message`.
    /// What is borrowed is not copied.
    ///
    /// # Errors
    ///
    /// - [`Error::Closed`] if the socket was closed, from here or by the peer: stop sending.
    /// - [`Error::OutboxFull`] if the peer reads too slowly: the message is not sent. [`ready`](Self::ready) waits.
    pub fn send<'a>(&self, message: impl Into<Outgoing<'a>>) -> Result<()> {
        self.shared.send(message.into().payload())
    }

    /// Send a text message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_text(&self, text: impl AsRef<str>) -> Result<()> {
        self.shared.send(Payload::Text(text.as_ref()))
    }

    /// Send a binary message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_binary(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.shared.send(Payload::Binary(bytes.as_ref()))
    }

    /// Send a value as JSON, in a text message.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if the value has no form in JSON; else as [`send`](Self::send).
    pub fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.send(Message::from_json(value)?)
    }

    /// [`send_text`](Self::send_text) under its name in workers-rs.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_with_str(&self, text: impl AsRef<str>) -> Result<()> {
        self.send_text(text)
    }

    /// [`send_binary`](Self::send_binary) under its name in workers-rs.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_with_bytes(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.send_binary(bytes)
    }

    /// Wait until the peer has read enough that more should be sent.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the socket takes no more messages.
    pub async fn ready(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_room(cx)).await
    }

    /// Start the close handshake, without a code: the peer sees 1005. What was sent leaves first; messages of the peer
    /// arrive until its Close does. On a socket that is closed already it does nothing.
    ///
    /// # Errors
    ///
    /// None that a program can meet; the shape is that of workers-rs.
    pub fn close(&self) -> Result<()> {
        self.close_raw(None, None)
    }

    /// [`close`](Self::close) with a code and a reason, which may be empty.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCloseCode`] and [`Error::InvalidCloseReason`]: nothing has been closed.
    pub fn close_with(&self, code: impl Into<CloseCode>, reason: impl AsRef<str>) -> Result<()> {
        self.close_raw(Some(code.into().into()), Some(reason.as_ref()))
    }

    /// Answer the peer's Close with its own code and reason; without a code if its code cannot be sent.
    ///
    /// # Errors
    ///
    /// None that a program can meet, if the event came from a socket.
    pub fn close_echo(&self, event: &CloseEvent) -> Result<()> {
        if crate::close::is_sendable(event.code) {
            self.close_raw(Some(event.code), Some(&event.reason))
        } else {
            self.close()
        }
    }

    /// [`close`](Self::close) with whatever is given; the host decides.
    ///
    /// # Errors
    ///
    /// As [`close_with`](Self::close_with); a reason without a code is an [`Error::InvalidCloseReason`].
    pub fn close_raw(&self, code: Option<u16>, reason: Option<&str>) -> Result<()> {
        self.shared.raw.close(code, reason)
    }

    /// How the socket was closed; `None` while it is not, and if it failed.
    #[must_use]
    pub fn close_event(&self) -> Option<CloseEvent> {
        match self.shared.end()? {
            End::Closed(event) => Some(event),
            End::Failed(_) => None,
        }
    }

    /// Where the socket stands.
    #[must_use]
    pub fn ready_state(&self) -> ReadyState {
        self.shared.raw.ready_state()
    }

    /// The subprotocol agreed on; empty if none, and on an end of a pair.
    #[must_use]
    pub fn protocol(&self) -> String {
        self.shared.raw.protocol()
    }

    /// The extensions agreed on; empty if none.
    #[must_use]
    pub fn extensions(&self) -> String {
        self.shared.raw.extensions()
    }

    /// The URL of an outbound socket.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.shared.raw.url()
    }

    /// The URI of the request that this socket was upgraded from, once the response has left.
    #[must_use]
    pub fn request_uri(&self) -> Option<String> {
        Some(self.shared.raw.request()?.uri)
    }

    /// The headers of that request.
    #[must_use]
    pub fn request_headers(&self) -> Option<Headers> {
        Some(Headers::from_raw(self.shared.raw.request()?.headers))
    }

    /// Bytes sent and not yet taken by the operating system.
    #[must_use]
    pub fn buffered_amount(&self) -> u64 {
        self.shared.raw.buffered_amount()
    }

    /// Leave a value with the socket, in place of the one before. It lives as long as the socket, and has the form that
    /// [`Storage`](crate::Storage) gives to values.
    ///
    /// # Errors
    ///
    /// - [`Error::Json`] if the value has no form in JSON, as NaN has none.
    /// - [`Error::AttachmentTooLarge`] over 16,384 bytes; the one before stays.
    pub fn serialize_attachment<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        end::set_attachment(&self.shared.raw, value)
    }

    /// The value that was left with the socket; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if it is not of this type.
    pub fn deserialize_attachment<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        end::attachment(&self.shared.raw)
    }

    /// Leave bytes with the socket, as they are, in place of what was there.
    ///
    /// # Errors
    ///
    /// [`Error::AttachmentTooLarge`] over 16,384 bytes; what was there before stays.
    pub fn set_attachment_bytes(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.shared.raw.set_attachment(Some(bytes.as_ref()))
    }

    /// What was left with the socket, as bytes: those of [`set_attachment_bytes`](Self::set_attachment_bytes), or the JSON of
    /// [`serialize_attachment`](Self::serialize_attachment).
    #[must_use]
    pub fn attachment_bytes(&self) -> Option<Vec<u8>> {
        self.shared.raw.attachment()
    }

    /// The socket's events, its end among them, as a stream. Of a hibernatable socket there are none.
    #[must_use]
    pub fn events(&self) -> EventStream {
        EventStream::new(self.clone())
    }

    /// A half to send with and a half to receive with, for two tasks.
    #[must_use]
    pub fn split(self) -> (WebSocketSender, WebSocketReceiver) {
        stream::split(self)
    }
}
