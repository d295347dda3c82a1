//! Owns the listener: accepts connections, within the bounds of the machine, gives each to hyper, and
//! drains them when told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::addresses::{Addresses, Entered};
use crate::config::{Config, Limits, Tls, millis, size};
use crate::counters::Counters;
use crate::descriptors::{Descriptors, Needs};
use crate::drain::Drain;
use crate::error::Error;
use crate::guard::{self, Panicked};
use crate::guest::Host;
use crate::inbound::{Bodies, Exchange};
use crate::inject::Point;
use crate::objects::{ObjectStatus, Objects};
use crate::origins::Origins;
use crate::service::{Place, Service};
use crate::stream::{self, Stream};
use crate::tls::{Acceptor, Certificate, SelfSigned};
use crate::worker::{Sessions, Worker};

/// How long accepting pauses when descriptors have run out and none has been given back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that listens and is about to serve a worker.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local: SocketAddr,
    sessions: Arc<Sessions>,
    drain: Arc<Drain>,
    places: Arc<Semaphore>,
    tls: Option<Arc<Acceptor>>,
    addresses: Arc<Addresses>,
    origins: Arc<Origins>,
    bodies: Arc<Bodies>,
}

/// Looks at a server's durable objects, also while it serves.
#[derive(Debug, Clone)]
pub struct Inspector(Arc<Objects>);

impl Inspector {
    /// What there is to say about each object that is known.
    #[must_use]
    pub fn list(&self) -> Vec<ObjectStatus> {
        self.0.status()
    }
}

/// Replaces the certificate of a server, also while it serves.
#[derive(Debug, Clone)]
pub struct TlsReloader(Arc<Acceptor>);

impl TlsReloader {
    /// Read certificate and key again, for the connections to come. It reads files, and blocks the thread meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names the file and says what is wrong; the certificate stays the one it was.
    pub fn reload(&self) -> Result<(), Error> {
        self.0.reload()
    }
}

impl Server {
    /// Listen on [`Config::addr`].
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if the address is taken or not this machine's; [`Error::Config`] if the limits
    /// contradict each other.
    pub async fn bind(worker: Worker, config: &Config) -> Result<Self, Error> {
        config.limits.check()?;
        let config = &within_descriptors(&worker, config);
        let bind = |cause| Error::Bind {
            addr: config.addr,
            cause,
        };
        let drain = Arc::default();
        let tls = acceptor(config)?.map(Arc::new);
        let sessions = Sessions::new(&worker, config, &drain)?;
        let listener = TcpListener::bind(config.addr).await.map_err(bind)?;
        let local = listener.local_addr().map_err(bind)?;
        let (totals, counters) = (&sessions.host.totals, &sessions.host.counters);
        let bodies = Bodies::new(&totals.bodies, &config.limits, counters);
        let places = size(config.limits.connections).min(Semaphore::MAX_PERMITS);
        Ok(Self {
            listener,
            local,
            sessions: Arc::new(sessions),
            drain,
            places: Arc::new(Semaphore::new(places)),
            tls,
            addresses: Addresses::new(
                config.limits.connections_per_address,
                config.limits.handshakes_per_address,
            ),
            origins: Arc::new(Origins::parse(&config.allowed_origins)?),
            bodies,
        })
    }

