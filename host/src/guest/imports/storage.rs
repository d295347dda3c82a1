//! Owns the imports of `wit/storage.wit`: they translate; the storage room does the rest.

use super::wit::storage::SqlValue as WitSqlValue;
use super::wit::storage::{Host, ListOptions as WitListOptions, SqlResult as WitSqlResult};
use super::{GuestState, WitError};
use crate::guest::store::Duties;
use crate::object::{Object, Timed};
use crate::printable::Printable;
use crate::storage::{ListOptions, SqlValue, StorageError, Store, Work};

type Refusable<T> = wasmtime::Result<Result<T, WitError>>;

/// What storage refuses, in the guest's words. A failure of storage itself fails the turn.
pub(super) fn refusal(error: StorageError, object: &Object, duties: &mut Duties) -> WitError {
    match error {
        StorageError::KeyTooLarge(limit) => WitError::KeyTooLarge(limit),
        StorageError::ValueTooLarge(limit) => WitError::ValueTooLarge(limit),
        StorageError::Sql(text) => WitError::Sql(text),
        StorageError::Options(text) => WitError::Other(text),
        StorageError::Failed(text) => {
            // The fault that comes of it is in the log.
            tracing::debug!(object = %object.address, "storage failed: {}", Printable(&text));
            duties.storage_failed.get_or_insert_with(|| text.clone());
            WitError::Storage(text)
        }
    }
}

impl GuestState {
    /// Have the object's store do something.
    async fn with_store<T: Send + 'static>(
        &mut self,
        work: Work,
        f: impl FnOnce(&mut dyn Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Refusable<T> {
        let object = match self.object() {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        let timed = object.with_store(work, f).await;
        self.finish_storage(timed, &object)
    }

    /// What the store's thread has done is done for this turn.
    fn finish_storage<T>(&mut self, (done, time): Timed<T>, object: &Object) -> Refusable<T> {
        self.spend_cpu(time)?;
        Ok(done.map_err(|error| refusal(error, object, &mut self.duties)))
    }
}

impl Host for GuestState {
    async fn get(&mut self, keys: Vec<String>) -> Refusable<Vec<Option<Vec<u8>>>> {
        let work = Work::Keys(keys.len());
        self.with_store(work, move |store| store.get(&keys)).await
    }

    async fn put(&mut self, entries: Vec<(String, Vec<u8>)>) -> Refusable<()> {
        let bytes = |(key, value): &(String, Vec<u8>)| key.len() + value.len();
        let work = Work::Put {
            entries: entries.len(),
            bytes: entries.iter().map(bytes).sum(),
        };
        self.with_store(work, move |store| store.put(&entries))
            .await
    }

    async fn delete(&mut self, keys: Vec<String>) -> Refusable<u32> {
        let work = Work::Keys(keys.len());
        self.with_store(work, move |store| store.delete(&keys))
            .await
    }

    async fn list(&mut self, options: WitListOptions) -> Refusable<Vec<(String, Vec<u8>)>> {
        let options = ListOptions::from(options);
        let work = Work::List(options.limit);
        self.with_store(work, move |store| store.list(&options))
            .await
    }

    async fn list_keys(&mut self, options: WitListOptions) -> Refusable<Vec<String>> {
        let options = ListOptions::from(options);
        let work = Work::List(options.limit);
        self.with_store(work, move |store| store.list_keys(&options))
            .await
    }

    async fn delete_all(&mut self) -> Refusable<()> {
        if let Ok(object) = self.object() {
            self.effects.journal.note_alarm(&object);
        }
        let done = self.with_store(Work::DeleteAll, |store| store.delete_all());
        let done = done.await?;
        if let (Ok(()), Ok(object)) = (&done, self.object()) {
            object.note_delete_all();
        }
        Ok(done)
    }

    async fn begin(&mut self) -> Refusable<()> {
        self.with_store(Work::Keys(0), |store| store.begin()).await
    }

    async fn commit(&mut self) -> Refusable<()> {
        self.with_store(Work::Keys(0), |store| store.commit()).await
    }

    async fn rollback(&mut self) -> Refusable<()> {
        self.with_store(Work::Rollback, |store| store.rollback())
            .await
    }

    async fn exec(&mut self, sql: String, parameters: Vec<WitSqlValue>) -> Refusable<WitSqlResult> {
        let object = match self.object() {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        let parameters = parameters.into_iter().map(SqlValue::from).collect();
        let timed = object.exec(sql, parameters).await;
        let done = self.finish_storage(timed, &object)?;
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

    async fn database_size(&mut self) -> Refusable<u64> {
        self.with_store(Work::Keys(0), |store| store.size()).await
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
