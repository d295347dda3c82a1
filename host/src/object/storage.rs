//! Owns an object's way to its storage: opened at the first use, committed when a turn ends, closed when the object
//! hibernates. What waits for the disk does so on a thread of its own.

use std::sync::PoisonError;

use tokio::task::spawn_blocking;

use super::Object;
use crate::printable::Printable;
use crate::storage::{StorageError, Store};

impl Object {
    /// Use the store, which is opened if it is not.
    pub(crate) fn with_store<T>(
        &self,
        f: impl FnOnce(&mut dyn Store) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut slot = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match &mut *slot {
            Some(store) => store,
            none => none.insert(self.storage.open(&self.address)?),
        };
        f(store.as_mut())
    }

    fn take_store(&self) -> Option<Box<dyn Store>> {
        self.store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn put_store(&self, store: Box<dyn Store>) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Some(store);
    }

    /// The turn has ended well: what it wrote is made durable. If that fails none of it is kept.
    pub(crate) async fn commit(&self) -> Result<(), StorageError> {
        let Some(mut store) = self.take_store() else {
            return Ok(());
        };
        if !store.is_dirty() {
            // A transaction that the worker left open, with nothing in it.
            let ended = store.undo_turn();
            self.put_store(store);
            return ended;
        }
        let note = self.alarm_to_note();
        let (storage, address) = (self.storage.clone(), self.address.clone());
        let name = self.name().map(str::to_owned);
        let committing = spawn_blocking(move || {
            let noted = match note {
                Some(due_ms) => storage.note_alarm(&address, name.as_deref(), due_ms),
                None => Ok(()),
            };
            let ended = noted.and_then(|()| store.end_turn());
            if ended.is_err() {
                // The error that counts is the first.
                drop(store.undo_turn());
            }
            (store, ended)
        });
        let (store, ended) = committing
            .await
            .map_err(|error| StorageError::Failed(format!("the commit was cut off: {error}")))?;
        self.put_store(store);
        ended?;
        if note.is_some() {
            self.noted_alarm(note);
        }
        Ok(())
    }

    /// The turn has failed: nothing that it wrote is kept.
    pub(crate) fn undo(&self) {
        if let Some(mut store) = self.take_store() {
            match store.undo_turn() {
                Ok(()) => self.put_store(store),
                // Closing it undoes the turn as well.
                Err(error) => tracing::error!(object = %self.address, "{}", Printable(&error)),
            }
        }
    }

    /// Close the store: a hibernating object holds no descriptor.
    pub(crate) async fn close_store(&self) {
        let Some(mut store) = self.take_store() else {
            return;
        };
        let is_noted = self.is_alarm_noted();
        let (storage, address) = (self.storage.clone(), self.address.clone());
        let closing = spawn_blocking(move || {
            let alarm = is_noted.then(|| store.alarm());
            drop(store);
            match alarm {
                Some(Ok(None)) => storage.forget_alarm(&address).map(|()| Some(None)),
                Some(Ok(Some(alarm))) => storage
                    .settle_alarm(&address, alarm.due_ms)
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
