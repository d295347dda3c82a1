//! Owns the requests of a test, from their start to their response, and the Response contract.

use super::{Socket, host};
use crate::error::{Error, Result};
use crate::headers::Headers;
use crate::request::{Method, Request};
use crate::response::Response;
use crate::socket::WebSocketEnd;
use crate::task::Waiters;
use std::collections::BTreeMap;
use std::task::{Context, Poll};

use super::super::Event;

#[derive(Default)]
pub(super) struct Requests(BTreeMap<u64, Open>);

struct Open {
    uri: String,
    /// What the client gets in place of a 101.
    no_upgrade: Option<(u16, &'static str)>,
    response: Option<Response>,
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
pub(crate) fn take_response(id: u64, cx: &Context<'_>) -> Poll<Response> {
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

pub(super) fn respond(
    id: u64,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    socket: Option<Socket>,
) -> Result<()> {
    let no_upgrade = host(|host| {
        let open = host
            .requests
            .0
            .get(&id)
            .filter(|open| open.response.is_none())
            .ok_or(Error::UnknownRequest(id))?;
        let no_upgrade = open.no_upgrade;
        check_response(status, &body, socket.as_ref(), no_upgrade)?;
        if let Some(socket) = &socket {
            host.ends.check_leave(socket.id())?;
        }
        Ok::<_, Error>(no_upgrade.filter(|_| status == 101))
    })?;
    let response = match (no_upgrade, socket) {
        // The socket is dropped, and the worker's end is told.
        (Some((status, why)), _) => Response::error(why, status)?,
        (None, Some(socket)) => {
            host(|host| {
                let uri = host
                    .requests
                    .0
                    .get(&id)
                    .map(|open| open.uri.clone())
                    .unwrap_or_default();
                host.ends.leave(socket.id(), &uri);
            });
            Response::from_websocket(WebSocketEnd(socket))?.with_headers(Headers::from_raw(headers))
        }
        (None, None) => Response::from_bytes(body)?
            .with_status(status)
            .with_headers(Headers::from_raw(headers)),
    };
    let client = host(|host| {
        let open = host.requests.0.get_mut(&id)?;
        open.response = Some(response);
        Some(open.client.take())
    });
    client.unwrap_or_default().wake();
    Ok(())
}

fn check_response(
    status: u16,
    body: &[u8],
    socket: Option<&Socket>,
    no_upgrade: Option<(u16, &'static str)>,
) -> Result<()> {
    let why = match (status, socket) {
        (101, None) => "101 without a socket",
        (101, Some(_)) if !body.is_empty() => "101 with a body",
        (101, Some(_)) if no_upgrade.is_some_and(|(status, _)| status == 500) => {
            "101 to a request that is no upgrade"
        }
        (101, Some(_)) => return Ok(()),
        (_, Some(_)) => "a socket without 101",
        (200..=599, None) => return Ok(()),
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
