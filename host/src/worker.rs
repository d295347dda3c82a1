//! Owns the worker as a whole: its compiled code, and which session a request goes to. Knows nothing of
//! connections.

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::counters::Counters;
use crate::error::Error;
use crate::guest::{Answer, Component, Engine, Host, Request};
use crate::session::{NoAnswer, Pending, Session};

/// A worker's code, compiled and checked, ready to be served. Cheap to clone; may be served by several
/// [`Server`](crate::Server)s.
#[derive(Debug, Clone)]
pub struct Worker {
    component: Arc<Component>,
}

impl Worker {
    /// Compile a component, or take it from the cache of [`Config::cache_dir`]. This takes a while and
    /// blocks the thread.
    ///
    /// Of the limits, `instances`, `memory_bytes` and `stack_bytes` are fixed here. Each instance reserves 4 GiB of
    /// address space, used or not, so a process that loads several workers lowers `instances`: with the
    /// default a handful fit.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::NotAComponent`] and [`Error::WrongWorld`] tell what is wrong with the
    /// file, [`Error::Config`] with the configuration, [`Error::Engine`] with the machine.
    pub fn load(path: impl AsRef<Path>, config: &Config) -> Result<Self, Error> {
        config.limits.check()?;
        let engine = Engine::new(config)?;
        Ok(Self {
            component: Arc::new(engine.load(path.as_ref())?),
        })
    }

    /// The worker's name, by which its lines in the log are known: that of its file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.component.name()
    }
}

/// The sessions of a worker that is being served.
#[derive(Debug)]
pub(crate) struct Sessions {
    component: Arc<Component>,
    pub(crate) host: Host,
    per_instance: u32,
    /// The session that takes the next request, if it may take more than one.
    current: Mutex<Option<(Arc<Session>, Arc<AtomicU32>)>>,
}

/// A place in a session: taken by a request, and kept by the connection that comes of it.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicU32>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sessions {
    pub(crate) fn new(worker: &Worker, config: &Config) -> Self {
        Self {
            component: Arc::clone(&worker.component),
            host: Host {
                limits: Arc::new(config.limits.clone()),
                counters: Arc::new(Counters::default()),
                vars: config
                    .vars
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
                socket_ids: Arc::new(AtomicU64::new(0)),
            },
            per_instance: config.sockets_per_instance,
            current: Mutex::new(None),
        }
    }

    /// Give a request to a session with room for it, and wait for the response.
    pub(crate) async fn fetch(&self, request: Request) -> (Result<Answer, NoAnswer>, Seat) {
        self.host.counters.requests.add(1);
        let mut request = Box::new(request);
        let (pending, seat): (Pending, Seat) = loop {
            let (session, seat) = self.seat();
            match session.fetch(request) {
                Ok(pending) => break (pending, seat),
                // The session has ended this moment.
                Err(back) => request = back,
            }
        };
        (pending.answer().await, seat)
    }

    fn seat(&self) -> (Arc<Session>, Seat) {
        let fresh = || Session::new(Arc::clone(&self.component), self.host.clone());
        if self.per_instance <= 1 {
            return (fresh(), Seat(Arc::new(AtomicU32::new(1))));
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((session, taken)) = &*current
            && taken.load(Ordering::Relaxed) < self.per_instance
            && !session.is_over()
        {
            taken.fetch_add(1, Ordering::Relaxed);
            return (Arc::clone(session), Seat(Arc::clone(taken)));
        }
        let (session, taken) = (fresh(), Arc::new(AtomicU32::new(1)));
        *current = Some((Arc::clone(&session), Arc::clone(&taken)));
        (session, Seat(taken))
    }
}
