//! Owns an object's way to its storage: opened at the first use, committed when a turn ends, closed when the object
//! hibernates. What takes a moment is done where it is asked for. What waits for the disk or may take long, and SQL always,
//! is done on a thread of its own, so that the reactor's serves others meanwhile; the object's own turn waits.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::Object;
use crate::printable::Printable;
use crate::storage::{SqlResult, SqlValue, Stop, Storage, StorageError, Store, Work};

/// The storage of all objects of a worker, and how much SQL may run at a time.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(super) storage: Arc<dyn Storage>,
    sql_threads: u64,
    sql: Arc<Semaphore>,
    sql_time: Duration,
}

impl Stores {
    pub(crate) fn new(storage: Arc<dyn Storage>, sql_threads: u64, sql_time: Duration) -> Self {
        let places = usize::try_from(sql_threads).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            storage,
            sql_threads,
            sql: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            sql_time,
        }
    }
}

/// Where an object's store is.
#[derive(Debug, Default)]
pub(super) enum Slot {
    #[default]
    Closed,
    Open(Box<dyn Store>),
    /// With a thread that brings it back, and lets go of the other side of this then.
    Away {
        back: watch::Receiver<()>,
        /// The turn has failed meanwhile: what it wrote is to be undone.
        is_undone: bool,
    },
}

/// What a store gave, and the time that a thread of its own took for it.
pub(crate) type Timed<T> = (Result<T, StorageError>, Duration);

/// A store on a thread. When it is dropped the store is back.
struct Away {
    object: Arc<Object>,
    store: Option<Box<dyn Store>>,
    /// Let go of last.
    _back: watch::Sender<()>,
}

impl Away {
    /// The store, which is opened if it is not.
    fn store(&mut self) -> Result<&mut dyn Store, StorageError> {
        let store = match &mut self.store {
            Some(store) => store,
            none => {
                let mut store = self.object.stores.storage.open(&self.object.address)?;
                store.listen_to(Arc::clone(&self.object.stop));
                none.insert(store)
            }
        };
        Ok(&mut **store)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // One that a panic has cut off is closed, which undoes the turn.
        let mut store = self.store.take().filter(|_| !std::thread::panicking());
        let is_undone = |slot: &Slot| {
            matches!(
                slot,
                Slot::Away {
                    is_undone: true,
                    ..
                }
            )
        };
        if is_undone(&self.object.slot()) {
            store = store.and_then(|store| undone(&self.object, store));
        }
        let mut slot = self.object.slot();
        if is_undone(&slot) {
            // This moment. Here it is undone once more, which costs nothing if it was before.
            store = store.and_then(|store| undone(&self.object, store));
        }
        *slot = store.map_or(Slot::Closed, Slot::Open);
    }
}

/// A store without what the turn wrote, or none if that fails: closing it undoes the turn as well.
fn undone(object: &Object, mut store: Box<dyn Store>) -> Option<Box<dyn Store>> {
    match store.undo_turn() {
        Ok(()) => Some(store),
        Err(error) => {
            tracing::error!(object = %object.address, "{}", Printable(&error));
            None
        }
    }
}

/// Somebody waits for what a store does. If this is dropped before that is done, nobody does any more.
struct Waiting<'s> {
    stop: &'s Stop,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.stop.give_up();
        }
    }
}

impl Object {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Use the store, here if that takes a moment.
    pub(crate) async fn with_store<T: Send + 'static>(
        self: &Arc<Self>,
        work: Work,
        f: impl FnOnce(&mut dyn Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Timed<T> {
        if let Slot::Open(store) = &mut *self.slot()
            && store.is_brief(work)
        {
            return (f(&mut **store), Duration::ZERO);
        }
        Box::pin(self.on_a_thread(f)).await
    }

    /// Run SQL, when one of the threads for it is free.
    pub(crate) async fn exec(
        self: &Arc<Self>,
        sql: String,
        parameters: Vec<SqlValue>,
    ) -> Timed<SqlResult> {
        let time = self.stores.sql_time;
        let place = Arc::clone(&self.stores.sql).acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(time, place).await else {
            let text = format!(
                "no thread was free for the SQL within {} ms (limit sql_threads, {})",
                time.as_millis(),
                self.stores.sql_threads
            );
            return (Err(StorageError::Sql(text)), Duration::ZERO);
        };
        let work = move |store: &mut dyn Store| {
            // The place is the thread's: SQL that nobody waits for any more keeps it until it has ended.
            let _place = place;
            store.exec(&sql, &parameters)
        };
        self.on_a_thread(work).await
    }

    async fn on_a_thread<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Timed<T> {
        let mut away = self.send_away().await;
        let mut waiting = Waiting {
            stop: &self.stop,
            is_over: false,
        };
        let mut running: JoinHandle<Timed<T>> = spawn_blocking(move || {
            let begin = Instant::now();
            let result = away.store().and_then(work);
            drop(away);
            (result, begin.elapsed())
        });
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = tokio::time::sleep(self.stores.sql_time) => {
                // Only SQL listens to it; most of it has looked at the clock itself.
                self.stop.interrupt();
                running.await
            }
        };
        waiting.is_over = true;
        ended.unwrap_or_else(|error| (Err(cut_off(&error)), Duration::ZERO))
    }

