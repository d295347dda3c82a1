//! Owns the way of an event to a worker: from the host to the task that waits for it. An object's is in `instance`.

use crate::answer::answer;
use crate::env::{Context, Env};
use crate::error::{Error, Result};
use crate::instance::completed;
use crate::request::Request;
use crate::response::Response;
use crate::sys::Event;
use crate::task::{self, LocalFuture};
use crate::{log, parting, socket};
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

/// One turn of a worker: hand out the events, then let the tasks run until all of them wait.
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
        Event::Completed(token, outcome) => completed(token, outcome),
        Event::Fetch(id, request) => {
            let handler = fetch(id, request);
            task::spawn_local(async move {
                answer(id, parting::watch(handler, Result::is_err).await);
            });
        }
        Event::Open(id) => socket::on_open(id),
        Event::Start(_) => start(),
        // Only objects have alarms.
        Event::Alarm(_) => {}
    }
}

/// Run the start handlers.
pub(crate) fn start() {
    for handler in ON_START.with(RefCell::take) {
        if let Err(error) = handler() {
            log::error("the start handler failed", &error);
        }
    }
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
