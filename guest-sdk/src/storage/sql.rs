//! Owns [`SqlStorage`]: an object's database, and what a statement gave.

use super::params::SqlParams;
use super::row::{NoRow, Row};
use crate::error::{Error, Result};
use crate::sys;
use crate::value::SqlStorageValue;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::rc::Rc;

/// A durable object's database, from [`Storage::sql`](super::Storage::sql).
#[derive(Clone, Debug)]
pub struct SqlStorage {
    host: sys::Object,
}

impl SqlStorage {
    pub(super) fn new(host: sys::Object) -> Self {
        Self { host }
    }

    /// Run one or more statements; the parameters belong to the last, and so does what is returned.
    ///
    /// ```no_run
    /// # use pairway::*;
    /// # fn example(state: State) -> Result<()> {
    /// #[derive(serde::Deserialize)]
    /// struct Line { author: String, text: String }
    ///
    /// let sql = state.storage().sql();
    /// sql.exec("CREATE TABLE IF NOT EXISTS lines (author TEXT, text TEXT)", None)?;
    /// sql.exec("INSERT INTO lines VALUES (?, ?)", ("Ada", "hello"))?;
    /// let lines: Vec<Line> = sql.exec("SELECT * FROM lines WHERE author = ?", ["Ada"])?.to_array()?;
    /// let count: u32 = sql.exec("SELECT count(*) FROM lines", None)?.one()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Sql`] if SQLite refuses a statement.
    pub fn exec(&self, sql: &str, parameters: impl SqlParams) -> Result<SqlCursor> {
        let rows = self.host.exec(sql, &parameters.into_values())?;
        Ok(SqlCursor(Rc::new(rows)))
    }

    /// How many bytes the database takes.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn database_size(&self) -> Result<u64> {
        self.host.database_size()
    }
}

/// What a statement gave: its rows, all of them.
#[derive(Clone, Debug)]
pub struct SqlCursor(Rc<sys::Rows>);

impl SqlCursor {
    /// All rows. A row is a struct or a map by the names of its columns, a tuple by their order, or the value of its
    /// one column, a BLOB as `Vec<u8>` or `[u8; N]`. An `Option` is `None` if all of its columns are NULL.
    ///
    /// # Errors
    ///
    /// [`Error::Row`] if a row is not of this type.
    pub fn to_array<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.next().collect()
    }

    /// The row, of which there is exactly one; or none, if an `Option` is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Row`] if there are none or several, or it is not of this type.
    pub fn one<T: DeserializeOwned>(&self) -> Result<T> {
        match self.0.rows.as_slice() {
            [row] => self.row(row),
            [] => T::deserialize(NoRow).map_err(|error| Error::Row(error.to_string())),
            rows => Err(Error::Row(format!("expected one row, not {}", rows.len()))),
        }
    }

    /// The rows one by one; the name is that of workers-rs.
    #[must_use]
    pub fn next<T: DeserializeOwned>(&self) -> SqlIterator<T> {
        SqlIterator {
            cursor: self.clone(),
            index: 0,
            row: PhantomData,
        }
    }

    /// The rows as they are, one by one.
    pub fn raw(&self) -> impl Iterator<Item = &[SqlStorageValue]> {
        self.0.rows.iter().map(Vec::as_slice)
    }

    /// The names of the columns.
    #[must_use]
    pub fn column_names(&self) -> &[String] {
        &self.0.columns
    }

    /// How many rows were written.
    #[must_use]
    pub fn rows_written(&self) -> u64 {
        self.0.rows_written
    }

    fn row<T: DeserializeOwned>(&self, values: &[SqlStorageValue]) -> Result<T> {
        let row = Row {
            columns: &self.0.columns,
            values,
        };
        T::deserialize(row).map_err(|error| Error::Row(error.to_string()))
    }
}

/// The rows of a [`SqlCursor`], one by one.
#[derive(Debug)]
pub struct SqlIterator<T> {
    cursor: SqlCursor,
    index: usize,
    row: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Iterator for SqlIterator<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.cursor.0.rows.get(self.index)?;
        self.index += 1;
        Some(self.cursor.row(row))
    }
}
