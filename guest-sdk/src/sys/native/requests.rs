//! Owns the requests of a test, from their start to their response, and the Response contract.

use super::super::Event;
use super::{Host, Socket, host};
use crate::error::{Error, Result};
use crate::request::{Method, Request};
use crate::task::Waiters;
use std::collections::BTreeMap;
use std::task::{Context, Poll};

#[derive(Default)]
pub(super) struct Requests(BTreeMap<u64, Open>);

/// A response as its client gets it.
#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) socket: Option<Socket>,
}

struct Open {
    uri: String,
    /// What the client gets in place of a 101.
    no_upgrade: Option<(u16, &'static str)>,
    response: Option<RawResponse>,
    client: Waiters,
}

/// The headers of a handshake, as a browser sends them.
pub(crate) fn upgrade_headers() -> [(&'static str, &'static str); 4] {
    [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
}

/// A client sends a request. Returns its id.
pub(crate) fn open_request(request: Request) -> u64 {
    host(|host| {
        let id = host.count();
        let open = Open {
            uri: request.uri.clone(),
            no_upgrade: check_upgrade(&request),
            response: None,
            client: Waiters::default(),
        };
        host.requests.0.insert(id, open);
        host.events.push_back(Event::Fetch(id, request));
        id
    })
}

/// The client waits for its response.
pub(crate) fn take_response(id: u64, cx: &Context<'_>) -> Poll<RawResponse> {
    host(|host| {
        let Some(open) = host.requests.0.get_mut(&id) else {
            return Poll::Pending;
        };
        match open.response.take() {
            Some(response) => {
                host.requests.0.remove(&id);
                Poll::Ready(response)
            }
            None => {
                open.client.add(cx.waker());
                Poll::Pending
            }
        }
    })
}

/// The worker answers. No borrow is held where a response is dropped: its socket calls back.
pub(super) fn respond(id: u64, response: RawResponse) -> Result<()> {
    let no_upgrade = host(|host| check_response(host, id, &response))?;
    let response = match no_upgrade {
        Some((status, why)) => RawResponse {
            status,
            headers: Vec::new(),
            body: why.as_bytes().to_vec(),
            socket: None,
        },
        None => response,
    };
    let client = host(|host| {
        let open = host.requests.0.get_mut(&id)?;
        if let Some(socket) = &response.socket {
            host.ends.leave(socket.id(), &open.uri);
        }
        open.response = Some(response);
        Some(open.client.take())
    });
    client.unwrap_or_default().wake();
    Ok(())
}

/// The Response contract. `Some`: the worker is right and the client is not, and this is what the client gets.
fn check_response(
    host: &mut Host,
    id: u64,
    response: &RawResponse,
) -> Result<Option<(u16, &'static str)>> {
    let open = host.requests.0.get(&id);
    let open = open
        .filter(|open| open.response.is_none())
        .ok_or(Error::UnknownRequest(id))?;
    let why = match (response.status, &response.socket) {
        (101, None) => "101 without a socket",
        (101, Some(_)) if !response.body.is_empty() => "101 with a body",
        (101, Some(socket)) => {
            host.ends.check_leave(socket.id())?;
            match open.no_upgrade {
                Some((500, _)) => "101 to a request that is no upgrade",
                no_upgrade => return Ok(no_upgrade),
            }
        }
        (_, Some(_)) => "a socket without 101",
        (200..=599, None) => return Ok(None),
        _ => "the status is not one of 200 to 599",
    };
    Err(Error::InvalidResponse(why.to_owned()))
}

/// Why the request cannot be upgraded, and what the client gets: the last paragraph but one of the Response contract.
fn check_upgrade(request: &Request) -> Option<(u16, &'static str)> {
    let headers = request.headers();
    if !request.is_upgrade() {
        Some((500, "Internal Server Error"))
    } else if !headers.has_token("sec-websocket-version", "13") {
        Some((426, "Expected Sec-WebSocket-Version: 13"))
    } else if request.method() != Method::Get || !headers.has_token("connection", "upgrade") {
        Some((400, "Expected GET and Connection: Upgrade"))
    } else if !headers.has("sec-websocket-key") {
        Some((400, "Missing Sec-WebSocket-Key"))
    } else {
        None
    }
}
