//! Owns the way of a response: from a fetch handler to the host. Every request is answered, or fails.

use crate::error::{Error, Result};
use crate::log;
use crate::response::Response;
use crate::sys;

/// Send what an object's handler returned. One that fails has no response: whoever has asked is told what was wrong, as
/// by a panic. What says to clients what they did wrong, or that they may come again, is a response all the same.
pub(crate) fn answer_caller(id: u64, result: Result<Response>) {
    let result = match result {
        Err(error) if error.status() != 500 => Ok(Response::of_error(&error)),
        other => other,
    };
    let failure = match result {
        Ok(response) => match sys::respond(id, response.into_raw()) {
            Ok(()) => return,
            Err(refusal) => {
                log::error("the response was refused", &refusal);
                refusal
            }
        },
        Err(error) => {
            log::error("the fetch handler failed", &error);
            error
        }
    };
    fail(id, &failure.to_string());
}

/// A request gets no response: this was wrong.
#[cold]
pub(crate) fn fail(id: u64, why: &str) {
    if let Err(error) = sys::fail(id, why) {
        log::error("the failure was refused", &error);
    }
}

/// Send what a worker's handler returned: a 500 if there is nothing better.
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