    /// Take the store, if it is open, for a thread.
    async fn send_away(self: &Arc<Self>) -> Away {
        loop {
            let mut back = match &mut *self.slot() {
                Slot::Away { back, .. } => back.clone(),
                slot @ (Slot::Closed | Slot::Open(_)) => {
                    let (sender, receiver) = watch::channel(());
                    let away = Slot::Away {
                        back: receiver,
                        is_undone: false,
                    };
                    let store = match std::mem::replace(slot, away) {
                        Slot::Open(store) => Some(store),
                        Slot::Closed | Slot::Away { .. } => None,
                    };
                    return Away {
                        object: Arc::clone(self),
                        store,
                        _back: sender,
                    };
                }
            };
            // An error is what it waits for: the other side is gone.
            drop(back.changed().await);
        }
    }

    /// The turn has ended well: what it wrote is made durable. If that fails none of it is kept.
    pub(crate) async fn commit(self: &Arc<Self>) -> Result<(), StorageError> {
        match &mut *self.slot() {
            Slot::Closed => return Ok(()),
            // A transaction that the worker left open, with nothing in it.
            Slot::Open(store) if !store.is_dirty() => return store.undo_turn(),
            Slot::Open(_) | Slot::Away { .. } => {}
        }
        let mut away = self.send_away().await;
        let note = self.alarm_to_note();
        let me = Arc::clone(self);
        let committing = spawn_blocking(move || {
            let noted = match note {
                Some(due_ms) => me.stores.storage.note_alarm(&me.address, me.name(), due_ms),
                None => Ok(()),
            };
            let store = away.store()?;
            let ended = noted.and_then(|()| store.end_turn());
            if ended.is_err() {
                // The error that counts is the first.
                drop(store.undo_turn());
            }
            ended
        });
        committing.await.map_err(|error| cut_off(&error))??;
        if note.is_some() {
            self.noted_alarm(note);
        }
        Ok(())
    }

    /// The turn has failed: nothing that it wrote is kept.
    pub(crate) fn undo(self: &Arc<Self>) {
        let mut slot = self.slot();
        match std::mem::take(&mut *slot) {
            Slot::Closed => {}
            Slot::Open(store) if store.is_brief(Work::Rollback) => {
                *slot = undone(self, store).map_or(Slot::Closed, Slot::Open);
            }
            Slot::Open(store) => {
                let (sender, back) = watch::channel(());
                *slot = Slot::Away {
                    back,
                    is_undone: true,
                };
                let away = Away {
                    object: Arc::clone(self),
                    store: Some(store),
                    _back: sender,
                };
                // Whoever needs the store next waits for it.
                drop(spawn_blocking(move || drop(away)));
            }
            Slot::Away { back, .. } => {
                *slot = Slot::Away {
                    back,
                    is_undone: true,
                };
            }
        }
    }

    /// Close the store: a hibernating object holds no descriptor.
    pub(crate) async fn close_store(self: &Arc<Self>) {
        if matches!(*self.slot(), Slot::Closed) {
            return;
        }
        let mut away = self.send_away().await;
        let is_noted = self.is_alarm_noted();
        let me = Arc::clone(self);
        let closing = spawn_blocking(move || {
            let Some(mut store) = away.store.take() else {
                return Ok(None);
            };
            let alarm = is_noted.then(|| store.alarm());
            drop(store);
            let (storage, address) = (&me.stores.storage, &me.address);
            match alarm {
                Some(Ok(None)) => storage.forget_alarm(address).map(|()| Some(None)),
                Some(Ok(Some(alarm))) => storage
                    .settle_alarm(address, alarm.due_ms)
                    .map(|()| Some(Some(alarm.due_ms))),
                Some(Err(error)) => Err(error),
                None => Ok(None),
            }
        });
        match closing.await {
            Ok(Ok(Some(noted))) => self.noted_alarm(noted),
            Ok(Ok(None)) | Err(_) => {}
            // The index is merely early: the alarm is looked up once more than need be.
            Ok(Err(error)) => tracing::warn!(object = %self.address, "{}", Printable(&error)),
        }
    }
}

fn cut_off(error: &JoinError) -> StorageError {
    StorageError::Failed(format!("the work on storage was cut off: {error}"))
}
