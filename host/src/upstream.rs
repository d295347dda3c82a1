//! Owns the connections that a worker opens to other servers: from a plan of [`Outbound`]'s to an end with a connection
//! behind it, and how many there may be.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{Limits, size};
use crate::connection::Connection;
use crate::counters::Counters;
use crate::drain::Drain;
use crate::guard::{self, Panicked, Payload};
use crate::guest::Answer;
use crate::inject::Point;
use crate::outbound::{Connect, Failed, Fetch, Opened, Outbound};
use crate::printable::Printable;
use crate::quota::{Charge, Totals};
use crate::socket::codec::{Format, Role};
use crate::socket::deflate::{self, Inflater, Policy};
use crate::socket::{Agreed, Departure, End, Outbox, SocketId};
use crate::stream::Stream;

/// Opens connections for the worker.
#[derive(Debug)]
pub(crate) struct Upstream {
    outbound: Arc<Outbound>,
    drain: Arc<Drain>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    totals: Arc<Totals>,
    compression: Option<Policy>,
    places: Arc<Semaphore>,
}

/// One of the connections that may be open at a time.
#[derive(Debug)]
struct Place {
    counters: Arc<Counters>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.outbound_live.sub(1);
    }
}

impl Upstream {
    pub(crate) fn new(
        outbound: Arc<Outbound>,
        drain: Arc<Drain>,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
        totals: Arc<Totals>,
        compression: Option<Policy>,
    ) -> Self {
        let places = size(limits.outbound_connections).min(Semaphore::MAX_PERMITS);
        Self {
            outbound,
            drain,
            limits,
            counters,
            totals,
            compression,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// Open the socket of this end; how that went is an event of it.
    pub(crate) async fn connect(&self, end: Arc<End>, plan: Connect) {
        let opened = guard::catch(self.try_connect(plan)).await;
        let opened = opened.unwrap_or_else(|payload| Err(self.failed(payload)));
        match opened {
            Ok((wire, place)) => {
                // If nobody wants it any more, dropping the stream ends it.
                if end.open(wire.agreed.clone(), &wire.outbox) {
                    self.serve(wire, end, place);
                }
            }
            Err(failed) => {
                tracing::debug!(socket = end.id(), "outbound socket: {}", Printable(&failed));
                end.not_opened(&failed.text);
            }
        }
    }

    async fn try_connect(&self, plan: Connect) -> Result<(Wire, Place), Failed> {
        let place = self.place()?;
        self.counters.point(Point::Outbound);
        let opened = self.outbound.open(plan).await?;
        Ok((self.wire(opened)?, place))
    }

    /// Send a request; the socket that may come of it gets this id.
    pub(crate) async fn fetch(&self, fetch: Fetch, id: SocketId) -> Result<Answer, Failed> {
        let fetched = guard::catch(self.try_fetch(fetch, id)).await;
        fetched.unwrap_or_else(|payload| Err(self.failed(payload)))
    }

    /// The host has failed: to the worker, the connection has.
    fn failed(&self, payload: Payload) -> Failed {
        let panicked = Panicked::note(&self.counters, "an outbound connection", payload);
        Failed::new(format!("the host failed: {panicked}"))
    }

    async fn try_fetch(&self, fetch: Fetch, id: SocketId) -> Result<Answer, Failed> {
        let place = self.place()?;
        self.counters.point(Point::Outbound);
        let url = fetch.url().to_owned();
        let charge = Charge::on(&self.totals.bodies);
        let response = self.outbound.send(fetch, charge).await?;
        let socket = match response.socket {
            Some(opened) => {
                let wire = self.wire(opened)?;
                let end = End::opened(id, url, wire.agreed.clone(), &wire.outbox);
                let departure = Departure::new(&end).expect("nobody has claimed a new end");
                self.serve(wire, end, place);
                Some(departure)
            }
            None => None,
        };
        Ok(Answer {
            status: response.status,
            headers: response.headers,
            body: response.body.into(),
            _charge: response.charge,
            socket,
            has_arrived: false,
        })
    }

    fn place(&self) -> Result<Place, Failed> {
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
            let limit = self.limits.outbound_connections;
            return Err(Failed::new(format!(
                "the worker has {limit} outbound connections (limit outbound_connections)"
            )));
        };
        self.counters.outbound.add(1);
        self.counters.outbound_live.add(1);
        Ok(Place {
            counters: Arc::clone(&self.counters),
            _permit: permit,
        })
    }

    /// What a handshake has made, ready to be served.
    fn wire(&self, opened: Opened) -> Result<Wire, Failed> {
        let (compression, min_bytes) = match (&self.compression, &opened.extensions) {
            (Some(policy), Some(extensions)) => {
                let confirmed = deflate::confirm(
                    policy,
                    &HeaderMap::from_iter([(header::SEC_WEBSOCKET_EXTENSIONS, extensions.clone())]),
                );
                let wrong = |violation: deflate::Violation| Failed::new(violation.0.to_owned());
                (confirmed.map_err(wrong)?, policy.min_bytes)
            }
            // Without an offer the handshake has failed.
            (Some(_) | None, _) => (None, 0),
        };
        let extensions = opened
            .extensions
            .as_ref()
            .and_then(|value| value.to_str().ok());
        let format = Format::new(Role::Client, compression, min_bytes);
        Ok(Wire {
            stream: opened.stream,
            early: opened.read_ahead,
            outbox: Arc::new(Outbox::new(
                format,
                size(self.limits.outbox_soft_bytes),
                &self.totals,
            )),
            inflater: compression.map(|agreed| Inflater::new(agreed.peer_keeps_context)),
            agreed: Agreed {
                protocol: opened.protocol,
                extensions: extensions.unwrap_or_default().to_owned(),
            },
        })
    }

    fn serve(&self, wire: Wire, end: Arc<End>, place: Place) {
        let open = self.drain.open(&end, &wire.outbox);
        let (limits, counters) = (Arc::clone(&self.limits), Arc::clone(&self.counters));
        let Wire {
            stream,
            early,
            outbox,
            inflater,
            ..
        } = wire;
        let connection = Connection::new(stream, end, outbox, inflater, limits, counters);
        let connection = Box::new(connection);
        let early = (!early.is_empty()).then(|| Box::new(early));
        self.drain.spawn(async move {
            connection.run(early).await;
            open.ended();
            drop(place);
        });
    }
}

/// A connection that is open, and not served yet.
#[derive(Debug)]
struct Wire {
    stream: Stream,
    /// What has been read of it already.
    early: Bytes,
    outbox: Arc<Outbox>,
    inflater: Option<Inflater>,
    agreed: Agreed,
}
