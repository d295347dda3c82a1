//! Owns [`MemoryStorage`], for hosts without a data directory: the same engine in memory, kept as long as the
//! process lives. Knows nothing of SQL.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bounds::Bounds;
use super::room::Room;
use super::sqlite::{Engine, Home, SqliteStore};
use super::store::{Address, AlarmHint, Storage, StorageError, Store};

/// Bytes that an open database takes beside its pages.
const OVERHEAD_BYTES: u64 = 100 * 1024;

/// Objects' stores in memory.
#[derive(Debug)]
pub(crate) struct MemoryStorage {
    bounds: Arc<Bounds>,
    shelf: Arc<Shelf>,
    room: Arc<Room>,
}

#[derive(Debug, Default)]
struct Shelf(Mutex<HashMap<Address, Place>>);

#[derive(Debug)]
enum Place {
    /// Nobody uses it.
    Kept(Engine),
    /// A store has it, or would have one to put here.
    Taken,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryStorage {
    pub(crate) fn new(mut bounds: Bounds) -> Self {
        bounds.database_bytes = bounds.memory_database_bytes;
        let limit = "memory_storage_bytes";
        Self {
            room: Room::new(bounds.memory_storage_bytes, bounds.stored_objects, limit),
            bounds: Arc::new(bounds),
            shelf: Arc::default(),
        }
    }
}

/// What a process forgets at its end needs no index that outlives it.
impl Storage for MemoryStorage {
    fn open(&self, address: &Address) -> Result<Box<dyn Store>, StorageError> {
        let home = MemoryHome {
            address: address.clone(),
            bounds: Arc::clone(&self.bounds),
            shelf: Arc::clone(&self.shelf),
            has_place: false,
        };
        let store = SqliteStore::open(Box::new(home), &self.room, &self.bounds)?;
        Ok(Box::new(store))
    }

    fn alarms(&self) -> Result<Vec<AlarmHint>, StorageError> {
        Ok(Vec::new())
    }

    fn note_alarm(&self, _: &Address, _: Option<&str>, _: u64) -> Result<(), StorageError> {
        Ok(())
    }

    fn settle_alarm(&self, _: &Address, _: u64) -> Result<(), StorageError> {
        Ok(())
    }

    fn forget_alarm(&self, _: &Address) -> Result<(), StorageError> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryHome {
    address: Address,
    bounds: Arc<Bounds>,
    shelf: Arc<Shelf>,
    has_place: bool,
}

impl Home for MemoryHome {
    fn find(&mut self) -> Result<Option<Engine>, StorageError> {
        match self.shelf.lock().insert(self.address.clone(), Place::Taken) {
            Some(Place::Taken) => {
                let place = &self.address;
                Err(StorageError::Failed(format!(
                    "{place}: another turn has it open"
                )))
            }
            Some(Place::Kept(engine)) => {
                self.has_place = true;
                Ok(Some(engine))
            }
            None => {
                self.has_place = true;
                Ok(None)
            }
        }
    }

    fn create(&mut self) -> Result<Engine, StorageError> {
        Engine::memory(&self.address.to_string(), &self.bounds)
    }

    fn bytes(&self, engine: &Engine) -> u64 {
        engine.size().unwrap_or(0) + OVERHEAD_BYTES
    }

    fn keep(&mut self, engine: Engine) -> u64 {
        engine.shrink();
        let bytes = self.bytes(&engine);
        self.has_place = false;
        self.shelf
            .lock()
            .insert(self.address.clone(), Place::Kept(engine));
        bytes
    }

    fn remove(&mut self, engine: Engine) -> Result<(), StorageError> {
        drop(engine);
        Ok(())
    }
}

impl Drop for MemoryHome {
    fn drop(&mut self) {
        if self.has_place {
            self.shelf.lock().remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::testing::{address, get, open, put};

    #[test]
    fn an_object_has_one_store_at_a_time() {
        let storage = MemoryStorage::new(Bounds::default());
        for round in ["empty", "with a database"] {
            let mut store = open(&storage);
            let second = storage.open(&address("a1"));
            assert!(matches!(second, Err(StorageError::Failed(_))), "{round}");
            put(&mut *store, "k", "1").unwrap();
            store.end_turn().unwrap();
        }
        assert_eq!(get(&mut *open(&storage), "k").as_deref(), Some("1"));
    }

    #[test]
    fn an_object_without_a_database_takes_no_place() {
        let storage = MemoryStorage::new(Bounds::default());
        let mut store = open(&storage);
        put(&mut *store, "k", "1").unwrap();
        store.undo_turn().unwrap();
        drop(store);
        assert!(storage.shelf.lock().is_empty());
        let mut store = open(&storage);
        put(&mut *store, "k", "1").unwrap();
        store.end_turn().unwrap();
        drop(store);
        assert_eq!(storage.shelf.lock().len(), 1);
        let mut store = open(&storage);
        store.delete_all().unwrap();
        store.end_turn().unwrap();
        drop(store);
        assert!(storage.shelf.lock().is_empty());
    }
}
