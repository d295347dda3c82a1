//! Owns [`State`]: what a durable object asks of its host. What its instance must know of it is in `life`, the
//! builders in `accept` and `broadcast`, the gate in `gate`.

mod accept;
mod auto_response;
mod broadcast;
mod gate;
mod life;

pub use accept::Accept;
pub use auto_response::WebSocketRequestResponsePair;
pub use broadcast::Broadcast;
pub use gate::BlockConcurrency;
pub(crate) use life::Call;

use crate::error::{Error, Result};
use crate::namespace::ObjectId;
use crate::outgoing::Outgoing;
use crate::socket::{self, ConnectDurable, WebSocket, WebSocketEnd};
use crate::storage::Storage;
use crate::sys;
use crate::time::milliseconds;
use crate::{log, task};
use life::Life;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// A durable object's side of its host: its id, its storage, its sockets. Clones are of the same object.
#[derive(Clone, Debug)]
pub struct State {
    life: Rc<Life>,
}

impl State {
    pub(crate) fn new(host: sys::Object, id: ObjectId) -> Self {
        Self {
            life: Rc::new(Life::new(host, id)),
        }
    }

    /// The object's id.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.life.id.clone()
    }

    /// The object's storage.
    #[must_use]
    pub fn storage(&self) -> Storage {
        Storage::new(self.life.host)
    }

    /// Let this future go on after the handler has returned. The object is not hibernated meanwhile.
    pub fn wait_until(&self, future: impl Future<Output = ()> + 'static) {
        let call = self.call();
        task::spawn_local(async move {
            future.await;
            drop(call);
        });
    }

    /// Reset the object when what happens now is over: every socket of it ends without a Close, and the next request
    /// meets a new one.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn abort(&self, reason: impl AsRef<str>) -> Result<()> {
        self.life.abort(reason.as_ref())
    }
}

/// Its sockets.
impl State {
    /// Take an end as a hibernatable socket: its events go to the object's handlers, and it outlives the instance. The
    /// other end leaves in a response. Returns a handle of the socket.
    ///
    /// # Errors
    ///
    /// - [`Error::AlreadyAccepted`] if this end is accepted; [`Error::AlreadyUsed`] if the other end is accepted, or
    ///   has left.
    /// - [`Error::TooManySockets`] if the object has as many as it may.
    pub fn accept_web_socket(&self, server: &WebSocketEnd) -> Result<WebSocket> {
        self.accept_websocket_with_tags(server, &[])
    }

    /// [`accept_web_socket`](Self::accept_web_socket) with tags to find the socket by. Duplicates collapse.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyTags`] and [`Error::TagTooLong`], and the end stays as it was; else as
    /// [`accept_web_socket`](Self::accept_web_socket).
    pub fn accept_websocket_with_tags(
        &self,
        server: &WebSocketEnd,
        tags: &[&str],
    ) -> Result<WebSocket> {
        let host = self.life.host;
        host.accept(&server.0, tags)?;
        socket::listed(server.id(), host).ok_or_else(|| Error::UnknownSocket(server.id()))
    }

