//! Owns the imports of `wit/http.wit`: the Response contract.

use std::collections::hash_map::Entry;

use super::ends::full;
use super::wit::http::{Host, RequestResult, ResponseResult};
use super::{GuestState, WitError};
use crate::error::Fault;
use crate::guest::effects::Staged;
use crate::guest::request::{Answer, check_head};
use crate::guest::store::cost;
use crate::inject::Point;
use crate::outbound;
use crate::quota::Charge;
use crate::socket::{Departure, deflate};

/// A response that is not charged.
const SHORT_BYTES: u64 = 4096;

impl Host for GuestState {
    fn respond(
        &mut self,
        request: u64,
        response: ResponseResult,
    ) -> wasmtime::Result<Result<(), WitError>> {
        self.host.counters.point(Point::Import);
        let socket = match response.socket {
            Some(socket) => Some(self.take_handle(socket)?),
            None => None,
        };
        let Some(asked) = self.requests.get(&request) else {
            return Ok(Err(WitError::UnknownRequest(request)));
        };
        let bounded = check_head(0, &response.headers, &self.host.limits);
        if let Err(text) = bounded.and_then(|()| {
            check(
                response.status,
                &response.headers,
                response.body.is_empty(),
                socket.is_some(),
            )
        }) {
            return Ok(Err(WitError::InvalidResponse(text)));
        }
        if socket.is_some() && !asked.wants_web_socket {
            let text = "status 101 for a request without `Upgrade: websocket`";
            return Ok(Err(WitError::InvalidResponse(text.to_owned())));
        }
        let limit = self.host.limits.worker_response_bytes;
        if response.body.len() as u64 > limit {
            let text = format!(
                "its body has {} bytes, at most {limit} (limit worker_response_bytes)",
                response.body.len()
            );
            return Ok(Err(WitError::InvalidResponse(text)));
        }
        // A short one is not charged: whoever was refused something must be able to say so.
        let charge = match size_of_contents(&response.headers, &response.body) {
            0..=SHORT_BYTES => Charge::on(&self.quota),
            bytes => match self.charge(bytes) {
                Some(charge) => charge,
                None => return Ok(Err(full())),
            },
        };
        let Entry::Occupied(asked) = self.requests.entry(request) else {
            return Ok(Err(WitError::UnknownRequest(request)));
        };
        let socket = match socket.map(|handle| Departure::new(&handle.0)).transpose() {
            Ok(socket) => socket,
            Err(error) => return Ok(Err(error.into())),
        };
        self.effects.staged.push(Staged::Respond {
            request,
            reply: asked.remove().reply,
            answer: Ok(Box::new(Answer {
                status: response.status,
                headers: response.headers,
                body: response.body,
                _charge: Some(charge),
                socket,
                has_arrived: false,
            })),
        });
        Ok(Ok(()))
    }

    fn fail(&mut self, request: u64, mut why: String) -> wasmtime::Result<Result<(), WitError>> {
        let Some(asked) = self.requests.remove(&request) else {
            return Ok(Err(WitError::UnknownRequest(request)));
        };
        let most = usize::try_from(self.host.limits.failure_bytes).unwrap_or(usize::MAX);
        why.truncate(why.floor_char_boundary(most));
        why.shrink_to_fit();
        self.effects.staged.push(Staged::Respond {
            request,
            reply: asked.reply,
            answer: Err(Fault::Handler(why)),
        });
        Ok(Ok(()))
    }

    fn fetch(&mut self, request: RequestResult) -> wasmtime::Result<Result<u64, WitError>> {
        if let Err(error) = self.may_operate() {
            return Ok(Err(error));
        }
        let line = request.method.len() + request.uri.len();
        if let Err(text) = check_head(line, &request.headers, &self.host.limits) {
            return Ok(Err(WitError::Other(text)));
        }
        let bytes = size_of_contents(&request.headers, &request.body) + request.uri.len() as u64;
        let Some(charge) = self.charge(bytes + cost::OPERATION) else {
            return Ok(Err(full()));
        };
        let planned = self.host.outbound.fetch(outbound::Request {
            method: request.method,
            uri: request.uri,
            headers: request.headers,
            body: request.body.into(),
            extensions: self.host.compression.as_ref().map(deflate::offer),
        });
        let fetch = match planned {
            Ok(fetch) => Box::new(fetch),
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        if !self.effects.keep_one() {
            return Ok(Err(full()));
        }
        let token = self.next_id();
        self.operations.insert(token);
        self.keep_depth(token);
        let staged = Staged::Fetch {
            token,
            fetch,
            charge,
        };
        self.effects.push(staged, &self.host.limits)?;
        Ok(Ok(token))
    }
}

/// What a request or response takes.
pub(super) fn size_of_contents(headers: &[(String, Vec<u8>)], body: &[u8]) -> u64 {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.len() + value.len()) as u64 + cost::HEADER);
    headers.sum::<u64>() + body.len() as u64
}

fn check(
    status: u16,
    headers: &[(String, Vec<u8>)],
    is_empty: bool,
    has_socket: bool,
) -> Result<(), String> {
    match (status, has_socket) {
        (101, true) if !is_empty => return Err("status 101 with a body".to_owned()),
        (101, true) | (200..=599, false) => {}
        (101, false) => return Err("status 101 without a socket".to_owned()),
        (_, true) => return Err(format!("a socket with status {status}, not 101")),
        (_, false) => return Err(format!("status {status} is not between 200 and 599")),
    }
    for (name, value) in headers {
        if hyper::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("{name:?} is no header name"));
        }
        if hyper::header::HeaderValue::from_bytes(value).is_err() {
            return Err(format!(
                "the value of header {name} has bytes that a header cannot hold"
            ));
        }
    }
    Ok(())
}
