//! Owns the requests of a test, from their start to their response, and the Response contract. A client asks, or an
//! operation of the worker, or the handshake of an outbound socket.

use super::super::{Event, Outcome, Response, UpgradeRequest};
use super::objects::Object;
use super::{Delivery, Host, host};
use crate::error::{Error, Result};
use crate::request::{Method, Request};
use crate::task::Waiters;
use crate::url::Url;
use std::collections::BTreeMap;
use std::task::{Context, Poll};

#[derive(Default)]
pub(super) struct Requests(BTreeMap<u64, Open>);

struct Open {
    request: UpgradeRequest,
    /// What the client gets in place of a 101.
    no_upgrade: Option<(u16, &'static str)>,
    asker: Asker,
}

enum Asker {
    Client {
        response: Option<Response>,
        waiters: Waiters,
    },
    /// The token of the operation, and the object that is asked, if one is.
    Operation(u64, Option<Object>),
    /// The outbound socket of that id.
    Socket(u64),
}

/// The worker is wrong: nobody has asked for a socket.
const NO_UPGRADE: Option<(u16, &str)> = Some((500, "Internal Server Error"));

impl Open {
    fn new(request: &Request, asker: Asker) -> Self {
        let headers = request.headers.iter();
        Self {
            request: UpgradeRequest {
                uri: request.uri().to_owned(),
                headers: headers
                    .map(|(name, value)| (name.to_owned(), value.to_vec()))
                    .collect(),
            },
            no_upgrade: match asker {
                Asker::Client { .. } => check_upgrade(request),
                // Nothing goes over a wire.
                Asker::Operation(..) | Asker::Socket(_) => {
                    NO_UPGRADE.filter(|_| !request.is_upgrade())
                }
            },
            asker,
        }
    }
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

/// A client sends a request. Returns its id. One that no host would take is answered without the worker.
pub(crate) fn open_request(request: Request) -> u64 {
    let refused = check_target(&request).err();
    let is_refused = refused.is_some();
    let asker = Asker::Client {
        response: refused.map(|why| plain(400, why)),
        waiters: Waiters::default(),
    };
    host(|host| {
        let id = host.count();
        host.requests.0.insert(id, Open::new(&request, asker));
        if !is_refused {
            host.push(Event::Fetch(id, request));
        }
        id
    })
}

/// The URI of a client's request is made of its target and its `Host`. The host takes neither if they make none.
fn check_target(request: &Request) -> Result<(), &'static str> {
    match request.url() {
        Ok(url) if ["http", "https"].contains(&url.scheme()) => {}
        Ok(_) | Err(_) => return Err("The URI is no absolute one of http or https\n"),
    }
    let mut hosts = request.headers.values("host");
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(()),
        (Some(host), None) if is_authority(&host) => Ok(()),
        (Some(_), _) => Err("The Host header does not name one host\n"),
    }
}

/// Whether a text is a host, with or without a port, and stays within its place in a URL.
fn is_authority(text: &str) -> bool {
    let is_inside = |c: char| c.is_ascii_graphic() && !r"/\?#@".contains(c);
    text.chars().all(is_inside) && Url::parse(&format!("http://{text}/")).is_ok()
}

/// An object is sent a request, or another server. Returns the token of the operation.
pub(super) fn call(host: &mut Host, object: Option<Object>, request: Request) -> u64 {
    let token = host.count();
    ask(host, Asker::Operation(token, object), object, request);
    token
}

/// Another server is sent the handshake of an outbound socket.
pub(super) fn shake_hands(host: &mut Host, socket: u64, request: Request) {
    ask(host, Asker::Socket(socket), None, request);
}

fn ask(host: &mut Host, asker: Asker, to: Option<Object>, request: Request) {
    let id = host.count();
    host.requests.0.insert(id, Open::new(&request, asker));
    let event = Event::Fetch(id, request);
    host.events.push_back(Delivery { to, event });
}

/// The client waits for its response.
pub(crate) fn take_response(id: u64, cx: &Context<'_>) -> Poll<Response> {
    host(|host| {
        let open = host.requests.0.get_mut(&id);
        let Some(Asker::Client { response, waiters }) = open.map(|open| &mut open.asker) else {
            return Poll::Pending;
        };
        match response.take() {
            Some(response) => {
                host.requests.0.remove(&id);
                Poll::Ready(response)
            }
            None => {
                waiters.add(cx.waker());
                Poll::Pending
            }
        }
    })
}

