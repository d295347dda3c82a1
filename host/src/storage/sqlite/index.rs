//! Owns the index of alarms: which objects may have one, and when at the earliest. Knows nothing of the objects'
//! own databases, where the truth is.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Row;

use super::alarm::{as_integer, as_ms};
use super::engine::Engine;
use super::trouble::failed;
use crate::storage::bounds::Bounds;
use crate::storage::store::{Address, AlarmHint, StorageError};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _pairway_alarms \
    (class TEXT, id TEXT, name TEXT, due_ms INTEGER NOT NULL, PRIMARY KEY (class, id)) WITHOUT ROWID";
const ALL: &str = "SELECT class, id, name, due_ms FROM _pairway_alarms ORDER BY due_ms";
const IS_NOTED: &str = "SELECT 1 FROM _pairway_alarms WHERE class = ?1 AND id = ?2 AND due_ms <= ?4 \
    AND (?3 IS NULL OR name IS ?3)";
const NOTE: &str = "INSERT INTO _pairway_alarms (class, id, name, due_ms) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (class, id) DO UPDATE SET \
    due_ms = min(due_ms, excluded.due_ms), name = coalesce(excluded.name, name)";
/// Never to an earlier time: that would be a note, and a note is durable.
const SETTLE: &str =
    "UPDATE _pairway_alarms SET due_ms = ?3 WHERE class = ?1 AND id = ?2 AND due_ms < ?3";
const FORGET: &str = "DELETE FROM _pairway_alarms WHERE class = ?1 AND id = ?2";

/// The index, one for all objects.
#[derive(Debug)]
pub(super) struct AlarmIndex {
    engine: Mutex<Engine>,
}

impl AlarmIndex {
    pub(super) fn open(path: &Path, bounds: &Bounds) -> Result<Self, StorageError> {
        let engine = Engine::index(path, bounds)?;
        engine
            .run(TABLE)
            .map_err(|error| failed(&engine.place, &error))?;
        Ok(Self {
            engine: Mutex::new(engine),
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Engine) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let engine: MutexGuard<'_, Engine> =
            self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        work(&engine).map_err(|error| failed(&engine.place, &error))
    }

    pub(super) fn all(&self) -> Result<Vec<AlarmHint>, StorageError> {
        self.with(|engine| engine.host(ALL)?.query_map([], hint)?.collect())
    }

    /// What is noted for an earlier time already needs no write: most alarms are set anew for later.
    pub(super) fn note(
        &self,
        address: &Address,
        name: Option<&str>,
        due_ms: u64,
    ) -> Result<(), StorageError> {
        let row = (&*address.class, &*address.id, name, as_integer(due_ms));
        self.with(|engine| {
            if engine.host(IS_NOTED)?.exists(row)? {
                return Ok(());
            }
            engine.host(NOTE)?.execute(row).map(drop)
        })
    }

    pub(super) fn settle(&self, address: &Address, due_ms: u64) -> Result<(), StorageError> {
        let row = (&*address.class, &*address.id, as_integer(due_ms));
        self.without_sync(|engine| engine.host(SETTLE)?.execute(row).map(drop))
    }

    pub(super) fn forget(&self, address: &Address) -> Result<(), StorageError> {
        let row = (&*address.class, &*address.id);
        self.without_sync(|engine| engine.host(FORGET)?.execute(row).map(drop))
    }

    /// What may be lost in a crash, because the index is then merely early, need not wait for the disk. It
    /// becomes durable with the next note.
    fn without_sync(
        &self,
        work: impl FnOnce(&Engine) -> rusqlite::Result<()>,
    ) -> Result<(), StorageError> {
        self.with(|engine| {
            engine.run("PRAGMA synchronous = NORMAL /* _pairway_ */")?;
            let result = work(engine);
            engine.run("PRAGMA synchronous = FULL /* _pairway_ */")?;
            result
        })
    }
}

fn hint(row: &Row<'_>) -> rusqlite::Result<AlarmHint> {
    Ok(AlarmHint {
        address: Address {
            class: row.get(0)?,
            id: row.get(1)?,
        },
        name: row.get(2)?,
        due_ms: as_ms(row.get(3)?),
    })
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
