//! Owns the connections that a worker opens to other servers: from a plan of [`Outbound`]'s to an end with a connection
//! behind it, and how many there may be.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{Limits, size};
use crate::connection::Connection;
use crate::counters::Counters;
use crate::drain::Drain;
use crate::guest::Answer;
use crate::outbound::{Connect, Failed, Fetch, Opened, Outbound};
use crate::socket::codec::Role;
use crate::socket::{Agreed, Departure, End, Outbox, SocketId};
use crate::stream::Stream;

/// Opens connections for the worker.
#[derive(Debug)]
pub(crate) struct Upstream {
    outbound: Arc<Outbound>,
    drain: Arc<Drain>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
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
    ) -> Self {
        let places = size(limits.outbound_connections).min(Semaphore::MAX_PERMITS);
        Self {
            outbound,
            drain,
            limits,
            counters,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// Open the socket of this end; how that went is an event of it.
    pub(crate) async fn connect(&self, end: Arc<End>, plan: Connect) {
        let opened = match self.place() {
            Ok(place) => self.outbound.open(plan).await.map(|opened| (opened, place)),
            Err(failed) => Err(failed),
        };
        match opened {
            Ok((opened, place)) => {
                let (stream, early, agreed) = take_apart(opened);
                let outbox = self.outbox();
                // If nobody wants it any more, dropping the stream ends it.
                if end.open(agreed, &outbox) {
                    self.serve(stream, early, end, outbox, place);
                }
            }
            Err(failed) => {
                tracing::debug!(socket = end.id(), "outbound socket: {failed}");
                end.not_opened(&failed.text);
            }
        }
    }

    /// Send a request; the socket that may come of it gets this id.
    pub(crate) async fn fetch(&self, fetch: Fetch, id: SocketId) -> Result<Answer, Failed> {
        let place = self.place()?;
        let url = fetch.url().to_owned();
        let response = self.outbound.send(fetch).await?;
        let socket = response.socket.map(|opened| {
            let (stream, early, agreed) = take_apart(opened);
            let outbox = self.outbox();
            let end = End::opened(id, url, agreed, &outbox);
            let departure = Departure::new(&end).expect("nobody has claimed a new end");
            self.serve(stream, early, end, outbox, place);
            departure
        });
        Ok(Answer {
            status: response.status,
            headers: response.headers,
            body: response.body.into(),
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

    fn outbox(&self) -> Arc<Outbox> {
        let soft = size(self.limits.outbox_soft_bytes);
        Arc::new(Outbox::new(Role::Client, soft))
    }

    fn serve(
        &self,
        stream: Stream,
        early: Bytes,
        end: Arc<End>,
        outbox: Arc<Outbox>,
        place: Place,
    ) {
        let open = self.drain.open(&end, &outbox);
        let (limits, counters) = (Arc::clone(&self.limits), Arc::clone(&self.counters));
        let connection = Connection::new(stream, end, outbox, limits, counters);
        self.drain.spawn(async move {
            connection.run(early).await;
            open.ended();
            drop(place);
        });
    }
}

/// The stream, what has been read of it already, and what was agreed on.
fn take_apart(opened: Opened) -> (Stream, Bytes, Agreed) {
    let agreed = Agreed {
        protocol: opened.protocol,
        extensions: opened.extensions.unwrap_or_default(),
    };
    (opened.stream, opened.read_ahead, agreed)
}
