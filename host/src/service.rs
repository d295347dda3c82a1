//! Owns the way of one HTTP request: from hyper to the worker, and from its response to the client, or to
//! a WebSocket connection. Bodies are whole in both directions.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use crate::addresses::Entered;
use crate::body::{self, Unread};
use crate::config::{millis, size};
use crate::connection::Connection;
use crate::counters::Counters;
use crate::drain::Drain;
use crate::guard::{self, Panicked};
use crate::guest::{Answer, Request};
use crate::inbound::reply::{Reply, closing, copy, text, workers_headers};
use crate::inbound::target::{self, Wrong};
use crate::inbound::{Bodies, Exchange, HttpStream};
use crate::inject::Point;
use crate::origins::Origins;
use crate::quota::Charge;
use crate::session::NoAnswer;
use crate::socket::codec::{Format, Role};
use crate::socket::deflate::{self, Inflater};
use crate::socket::outbox::Order;
use crate::socket::{Departure, End, Outbox, UpgradeRequest};
use crate::stream::Stream;
use crate::upgrade;
use crate::worker::{Seat, Sessions};

/// What a request is answered with in the worker's place.
type Refusal = (StatusCode, &'static str);

/// What answers the requests of one TCP connection.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) place: Arc<Place>,
    /// Whether the connection is encrypted.
    pub(crate) is_tls: bool,
    pub(crate) origins: Arc<Origins>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) bodies: Arc<Bodies>,
}

/// One of the connections that may be open at a time.
#[derive(Debug)]
pub(crate) struct Place {
    counters: Arc<Counters>,
    _permit: OwnedSemaphorePermit,
    entered: Entered,
}

impl Place {
    pub(crate) fn new(
        counters: Arc<Counters>,
        permit: OwnedSemaphorePermit,
        entered: Entered,
    ) -> Self {
        counters.connections.add(1);
        counters.connections_live.add(1);
        Self {
            counters,
            _permit: permit,
            entered,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.connections_live.sub(1);
    }
}

/// What a 101 needs apart from the worker's answer.
struct Upgrading {
    parts: Parts,
    uri: String,
    on_upgrade: OnUpgrade,
    seat: Seat,
    /// What was agreed on about compression.
    deflate: Option<deflate::Parameters>,
}

impl Service {
    /// What is read and written of a connection that it serves.
    pub(crate) fn stream(&self, stream: Stream) -> HttpStream {
        let (exchange, bodies) = (Arc::clone(&self.exchange), Arc::clone(&self.bodies));
        HttpStream::new(stream, exchange, bodies, &self.sessions.host.limits)
    }

    /// Answer one request. Nothing in it fails: each failure is a response.
    pub(crate) async fn call(self, request: http::Request<Incoming>) -> Result<Reply, Infallible> {
        let counters = Arc::clone(&self.sessions.host.counters);
        let (peer, exchange) = (self.peer, Arc::clone(&self.exchange));
        let answered = guard::catch(self.answer(request)).await;
        answered.or_else(|payload| {
            Panicked::note(&counters, format_args!("a request of {peer}"), payload);
            exchange.refuse();
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(closing(text(status, "Internal Server Error")))
        })
    }

    async fn answer(self, mut request: http::Request<Incoming>) -> Reply {
        self.exchange.begin();
        self.sessions.host.counters.point(Point::Request);
        self.place.entered.shake_hands();
        let uri = match self.uri(&request) {
            Ok(uri) => uri,
            Err(Wrong(reason)) => return self.refuse(StatusCode::BAD_REQUEST, reason),
        };
        if !self.origins.permit(request.headers()) && upgrade::wants_web_socket(request.headers()) {
            self.sessions.host.counters.origins_refused.add(1);
            let reason = "WebSockets may not be opened from this origin (allowed_origins)\n";
            return self.refuse(StatusCode::FORBIDDEN, reason);
        }
        let on_upgrade = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let body = match self.read(body).await {
            Ok(body) => body,
            Err((status, reason)) => return self.refuse(status, reason),
        };
        self.exchange.has_read();
        let request = self.request(&parts, uri.clone(), body);
        let (answer, seat) = self.sessions.fetch(request).await;
        match answer {
            Ok(Answer {
                headers,
                socket: Some(socket),
                ..
            }) => {
                let upgrading = Upgrading {
                    parts,
                    uri,
                    on_upgrade,
                    seat,
                    deflate: None,
                };
                self.upgrade(upgrading, socket, &headers)
            }
            Ok(answer) => self.plain(answer),
            Err(NoAnswer::Fault(fault)) => {
                let status = StatusCode::from_u16(fault.status())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                text(status, status.canonical_reason().unwrap_or_default())
            }
            Err(NoAnswer::Never) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The worker did not respond",
            ),
        }
    }

