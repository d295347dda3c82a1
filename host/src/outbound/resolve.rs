//! Owns how the name of a host becomes addresses. A trait, so that a test can be the DNS.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task;

/// The addresses to come.
pub(super) type Addresses<'a> =
    Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// What looks names up.
pub(super) trait Resolve: Debug + Send + Sync {
    /// The addresses behind a name, with the port added, best first.
    fn resolve(&self, name: String, port: u16) -> Addresses<'_>;
}

/// The operating system's way: `/etc/hosts`, DNS, and what else it is set up for.
#[derive(Debug)]
pub(super) struct System {
    lookups: Arc<Semaphore>,
}

impl System {
    /// At most so many lookups at a time. One that nobody waits for any more still counts: its thread is not free
    /// before the system answers, and the threads are shared with all other blocking work of the process.
    pub(super) fn new(lookups: usize) -> Self {
        let lookups = Arc::new(Semaphore::new(lookups.min(Semaphore::MAX_PERMITS)));
        Self { lookups }
    }
}

impl Resolve for System {
    fn resolve(&self, name: String, port: u16) -> Addresses<'_> {
        Box::pin(async move {
            let permit = Arc::clone(&self.lookups)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let lookup = task::spawn_blocking(move || {
                let found = (name.as_str(), port).to_socket_addrs();
                drop(permit);
                found.map(Iterator::collect)
            });
            lookup
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
        })
    }
}
