//! Owns the way of a response: from a fetch handler to the host. Every request is answered.

use crate::error::{Error, Result};
use crate::log;
use crate::response::Response;
use crate::sys;

/// Send what a handler returned: a 500 if there is nothing better.
pub(crate) fn answer(id: u64, result: Result<Response>) {
    let response = result.unwrap_or_else(|error| {
        // An upgrade that is missing is the client's mistake, and not for the log.
        if error.status() == 500 {
            log::error("the fetch handler failed", &error);
        }
        Response::of_error(&error)
    });
    if let Err(error) = sys::respond(id, response.into_raw()) {
        log::error("the response was refused", &error);
        refuse(id, &error);
    }
}

#[cold]
fn refuse(id: u64, error: &Error) {
    if let Err(error) = sys::respond(id, Response::of_error(error).into_raw()) {
        log::error("the response was refused", &error);
    }
}
