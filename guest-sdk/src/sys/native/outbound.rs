//! Owns the way to other servers, for whom a handler of the test stands.

use super::super::{Connect, Response};
use super::requests::{self, upgrade_headers};
use super::{Host, Socket, host};
use crate::error::{Error, Result};
use crate::headers::Headers;
use crate::request::{Method, Request, Uri};
use crate::url::Url;

/// There is a handler.
pub(crate) fn allow_outbound() {
    host(|host| host.is_outbound_allowed = true);
}

/// Returns the token of the operation.
pub(crate) fn fetch(request: &Request) -> Result<u64> {
    let url = check(request.uri.url().clone()?, ["http", "https"])?;
    let mut request = request.clone();
    request.uri = Uri::new(url.into());
    Ok(host(|host| requests::call(host, None, request)))
}

pub(crate) fn connect(connect: Connect<'_>) -> Result<Socket> {
    let url = Url::parse(connect.url)?;
    if url.has_fragment() {
        let why = "the URL of a WebSocket has no fragment";
        return Err(Error::InvalidUrl(why.to_owned()));
    }
    let url = check(url, ["ws", "wss"])?;
    let headers = connect.headers.iter();
    let headers = headers.map(|(name, value)| ((*name).to_owned(), value.to_vec()));
    // As a server sees it: `ws` is `http` to it.
    let mut request = Request::new(url.as_str().replacen("ws", "http", 1), Method::Get);
    request.headers = Headers::from_raw(headers.collect());
    for (name, value) in upgrade_headers() {
        request.headers.set_known(name, value);
    }
    if !connect.protocols.is_empty() {
        let protocols = connect.protocols.join(", ");
        request.headers.set("sec-websocket-protocol", &protocols)?;
    }
    let durable = connect.durable.map(|(object, tags)| {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        (object, tags)
    });
    Ok(host(|host| {
        let id = host.count();
        host.ends.add_outbound(id, url.as_str(), durable);
        requests::shake_hands(host, id, request);
        Socket(id)
    }))
}

/// The URL as a server sees it, if the worker may ask for it.
fn check(url: Url, schemes: [&str; 2]) -> Result<Url> {
    if !schemes.contains(&url.scheme()) {
        let why = format!("the scheme is not {} or {}", schemes[0], schemes[1]);
        return Err(Error::InvalidUrl(why));
    }
    if !host(|host| host.is_outbound_allowed) {
        return Err(Error::NotAllowed(url.host().to_owned()));
    }
    Ok(url.for_the_wire())
}

impl Host {
    /// The other server has answered the handshake of an outbound socket.
    pub(super) fn finish_handshake(&mut self, socket: u64, answer: &Response) {
        match &answer.socket {
            Some(given) => {
                let headers = Headers::from_raw(answer.headers.clone());
                let protocol = headers.get("sec-websocket-protocol").unwrap_or_default();
                self.ends.open_outbound(socket, given.id(), protocol);
            }
            None => {
                let why = format!("the server answered {}", answer.status);
                self.ends.refuse_outbound(socket, why);
            }
        }
    }
}
