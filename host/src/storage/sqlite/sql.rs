//! Owns the running of the guest's SQL. Knows nothing of turns: it either only reads, or writes into the
//! transaction that is open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, Error, ErrorCode, Statement, ToSql};

use super::engine::Engine;
use super::guard::{Scope, is_host_text, mentions_host_tables};
use super::size::Sizes;
use super::trouble::{Trouble, is_engine_failure, message};
use crate::storage::bounds::Bounds;
use crate::storage::stop::Stop;
use crate::storage::store::{SqlResult, SqlValue, StorageError};

/// One call of `exec`.
#[derive(Debug)]
pub(super) struct Exec<'e> {
    sql: &'e str,
    parameters: &'e [SqlValue],
    bounds: &'e Bounds,
    deadline: Instant,
    stop: &'e Arc<Stop>,
}

/// How it went.
#[derive(Debug)]
pub(super) enum Ran {
    Done(SqlResult),
    /// It only may read, and came to a statement that writes. Nothing has been written.
    WouldWrite,
}

/// How one statement went.
enum Step {
    Done,
    WouldWrite,
}

impl<'e> Exec<'e> {
    pub(super) fn new(
        sql: &'e str,
        parameters: &'e [SqlValue],
        bounds: &'e Bounds,
        stop: &'e Arc<Stop>,
    ) -> Result<Self, StorageError> {
        if sql.len() as u64 > bounds.sql_statement_bytes {
            return Err(refused(&format!(
                "the SQL has more than {} bytes (limit sql_statement_bytes)",
                bounds.sql_statement_bytes
            )));
        }
        if sql.contains('\0') {
            // SQLite would take it for the end.
            return Err(refused("the SQL contains a zero byte"));
        }
        Ok(Self {
            sql,
            parameters,
            bounds,
            deadline: Instant::now() + Duration::from_millis(bounds.sql_ms),
            stop,
        })
    }

    pub(super) fn run(&self, engine: &Engine, may_write: bool) -> Result<Ran, Trouble> {
        let scope = engine
            .guard
            .enter(self.deadline, self.bounds.sql_temp_bytes, self.stop);
        let interrupt = engine.connection.get_interrupt_handle();
        let _armed = self.stop.arm(Box::new(move || interrupt.interrupt()));
        let before = engine.connection.total_changes();
        let mut result = SqlResult::default();
        let step = self
            .run_all(engine, &scope, may_write, &mut result)
            .map_err(|trouble| self.explain(trouble, &scope))?;
        result.rows_written = engine.connection.total_changes() - before;
        Ok(match step {
            Step::Done => Ran::Done(result),
            Step::WouldWrite => Ran::WouldWrite,
        })
    }

    fn run_all(
        &self,
        engine: &Engine,
        scope: &Scope<'_>,
        may_write: bool,
        result: &mut SqlResult,
    ) -> Result<Step, Trouble> {
        // The usual case, one statement, is compiled once. An error here may come from the second statement,
        // which needs what the first one makes.
        let mut sizes = Sizes::small(engine, self.bounds)?;
        if !is_host_text(self.sql)
            && let Ok(mut statement) = engine.connection.prepare_cached(self.sql)
        {
            let step = match self.check_parameters(statement.parameter_count()) {
                Ok(()) => self.run_one(&mut statement, scope, &mut sizes, may_write, result),
                Err(error) => Err(error.into()),
            };
            if scope.defines() || scope.sets() || scope.squares().is_some() {
                // What was noted of it while it was compiled would not be noted again.
                statement.discard();
            }
            return step;
        }
        let mut batch = Batch::new(&engine.connection, self.sql);
        let mut count = 0;
        let mut has_bound = false;
        while let Some(mut statement) = sizes.compile(|| batch.next())? {
            if has_bound {
                return Err(refused("only the last statement can have parameters").into());
            }
            count += 1;
            has_bound = statement.parameter_count() > 0;
            if let Step::WouldWrite =
                self.run_one(&mut statement, scope, &mut sizes, may_write, result)?
            {
                return Ok(Step::WouldWrite);
            }
            drop(statement);
            drop(sizes);
            sizes = Sizes::small(engine, self.bounds)?;
        }
        if count == 0 {
            return Err(refused("the SQL contains no statement").into());
        }
        if !has_bound {
            self.check_parameters(0)?;
        }
        Ok(Step::Done)
    }

    fn check_parameters(&self, wanted: usize) -> Result<(), StorageError> {
        let given = self.parameters.len();
        if wanted == given {
            return Ok(());
        }
        Err(refused(&format!(
            "the SQL has {wanted} parameters, and {given} values were given"
        )))
    }

