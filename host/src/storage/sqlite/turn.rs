//! Owns the turn of a store: when its transaction begins, how transactions nest in it, how it ends, and what is
//! left when something fails on the way. Knows nothing of SQL but that.

use std::sync::Arc;

use super::engine::Engine;
use super::home::Home;
use super::sql::{Exec, Ran};
use super::trouble::{Trouble, failed};
use super::{alarm, kv, wipe};
use crate::storage::bounds::Bounds;
use crate::storage::store::{
    Alarm, ListOptions, SqlResult, SqlValue, StorageError, Store,
};

const BEGIN: &str = "BEGIN /* _pairway_ */";
const COMMIT: &str = "COMMIT /* _pairway_ */";
const ROLLBACK: &str = "ROLLBACK /* _pairway_ */";

/// One object's database, as turns use it.
#[derive(Debug)]
pub(in crate::storage) struct SqliteStore {
    home: Box<dyn Home>,
    bounds: Arc<Bounds>,
    /// None until the object's first write.
    engine: Option<Engine>,
    turn: Turn,
    /// Transactions of the guest that are open, one inside the other. SQLite hears of them at the first write.
    depth: u64,
    /// This turn has made the database.
    is_new: bool,
    /// This turn may leave nothing in the database.
    may_be_empty: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing is written, and SQLite has no transaction.
    Clean,
    /// SQLite has a transaction.
    Dirty,
    /// What the turn wrote is undone already, for this reason, and the turn does not know.
    Lost(String),
}

