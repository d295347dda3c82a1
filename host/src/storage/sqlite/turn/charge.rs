//! Owns what a turn's database is charged with of the room that all have together, and how far a call lets it grow.

use super::super::engine::Engine;
use super::super::trouble::Trouble;
use super::Turns;
use crate::storage::room::Grant;

impl Turns {
    /// Have the database grow only by what it may.
    pub(super) fn grant(&self) -> Result<Grant, Trouble> {
        let most = self.bounds.database_bytes.saturating_sub(self.size);
        let grant = self.room.grant(most);
        let engine = self.engine_of_dirty_turn();
        engine.bound((self.size + grant.bytes).min(self.bounds.database_bytes))?;
        Ok(grant)
    }

    /// Charge the database with what it takes now.
    pub(super) fn recharge(&mut self) {
        let Some(Ok(size)) = self.engine.as_ref().map(Engine::size) else {
            return;
        };
        let charged = (self.charged + size).saturating_sub(self.size);
        self.room.resize(self.charged, charged);
        (self.charged, self.size) = (charged, size);
    }

    /// The database is gone, and what it was charged with.
    pub(super) fn discharge(&mut self) {
        self.room.resize(self.charged, 0);
        self.room.remove_object();
        (self.charged, self.size) = (0, 0);
    }

    /// Say which bound it is that a full database has come to.
    pub(super) fn explain_full(&self, trouble: Trouble) -> Trouble {
        match trouble {
            Trouble::Engine(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
                    && self
                        .engine
                        .as_ref()
                        .is_some_and(|engine| engine.most_bytes() < self.bounds.database_bytes) =>
            {
                Trouble::Full(error, self.room.full())
            }
            other @ (Trouble::Engine(_) | Trouble::Full(..) | Trouble::Refused(_)) => other,
        }
    }
}
