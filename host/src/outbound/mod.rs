//! Owns what a worker does to other servers: `sockets.connect` and `http.fetch`, within the list of hosts that its
//! operator allows. Knows nothing of guests, of ends, and of what is done with an open stream.
//!
//! Each operation has two halves. The first is pure and answers the worker's call: [`Outbound::connect`] and
//! [`Outbound::fetch`] hold URL, subprotocols, headers and the list against each other, and give a plan or a
//! [`Refusal`]. The second runs the plan when the turn is over: [`Outbound::open`] and [`Outbound::send`] do the I/O, in
//! the caller's task and within the [`Bounds`]; dropping their future drops the connection.
//!
//! ```text
//!   url, headers ──► allow ──► [turn ends] ──► resolve ──► allow (addresses) ──► dial ──► exchange
//! ```
//!
//! A name is looked up once, every address it has is checked, and the connection goes to one of these (`allow.rs`
//! says which are refused, and why).

mod address;
mod allow;
mod bounds;
mod connect;
mod dial;
mod error;
mod exchange;
mod fetch;
mod handshake;
mod headers;
mod resolve;
#[cfg(test)]
mod testing;
mod time;
mod url;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

pub(crate) use self::allow::AllowList;
pub(crate) use self::bounds::Bounds;
pub(crate) use self::connect::{Connect, ConnectOptions};
use self::dial::Dialer;
pub(crate) use self::error::{Failed, Refusal};
pub(crate) use self::exchange::Opened;
pub(crate) use self::fetch::{Fetch, Request, Response};
use self::resolve::{Resolve, System};
use crate::config::{millis, size};
use crate::error::Error;
use crate::quota::Charge;
use crate::tls;

/// What a worker may do to other servers.
#[derive(Debug)]
pub(crate) struct Outbound {
    allow: AllowList,
    dialer: Dialer,
    bounds: Bounds,
}

impl Outbound {
    /// Set up for the hosts of the list. Certificates are believed if an authority of the system or of one of
    /// `ca_files` (PEM) vouches for them; neither is read if the list has no entry for TLS.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if one of `ca_files` cannot be used.
    pub(crate) fn new(
        allow: AllowList,
        ca_files: &[PathBuf],
        bounds: Bounds,
    ) -> Result<Self, Error> {
        let tls = match allow.has_tls() {
            true => Some(tls::client_config(ca_files)?),
            false => None,
        };
        let resolver = Arc::new(System::new(size(bounds.lookups)));
        Ok(Self::with(allow, resolver, tls, bounds))
    }

    fn with(
        allow: AllowList,
        resolver: Arc<dyn Resolve>,
        tls: Option<Arc<ClientConfig>>,
        bounds: Bounds,
    ) -> Self {
        let dialer = Dialer::new(resolver, tls, millis(bounds.tcp_keep_alive_ms));
        Self {
            allow,
            dialer,
            bounds,
        }
    }

    /// Plan a WebSocket.
    ///
    /// # Errors
    ///
    /// What the worker's call is refused with; nothing has happened then.
    pub(crate) fn connect(&self, url: &str, options: ConnectOptions) -> Result<Connect, Refusal> {
        Connect::new(&self.allow, url, options, &self.bounds)
    }

    /// Open a planned WebSocket, within `connect_ms`.
    ///
    /// # Errors
    ///
    /// What failed: `error` and `close` with 1006 for the worker.
    pub(crate) async fn open(&self, connect: Connect) -> Result<Opened, Failed> {
        connect.run(&self.dialer, &self.bounds).await
    }

    /// Plan a request.
    ///
    /// # Errors
    ///
    /// What the worker's call is refused with; nothing has happened then.
    pub(crate) fn fetch(&self, request: Request) -> Result<Fetch, Refusal> {
        Fetch::new(&self.allow, request)
    }

    /// Send a planned request and read the response, within `fetch_ms`. Its body is charged as it comes in.
    ///
    /// # Errors
    ///
    /// What failed, be it the connection or the response.
    pub(crate) async fn send(&self, fetch: Fetch, charge: Charge) -> Result<Response, Failed> {
        fetch.run(&self.dialer, &self.bounds, charge).await
    }
}
