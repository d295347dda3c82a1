//! A host on a free port, which drains when it is dropped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pairway_host::{Config, Counters, Error, Inspector, Server, TlsReloader, Worker};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::within;

pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) counters: Arc<Counters>,
    pub(crate) objects: Inspector,
    pub(crate) certificate: Option<TlsReloader>,
    shutdown: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), Error>>,
}

impl Host {
    /// Serve a worker as `pairway serve` would without flags.
    pub(crate) async fn start(worker: &'static str) -> Self {
        Self::with(worker, |_| ()).await
    }

    /// Serve a worker all connections of which meet in one instance, so that one can observe the other.
    pub(crate) async fn shared(worker: &'static str) -> Self {
        Self::with(worker, |config| config.sockets_per_instance = 10_000).await
    }

    /// Serve a worker with settings of one's own.
    pub(crate) async fn with(worker: &'static str, set: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        set(&mut config);
        let worker = load(worker, &config).await.expect("the worker loads");
        let server = Server::bind(worker, &config)
            .await
            .expect("a free port can be listened on");
        let (shutdown, asked) = oneshot::channel();
        Self {
            address: server.local_addr(),
            counters: server.counters(),
            objects: server.objects(),
            certificate: server.tls_reloader(),
            shutdown: Some(shutdown),
            serving: tokio::spawn(server.serve(async {
                // Dropping the sender asks, too.
                asked.await.unwrap_or_default();
            })),
        }
    }

    /// Ask the host to shut down, without waiting for it.
    pub(crate) fn shut_down(&mut self) {
        self.shutdown = None;
    }

    /// Shut the host down, and wait until it has.
    pub(crate) async fn stopped(mut self) {
        self.shut_down();
        let served = within("the host to drain", &mut self.serving).await;
        served
            .expect("serving does not panic")
            .expect("a drain is no error");
    }
}

/// Instances for the tests that do not count them.
const SHARED_INSTANCES: u64 = 200;

/// A free port of this machine alone, and components compiled once for all tests.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.addr = "127.0.0.1:0".parse().expect("an address");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    std::fs::create_dir_all(&cache).expect("the folder is ours");
    config.cache_dir = Some(cache);
    // Each engine reserves address space for all its instances, and there are many engines in this process.
    config.limits.instances = SHARED_INSTANCES;
    config
}

/// What of a configuration is fixed when a worker is loaded.
type Fixed = (String, [u64; 3]);

/// Load a worker: each once, for the tests run at the same time.
pub(crate) async fn load(path: &str, config: &Config) -> Result<Worker, Error> {
    static LOADED: Mutex<BTreeMap<Fixed, Worker>> = Mutex::new(BTreeMap::new());
    let (path, config) = (path.to_owned(), config.clone());
    let loading = tokio::task::spawn_blocking(move || {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = &config.limits;
        let fixed = (
            path.clone(),
            [limits.instances, limits.memory_bytes, limits.stack_bytes],
        );
        // The pool of instances is the worker's: a test that counts them must not share it with another.
        if limits.instances < SHARED_INSTANCES {
            return Worker::load(Path::new(&path), &config);
        }
        if let Some(worker) = loaded.get(&fixed) {
            return Ok(worker.clone());
        }
        let worker = Worker::load(Path::new(&path), &config)?;
        loaded.insert(fixed, worker.clone());
        Ok(worker)
    });
    loading.await.expect("loading does not panic")
}
