//! Owns `sockets.connect`: what it accepts, and the handshake that follows.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::allow::{AllowList, Target};
use super::bounds::Bounds;
use super::dial::Dialer;
use super::error::{Failed, Refusal};
use super::exchange::{self, Opened};
use super::handshake::Handshake;
use super::headers;
use super::time::Time;
use super::url;

/// How `connect` is to open a socket.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectOptions {
    /// The subprotocols to offer, in order of preference.
    pub(crate) protocols: Vec<String>,
    /// The worker's own headers.
    pub(crate) headers: headers::Headers,
    /// What the host offers as `Sec-WebSocket-Extensions`.
    pub(crate) extensions: Option<HeaderValue>,
}

/// A handshake that may be attempted. Nothing has happened yet.
#[derive(Debug)]
pub(crate) struct Connect {
    target: Target,
    headers: HeaderMap,
    handshake: Handshake,
}

impl Connect {
    pub(super) fn new(
        allow: &AllowList,
        url: &str,
        options: ConnectOptions,
        bounds: &Bounds,
    ) -> Result<Self, Refusal> {
        // First of all: of a host that may not be reached nothing else is looked at.
        let target = allow.check(url::of_connect(url)?)?;
        headers::check_protocols(&options.protocols, bounds)?;
        Ok(Self {
            headers: headers::of_connect(&options.headers)?,
            target,
            handshake: Handshake::new(options.protocols, options.extensions),
        })
    }

    /// The URL in its normal form, without credentials: what `web-socket.url` says.
    pub(crate) fn url(&self) -> &str {
        self.target.url().as_str()
    }

    pub(super) async fn run(self, dialer: &Dialer, bounds: &Bounds) -> Result<Opened, Failed> {
        let time = Time::new("connect_ms", bounds.connect_ms);
        let stream = dialer.dial(&self.target, time).await?;
        let host = self.target.host();
        let handshake = &self.handshake;
        let request = exchange::request(
            &self.target,
            Method::GET,
            self.headers,
            Some(handshake),
            Bytes::new(),
        );
        let exchange = exchange::exchange(host, stream, request, bounds, async |response| {
            let status = response.status();
            if status != StatusCode::SWITCHING_PROTOCOLS {
                let text = format!("{host} answered {status} where a WebSocket needs 101");
                return Err(Failed::answered(status, text));
            }
            exchange::take_over(host, handshake, response).await
        });
        time.hold(|| format!("get a response from {host}"), Box::pin(exchange))
            .await
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