    /// [`accept_web_socket`](Self::accept_web_socket) bit by bit:
    /// `state.accept_websocket(&server).tag("member").attach(&user)?`.
    pub fn accept_websocket<'a>(&self, server: &'a WebSocketEnd) -> Accept<'a> {
        Accept::new(self.clone(), server)
    }

    /// Open an outbound socket that is hibernatable: its events go to the object's handlers, and it outlives the
    /// instance. See [`WebSocket::connect`].
    pub fn connect(&self, url: impl Into<String>) -> ConnectDurable {
        ConnectDurable::new(self.life.host, url.into())
    }

    /// The object's hibernatable sockets, those that are closing among them.
    #[must_use]
    pub fn get_websockets(&self) -> Vec<WebSocket> {
        self.sockets(None)
    }

    /// Those with this tag.
    #[must_use]
    pub fn get_websockets_with_tag(&self, tag: &str) -> Vec<WebSocket> {
        self.sockets(Some(tag))
    }

    fn sockets(&self, tag: Option<&str>) -> Vec<WebSocket> {
        let host = self.life.host;
        let ids = heard(host.sockets(tag)).unwrap_or_default();
        ids.into_iter()
            .filter_map(|id| socket::listed(id, host))
            .collect()
    }

    /// The tags of a socket; [`WebSocket::tags`] under its name in workers-rs.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::tags`].
    pub fn get_tags(&self, socket: &WebSocket) -> Result<Vec<String>> {
        socket.tags()
    }

    /// Send one message to many sockets: `state.broadcast(&message).tag("member").except(&socket).send()?`. It is
    /// copied out of the worker once and framed once, and costs less than sending it to each.
    pub fn broadcast<'a>(&self, message: impl Into<Outgoing<'a>>) -> Broadcast<'a> {
        Broadcast::new(self.life.host, message.into())
    }
}

/// What the host does by itself.
impl State {
    /// Have the host answer a text by itself, on all of the object's sockets: no handler runs, and a hibernated object
    /// sleeps on. There is one pair, and it takes the place of the one before.
    ///
    /// # Errors
    ///
    /// [`Error::AutoResponseTooLarge`] if a side is over 2,048 bytes.
    pub fn set_websocket_auto_response(&self, pair: &WebSocketRequestResponsePair) -> Result<()> {
        self.set_auto_response(pair.request(), pair.response())
    }

    /// [`set_websocket_auto_response`](Self::set_websocket_auto_response) in one go.
    ///
    /// # Errors
    ///
    /// As [`set_websocket_auto_response`](Self::set_websocket_auto_response).
    pub fn set_auto_response(
        &self,
        request: impl AsRef<str>,
        response: impl AsRef<str>,
    ) -> Result<()> {
        let pair = Some((request.as_ref(), response.as_ref()));
        self.life.host.set_auto_response(pair)
    }

    /// Have the host answer nothing by itself any more.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn clear_auto_response(&self) -> Result<()> {
        self.life.host.set_auto_response(None)
    }

    /// What the host answers by itself.
    #[must_use]
    pub fn get_websocket_auto_response(&self) -> Option<WebSocketRequestResponsePair> {
        let (request, response) = heard(self.life.host.auto_response()).flatten()?;
        Some(WebSocketRequestResponsePair { request, response })
    }

    /// When the host last answered this socket by itself; `None` if it never did.
    #[must_use]
    pub fn get_websocket_auto_response_timestamp(&self, socket: &WebSocket) -> Option<SystemTime> {
        let time = heard(self.life.host.auto_response_time(socket.id())).flatten()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_millis(time))
    }

    /// How long a handler of a hibernatable socket's event may take; `None` for as long as it likes. One that takes
    /// longer is dropped where it waits; the socket stays open, and the next event comes.
    ///
    /// # Errors
    ///
    /// [`Error::TimeoutTooLong`] over seven days.
    pub fn set_hibernatable_websocket_event_timeout(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<()> {
        let timeout = timeout.into().filter(|timeout| !timeout.is_zero());
        self.life
            .host
            .set_event_timeout(timeout.map(|timeout| milliseconds(timeout).max(1)))?;
        self.life.limit.set(timeout);
        Ok(())
    }

    /// What [`set_hibernatable_websocket_event_timeout`](Self::set_hibernatable_websocket_event_timeout) has set.
    #[must_use]
    pub fn get_hibernatable_websocket_event_timeout(&self) -> Option<Duration> {
        self.life.limit.get()
    }
}

/// For what has no `Result` in workers-rs, and cannot fail in an object.
fn heard<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::UnknownSocket(_)) => None,
        Err(error) => {
            log::error("the host refused to say", &error);
            None
        }
    }
}
