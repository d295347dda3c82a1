//! Owns how large the values may be that a statement works with, so that it ends about when its time is over: SQLite looks
//! at the clock where a statement jumps, not within one function, nor between those that stand one after the other. Few
//! instructions may work with the largest values, more instructions with smaller ones.

use rusqlite::limits::Limit;
use rusqlite::{Error, ErrorCode};

use super::engine::{Engine, limit, value_bytes};
use crate::storage::bounds::Bounds;

/// Instructions that may all work with the largest values.
const FEW_INSTRUCTIONS: i32 = 2_000;

/// By how much each further step has more instructions, and smaller values.
const STEP: i32 = 8;

/// The sizes for one statement. When it is dropped, those for all others are in force again.
#[derive(Debug)]
pub(super) struct Sizes<'e> {
    engine: &'e Engine,
    bounds: &'e Bounds,
    instructions: i32,
    pub(super) value_bytes: i32,
}

impl<'e> Sizes<'e> {
    /// Those of a small statement.
    pub(super) fn small(engine: &'e Engine, bounds: &'e Bounds) -> rusqlite::Result<Self> {
        let sizes = Self {
            engine,
            bounds,
            instructions: FEW_INSTRUCTIONS.min(limit(bounds.sql_instructions)),
            value_bytes: value_bytes(bounds),
        };
        sizes.set()?;
        Ok(sizes)
    }

    fn set(&self) -> rusqlite::Result<()> {
        let connection = &self.engine.connection;
        connection.set_limit(Limit::SQLITE_LIMIT_VDBE_OP, self.instructions)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, self.value_bytes)?;
        Ok(())
    }

    /// Compile a statement, as one of more instructions with smaller values if need be.
    pub(super) fn compile<T>(
        &mut self,
        mut compile: impl FnMut() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let most = limit(self.bounds.sql_instructions);
        loop {
            match compile() {
                Err(error) if is_too_complex(&error) && self.instructions < most => {
                    self.instructions = self.instructions.saturating_mul(STEP).min(most);
                    self.value_bytes /= STEP;
                    self.set()?;
                }
                result => return result,
            }
        }
    }

    /// Have no value be larger than this.
    pub(super) fn bound_values(&mut self, bytes: u64) -> rusqlite::Result<()> {
        self.value_bytes = self.value_bytes.min(limit(bytes));
        self.set()
    }

    pub(super) fn is_small(&self) -> bool {
        self.instructions <= FEW_INSTRUCTIONS
    }
}

impl Drop for Sizes<'_> {
    fn drop(&mut self) {
        self.instructions = limit(self.bounds.sql_instructions);
        self.value_bytes = value_bytes(self.bounds);
        if let Err(error) = self.set() {
            tracing::warn!("{}: {error}", self.engine.place);
        }
    }
}

/// So SQLite says that there are too many instructions.
fn is_too_complex(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OutOfMemory)
}