    /// The address it listens on, with the port that was chosen if [`Config::addr`] had port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The limits in force: those of the configuration, where the descriptors of the process suffice for them.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.sessions.host.limits
    }

    /// The numbers that tell what the server does.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.sessions.host.counters)
    }

    /// The durable objects that are known: those with an instance, with sockets, or with something to do.
    #[must_use]
    pub fn objects(&self) -> Inspector {
        Inspector(Arc::clone(&self.sessions.objects))
    }

    /// The certificate that was made for development ([`Tls::SelfSigned`]), in PEM and without its key: for clients
    /// that are to believe it.
    #[must_use]
    pub fn self_signed_pem(&self) -> Option<&str> {
        self.tls.as_ref()?.self_signed_pem()
    }

    /// Replaces the certificate when told to; `None` if the server has none.
    #[must_use]
    pub fn tls_reloader(&self) -> Option<TlsReloader> {
        self.tls.clone().map(TlsReloader)
    }

    /// Serve until `shutdown` is done; then stop accepting, let responses finish, close sockets with 1001,
    /// and wait for them as long as the limit `drain_ms` allows.
    ///
    /// # Errors
    ///
    /// None at present: what goes wrong with a connection ends that connection.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let objects = Arc::clone(&self.sessions.objects);
        tokio::select! {
            () = self.accept() => {}
            () = objects.run_alarms() => {}
            () = self.relieve() => {}
            () = shutdown => {}
        }
        let Self {
            listener,
            sessions,
            drain,
            ..
        } = self;
        drop(listener);
        let limit = millis(sessions.host.limits.drain_ms);
        let left = drain.run(limit).await;
        sessions.host.log.tell();
        if left > 0 {
            tracing::warn!(
                left,
                "connections were still open when the time to drain was over (limit drain_ms)"
            );
        }
        Ok(())
    }

    /// Make room where the process keeps as much as it may, for ever.
    async fn relieve(&self) {
        let Host {
            totals, counters, ..
        } = &self.sessions.host;
        loop {
            let relieving = guard::catch(async {
                tokio::join!(
                    self.sessions.objects.context.roster.relieve(),
                    self.drain.relieve(&totals.outboxes, counters),
                );
            });
            if let Err(payload) = relieving.await {
                Panicked::note(counters, "making room", payload);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    /// Accept for ever.
    async fn accept(&self) {
        let counters = &self.sessions.host.counters;
        let mut is_paused = false;
        loop {
            if let Err(payload) = guard::catch(self.accept_one(&mut is_paused)).await {
                Panicked::note(counters, "accepting a connection", payload);
                // Should it fail each time, the log is not to be filled with it.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn accept_one(&self, is_paused: &mut bool) {
        let counters = &self.sessions.host.counters;
        let permit = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                counters.point(Point::Accept);
                if std::mem::take(is_paused) {
                    tracing::info!("accepting connections again");
                }
                match self.addresses.enter(peer.ip()) {
                    Some(entered) => self.start(stream, peer, permit, entered),
                    None => counters.connections_refused.add(1),
                }
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                counters.accept_pauses.add(1);
                if !std::mem::replace(is_paused, true) {
                    tracing::error!(
                        "cannot accept connections until others end: {error} (see `ulimit -n`)"
                    );
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn start(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
        entered: Entered,
    ) {
        let limits = &self.sessions.host.limits;
        let mut http = http1::Builder::new();
        // Times are the stream's to keep. A client that sends no more waits for its response all the same (RFC 9112, 9.6).
        http.header_read_timeout(None)
            .half_close(true)
            .max_headers(size(limits.request_headers))
            .max_buf_size(size(limits.request_head_bytes));
        let service = Service {
            sessions: Arc::clone(&self.sessions),
            drain: Arc::clone(&self.drain),
            peer,
            local: self.local,
            is_tls: self.tls.is_some(),
            place: Arc::new(Place::new(
                Arc::clone(&self.sessions.host.counters),
                permit,
                entered,
            )),
            origins: Arc::clone(&self.origins),
            exchange: Arc::new(Exchange::default()),
            bodies: Arc::clone(&self.bodies),
        };
        let drain = Arc::clone(&self.drain);
        let tls = self.tls.clone();
        let keep_alive = millis(limits.tcp_keep_alive_ms);
        let counters = Arc::clone(&self.sessions.host.counters);
        let serving = async move {
            if let Err(error) = stream::tune(&stream, keep_alive) {
                tracing::debug!(%peer, "options of the connection: {error}");
            }
            let stream = match tls {
                None => Stream::Tcp(Arc::new(stream)),
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => stream,
                    Err(error) => {
                        tracing::debug!(%peer, "TLS: {error}");
                        return;
                    }
                },
            };
            let tcp = Arc::clone(stream.tcp());
            let stream = service.stream(stream);
            let call = service_fn(move |request| service.clone().call(request));
            let connection = http
                .serve_connection(TokioIo::new(stream), call)
                .with_upgrades();
            tokio::pin!(connection);
            let served = tokio::select! {
                served = connection.as_mut() => served,
                () = stream::broken(&tcp) => Ok(()),
                () = drain.begun() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        served = connection.as_mut() => served,
                        () = stream::broken(&tcp) => Ok(()),
                        () = drain.over() => Ok(()),
                    }
                }
            };
            if let Err(error) = served {
                tracing::debug!(%peer, "HTTP connection: {error}");
            }
        };
        self.drain.spawn(async move {
            if let Err(payload) = guard::catch(serving).await {
                Panicked::note(&counters, format_args!("the connection of {peer}"), payload);
            }
        });
    }
}

/// The configuration with such limits as the descriptors of the process allow.
fn within_descriptors(worker: &Worker, config: &Config) -> Config {
    let mut config = config.clone();
    let descriptors = Descriptors::of_process();
    let needs = Needs {
        outbound: !config.outbound.allowed_hosts.is_empty(),
        databases: config.data_dir.is_some() && worker.has_objects(&config),
    };
    if descriptors.fit_needs(&mut config.limits, needs) {
        let limits = &config.limits;
        tracing::warn!(
            descriptors = descriptors.soft,
            connections = limits.connections,
            outbound_connections = limits.outbound_connections,
            objects_awake = limits.objects_awake,
            "the process may open too few descriptors for its limits, which were lowered (see `ulimit -n`)"
        );
    }
    config
}

/// What makes TLS of connections, if the configuration asks for it.
fn acceptor(config: &Config) -> Result<Option<Acceptor>, Error> {
    let certificate = match &config.tls {
        None => return Ok(None),
        Some(Tls::Files { cert, key }) => Certificate::Files {
            chain: cert.clone(),
            key: key.clone(),
        },
        Some(Tls::SelfSigned) => Certificate::SelfSigned(SelfSigned::new()?),
    };
    Acceptor::new(certificate, config.limits.tls_handshake_ms).map(Some)
}

/// An error of `accept` that belongs to the connection that was to be accepted.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
