//! Owns the imports of `wit/storage.wit`: they translate; the storage room does the rest.

use super::wit::storage::SqlValue as WitSqlValue;
use super::wit::storage::{Host, ListOptions as WitListOptions, SqlResult as WitSqlResult};
use super::{GuestState, WitError};
use crate::guest::store::Duties;
use crate::object::Object;
use crate::storage::{ListOptions, SqlValue, StorageError};

type Refusable<T> = wasmtime::Result<Result<T, WitError>>;

/// What storage refuses, in the guest's words. A failure of storage itself fails the turn.
pub(super) fn refusal(error: StorageError, object: &Object, duties: &mut Duties) -> WitError {
    match error {
        StorageError::KeyTooLarge(limit) => WitError::KeyTooLarge(limit),
        StorageError::ValueTooLarge(limit) => WitError::ValueTooLarge(limit),
        StorageError::Sql(text) => WitError::Sql(text),
        StorageError::Options(text) => WitError::Other(text),
        StorageError::Failed(text) => {
            tracing::error!(object = %object.address, "storage failed: {text}");
            duties.storage_failed.get_or_insert_with(|| text.clone());
            WitError::Storage(text)
        }
    }
}

impl Host for GuestState {
    fn get(&mut self, keys: Vec<String>) -> Refusable<Vec<Option<Vec<u8>>>> {
        self.with_object(|object, _| object.with_store(|store| store.get(&keys)))
    }

    fn put(&mut self, entries: Vec<(String, Vec<u8>)>) -> Refusable<()> {
        self.with_object(|object, _| object.with_store(|store| store.put(&entries)))
    }

    fn delete(&mut self, keys: Vec<String>) -> Refusable<u32> {
        self.with_object(|object, _| object.with_store(|store| store.delete(&keys)))
    }

    fn list(&mut self, options: WitListOptions) -> Refusable<Vec<(String, Vec<u8>)>> {
        let options = ListOptions::from(options);
        self.with_object(|object, _| object.with_store(|store| store.list(&options)))
    }

    fn list_keys(&mut self, options: WitListOptions) -> Refusable<Vec<String>> {
        let options = ListOptions::from(options);
        self.with_object(|object, _| object.with_store(|store| store.list_keys(&options)))
    }

    fn delete_all(&mut self) -> Refusable<()> {
        self.with_object(|object, journal| {
            journal.note_alarm(object);
            object.with_store(|store| store.delete_all())?;
            object.note_delete_all();
            Ok(())
        })
    }

    fn begin(&mut self) -> Refusable<()> {
        self.with_object(|object, _| object.with_store(|store| store.begin()))
    }

    fn commit(&mut self) -> Refusable<()> {
        self.with_object(|object, _| object.with_store(|store| store.commit()))
    }

    fn rollback(&mut self) -> Refusable<()> {
        self.with_object(|object, _| object.with_store(|store| store.rollback()))
    }

    fn exec(&mut self, sql: String, parameters: Vec<WitSqlValue>) -> Refusable<WitSqlResult> {
        let parameters: Vec<_> = parameters.into_iter().map(SqlValue::from).collect();
        let done =
            self.with_object(|object, _| object.with_store(|store| store.exec(&sql, &parameters)))?;
        Ok(done.map(|result| WitSqlResult {
            columns: result.columns,
            rows: result
                .rows
                .into_iter()
                .map(|row| row.into_iter().map(WitSqlValue::from).collect())
                .collect(),
            rows_written: result.rows_written,
        }))
    }

    fn database_size(&mut self) -> Refusable<u64> {
        self.with_object(|object, _| object.with_store(|store| store.size()))
    }
}

impl From<WitListOptions> for ListOptions {
    fn from(options: WitListOptions) -> Self {
        Self {
            start: options.start,
            start_after: options.start_after,
            end: options.end,
            prefix: options.prefix,
            reverse: options.reverse,
            limit: options.limit,
        }
    }
}

impl From<WitSqlValue> for SqlValue {
    fn from(value: WitSqlValue) -> Self {
        match value {
            WitSqlValue::Null => Self::Null,
            WitSqlValue::Integer(value) => Self::Integer(value),
            WitSqlValue::Real(value) => Self::Real(value),
            WitSqlValue::Text(value) => Self::Text(value),
            WitSqlValue::Blob(value) => Self::Blob(value),
        }
    }
}

impl From<SqlValue> for WitSqlValue {
    fn from(value: SqlValue) -> Self {
        match value {
            SqlValue::Null => Self::Null,
            SqlValue::Integer(value) => Self::Integer(value),
            SqlValue::Real(value) => Self::Real(value),
            SqlValue::Text(value) => Self::Text(value),
            SqlValue::Blob(value) => Self::Blob(value),
        }
    }
}