    fn run_one(
        &self,
        statement: &mut Statement<'_>,
        scope: &Scope<'_>,
        sizes: &mut Sizes<'_>,
        may_write: bool,
        result: &mut SqlResult,
    ) -> Result<Step, Trouble> {
        if let Some(name) = scope.squares() {
            if scope.defines() {
                // SQLite would not ask about it again where the definition is used.
                return Err(refused(&format!("{name} cannot stand in a definition")).into());
            }
            sizes.bound_values(self.bounds.sql_quadratic_bytes)?;
        }
        if scope.defines() && mentions_host_tables(self.sql) {
            // SQLite does not ask about the new name of a table, nor about what a foreign key refers to, and a
            // foreign key on the host's tables would get in the way of the host's own writes.
            return Err(refused("names that begin with _pairway_ are the host's").into());
        }
        if !may_write && (!statement.readonly() || scope.sets()) {
            return Ok(Step::WouldWrite);
        }
        self.bind_and_read(statement, result)
            .map_err(|trouble| match trouble {
                Trouble::Engine(error) if error.sqlite_error_code() == Some(ErrorCode::TooBig) => {
                    refused(&Self::too_big(&error, scope, sizes)).into()
                }
                other @ (Trouble::Engine(_) | Trouble::Full(..) | Trouble::Refused(_)) => other,
            })?;
        Ok(Step::Done)
    }

    fn bind_and_read(
        &self,
        statement: &mut Statement<'_>,
        result: &mut SqlResult,
    ) -> Result<(), Trouble> {
        if statement.parameter_count() > 0 {
            self.check_parameters(statement.parameter_count())?;
            for (index, value) in self.parameters.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, value)?;
            }
        }
        self.read_rows(statement, result)
    }

    fn too_big(error: &Error, scope: &Scope<'_>, sizes: &Sizes<'_>) -> String {
        let (text, bytes) = (message(error), sizes.value_bytes);
        if let Some(name) = scope.squares() {
            return format!(
                "{text}: with {name} no value has more than {bytes} bytes (limit sql_quadratic_bytes)"
            );
        }
        if sizes.is_small() {
            return format!("{text}{}", Self::hint(error));
        }
        format!(
            "{text}: in a statement of so many instructions no value has more than {bytes} bytes (limits value_bytes, sql_instructions)"
        )
    }

    /// Run a statement to its end; what the one before gave is dropped.
    fn read_rows(
        &self,
        statement: &mut Statement<'_>,
        result: &mut SqlResult,
    ) -> Result<(), Trouble> {
        result.rows.clear();
        let mut left = self.bounds.result_bytes;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let columns = row.as_ref().column_count();
            let mut values = Vec::with_capacity(columns);
            let mut bytes = size_of_val(&values);
            for column in 0..columns {
                let value = row.get_ref(column)?;
                bytes += size_of::<SqlValue>() + payload_bytes(value);
                left = left.checked_sub(bytes as u64).ok_or_else(|| {
                    refused(&format!(
                        "the rows take more than {} bytes (limit result_bytes): ask for less at a time",
                        self.bounds.result_bytes
                    ))
                })?;
                bytes = 0;
                values.push(owned(value));
            }
            result.rows.push(values);
        }
        drop(rows);
        // Only now: a statement that was compiled before its table changed is compiled anew when it starts.
        result.columns = statement.column_names().map(str::to_owned).collect();
        Ok(())
    }

    fn hint(error: &Error) -> &'static str {
        match error.sqlite_error_code() {
            Some(ErrorCode::TooBig) => " (limit value_bytes)",
            // So SQLite says that there are too many instructions. The memory itself does not run out: then
            // the process is gone.
            Some(ErrorCode::OutOfMemory) => ": the SQL is too complex (limit sql_instructions)",
            _ => "",
        }
    }

    /// Tell the guest's mistakes from failures of the engine.
    fn explain(&self, trouble: Trouble, scope: &Scope<'_>) -> Trouble {
        let error = match trouble {
            Trouble::Engine(error) => error,
            Trouble::Refused(_) | Trouble::Full(..) => return trouble,
        };
        let text = if scope.is_late() && is_interruption(&error) {
            format!(
                "the SQL took more than {} ms (limit sql_ms)",
                self.bounds.sql_ms
            )
        } else if scope.is_spilling() {
            format!(
                "temporary files take more than {} bytes (limit sql_temp_bytes)",
                self.bounds.sql_temp_bytes
            )
        } else if let Some(refusal) = scope.take_refusal() {
            refusal
        } else if is_engine_failure(&error) {
            return Trouble::Engine(error);
        } else {
            message(&error) + Self::hint(&error)
        };
        refused(&text).into()
    }
}

fn is_interruption(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

fn refused(text: &str) -> StorageError {
    StorageError::Sql(text.to_owned())
}

/// Bytes that a value takes beside itself.
fn payload_bytes(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
    }
}

fn owned(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(integer) => SqlValue::Integer(integer),
        ValueRef::Real(real) => SqlValue::Real(real),
        // A cast can make a TEXT of any bytes.
        ValueRef::Text(bytes) => SqlValue::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
    }
}

impl ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

#[cfg(test)]
#[path = "sql_tests.rs"]
mod tests;