/// A request is answered. No borrow is held where a response is dropped: its socket calls back.
pub(crate) fn respond(id: u64, response: Response) -> Result<()> {
    let no_upgrade = host(|host| check_response(host, id, &response))?;
    let response = match no_upgrade {
        Some((status, why)) => plain(status, why),
        None => response,
    };
    let (waiters, _spent) = host(|host| deliver(host, id, response));
    waiters.wake();
    Ok(())
}

/// Hand a response over. Gives back who is to be woken, and what is to be dropped.
fn deliver(host: &mut Host, id: u64, answer: Response) -> (Waiters, Option<Response>) {
    let Some(open) = host.requests.0.get_mut(&id) else {
        return (Waiters::default(), Some(answer));
    };
    let for_good = !matches!(open.asker, Asker::Operation(..));
    if let Some(socket) = &answer.socket {
        host.ends.leave(socket.id(), for_good, &open.request);
    }
    if let Asker::Client { response, waiters } = &mut open.asker {
        let mut answer = answer;
        if matches!(answer.status, 204 | 205 | 304) {
            // Responses of these kinds have no body, whatever the worker gave (RFC 9110, 15.3.5, 15.3.6, 15.4.5).
            answer.body.clear();
        }
        *response = Some(answer);
        return (waiters.take(), None);
    }
    let spent = match host.requests.0.remove(&id).map(|open| open.asker) {
        Some(Asker::Operation(token, _)) => {
            host.push(Event::Completed(token, Outcome::Response(answer)));
            None
        }
        Some(Asker::Socket(socket)) => {
            host.finish_handshake(socket, &answer);
            Some(answer)
        }
        Some(Asker::Client { .. }) | None => Some(answer),
    };
    (Waiters::default(), spent)
}

/// A request gets no response: who has asked is told why, and a client with a 500 that it failed.
pub(crate) fn fail(id: u64, why: &str) -> Result<()> {
    let waiters = host(|host| {
        let open = host.requests.0.get(&id).ok_or(Error::UnknownRequest(id))?;
        if let Asker::Operation(token, _) = open.asker {
            host.requests.0.remove(&id);
            let failed = Outcome::Failed(Error::Other(why.to_owned()));
            host.push(Event::Completed(token, failed));
            return Ok::<_, Error>(Waiters::default());
        }
        let (waiters, _none) = deliver(host, id, plain(500, "Internal Server Error"));
        Ok(waiters)
    })?;
    waiters.wake();
    Ok(())
}

/// The object is reset, with everything that waits for it.
pub(super) fn fail_all(object: Object, why: &str) {
    let ids: Vec<u64> = host(|host| {
        let requests = host.requests.0.iter();
        requests
            .filter(|(_, open)| matches!(open.asker, Asker::Operation(_, asked) if asked == Some(object)))
            .map(|(id, _)| *id)
            .collect()
    });
    for id in ids {
        // It is there: it was a moment ago.
        let _failed = fail(id, why);
    }
}

fn plain(status: u16, text: &str) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: text.as_bytes().to_vec(),
        socket: None,
    }
}

/// The Response contract. `Some`: the worker is right and the client is not, and this is what the client gets.
fn check_response(
    host: &mut Host,
    id: u64,
    response: &Response,
) -> Result<Option<(u16, &'static str)>> {
    let open = host.requests.0.get(&id);
    let open = open
        .filter(|open| {
            !matches!(
                &open.asker,
                Asker::Client {
                    response: Some(_),
                    ..
                }
            )
        })
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
    let count = |name| headers.values(name).count();
    if !request.is_upgrade() {
        NO_UPGRADE
    } else if !headers.has_token("sec-websocket-version", "13") {
        Some((426, "Expected Sec-WebSocket-Version: 13"))
    } else if request.method() != Method::Get || !headers.has_token("connection", "upgrade") {
        Some((400, "Expected GET and Connection: Upgrade"))
    } else if count("sec-websocket-version") > 1 || count("sec-websocket-key") > 1 {
        Some((
            400,
            "Sec-WebSocket-Key and Sec-WebSocket-Version stand there once",
        ))
    } else if !headers.has("sec-websocket-key") {
        Some((400, "Missing Sec-WebSocket-Key"))
    } else {
        None
    }
}
