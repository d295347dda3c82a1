//! Owns `http.fetch`: what it accepts, and the request and response that follow. Redirects are not followed, bodies are
//! whole and not decoded, and no connection is used twice.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response as HttpResponse, StatusCode};
use hyper::body::Incoming;

use super::allow::{AllowList, Target};
use super::bounds::Bounds;
use super::dial::Dialer;
use super::error::{Failed, Refusal};
use super::exchange::{self, Opened};
use super::handshake::Handshake;
use super::headers::{self, Headers};
use super::time::Time;
use super::url;
use crate::body::{self, Unread};
use crate::config::size;
use crate::quota::{Charge, steps};
use crate::upgrade;

/// The request of a worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    /// What the host offers as `Sec-WebSocket-Extensions` if the request asks for a WebSocket.
    pub(crate) extensions: Option<HeaderValue>,
}

/// The response of another server, whole.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Without those that were about the connection.
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    /// For the body, for as long as it is kept.
    pub(crate) charge: Option<Charge>,
    /// With status 101; its headers have moved up.
    pub(crate) socket: Option<Opened>,
}

/// A request that may be sent. Nothing has happened yet.
#[derive(Debug)]
pub(crate) struct Fetch {
    target: Target,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    /// The request asks for a WebSocket.
    handshake: Option<Handshake>,
}

impl Fetch {
    pub(super) fn new(allow: &AllowList, request: Request) -> Result<Self, Refusal> {
        let target = allow.check(url::of_fetch(&request.uri)?)?;
        let method = method(&request.method)?;
        let wants_web_socket = upgrade::asks_for_web_socket(&request.headers);
        let headers = headers::of_fetch(&request.headers)?;
        if wants_web_socket && (method != Method::GET || !request.body.is_empty()) {
            let text = "a request for a WebSocket is a GET without a body";
            return Err(Refusal::Other(text.to_owned()));
        }
        let handshake = wants_web_socket.then(|| {
            let offered = upgrade::words(&headers, &header::SEC_WEBSOCKET_PROTOCOL);
            Handshake::new(offered.map(str::to_owned).collect(), request.extensions)
        });
        Ok(Self {
            target,
            method,
            headers,
            body: request.body,
            handshake,
        })
    }

    /// The URL in its normal form, without credentials.
    pub(crate) fn url(&self) -> &str {
        self.target.url().as_str()
    }

    pub(super) async fn run(
        self,
        dialer: &Dialer,
        bounds: &Bounds,
        charge: Charge,
    ) -> Result<Response, Failed> {
        let time = Time::new("fetch_ms", bounds.fetch_ms);
        let connecting = time.sooner(Time::new("connect_ms", bounds.connect_ms));
        let stream = dialer.dial(&self.target, connecting).await?;
        let host = self.target.host();
        let handshake = self.handshake.as_ref();
        let request = exchange::request(
            &self.target,
            self.method,
            self.headers,
            handshake,
            self.body,
        );
        let exchange = exchange::exchange(host, stream, request, bounds, async |response| {
            match (response.status(), handshake) {
                (StatusCode::SWITCHING_PROTOCOLS, Some(handshake)) => {
                    exchange::take_over(host, handshake, response)
                        .await
                        .map(upgraded)
                }
                (status @ StatusCode::SWITCHING_PROTOCOLS, None) => {
                    let text = format!("{host} answered {status}, and nothing had asked for it");
                    Err(Failed::answered(status, text))
                }
                _ => whole(host, response, bounds, charge).await,
            }
        });
        time.hold(|| format!("get a response from {host}"), Box::pin(exchange))
            .await
    }
}

/// A method that makes a request with a response. CONNECT makes a tunnel, and the other two are for looking at what
/// proxies add, which browsers do not allow either.
fn method(text: &str) -> Result<Method, Refusal> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if !["CONNECT", "TRACE", "TRACK"].contains(&method.as_str()) => Ok(method),
        _ => Err(Refusal::Other(format!(
            "{text:?} is no method to fetch with"
        ))),
    }
}

fn upgraded(mut socket: Opened) -> Response {
    Response {
        status: StatusCode::SWITCHING_PROTOCOLS.as_u16(),
        headers: std::mem::take(&mut socket.headers),
        body: Bytes::new(),
        charge: None,
        socket: Some(socket),
    }
}

/// Read a response to its end, within its bounds.
async fn whole(
    host: &str,
    response: HttpResponse<Incoming>,
    bounds: &Bounds,
    mut charge: Charge,
) -> Result<Response, Failed> {
    let (parts, body) = response.into_parts();
    let failed = |text| Failed::answered(parts.status, text);
    let limit = bounds.response_body_bytes;
    let grow = |bytes| charge.try_grow(steps(bytes as u64).saturating_sub(charge.bytes()));
    let body = body::read(body, size(limit), grow).await;
    let body = body.map_err(|unread| {
        failed(match unread {
            Unread::TooLarge => format!(
                "the body of {host}'s response is larger than {limit} bytes (limit response_body_bytes)"
            ),
            Unread::NoRoom => format!(
                "there is no memory for the body of {host}'s response now (limit body_total_bytes)"
            ),
            Unread::Broken(error) => exchange::explain(host, &error, bounds).text,
        })
    })?;
    Ok(Response {
        status: parts.status.as_u16(),
        headers: headers::of_response(parts.headers),
        body: body.into(),
        charge: Some(charge),
        socket: None,
    })
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
