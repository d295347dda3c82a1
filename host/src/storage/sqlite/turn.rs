//! Owns the turns of one database: when a turn's transaction begins, how transactions nest in it, how it ends, and
//! what is left when something fails on the way. Knows nothing of what is read and written.

mod charge;

use std::sync::Arc;

use super::engine::Engine;
use super::home::Home;
use super::trouble::{Trouble, failed};
use super::wipe;
use crate::storage::bounds::Bounds;
use crate::storage::room::Room;
use crate::storage::stop::Stop;
use crate::storage::store::StorageError;

const BEGIN: &str = "BEGIN /* _pairway_ */";
const COMMIT: &str = "COMMIT /* _pairway_ */";
const ROLLBACK: &str = "ROLLBACK /* _pairway_ */";

/// One object's database, and the turn that is under way.
#[derive(Debug)]
pub(super) struct Turns {
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
    stop: Arc<Stop>,
    room: Arc<Room>,
    /// Bytes that the database is charged with, and its size when it was last looked at.
    charged: u64,
    size: u64,
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

impl Turns {
    pub(super) fn open(
        mut home: Box<dyn Home>,
        room: Arc<Room>,
        bounds: Arc<Bounds>,
    ) -> Result<Self, StorageError> {
        let engine = home.find()?;
        let charged = engine.as_ref().map_or(0, |engine| home.bytes(engine));
        let size = engine
            .as_ref()
            .map_or(0, |engine| engine.size().unwrap_or(0));
        Ok(Self {
            engine,
            home,
            room,
            charged,
            size,
            bounds,
            turn: Turn::Clean,
            depth: 0,
            is_new: false,
            may_be_empty: false,
            stop: Arc::default(),
        })
    }

    pub(super) fn listen_to(&mut self, stop: Arc<Stop>) {
        self.stop = stop;
    }

    pub(super) fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }

    pub(super) fn bounds(&self) -> &Arc<Bounds> {
        &self.bounds
    }

