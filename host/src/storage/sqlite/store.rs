//! Owns [`SqliteStore`], which does each of a store's functions in its turn. Knows nothing of how turns begin and
//! end.

use std::sync::Arc;

use super::engine::Engine;
use super::home::Home;
use super::sql::{Exec, Ran};
use super::turn::Turns;
use super::{alarm, kv, wipe};
use crate::storage::bounds::Bounds;
use crate::storage::room::Room;
use crate::storage::stop::Stop;
use crate::storage::store::{Alarm, ListOptions, SqlResult, SqlValue, StorageError, Store, Work};

/// Bytes of a database in which nothing takes long, and of entries that are written in a moment.
const SMALL_BYTES: u64 = 1024 * 1024;
const FEW_BYTES: usize = 256 * 1024;

/// Keys whose values, the largest there are, are read or deleted in a few milliseconds.
const FEW_KEYS: usize = 4;

/// One object's store.
#[derive(Debug)]
pub(in crate::storage) struct SqliteStore {
    turns: Turns,
}

impl SqliteStore {
    pub(in crate::storage) fn open(
        home: Box<dyn Home>,
        room: &Arc<Room>,
        bounds: &Arc<Bounds>,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            turns: Turns::open(home, Arc::clone(room), Arc::clone(bounds))?,
        })
    }
}

impl SqliteStore {
    /// Whether there is so little in the database that everything in it is read in a moment.
    fn is_small(&self) -> bool {
        let size = self.turns.engine().map(Engine::size);
        size.is_some_and(|size| size.is_ok_and(|bytes| bytes <= SMALL_BYTES))
    }
}

impl Store for SqliteStore {
    fn is_brief(&self, work: Work) -> bool {
        if self.turns.engine().is_none() {
            // The first write makes a file, and waits for the disk.
            return !matches!(work, Work::Put { .. } | Work::Alarm);
        }
        match work {
            Work::Keys(keys) => keys <= FEW_KEYS || self.is_small(),
            Work::Put { entries, bytes } => {
                bytes <= FEW_BYTES && (entries <= FEW_KEYS || self.is_small())
            }
            Work::List(limit) => {
                limit.is_some_and(|limit| limit as usize <= FEW_KEYS) || self.is_small()
            }
            Work::Alarm => true,
            Work::Rollback => !self.turns.is_dirty() || self.is_small(),
            Work::DeleteAll => false,
        }
    }

    fn listen_to(&mut self, stop: Arc<Stop>) {
        self.turns.listen_to(stop);
    }

    fn get(&mut self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        kv::check_keys(keys.iter(), self.turns.bounds())?;
        let values = self
            .turns
            .read(|engine, bounds| kv::get(engine, bounds, keys))?;
        Ok(values.unwrap_or_else(|| vec![None; keys.len()]))
    }

    fn put(&mut self, entries: &[(String, Vec<u8>)]) -> Result<(), StorageError> {
        kv::check_entries(entries, self.turns.bounds())?;
        if entries.is_empty() {
            return self.turns.check_not_lost();
        }
        self.turns.write(|engine, _| kv::put(engine, entries))
    }

    fn delete(&mut self, keys: &[String]) -> Result<u32, StorageError> {
        kv::check_keys(keys.iter(), self.turns.bounds())?;
        self.turns.check_not_lost()?;
        if self.turns.engine().is_none() {
            return Ok(0);
        }
        self.turns.write(|engine, _| kv::delete(engine, keys))
    }

    fn list(&mut self, options: &ListOptions) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        let range = kv::Range::of(options)?;
        let entries = self
            .turns
            .read(|engine, bounds| kv::list(engine, bounds, &range, options))?;
        Ok(entries.unwrap_or_default())
    }

    fn list_keys(&mut self, options: &ListOptions) -> Result<Vec<String>, StorageError> {
        let range = kv::Range::of(options)?;
        let keys = self
            .turns
            .read(|engine, bounds| kv::list_keys(engine, bounds, &range, options))?;
        Ok(keys.unwrap_or_default())
    }

    fn delete_all(&mut self) -> Result<(), StorageError> {
        self.turns.check_not_lost()?;
        if self.turns.engine().is_none() {
            return Ok(());
        }
        self.turns.write(|engine, _| Ok(wipe::wipe(engine)?))?;
        self.turns.expect_empty();
        Ok(())
    }

    fn exec(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<SqlResult, StorageError> {
        self.turns.check_not_lost()?;
        let bounds = Arc::clone(self.turns.bounds());
        let stop = Arc::clone(self.turns.stop());
        let exec = Exec::new(sql, parameters, &bounds, &stop)?;
        let ran = match self.turns.engine() {
            Some(engine) => exec.run(engine, false),
            // What only reads finds an empty database, and leaves none behind.
            None => exec.run(&Engine::memory("an empty database", &bounds)?, false),
        };
        match ran.map_err(|trouble| self.turns.after_read(trouble))? {
            Ran::Done(result) => Ok(result),
            Ran::WouldWrite => self.turns.write(|engine, _| {
                match engine.all_or_none(|| exec.run(engine, true))? {
                    Ran::Done(result) => Ok(result),
                    Ran::WouldWrite => unreachable!("it may write"),
                }
            }),
        }
    }

    fn size(&mut self) -> Result<u64, StorageError> {
        let size = self.turns.read(|engine, _| Ok(engine.size()?))?;
        Ok(size.unwrap_or(0))
    }

    fn begin(&mut self) -> Result<(), StorageError> {
        self.turns.begin()
    }

    fn commit(&mut self) -> Result<(), StorageError> {
        self.turns.commit()
    }

    fn rollback(&mut self) -> Result<(), StorageError> {
        self.turns.rollback()
    }

    fn alarm(&mut self) -> Result<Option<Alarm>, StorageError> {
        let alarm = self.turns.read(|engine, _| Ok(alarm::get(engine)?))?;
        Ok(alarm.flatten())
    }

    fn set_alarm(&mut self, alarm: Option<Alarm>) -> Result<(), StorageError> {
        if self.alarm()? == alarm {
            return Ok(());
        }
        self.turns.write(|engine, _| Ok(alarm::set(engine, alarm)?))
    }

    fn is_dirty(&self) -> bool {
        self.turns.is_dirty()
    }

    fn end_turn(&mut self) -> Result<(), StorageError> {
        self.turns.end_turn()
    }

    fn undo_turn(&mut self) -> Result<(), StorageError> {
        self.turns.undo_turn()
    }
}
