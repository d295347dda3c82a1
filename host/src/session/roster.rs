//! Owns the places that instances take: how many may be alive, and which idle object makes room for another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Session;
use crate::config::{Limits, millis, size};
use crate::counters::Counters;
use crate::error::Fault;

/// How often somebody who waits for a place looks again for an object that has become idle: nothing announces that.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Of the awake objects, so many parts of one hibernate at a time: looking for the idlest looks at all.
const EVICTED_PART: usize = 32;

/// The instances that are alive, and those that may yet be.
#[derive(Debug)]
pub(crate) struct Roster {
    places: Arc<Semaphore>,
    awake: Mutex<HashMap<u64, Weak<Session>>>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    begin: Instant,
}

/// One of the instances that may be alive at a time.
#[derive(Debug)]
pub(super) struct Place {
    counters: Arc<Counters>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.instances_live.sub(1);
    }
}

impl Roster {
    pub(crate) fn new(limits: Arc<Limits>, counters: Arc<Counters>) -> Self {
        let places = size(limits.instances).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            awake: Mutex::default(),
            limits,
            counters,
            begin: Instant::now(),
        }
    }

    /// Milliseconds on the roster's clock.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn try_take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(self.taken(permit))
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Place {
        self.counters.instances_live.add(1);
        self.counters.instances.add(1);
        Place {
            counters: Arc::clone(&self.counters),
            _permit: permit,
        }
    }

    /// A place now, for which an idle object hibernates if need be.
    pub(super) async fn take(&self) -> Result<Place, Fault> {
        loop {
            if let Some(place) = self.try_take() {
                return Ok(place);
            }
            if !self.evict().await {
                return Err(Fault::TooManyInstances(self.limits.instances));
            }
        }
    }

    /// A place for an object that has something to do, which may wait for it.
    pub(super) async fn wait(&self) -> Result<Place, Fault> {
        let deadline = Instant::now() + millis(self.limits.instance_wait_ms);
        loop {
            let refusal = match self.take().await {
                Ok(place) => return Ok(place),
                Err(refusal) => refusal,
            };
            let acquire = Arc::clone(&self.places).acquire_owned();
            match tokio::time::timeout(LOOK_AGAIN, acquire).await {
                Ok(Ok(permit)) => return Ok(self.taken(permit)),
                Ok(Err(_)) | Err(_) if Instant::now() >= deadline => return Err(refusal),
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    pub(super) fn enter(&self, session: &Arc<Session>) {
        self.counters.objects_awake_live.add(1);
        self.awake().insert(session.number, Arc::downgrade(session));
    }

    pub(super) fn leave(&self, session: &Session) {
        if self.awake().remove(&session.number).is_some() {
            self.counters.objects_awake_live.sub(1);
        }
    }

    fn awake(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Session>>> {
        self.awake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every object that has an instance.
    pub(super) fn sessions(&self) -> Vec<Arc<Session>> {
        self.awake().values().filter_map(Weak::upgrade).collect()
    }

    /// Have those hibernate that have been idle for longest. False if none is idle.
    async fn evict(&self) -> bool {
        let mut sessions = self.sessions();
        let wanted = (sessions.len() / EVICTED_PART).max(1);
        sessions.sort_by_cached_key(|session| session.active_ms());
        let mut freed = 0;
        for session in sessions {
            // Boxed: hibernating leads to storage, and this stands inside the wake of another object.
            if freed < wanted && Box::pin(session.hibernate_early()).await {
                freed += 1;
            }
        }
        self.counters.evictions.add(freed as u64);
        freed > 0
    }
}
