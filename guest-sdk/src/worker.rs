//! Owns the way of an event: from the host to the task that waits for it, and from a handler to its response.

use crate::env::{Context, Env};
use crate::error::{Error, Result};
use crate::request::Request;
use crate::response::Response;
use crate::sys::{self, Event};
use crate::task::{self, LocalFuture};
use crate::{log, socket, time};
use std::cell::RefCell;

/// A fetch handler, as `#[event(fetch)]` wraps it.
pub type FetchFn = fn(Request, Env, Context) -> LocalFuture<Result<Response>>;

/// A start handler, as `#[event(start)]` wraps it.
pub type StartFn = fn() -> Result<()>;

thread_local! {
    static ON_START: RefCell<Vec<StartFn>> = const { RefCell::new(Vec::new()) };
}

/// For `#[event(start)]`: remember a handler. Called by the constructors of the module, before any event.
pub fn on_start(handler: StartFn) {
    ON_START.with(|handlers| handlers.borrow_mut().push(handler));
}

/// One turn: hand out the events, then let the tasks run until all of them wait.
pub(crate) fn turn(
    events: impl Iterator<Item = Event>,
    mut fetch: impl FnMut(u64, Request) -> LocalFuture<Result<Response>>,
) {
    for event in events {
        dispatch(event, &mut fetch);
    }
    task::run_until_idle();
}

fn dispatch(event: Event, fetch: &mut impl FnMut(u64, Request) -> LocalFuture<Result<Response>>) {
    match event {
        Event::Message(id, message) => socket::on_message(id, message),
        Event::Drain(id) => socket::on_drain(id),
        Event::Close(id, close) => socket::on_close(id, close),
        Event::Error(id, message) => socket::on_error(id, message),
        Event::Timer(token) => time::on_timer(token),
        Event::Fetch(id, request) => {
            let handler = fetch(id, request);
            task::spawn_local(async move { answer(id, handler.await) });
        }
        Event::Start => start(),
        Event::Unknown => {}
    }
}

fn start() {
    for handler in ON_START.with(RefCell::take) {
        if let Err(error) = handler() {
            log::error("the start handler failed", &error);
        }
    }
}

/// Send what a handler returned. Every request is answered: with a 500 if there is nothing better.
fn answer(id: u64, result: Result<Response>) {
    let response = result.unwrap_or_else(|error| {
        // An upgrade that is missing is the client's mistake, and not for the log.
        if error.status() == 500 {
            log::error("the fetch handler failed", &error);
        }
        Response::of_error(&error)
    });
    if let Err(error) = respond(id, response) {
        log::error("the response was refused", &error);
        if let Err(error) = respond(id, Response::of_error(&error)) {
            log::error("the response was refused", &error);
        }
    }
}

fn respond(id: u64, response: Response) -> Result<(), Error> {
    let (status, headers, body, socket) = response.into_parts();
    sys::respond(
        id,
        status,
        headers.into_raw(),
        body,
        socket.map(|end| end.0),
    )
}

/// What a start handler may return: nothing, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "a start handler returns nothing or `Result<(), E>` where `E: Into<pairway::Error>`",
    label = "this is neither"
)]
pub trait StartOutput {
    /// How it went.
    ///
    /// # Errors
    ///
    /// What the handler returned.
    fn into_result(self) -> Result<()>;
}

impl StartOutput for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error>> StartOutput for Result<(), E> {
    fn into_result(self) -> Result<()> {
        self.map_err(Into::into)
    }
}