    /// Read a body whole, within its bounds.
    async fn read(&self, body: Incoming) -> Result<(Vec<u8>, Option<Charge>), Refusal> {
        if body.is_end_stream() {
            return Ok((Vec::new(), None));
        }
        let limits = &self.sessions.host.limits;
        let mut charge = self.bodies.request();
        let reading = body::read(body, size(limits.request_body_bytes), |bytes| {
            self.bodies.grow(&mut charge, bytes as u64)
        });
        match tokio::time::timeout(millis(limits.request_body_ms), reading).await {
            Ok(Ok(body)) => Ok((body, Some(charge))),
            Ok(Err(Unread::TooLarge)) => Err((
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request's body is too large (limit request_body_bytes)\n",
            )),
            Ok(Err(Unread::NoRoom)) => Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "There is no memory for the request's body now (limit body_total_bytes)\n",
            )),
            Ok(Err(Unread::Broken(error))) => {
                tracing::debug!(peer = %self.peer, "a request's body broke off: {error}");
                Err((StatusCode::BAD_REQUEST, "The request's body broke off\n"))
            }
            Err(_) => Err((
                StatusCode::REQUEST_TIMEOUT,
                "The request's body took too long (limit request_body_ms)\n",
            )),
        }
    }

    fn request(&self, parts: &Parts, uri: String, body: (Vec<u8>, Option<Charge>)) -> Request {
        let (body, charge) = body;
        Request {
            method: parts.method.as_str().to_owned(),
            uri,
            headers: copy(&parts.headers),
            body,
            _charge: charge,
            peer: Some(self.peer.to_string()),
            wants_web_socket: upgrade::wants_web_socket(&parts.headers),
            depth: 0,
        }
    }

    /// The absolute URI of a request, whose line has most often only a path.
    fn uri(&self, request: &http::Request<Incoming>) -> Result<String, Wrong> {
        let line = (request.method(), request.uri(), request.version());
        let scheme = if self.is_tls { "https" } else { "http" };
        target::of(line, request.headers(), scheme, self.local)
    }

    /// Answer a request of which not all is read, as the last of its connection.
    fn refuse(&self, status: StatusCode, reason: &str) -> Reply {
        self.exchange.refuse();
        closing(text(status, reason))
    }

    /// A response without a socket.
    fn plain(&self, mut answer: Answer) -> Reply {
        if matches!(answer.status, 204 | 205 | 304) {
            // Responses of these kinds have no body, whatever the worker gave (RFC 9110, 15.3.5, 15.3.6, 15.4.5).
            answer.body = Vec::new();
        }
        if !self.bodies.keep(&self.exchange, answer.body.len() as u64) {
            let reason = "There is no memory for the response now (limit body_total_bytes)\n";
            return text(StatusCode::SERVICE_UNAVAILABLE, reason);
        }
        let mut reply = Response::new(Full::from(answer.body));
        *reply.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *reply.headers_mut() = workers_headers(&answer.headers, answer.status);
        reply
    }

    /// Answer with 101 and start the connection; or say what is wrong with the request.
    fn upgrade(
        self,
        mut upgrading: Upgrading,
        socket: Departure,
        headers: &[(String, Vec<u8>)],
    ) -> Reply {
        let parts = &upgrading.parts;
        let accept = match upgrade::check(&parts.method, parts.version, &parts.headers) {
            Ok(accept) => accept,
            Err(refusal) => {
                let mut reply = self.refuse(refusal.status, refusal.text);
                if refusal.status == StatusCode::UPGRADE_REQUIRED {
                    let version = HeaderValue::from_static("13");
                    reply
                        .headers_mut()
                        .insert(header::SEC_WEBSOCKET_VERSION, version);
                }
                return reply;
            }
        };
        let mut reply = Response::new(Full::default());
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *reply.headers_mut() = workers_headers(headers, 101);
        let own = reply.headers_mut();
        own.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        own.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        own.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(agreement) = self.compress(&parts.headers, &socket) {
            own.insert(header::SEC_WEBSOCKET_EXTENSIONS, agreement.response);
            upgrading.deflate = Some(agreement.parameters);
        }
        let drain = Arc::clone(&self.drain);
        let counters = Arc::clone(&self.sessions.host.counters);
        let peer = self.peer;
        drain.spawn(async move {
            if let Err(payload) = guard::catch(self.connect(upgrading, socket)).await {
                Panicked::note(&counters, format_args!("the upgrade of {peer}"), payload);
            }
        });
        reply
    }

    /// What is agreed on about compression with a client.
    fn compress(&self, headers: &HeaderMap, socket: &Departure) -> Option<deflate::Agreement> {
        let policy = self.sessions.host.compression.as_ref()?;
        if policy.peer_context_takeover && socket.is_durable() {
            // A socket that hibernates holds no inflater meanwhile.
            let stateless = deflate::Policy {
                peer_context_takeover: false,
                ..policy.clone()
            };
            return deflate::accept(headers, &stateless);
        }
        deflate::accept(headers, policy)
    }

    /// Take the TCP stream over from hyper and serve the WebSocket.
    async fn connect(self, upgrading: Upgrading, socket: Departure) {
        let Upgrading {
            parts,
            uri,
            on_upgrade,
            seat,
            deflate,
        } = upgrading;
        let Ok(upgraded) = on_upgrade.await else {
            // The client is gone. Dropping the departure tells the other end.
            return;
        };
        let stream = upgraded
            .downcast::<TokioIo<HttpStream>>()
            .expect("the server gives hyper nothing else");
        let host = &self.sessions.host;
        let min_bytes = host
            .compression
            .as_ref()
            .map_or(0, |policy| policy.min_bytes);
        let format = Format::new(Role::Server, deflate, min_bytes);
        let soft = size(host.limits.outbox_soft_bytes);
        let outbox = Arc::new(Outbox::new(format, soft, &host.totals));
        let inflater = deflate.map(|agreed| Inflater::new(agreed.peer_keeps_context));
        let headers = parts.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let request = UpgradeRequest::new(&uri, headers);
        drop(parts);
        let counters = Arc::clone(&host.counters);
        let limits = Arc::clone(&host.limits);
        let coupled = socket.couple(&outbox, request, host.next_socket_id());
        let end = coupled.unwrap_or_else(|| {
            // Whoever sent the 101 is gone already: what it sent before is still delivered.
            outbox.order(Order::End);
            Arc::new(End::orphan(&outbox))
        });
        let open = self.drain.open(&end, &outbox);
        let early = stream.read_buf;
        let stream = stream.io.into_inner().into_inner();
        let connection = Box::new(Connection::new(
            stream,
            end,
            outbox,
            inflater,
            limits,
            Arc::clone(&counters),
        ));
        let early = (!early.is_empty()).then(|| Box::new(early));
        counters.sockets.add(1);
        counters.sockets_live.add(1);
        let place = Arc::clone(&self.place);
        // A task of its own: one that idles for hours should not carry what this one needed to get there.
        self.drain.spawn(async move {
            connection.run(early).await;
            counters.sockets_live.sub(1);
            open.ended();
            drop((seat, place));
        });
    }
}
