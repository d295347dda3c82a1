//! Owns the host behind the bindings: translates and delegates. What it decides is in `answers`: when a message leaves.

pub(crate) mod answers;
mod error;
mod object;
mod socket;

pub(crate) use object::{Object, check_object_id, fetch_object, new_object_id, object_id};
pub(crate) use socket::{Socket, connect, pair, socket};

use super::{Due, Event, ObjectInfo, Outcome, Response};
use crate::bindings::clock::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::exports::pairway::worker::events as exports;
use crate::bindings::pairway::worker::types::MessageResult;
use crate::bindings::pairway::worker::{http, timers};
use crate::close::CloseEvent;
use crate::error::Result;
use crate::headers::Headers;
use crate::message::Message;
use crate::request::{Request, Uri};
use error::error;
use http::RequestParam;

pub(crate) fn respond(id: u64, response: Response) -> Result<()> {
    answers::flush();
    let response = http::Response {
        status: response.status,
        headers: response.headers,
        body: response.body,
        socket: response.socket.map(Socket::into_raw),
    };
    http::respond(id, response).map_err(error)
}

/// A request gets no response.
pub(crate) fn fail(id: u64, why: &str) -> Result<()> {
    answers::flush();
    http::fail(id, why).map_err(error)
}

pub(crate) fn start_timer(delay_ms: u64) -> Result<u64> {
    timers::start(delay_ms).map_err(error)
}

pub(crate) fn cancel(token: u64) {
    timers::cancel(token);
}

/// Nanoseconds since some time in the past.
pub(crate) fn now() -> u64 {
    monotonic_clock::now()
}

/// Milliseconds since 1970.
pub(crate) fn unix_time_ms() -> u64 {
    let now = wall_clock::now();
    now.seconds * 1000 + u64::from(now.nanoseconds / 1_000_000)
}

pub(crate) fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the host says, in the words of the SDK.
pub(crate) fn event(event: exports::Event) -> Event {
    match event {
        exports::Event::Start(exports::InstanceKind::Worker) => Event::Start(None),
        exports::Event::Start(exports::InstanceKind::Object(info)) => {
            Event::Start(Some(ObjectInfo {
                class_name: info.class_name,
                id: info.id,
                name: info.name,
            }))
        }
        exports::Event::Fetch((id, request)) => Event::Fetch(id, self::request(request)),
        exports::Event::Open(id) => Event::Open(id),
        exports::Event::Message((id, MessageResult::Text(text))) => {
            Event::Message(id, Message::Text(text))
        }
        exports::Event::Message((id, MessageResult::Binary(bytes))) => {
            Event::Message(id, Message::Binary(bytes))
        }
        exports::Event::Close((id, close)) => Event::Close(
            id,
            CloseEvent {
                code: close.code,
                reason: close.reason,
                was_clean: close.was_clean,
            },
        ),
        exports::Event::Error((id, message)) => Event::Error(id, message),
        exports::Event::Drain(id) => Event::Drain(id),
        exports::Event::Alarm(alarm) => Event::Alarm(Due {
            scheduled_ms: alarm.scheduled_time,
            retry_count: alarm.retry_count,
        }),
        exports::Event::Completed((token, outcome)) => {
            Event::Completed(token, self::outcome(outcome))
        }
    }
}

/// Returns the token of the operation.
pub(crate) fn fetch(request: &Request) -> Result<u64> {
    answers::flush();
    let headers: Vec<_> = request.headers.iter().collect();
    http::fetch(parameter(request, &headers)).map_err(error)
}

fn parameter<'a>(request: &'a Request, headers: &'a [(&'a str, &'a [u8])]) -> RequestParam<'a> {
    RequestParam {
        method: request.method.as_str(),
        uri: request.uri(),
        headers,
        body: &request.body,
        peer: request.peer.as_deref(),
    }
}

fn outcome(outcome: exports::Outcome) -> Outcome {
    match outcome {
        exports::Outcome::Done => Outcome::Done,
        exports::Outcome::Response(response) => Outcome::Response(Response {
            status: response.status,
            headers: response.headers,
            body: response.body,
            socket: response.socket.map(Socket::from_raw),
        }),
        exports::Outcome::Failed(failure) => Outcome::Failed(error(failure)),
    }
}

fn request(request: http::RequestResult) -> Request {
    Request {
        method: request.method.into(),
        uri: Uri::new(request.uri),
        headers: Headers::from_raw(request.headers),
        body: request.body,
        peer: request.peer,
    }
}
