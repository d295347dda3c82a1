//! Owns the functions of SQL that stand in for SQLite's own, because those take time or memory that nothing bounds:
//! the time of `instr`, `replace` and `trim` grows with the product of their arguments, and SQLite does not look at the
//! clock within a function; `json_group_array` and `json_group_object` keep more than a value may have. The results are
//! the same.

mod json;
mod text;

use std::cell::RefCell;

use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, Params, ToSql, ffi};

/// Have a connection use them. `most` is the number of bytes that a result may have.
pub(super) fn install(connection: &Connection, most: usize) -> rusqlite::Result<()> {
    text::install(connection, most)?;
    json::install(connection, most)
}

/// What they have in common with those of SQLite's: they can stand in indexes, generated columns and views.
fn flags() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS
}

/// The result has more bytes than a value may have.
fn too_big() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None)
}

/// A result that need not be UTF-8, as no text of SQLite's need be.
enum Bytes {
    Null,
    Text(Vec<u8>),
}

impl ToSql for Bytes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Text(bytes) => ValueRef::Text(bytes),
        }))
    }
}

/// Ask SQLite itself, which alone knows how it writes a number. The connection belongs to the thread: that of the
/// statement under way cannot be used.
fn ask<P: Params>(sql: &str, parameters: P) -> rusqlite::Result<Value> {
    thread_local! {
        static ORACLE: RefCell<Option<Connection>> = const { RefCell::new(None) };
    }
    ORACLE.with_borrow_mut(|oracle| {
        let connection = match oracle {
            Some(connection) => connection,
            none => none.insert(Connection::open_in_memory()?),
        };
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_row(parameters, |row| row.get(0))
    })
}

#[cfg(test)]
#[path = "../functions_tests.rs"]
mod tests;
