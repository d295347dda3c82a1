//! Owns what a durable object is to its author: [`DurableObject`], and its handlers without its class. Knows nothing of
//! when a handler is called.

use crate::answer::answer_caller;
use crate::close::CloseEvent;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::log;
use crate::message::Message;
use crate::parting;
use crate::request::Request;
use crate::response::Response;
use crate::socket::{Over, WebSocket};
use crate::state::{Call, State};
use crate::sys::Due;
use crate::task::{LocalFuture, Nest, run_now_in};
use std::cell::RefCell;
use std::future::ready;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// A durable object: one instance at a time for each id, in all the world. The struct carries
/// [`#[durable_object]`](crate::durable_object).
///
/// Handlers overlap at their awaits and nowhere else, as those of a worker do; a message handler that awaits does not
/// hold the next message back. An error that one returns is logged, and its sockets stay open.
///
/// When nothing happens for a while the object hibernates: its value is dropped, its sockets stay. The next event makes
/// a new value with [`new`](Self::new), so that what must last belongs into the storage or an attachment.
pub trait DurableObject: DurableObjectClass + Sized + 'static {
    /// Make the object's value: when the object is first reached, and whenever it wakes.
    ///
    /// Storage answers here as everywhere ([`Storage::kv`](crate::Storage::kv)); what takes longer goes into
    /// [`State::block_concurrency_while`].
    ///
    /// One of `new` and [`try_new`](Self::try_new) is to be written.
    #[expect(unused_variables, reason = "named for those who implement it")]
    fn new(state: State, env: Env) -> Self {
        let () = Missing::<Self>::CONSTRUCTOR;
        unreachable!()
    }

    /// [`new`](Self::new) where that can fail. Then what woke the object fails with the error, and the object is reset, as by
    /// [`State::abort`]: its sockets end without a Close, and the next request makes it anew.
    ///
    /// ```
    /// # use pairway::*;
    /// #[durable_object]
    /// struct Board {
    ///     lines: Vec<String>,
    /// }
    ///
    /// impl DurableObject for Board {
    ///     fn try_new(state: State, _env: Env) -> Result<Self> {
    ///         let lines = state.storage().kv().get("lines")?;
    ///         Ok(Self { lines: lines.ok_or("there is no such board")? })
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// What the object's author says.
    fn try_new(state: State, env: Env) -> Result<Self> {
        Ok(Self::new(state, env))
    }

    /// A request, from [`Stub::fetch_with_request`](crate::Stub::fetch_with_request). If this returns an error, so does that,
    /// with the same text. [`Error::UpgradeRequired`] is a response, a 426, as in a worker, and [`Error::Overloaded`] a 503.
    #[expect(unused_variables, reason = "named for those who implement it")]
    fn fetch(&self, req: Request) -> impl Future<Output = Result<Response>> {
        ready(Response::error("this object takes no requests", 404))
    }

    /// The alarm is due. If this returns an error it is tried again later, a few times.
    #[expect(unused_variables, reason = "named for those who implement it")]
    fn alarm(&self, info: AlarmInfo) -> impl Future<Output = Result<()>> {
        ready(Ok(()))
    }

    /// A message arrived at a hibernatable socket.
    #[expect(unused_variables, reason = "named for those who implement it")]
    fn websocket_message(
        &self,
        ws: WebSocket,
        message: Message,
    ) -> impl Future<Output = Result<()>> {
        ready(Ok(()))
    }

    /// A hibernatable socket was closed, or its connection was lost. The host has answered the peer's Close.
    #[expect(unused_variables, reason = "named for those who implement it")]
    fn websocket_close(
        &self,
        ws: WebSocket,
        event: CloseEvent,
    ) -> impl Future<Output = Result<()>> {
        ready(Ok(()))
    }

    /// The peer of a hibernatable socket broke the protocol or a limit, and its connection is over.
    #[expect(unused_variables, reason = "named for those who implement it")]
    fn websocket_error(&self, ws: WebSocket, error: Error) -> impl Future<Output = Result<()>> {
        ready(Ok(()))
    }
}

/// What no class is without. Looked at when the code of a class is generated.
struct Missing<T>(PhantomData<T>);

impl<T> Missing<T> {
    const CONSTRUCTOR: () = panic!("a durable object has `new`, or `try_new` if that can fail");
}

/// Made by `#[durable_object]`: the struct is known to the worker as a class.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no durable object without `#[durable_object]`",
    label = "the attribute belongs on this struct"
)]
pub trait DurableObjectClass {
    /// The name that configurations call the class by: that of the struct.
    const NAME: &'static str;
}

/// An alarm that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmInfo {
    /// When it was to go off.
    pub scheduled_time: SystemTime,
    /// How often it has been tried before.
    pub retry_count: u32,
}

impl AlarmInfo {
    /// Whether it has been tried before.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.retry_count > 0
    }
}

impl From<Due> for AlarmInfo {
    fn from(due: Due) -> Self {
        Self {
            scheduled_time: SystemTime::UNIX_EPOCH + Duration::from_millis(due.scheduled_ms),
            retry_count: due.retry_count,
        }
    }
}

/// The handlers of an object whose class is not known, each to its end. A call is an allocation, but for a message, whose
/// handler is run at once.
pub(crate) trait Handlers {
    fn fetch(self: Rc<Self>, call: Call, id: u64, request: Request) -> LocalFuture<()>;
    fn alarm(self: Rc<Self>, call: Call, due: Due) -> LocalFuture<()>;
    fn message(
        self: Rc<Self>,
        call: Call,
        socket: WebSocket,
        message: Message,
        nest: &RefCell<Nest>,
    );
    fn close(self: Rc<Self>, call: Call, socket: WebSocket, event: CloseEvent) -> LocalFuture<()>;
    fn error(self: Rc<Self>, call: Call, socket: WebSocket, why: String) -> LocalFuture<()>;
}

impl<T: DurableObject> Handlers for T {
    fn fetch(self: Rc<Self>, call: Call, id: u64, request: Request) -> LocalFuture<()> {
        Box::pin(async move {
            let _running = call;
            let handler = DurableObject::fetch(&*self, request);
            answer_caller(id, parting::watch(handler, Result::is_err).await);
        })
    }

    fn alarm(self: Rc<Self>, call: Call, due: Due) -> LocalFuture<()> {
        Box::pin(async move {
            let handler = DurableObject::alarm(&*self, due.into());
            let result = parting::watch(handler, Result::is_err).await;
            if let Err(error) = &result {
                log::error("the alarm handler failed", error);
            }
            call.alarm_handled(result.is_ok());
        })
    }

    fn message(
        self: Rc<Self>,
        call: Call,
        socket: WebSocket,
        message: Message,
        nest: &RefCell<Nest>,
    ) {
        run_now_in(nest, async move {
            let handler = self.websocket_message(socket, message);
            call.socket_event("the websocket_message handler failed", handler)
                .await;
        });
    }

    fn close(self: Rc<Self>, call: Call, socket: WebSocket, event: CloseEvent) -> LocalFuture<()> {
        Box::pin(async move {
            let _over = Over::closed(&socket, event.clone());
            let handler = self.websocket_close(socket, event);
            call.socket_event("the websocket_close handler failed", handler)
                .await;
        })
    }

    fn error(self: Rc<Self>, call: Call, socket: WebSocket, why: String) -> LocalFuture<()> {
        Box::pin(async move {
            let _over = Over::failed(&socket, why.clone());
            let handler = self.websocket_error(socket, Error::SocketFailed(why));
            call.socket_event("the websocket_error handler failed", handler)
                .await;
        })
    }
}