impl SqliteStore {
    pub(in crate::storage) fn open(
        mut home: Box<dyn Home>,
        bounds: Arc<Bounds>,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            engine: home.find()?,
            home,
            bounds,
            turn: Turn::Clean,
            depth: 0,
            is_new: false,
            may_be_empty: false,
        })
    }

    fn check_not_lost(&self) -> Result<(), StorageError> {
        match &self.turn {
            Turn::Clean | Turn::Dirty => Ok(()),
            Turn::Lost(cause) => Err(lost(cause)),
        }
    }

    /// Read; `None` if there is no database.
    fn read<T>(
        &mut self,
        work: impl FnOnce(&Engine, &Bounds) -> Result<T, Trouble>,
    ) -> Result<Option<T>, StorageError> {
        self.check_not_lost()?;
        let Some(engine) = &self.engine else {
            return Ok(None);
        };
        let result = work(engine, &self.bounds);
        result.map(Some).map_err(|trouble| self.after_read(trouble))
    }

    /// Write, as part of the turn's transaction. `work` does all or nothing, unless the engine fails.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Engine, &Bounds) -> Result<T, Trouble>,
    ) -> Result<T, StorageError> {
        self.check_not_lost()?;
        let is_first = self.turn == Turn::Clean;
        let result = if is_first { self.start() } else { Ok(()) };
        let result = result.and_then(|()| work(self.engine_of_dirty_turn(), &self.bounds));
        result.map_err(|trouble| self.after_write(trouble, is_first))
    }

    fn engine_of_dirty_turn(&self) -> &Engine {
        self.engine
            .as_ref()
            .expect("the first write of a turn makes the database if there is none")
    }

    /// Begin the turn's transaction, and in it those that the guest has begun.
    fn start(&mut self) -> Result<(), Trouble> {
        if self.engine.is_none() {
            self.engine = Some(self.home.create()?);
            self.is_new = true;
        }
        let engine = self.engine_of_dirty_turn();
        engine.run(BEGIN)?;
        for depth in 1..=self.depth {
            engine.run(&savepoint("SAVEPOINT", depth))?;
        }
        self.turn = Turn::Dirty;
        Ok(())
    }

    fn place(&self) -> Arc<str> {
        self.engine
            .as_ref()
            .map_or_else(|| "the database".into(), |engine| Arc::clone(&engine.place))
    }

    fn after_read(&mut self, trouble: Trouble) -> StorageError {
        let error = trouble.into_error(&self.place());
        let is_undone = self.engine.as_ref().is_some_and(|engine| !engine.is_in_transaction());
        if self.turn == Turn::Dirty && is_undone {
            self.lose(&error);
        }
        error
    }

    /// A failure of the engine takes the whole turn with it, as SQLite itself undoes the transaction in some of
    /// these cases and not in others. Only if it was the turn's first write is nothing else lost.
    fn after_write(&mut self, trouble: Trouble, is_first: bool) -> StorageError {
        let is_engine = matches!(trouble, Trouble::Engine(_));
        let error = trouble.into_error(&self.place());
        let is_undone = self.engine.as_ref().is_some_and(|engine| !engine.is_in_transaction());
        if is_first {
            if let Err(error) = self.undo() {
                self.lose(&error);
            }
        } else if is_engine || is_undone {
            self.lose(&error);
        }
        error
    }

    fn lose(&mut self, cause: &StorageError) {
        if let Err(error) = self.undo() {
            tracing::warn!("{error}");
        }
        self.turn = Turn::Lost(cause.to_string());
    }

    /// Undo what the turn wrote. The guest's transactions stay open: it ends them.
    fn undo(&mut self) -> Result<(), StorageError> {
        self.turn = Turn::Clean;
        self.may_be_empty = false;
        let Some(engine) = self.engine.take() else {
            self.is_new = false;
            return Ok(());
        };
        if std::mem::take(&mut self.is_new) {
            return self.home.remove(engine);
        }
        let result = if engine.is_in_transaction() {
            engine.run(ROLLBACK).map_err(|error| failed(&engine.place, &error))
        } else {
            Ok(())
        };
        self.engine = Some(engine);
        result
    }

    fn finish(&mut self) -> Result<(), Trouble> {
        let engine = self.engine_of_dirty_turn();
        if self.depth > 0 {
            engine.run(&savepoint("ROLLBACK TO", 1))?;
        }
        engine.run(COMMIT).map_err(|error| {
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
                return StorageError::Sql(format!("at the end of the turn: {error}")).into();
            }
            Trouble::Engine(error)
        })
    }

    /// Give back the room of what was deleted, once the turn is committed.
    fn tidy(&mut self) {
        let Some(engine) = self.engine.take() else {
            return;
        };
        let is_empty = wipe::is_empty(&engine).map_err(|error| failed(&engine.place, &error));
        let result = match is_empty {
            Ok(true) => self.home.remove(engine),
            Ok(false) | Err(_) => {
                let result = is_empty.and_then(|_| engine.vacuum());
                self.engine = Some(engine);
                result
            }
        };
        if let Err(error) = result {
            // The turn is committed all the same.
            tracing::warn!("{error}");
        }
    }

    fn end_nested(&mut self, verb: &str, sqls: &[&str]) -> Result<(), StorageError> {
        self.check_not_lost()?;
        if self.depth == 0 {
            return Err(StorageError::Options(format!("{verb} without begin")));
        }
        if self.turn == Turn::Dirty {
            let depth = self.depth;
            self.write(|engine, _| {
                for sql in sqls {
                    engine.run(&savepoint(sql, depth))?;
                }
                Ok(())
            })?;
        }
        self.depth -= 1;
        Ok(())
    }
}

fn savepoint(verb: &str, depth: u64) -> String {
    format!("{verb} _pairway_{depth}")
}

fn lost(cause: &str) -> StorageError {
    StorageError::Failed(format!("what this turn wrote is undone, because of: {cause}"))
}

impl Store for SqliteStore {
    fn get(&mut self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        kv::check_keys(keys.iter(), &self.bounds)?;
        let values = self.read(|engine, bounds| kv::get(engine, bounds, keys))?;
        Ok(values.unwrap_or_else(|| vec![None; keys.len()]))
    }

    fn put(&mut self, entries: &[(String, Vec<u8>)]) -> Result<(), StorageError> {
        kv::check_entries(entries, &self.bounds)?;
        if entries.is_empty() {
            return self.check_not_lost();
        }
        self.write(|engine, _| kv::put(engine, entries))
    }

    fn delete(&mut self, keys: &[String]) -> Result<u32, StorageError> {
        kv::check_keys(keys.iter(), &self.bounds)?;
        if self.read(|_, _| Ok(()))?.is_none() {
            return Ok(0);
        }
        self.write(|engine, _| kv::delete(engine, keys))
    }

