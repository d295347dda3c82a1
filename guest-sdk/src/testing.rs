//! Run handlers under `cargo test`, natively and without a host: requests, sockets and time are in memory.
//!
//! A test is a client. It sends requests to a handler, and its end of a WebSocket is a [`WebSocket`] like the
//! worker's. Time is virtual: when nothing else can happen it jumps to the next [`sleep`](crate::sleep) or alarm.
//! [`bind_object`] lets a test reach durable objects, and [`hibernate`] puts them to sleep.
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

use crate::class::{self, Class};
use crate::env::{Context, Env};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::namespace::{ObjectId, Stub};
use crate::object::DurableObject;
use crate::request::{Method, Request};
use crate::response::{IntoResponse, Response};
use crate::socket::{self, WebSocket};
use crate::sys::Event;
use crate::sys::native::{self, Delivery, Object};
use crate::task::{self, LocalFuture};
use crate::{operation, parting, time, worker};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::iter::{empty, from_fn, once};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

type Handler = Box<dyn FnOnce(Request) -> LocalFuture<Result<Response>>>;
type Outside = Rc<dyn Fn(Request) -> LocalFuture<Result<Response>>>;

thread_local! {
    /// The handlers that requests are on their way to.
    static HANDLERS: RefCell<HashMap<u64, Handler>> = RefCell::default();
    /// What stands for all other servers.
    static OUTSIDE: RefCell<Option<Outside>> = const { RefCell::new(None) };
    /// The objects that are awake.
    static OBJECTS: RefCell<BTreeMap<Object, Rc<Instance>>> = RefCell::default();
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
    let _now = World;
    drop(World);
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
            settle();
        }
        let batch = native::next_batch();
        assert!(
            !batch.is_empty(),
            "the test waits for something that can no longer happen"
        );
        let mut batch = batch.into_iter().peekable();
        while let Some(Delivery { to, event }) = batch.next() {
            // A turn is one instance's.
            let more = from_fn(|| batch.next_if(|next| next.to == to));
            let mut events = once(event).chain(more.map(|next| next.event));
            match to {
                Some(object) => turn(object, &awake(object), &mut events),
                None => worker::turn(events, handle),
            }
        }
        settle();
    }
}

fn handle(id: u64, request: Request) -> LocalFuture<Result<Response>> {
    if let Some(handler) = HANDLERS.with_borrow_mut(|handlers| handlers.remove(&id)) {
        return handler(request);
    }
    match OUTSIDE.with_borrow(Clone::clone) {
        Some(outside) => outside(request),
        None => Box::pin(async move { Err(Error::UnknownRequest(id)) }),
    }
}

/// The object's instance: a new one if it hibernates, or never was.
fn awake(object: Object) -> Rc<Instance> {
    if let Some(instance) = OBJECTS.with_borrow(|objects| objects.get(&object).cloned()) {
        return instance;
    }
    let info = object.info();
    let class = Class::named(&info.class_name);
    let id = ObjectId::own(&info.id, info.name);
    let instance = object.owner().act(|| Rc::new((class.begin)(object, id)));
    OBJECTS.with_borrow_mut(|objects| objects.insert(object, Rc::clone(&instance)));
    turn(object, &instance, &mut empty());
    instance
}

/// A turn of an object. One that has been aborted in it is reset.
fn turn(object: Object, instance: &Instance, events: &mut dyn Iterator<Item = Event>) {
    object.begins_turn();
    object.owner().act(|| instance.turn(events));
    if instance.is_aborted() {
        OBJECTS.with_borrow_mut(|objects| objects.remove(&object));
        object.reset();
        end(object);
    }
}

/// What an instance leaves behind is gone with it: its tasks, and its handles of sockets.
fn end(object: Object) {
    for socket in object.sockets(None).unwrap_or_default() {
        socket::forget(socket);
    }
    object.owner().act(|| task::end(object.owner()));
}

/// Let objects go on whose gate has opened.
fn settle() {
    let objects = OBJECTS.with_borrow(|objects| objects.clone());
    for (object, instance) in objects {
        turn(object, &instance, &mut empty());
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// What a test has made; it ends when this is dropped, also if the test panics.
struct World;

impl Drop for World {
    fn drop(&mut self) {
        HANDLERS.take();
        OUTSIDE.take();
        OBJECTS.take();
        class::clear();
        task::clear();
        parting::clear();
        operation::clear();
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

/// An object, reached as a worker reaches it.
impl FetchHandler<Self> for Stub {
    fn call(self, request: Request, _: Env, _: Context) -> LocalFuture<Result<Response>> {
        Box::pin(async move { self.fetch_with_request(request).await })
    }
}

/// Send a request to a handler, and wait for the response as its client gets it: a handler that fails is a 500. Where
/// it is a 101, [`Response::websocket`] is the client's end, to be accepted.
pub async fn fetch<A>(handler: impl FetchHandler<A>, request: Request) -> Response {
    let id = native::open_request(request);
    let handler: Handler =
        Box::new(move |request| handler.call(request, Env::new(), Context::new()));
    HANDLERS.with(|handlers| handlers.borrow_mut().insert(id, handler));
    Response::from_raw(poll_fn(|cx| native::take_response(id, cx)).await)
}

/// Connect a WebSocket to a handler. Returns the client's end.
///
/// # Errors
///
/// [`Error::NotUpgraded`] with the status if it is not 101.
pub async fn connect<A>(handler: impl FetchHandler<A>, uri: &str) -> Result<WebSocket> {
    let response = fetch(handler, upgrade_request(uri)).await;
    let status = response.status_code();
    match response.websocket() {
        Some(end) => end.accept(),
        None => Err(Error::NotUpgraded(status)),
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

/// Let this handler stand for all other servers, for this test: what the worker sends with [`Fetch`](crate::Fetch) and
/// [`WebSocket::connect`] arrives there. Without it the worker may reach nobody.
pub fn outside<A>(handler: impl FetchHandler<A> + Clone) {
    native::allow_outbound();
    let outside: Outside =
        Rc::new(move |request| handler.clone().call(request, Env::new(), Context::new()));
    OUTSIDE.set(Some(outside));
}

/// Bind a namespace to a class, for this test: `env.durable_object(namespace)` reaches its objects, and
/// `Env::default()` is an environment.
pub fn bind_object<T: DurableObject>(namespace: &str) {
    native::bind(namespace, T::NAME);
    class::on_class::<T>();
}

/// Hibernate the objects that nothing keeps awake, as the host does after a while: no handler runs, nor what
/// [`State::wait_until`](crate::State::wait_until) was given; the gate is open; no task of theirs sleeps, or waits for a
/// response; and no standard socket of theirs is open. Their values are dropped, and the tasks that they have spawned;
/// hibernatable sockets, tags, attachments, storage and alarms stay, and the next event makes a new value. Returns how many
/// objects it were.
pub fn hibernate() -> usize {
    let idle: Vec<_> = OBJECTS.with_borrow_mut(|objects| {
        objects
            .extract_if(.., |object, instance| {
                instance.is_idle() && !is_held(*object)
            })
            .collect()
    });
    for (object, _) in &idle {
        end(*object);
    }
    idle.len()
}

/// Whether something that the instance knows nothing of holds it.
fn is_held(object: Object) -> bool {
    let owner = object.owner();
    time::sleeps(owner) || operation::is_under_way(owner) || object.has_standard_sockets()
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
