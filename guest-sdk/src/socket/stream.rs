//! Owns a socket as others see it: the traits of `futures`, the stream of events, the two halves.

use super::WebSocket;
use super::inbox::End;
use crate::close::{CloseCode, CloseEvent, ReadyState};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::outgoing::Outgoing;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use serde::Serialize;
use std::pin::Pin;
use std::task::{Context, Poll};

impl WebSocket {
    /// Whether the outbox has room; if not, the task is woken when it has.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.shared.is_writable() {
            return Poll::Ready(Ok(()));
        }
        if self.ready_state() == ReadyState::Closed {
            return Poll::Ready(Err(Error::Closed));
        }
        self.shared.wait_for_room(cx);
        Poll::Pending
    }
}

impl Stream for WebSocket {
    type Item = Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

/// Ready when the peer has read enough; flushing has nothing to wait for, since what is sent leaves when the worker
/// has nothing more to do; closing is [`WebSocket::close`].
impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<()> {
        self.send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.close())
    }
}

/// One thing that happened to a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebsocketEvent {
    /// The socket is open. Only outbound sockets say so.
    Open,
    /// A message arrived.
    Message(Message),
    /// The socket was closed, or its connection was lost. The last event.
    Close(CloseEvent),
    /// The peer broke the protocol or a limit; the text says how. The last event.
    Error(String),
}

/// The events of a socket, from [`WebSocket::events`]. A handle of it like any other.
#[derive(Debug)]
pub struct EventStream {
    socket: WebSocket,
    over: bool,
}

impl EventStream {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self {
            socket,
            over: false,
        }
    }
}

impl Stream for EventStream {
    type Item = Result<WebsocketEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let Poll::Ready(message) = self.socket.shared.poll_message(cx) else {
            return Poll::Pending;
        };
        if let Some(message) = message {
            return Poll::Ready(Some(Ok(WebsocketEvent::Message(message))));
        }
        self.over = true;
        Poll::Ready(self.socket.shared.end().map(|end| {
            Ok(match end {
                End::Closed(event) => WebsocketEvent::Close(event),
                End::Failed(why) => WebsocketEvent::Error(why),
            })
        }))
    }
}

impl FusedStream for EventStream {
    fn is_terminated(&self) -> bool {
        self.over
    }
}

/// The sending half of a socket, from [`WebSocket::split`].
#[derive(Clone, Debug)]
pub struct WebSocketSender(WebSocket);

/// The receiving half of a socket, from [`WebSocket::split`].
#[derive(Debug)]
pub struct WebSocketReceiver(WebSocket);

pub(super) fn split(socket: WebSocket) -> (WebSocketSender, WebSocketReceiver) {
    (WebSocketSender(socket.clone()), WebSocketReceiver(socket))
}

impl WebSocketSender {
    /// As [`WebSocket::send`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub fn send<'a>(&self, message: impl Into<Outgoing<'a>>) -> Result<()> {
        self.0.send(message)
    }

    /// As [`WebSocket::send_json`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_json`].
    pub fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.0.send_json(value)
    }

    /// As [`WebSocket::ready`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::ready`].
    pub async fn ready(&mut self) -> Result<()> {
        self.0.ready().await
    }

    /// As [`WebSocket::close`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::close`].
    pub fn close(&self) -> Result<()> {
        self.0.close()
    }

    /// As [`WebSocket::close_with`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::close_with`].
    pub fn close_with(&self, code: impl Into<CloseCode>, reason: impl AsRef<str>) -> Result<()> {
        self.0.close_with(code, reason)
    }

    /// The whole socket.
    #[must_use]
    pub fn socket(&self) -> &WebSocket {
        &self.0
    }
}

impl Sink<Message> for WebSocketSender {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<()> {
        self.0.send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.0.close())
    }
}

impl WebSocketReceiver {
    /// As [`WebSocket::recv`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        self.0.recv().await
    }

    /// The whole socket.
    #[must_use]
    pub fn socket(&self) -> &WebSocket {
        &self.0
    }
}

impl Stream for WebSocketReceiver {
    type Item = Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