    /// The database, if there is one yet.
    pub(super) fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.turn != Turn::Clean
    }

    pub(super) fn check_not_lost(&self) -> Result<(), StorageError> {
        match &self.turn {
            Turn::Clean | Turn::Dirty => Ok(()),
            Turn::Lost(cause) => Err(lost(cause)),
        }
    }

    /// Read; `None` if there is no database.
    pub(super) fn read<T>(
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
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&Engine, &Bounds) -> Result<T, Trouble>,
    ) -> Result<T, StorageError> {
        self.check_not_lost()?;
        let is_first = self.turn == Turn::Clean;
        let result = if is_first { self.start() } else { Ok(()) };
        let result = result.and_then(|()| {
            let grant = self.grant()?;
            let engine = self.engine_of_dirty_turn();
            let result = work(engine, &self.bounds);
            drop(grant);
            result
        });
        let result = result.map_err(|trouble| {
            let trouble = self.explain_full(trouble);
            self.after_write(trouble, is_first)
        });
        self.recharge();
        result
    }

    fn engine_of_dirty_turn(&self) -> &Engine {
        self.engine
            .as_ref()
            .expect("the first write of a turn makes the database if there is none")
    }

    /// Begin the turn's transaction, and in it those that the guest has begun.
    fn start(&mut self) -> Result<(), Trouble> {
        if self.engine.is_none() {
            self.room.add_object()?;
            let made = self.home.create();
            self.engine = Some(made.inspect_err(|_| self.room.remove_object())?);
            self.is_new = true;
            self.recharge();
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

    pub(super) fn after_read(&mut self, trouble: Trouble) -> StorageError {
        let error = trouble.into_error(&self.place());
        let is_undone = self
            .engine
            .as_ref()
            .is_some_and(|engine| !engine.is_in_transaction());
        if self.turn == Turn::Dirty && is_undone {
            self.lose(&error);
        }
        error
    }

    /// A failure of the engine takes the whole turn with it, as SQLite itself undoes the transaction in some of
    /// these cases and not in others. Only if it was the turn's first write is nothing else lost.
    fn after_write(&mut self, trouble: Trouble, is_first: bool) -> StorageError {
        let is_engine = matches!(trouble, Trouble::Engine(_) | Trouble::Full(..));
        let error = trouble.into_error(&self.place());
        let is_undone = self
            .engine
            .as_ref()
            .is_some_and(|engine| !engine.is_in_transaction());
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
        let is_new = std::mem::take(&mut self.is_new);
        let Some(engine) = self.engine.take() else {
            return Ok(());
        };
        if engine.is_in_transaction()
            && let Err(error) = engine.run(ROLLBACK)
        {
            let error = failed(&engine.place, &error);
            // Nobody is to read what should be undone.
            self.turn = Turn::Lost(error.to_string());
            self.engine = Some(engine);
            return Err(error);
        }
        if is_new {
            self.discharge();
            return self.home.remove(engine);
        }
        self.engine = Some(engine);
        self.recharge();
        Ok(())
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
        let result = match wipe::is_empty(&engine) {
            Ok(true) => {
                self.discharge();
                self.home.remove(engine)
            }
            Ok(false) => {
                let result = engine.vacuum();
                self.engine = Some(engine);
                self.recharge();
                result
            }
            Err(error) => {
                let error = failed(&engine.place, &error);
                self.engine = Some(engine);
                Err(error)
            }
        };
        if let Err(error) = result {
            // The turn is committed all the same.
            tracing::warn!("{error}");
        }
    }

    /// This turn has deleted everything.
    pub(super) fn expect_empty(&mut self) {
        self.may_be_empty = true;
    }

    pub(super) fn begin(&mut self) -> Result<(), StorageError> {
        self.check_not_lost()?;
        if self.depth >= self.bounds.transaction_depth {
            return Err(StorageError::Options(format!(
                "more than {} transactions inside one another (limit transaction_depth)",
                self.bounds.transaction_depth
            )));
        }
        let sql = savepoint("SAVEPOINT", self.depth + 1);
        if self.turn == Turn::Dirty {
            self.write(|engine, _| Ok(engine.run(&sql)?))?;
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), StorageError> {
        self.end_nested("commit", &["RELEASE"])
    }

    pub(super) fn rollback(&mut self) -> Result<(), StorageError> {
        self.end_nested("rollback", &["ROLLBACK TO", "RELEASE"])?;
        self.may_be_empty |= self.is_new;
        Ok(())
    }

    fn end_nested(&mut self, name: &str, verbs: &[&str]) -> Result<(), StorageError> {
        self.check_not_lost()?;
        if self.depth == 0 {
            return Err(StorageError::Options(format!("{name} without begin")));
        }
        let depth = self.depth;
        if self.turn == Turn::Dirty {
            self.write(|engine, _| {
                for verb in verbs {
                    engine.run(&savepoint(verb, depth))?;
                }
                Ok(())
            })?;
        }
        self.depth -= 1;
        Ok(())
    }

    pub(super) fn end_turn(&mut self) -> Result<(), StorageError> {
        let depth = self.depth;
        let result = match &self.turn {
            Turn::Clean => Ok(()),
            Turn::Lost(cause) => Err(lost(cause)),
            Turn::Dirty => self
                .finish()
                .map_err(|trouble| trouble.into_error(&self.place())),
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

    pub(super) fn undo_turn(&mut self) -> Result<(), StorageError> {
        self.stop.reset();
        self.depth = 0;
        self.undo()
    }
}

fn savepoint(verb: &str, depth: u64) -> String {
    format!("{verb} _pairway_{depth}")
}

fn lost(cause: &str) -> StorageError {
    StorageError::Failed(format!(
        "what this turn wrote is undone, because of: {cause}"
    ))
}

impl Drop for Turns {
    fn drop(&mut self) {
        if let Err(error) = self.undo() {
            tracing::warn!("{error}");
        }
        if let Some(engine) = self.engine.take() {
            let bytes = self.home.keep(engine);
            self.room.resize(self.charged, bytes);
        }
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