    fn list(&mut self, options: &ListOptions) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        let range = kv::Range::of(options)?;
        let entries = self.read(|engine, bounds| kv::list(engine, bounds, &range, options))?;
        Ok(entries.unwrap_or_default())
    }

    fn delete_all(&mut self) -> Result<(), StorageError> {
        if self.read(|_, _| Ok(()))?.is_none() {
            return Ok(());
        }
        self.write(|engine, _| Ok(wipe::wipe(engine)?))?;
        self.may_be_empty = true;
        Ok(())
    }

    fn exec(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<SqlResult, StorageError> {
        self.check_not_lost()?;
        let bounds = Arc::clone(&self.bounds);
        let exec = Exec::new(sql, parameters, &bounds)?;
        let ran = match &self.engine {
            Some(engine) => exec.run(engine, false),
            // What reads only finds an empty database, and leaves none behind.
            None => exec.run(&Engine::memory("an empty database", &bounds)?, false),
        };
        match ran.map_err(|trouble| self.after_read(trouble))? {
            Ran::Done(result) => Ok(result),
            Ran::WouldWrite => self.write(|engine, _| {
                match engine.all_or_none(|| exec.run(engine, true))? {
                    Ran::Done(result) => Ok(result),
                    Ran::WouldWrite => unreachable!("it may write"),
                }
            }),
        }
    }

    fn size(&mut self) -> Result<u64, StorageError> {
        let size = self.read(|engine, _| Ok(engine.size()?))?;
        Ok(size.unwrap_or(0))
    }

    fn begin(&mut self) -> Result<(), StorageError> {
        self.check_not_lost()?;
        if self.depth >= self.bounds.transaction_depth {
            return Err(StorageError::Options(format!(
                "more than {} transactions inside one another (limit transaction_depth)",
                self.bounds.transaction_depth
            )));
        }
        if self.turn == Turn::Dirty {
            let depth = self.depth + 1;
            self.write(|engine, _| Ok(engine.run(&savepoint("SAVEPOINT", depth))?))?;
        }
        self.depth += 1;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StorageError> {
        self.end_nested("commit", &["RELEASE"])
    }

    fn rollback(&mut self) -> Result<(), StorageError> {
        self.end_nested("rollback", &["ROLLBACK TO", "RELEASE"])?;
        self.may_be_empty |= self.is_new;
        Ok(())
    }

    fn alarm(&mut self) -> Result<Option<Alarm>, StorageError> {
        let alarm = self.read(|engine, _| Ok(alarm::get(engine)?))?;
        Ok(alarm.flatten())
    }

    fn set_alarm(&mut self, alarm: Option<Alarm>) -> Result<(), StorageError> {
        if self.alarm()? == alarm {
            return Ok(());
        }
        self.write(|engine, _| Ok(alarm::set(engine, alarm)?))
    }

    fn is_dirty(&self) -> bool {
        self.turn != Turn::Clean
    }

    fn end_turn(&mut self) -> Result<(), StorageError> {
        let depth = self.depth;
        let result = match &self.turn {
            Turn::Clean => Ok(()),
            Turn::Lost(cause) => Err(lost(cause)),
            Turn::Dirty => self.finish().map_err(|trouble| trouble.into_error(&self.place())),
        };
        self.depth = 0;
        if result.is_err() {
            if let Err(error) = self.undo() {
                tracing::warn!("{error}");
            }
            return result;
        }
        if std::mem::replace(&mut self.turn, Turn::Clean) == Turn::Dirty {
            self.may_be_empty |= self.is_new && depth > 0;
            self.is_new = false;
            if std::mem::take(&mut self.may_be_empty) {
                self.tidy();
            }
        }
        Ok(())
    }

    fn undo_turn(&mut self) -> Result<(), StorageError> {
        self.depth = 0;
        self.undo()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Err(error) = self.undo() {
            tracing::warn!("{error}");
        }
        if let Some(engine) = self.engine.take() {
            self.home.keep(engine);
        }
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
