//! Run handlers under `cargo test`, natively and without a host: requests, sockets and time are in memory.
//!
//! A test is a client. It sends requests to a handler, and its end of a WebSocket is a [`WebSocket`] like the
//! worker's. Time is virtual: when nothing else can happen it jumps to the next [`sleep`](crate::sleep).
//!
//! ```
//! use pairway::*;
//!
//! async fn greet(req: Request) -> Result<Response> {
//!     let name = req.query("name").unwrap_or_else(|| "you".to_owned());
//!     let (socket, response) = req.upgrade()?.accept()?;
//!     socket.send(format!("hello {name}"))?;
//!     socket.close_with(CloseCode::Normal, "that was all")?;
//!     Ok(response)
//! }
//!
//! testing::run(async {
//!     let mut client = testing::connect(greet, "http://localhost/?name=Ada").await.unwrap();
//!     assert_eq!(client.recv().await, Ok(Some(Message::from("hello Ada"))));
//!     assert_eq!(client.recv().await, Ok(None));
//!     assert_eq!(client.close_event().unwrap().reason, "that was all");
//! });
//! ```

use crate::env::{Context, Env};
use crate::error::{Error, Result};
use crate::headers::Headers;
use crate::request::{Method, Request};
use crate::response::{IntoResponse, Response};
use crate::socket::{self, WebSocket};
use crate::sys::native;
use crate::task::{self, LocalFuture};
use crate::{time, worker};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

type Handler = Box<dyn FnOnce(Request) -> LocalFuture<Result<Response>>>;

thread_local! {
    /// The handlers that requests are on their way to.
    static HANDLERS: RefCell<HashMap<u64, Handler>> = RefCell::default();
}

/// Run a test: the future, the tasks that it spawns, and the host between them, until the future is done. Then
/// everything ends, as with an instance.
///
/// # Panics
///
/// If the future waits for something that can no longer happen, such as a message from a socket that nobody else
/// holds.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    // Twice: a test before this one on the thread may have panicked.
    let _now = Instance;
    drop(Instance);
    native::start();
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut test = pin!(test);
    loop {
        while woken.0.swap(false, Relaxed) {
            if let Poll::Ready(value) = test.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
                return value;
            }
            task::run_until_idle();
        }
        let batch = native::next_batch();
        assert!(
            !batch.is_empty(),
            "the test waits for something that can no longer happen"
        );
        worker::turn(batch.into_iter(), |id, request| {
            let handler = HANDLERS.with(|handlers| handlers.borrow_mut().remove(&id));
            handler.map_or_else(
                || Box::pin(async { Err(Error::UnknownRequest(0)) }) as _,
                |handler| handler(request),
            )
        });
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// What a test has made; it ends when this is dropped, also if the test panics.
struct Instance;

impl Drop for Instance {
    fn drop(&mut self) {
        HANDLERS.with(RefCell::take);
        task::clear();
        socket::clear();
        time::clear();
        native::clear();
    }
}

/// What [`fetch`] and [`connect`] call: a fetch handler, which takes the request, the environment and the context, or
/// the first of them.
pub trait FetchHandler<Arguments>: 'static {
    /// Call it.
    fn call(self, request: Request, env: Env, context: Context) -> LocalFuture<Result<Response>>;
}

macro_rules! fetch_handler {
    ($($argument:ident: $type:ty),*; $request:pat, $env:pat, $context:pat) => {
        impl<F, O> FetchHandler<($($type,)*)> for F
        where
            F: FnOnce($($type),*) -> O + 'static,
            O: Future<Output: IntoResponse> + 'static,
        {
            fn call(self, $request: Request, $env: Env, $context: Context) -> LocalFuture<Result<Response>> {
                Box::pin(async move { self($($argument),*).await.into_response() })
            }
        }
    };
}

fetch_handler!(; _, _, _);
fetch_handler!(request: Request; request, _, _);
fetch_handler!(request: Request, env: Env; request, env, _);
fetch_handler!(request: Request, env: Env, context: Context; request, env, context);

/// Send a request to a handler, and wait for the response as its client gets it: a handler that fails is a 500. Where
/// it is a 101, [`Response::websocket`] is the client's end, to be accepted.
pub async fn fetch<A>(handler: impl FetchHandler<A>, request: Request) -> Response {
    let id = native::open_request(request);
    let handler: Handler =
        Box::new(move |request| handler.call(request, Env::new(), Context::new()));
    HANDLERS.with(|handlers| handlers.borrow_mut().insert(id, handler));
    let raw = poll_fn(|cx| native::take_response(id, cx)).await;
    Response::from_parts(
        raw.status,
        Headers::from_raw(raw.headers),
        raw.body,
        raw.socket,
    )
}

/// Connect a WebSocket to a handler. Returns the client's end.
///
/// # Errors
///
/// [`Error::Other`] with the status if it is not 101.
pub async fn connect<A>(handler: impl FetchHandler<A>, uri: &str) -> Result<WebSocket> {
    let response = fetch(handler, upgrade_request(uri)).await;
    let status = response.status_code();
    match response.websocket() {
        Some(end) => end.accept(),
        None => Err(Error::Other(format!("the handler answered {status}"))),
    }
}

/// The request that a browser sends to open a WebSocket.
#[must_use]
pub fn upgrade_request(uri: &str) -> Request {
    let mut request = Request::new(uri, Method::Get);
    for (name, value) in native::upgrade_headers() {
        request.headers_mut().set_known(name, value);
    }
    request
}

/// Set a variable of the environment, for this test.
pub fn set_var(name: &str, value: &str) {
    native::set_var(name, value);
}

/// How much virtual time has passed in this test.
#[must_use]
pub fn elapsed() -> Duration {
    Duration::from_nanos(native::now())
}

/// Break the connection of this socket: both of its ends are closed with 1006.
pub fn disconnect(socket: &WebSocket) {
    native::disconnect(socket.id());
}

/// Break the protocol at this end: it gets a Close with 1002, and the other end an
/// [`Error::SocketFailed`].
pub fn break_protocol(socket: &WebSocket) {
    native::break_protocol(socket.id());
}
