//! Owns the places that instances take: how many may be alive, and which idle object makes room for another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Session;
use crate::config::{Limits, millis, size};
use crate::counters::Counters;
use crate::error::Fault;
use crate::quota::Quota;

/// How often somebody who waits for a place looks again for an object that has become idle: nothing announces that.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Of the awake objects, so many parts of one hibernate at a time: looking for the idlest looks at all.
const EVICTED_PART: usize = 32;

/// The instances that are alive, and those that may yet be.
#[derive(Debug)]
pub(crate) struct Roster {
    places: Arc<Semaphore>,
    /// Of which objects may have so many.
    of_objects: Arc<Semaphore>,
    awake: Arc<Mutex<Awake>>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    guests: Arc<Quota>,
    begin: Instant,
}

/// The sessions that have an instance, by their numbers.
type Awake = HashMap<u64, Member>;

#[derive(Debug)]
struct Member {
    session: Weak<Session>,
    is_object: bool,
    /// The memory of its instance that counts.
    memory: Arc<Quota>,
}

/// One of the instances that may be alive at a time.
#[derive(Debug)]
pub(super) struct Place {
    counters: Arc<Counters>,
    _permit: OwnedSemaphorePermit,
    _of_objects: Option<OwnedSemaphorePermit>,
    /// Where its session is entered, and by which number.
    entered: Option<(Arc<Mutex<Awake>>, u64)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.instances_live.sub(1);
        let Some((awake, number)) = &self.entered else {
            return;
        };
        if lock(awake)
            .remove(number)
            .is_some_and(|member| member.is_object)
        {
            self.counters.objects_awake_live.sub(1);
        }
    }
}

fn lock(awake: &Mutex<Awake>) -> MutexGuard<'_, Awake> {
    awake.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Roster {
    pub(crate) fn new(limits: Arc<Limits>, counters: Arc<Counters>, guests: Arc<Quota>) -> Self {
        let places = size(limits.instances).min(Semaphore::MAX_PERMITS);
        let of_objects = size(limits.objects_awake).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            of_objects: Arc::new(Semaphore::new(of_objects)),
            awake: Arc::default(),
            limits,
            counters,
            guests,
            begin: Instant::now(),
        }
    }

    /// Milliseconds on the roster's clock.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A place now, or why there is none.
    fn try_take(&self, is_object: bool) -> Result<Place, Fault> {
        let take = |places: &Arc<Semaphore>, fault| {
            let permit = Arc::clone(places).try_acquire_owned();
            permit.map_err(|_| fault)
        };
        let of_objects = match is_object {
            true => Some(take(
                &self.of_objects,
                Fault::TooManyObjects(self.limits.objects_awake),
            )?),
            false => None,
        };
        let permit = take(&self.places, Fault::TooManyInstances(self.limits.instances))?;
        Ok(self.taken(permit, of_objects))
    }

    fn taken(
        &self,
        permit: OwnedSemaphorePermit,
        of_objects: Option<OwnedSemaphorePermit>,
    ) -> Place {
        self.counters.instances_live.add(1);
        self.counters.instances.add(1);
        Place {
            counters: Arc::clone(&self.counters),
            _permit: permit,
            _of_objects: of_objects,
            entered: None,
        }
    }

    /// A place now, and memory for its instance, for which idle objects hibernate if need be.
    pub(super) async fn take(&self) -> Result<Place, Fault> {
        self.take_for(false).await
    }

    async fn take_for(&self, is_object: bool) -> Result<Place, Fault> {
        if self.guests.is_full() && !self.make_room(true).await {
            return Err(Fault::TotalMemory(self.limits.guests_total_bytes));
        }
        loop {
            let fault = match self.try_take(is_object) {
                Ok(place) => return Ok(place),
                Err(fault) => fault,
            };
            if !self.evict().await {
                return Err(fault);
            }
        }
    }

    /// A place for an object that has something to do, which may wait for it.
    pub(super) async fn wait(&self) -> Result<Place, Fault> {
        let deadline = Instant::now() + millis(self.limits.instance_wait_ms);
        loop {
            let refusal = match self.take_for(true).await {
                Ok(place) => return Ok(place),
                Err(refusal) => refusal,
            };
            let acquire = async {
                let of_objects = Arc::clone(&self.of_objects).acquire_owned().await?;
                let permit = Arc::clone(&self.places).acquire_owned().await?;
                Ok::<_, AcquireError>((permit, of_objects))
            };
            match tokio::time::timeout(LOOK_AGAIN, acquire).await {
                Ok(Ok((permit, of_objects))) => return Ok(self.taken(permit, Some(of_objects))),
                Ok(Err(_)) | Err(_) if Instant::now() >= deadline => return Err(refusal),
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Note who has this place, and what its memory is charged to.
    pub(super) fn enter(&self, session: &Session, memory: Arc<Quota>, place: &mut Place) {
        let is_object = session.object().is_some();
        if is_object {
            self.counters.objects_awake_live.add(1);
        }
        let member = Member {
            session: session.me.clone(),
            is_object,
            memory,
        };
        lock(&self.awake).insert(session.number, member);
        place.entered = Some((Arc::clone(&self.awake), session.number));
    }

    /// Those of the members of which this is wanted, the ones with most of it first.
    fn members(&self, wanted: impl Fn(&Member) -> u64) -> Vec<Arc<Session>> {
        let mut members: Vec<_> = lock(&self.awake)
            .values()
            .map(|member| (wanted(member), member))
            .filter(|(amount, _)| *amount > 0)
            .filter_map(|(amount, member)| Some((amount, member.session.upgrade()?)))
            .collect();
        members.sort_by_key(|(amount, _)| std::cmp::Reverse(*amount));
        members.into_iter().map(|(_, session)| session).collect()
    }

    /// Have those objects hibernate that have been idle for longest. False if none is idle.
    async fn evict(&self) -> bool {
        let mut sessions = self.members(|member| u64::from(member.is_object));
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

    /// Make room in the memory of all instances, as it gets short, for ever.
    pub(crate) async fn relieve(&self) {
        loop {
            let is_unfair = self.guests.pressed().await;
            self.make_room(is_unfair).await;
            self.guests.relieved();
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Somebody needs memory: idle objects hibernate, those with most of it first, until seven eighths of the bound are
    /// left. Where that does not help and it `is_unfair`, instances end that have more than a fair share, unless they are at work: those
    /// are refused more. False if the bound is still reached.
    async fn make_room(&self, is_unfair: bool) -> bool {
        let low = self.guests.max() - self.guests.max() / 8;
        let mut has_freed = false;
        let is_enough = |has_freed: bool| has_freed && self.guests.used() <= low;
        let is_object = |member: &Member| match member.is_object {
            true => member.memory.used(),
            false => 0,
        };
        for session in self.members(is_object) {
            if !is_enough(has_freed) && Box::pin(session.hibernate_early()).await {
                self.counters.evictions.add(1);
                has_freed = true;
            }
        }
        let share = self.guests.max() / self.counters.instances_live.get().max(1);
        let over = |member: &Member| member.memory.used().saturating_sub(share);
        if is_unfair && !is_enough(has_freed) {
            let fault = Fault::TotalMemory(self.guests.max());
            for session in self.members(over) {
                if !is_enough(has_freed) {
                    has_freed |= Box::pin(session.end_for_memory(&fault)).await;
                }
            }
        }
        !self.guests.is_full()
    }
}
