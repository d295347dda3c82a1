//! Owns [`Storage`]: an object's storage with the names of workers-rs. What it does is in `kv`, its faces are here and
//! there: the host answers within the turn, so that nothing here waits for anything.

mod entries;
pub(crate) mod json;
mod kv;
mod options;
mod params;
mod row;
mod sql;
mod transaction;

pub use kv::Kv;
pub use options::{ListOptions, ScheduledTime};
pub use params::SqlParams;
pub use sql::{SqlCursor, SqlIterator, SqlStorage};
pub use transaction::Transaction;

use crate::error::Result;
use crate::sys;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// A durable object's storage: values by their keys, and an alarm. From [`State::storage`](crate::State::storage).
///
/// Values are kept as JSON, and the bytes in them as they are, if they say that they are bytes (`serde_bytes`); numbers that
/// JSON has no form for, NaN and the infinite ones, are refused. [`put_bytes`](Self::put_bytes) keeps bytes alone. What a handler writes takes effect when it gives way, all or none of it, and before
/// anything that it has sent leaves; and nothing happens between a read and the write that rests on it. The functions
/// are `async` in workers-rs and so here; [`kv`](Self::kv) has them as plain functions.
#[derive(Clone, Debug)]
pub struct Storage {
    kv: Kv,
}

impl Storage {
    pub(crate) fn new(host: sys::Object) -> Self {
        Self { kv: Kv::new(host) }
    }

    /// The same without `async`.
    #[must_use]
    pub fn kv(&self) -> Kv {
        self.kv.clone()
    }

    /// The object's database.
    #[must_use]
    pub fn sql(&self) -> SqlStorage {
        SqlStorage::new(self.kv.host)
    }

    /// Run this function, and keep what it writes only if it returns `Ok`. Transactions nest.
    ///
    /// # Errors
    ///
    /// What the function returned, and nothing that it wrote is kept.
    pub fn transaction_sync<T>(&self, function: impl FnOnce() -> Result<T>) -> Result<T> {
        transaction::run_sync(self.kv.host, function)
    }
}

#[expect(
    clippy::unused_async,
    reason = "async in workers-rs; code ports by changing a `use`"
)]
impl Storage {
    /// The value of that key; `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`Error::Json`](crate::Error::Json) if the value is not of this type.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.kv.get(key)
    }

    /// The value of that key as it stands in the storage: what [`put_bytes`](Self::put_bytes) has left there, and the JSON
    /// of what [`put`](Self::put) has; `None` if it has none.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    pub async fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.kv.get_bytes(key)
    }

    /// The values of these keys, without the keys that have none.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_multiple<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<BTreeMap<String, T>> {
        self.kv.get_multiple(keys)
    }

    /// Set the value of that key.
    ///
    /// # Errors
    ///
    /// - [`Error::Json`](crate::Error::Json) if the value has no form in JSON: a map whose keys are no texts, a number that
    ///   is NaN or infinite.
    /// - [`Error::KeyTooLarge`](crate::Error::KeyTooLarge) and [`Error::ValueTooLarge`](crate::Error::ValueTooLarge).
    pub async fn put<T: Serialize>(&self, key: &str, value: T) -> Result<()> {
        self.kv.put(key, &value)
    }

    /// Set the value of that key to these bytes, as they are; [`get_bytes`](Self::get_bytes) reads them.
    ///
    /// # Errors
    ///
    /// [`Error::KeyTooLarge`](crate::Error::KeyTooLarge) and [`Error::ValueTooLarge`](crate::Error::ValueTooLarge).
    pub async fn put_bytes(&self, key: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.kv.put_bytes(key, bytes)
    }

    /// Set a key for each field of a struct, or entry of a map. All or none.
    ///
    /// # Errors
    ///
    /// [`Error::Json`](crate::Error::Json) if it is neither; else as [`put`](Self::put).
    pub async fn put_multiple<T: Serialize>(&self, values: T) -> Result<()> {
        self.kv.put_multiple(&values)
    }

    /// Delete that key. Whether it had a value.
    ///
    /// # Errors
    ///
    /// [`Error::KeyTooLarge`](crate::Error::KeyTooLarge).
    pub async fn delete(&self, key: &str) -> Result<bool> {
        self.kv.delete(key)
    }

    /// Delete these keys. How many of them had a value.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete).
    pub async fn delete_multiple(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<usize> {
        self.kv.delete_multiple(keys)
    }

    /// Delete everything: values, tables, and the alarm.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub async fn delete_all(&self) -> Result<()> {
        self.kv.delete_all()
    }

    /// All keys and their values, by key.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn list<T: DeserializeOwned>(&self) -> Result<Vec<(String, T)>> {
        self.kv.list()
    }

    /// The keys that the options name, and their values, in the order that they name.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn list_with_options<T: DeserializeOwned>(
        &self,
        options: ListOptions<'_>,
    ) -> Result<Vec<(String, T)>> {
        self.kv.list_with_options(options)
    }

    /// All keys, without their values.
    ///
    /// # Errors
    ///
    /// As [`Kv::keys`].
    pub async fn keys(&self) -> Result<Vec<String>> {
        self.kv.keys()
    }

    /// The keys that the options name, without their values, in the order that they name.
    ///
    /// # Errors
    ///
    /// As [`Kv::keys_with_options`].
    pub async fn keys_with_options(&self, options: ListOptions<'_>) -> Result<Vec<String>> {
        self.kv.keys_with_options(options)
    }

    /// When the alarm is due; `None` if there is none, and while its handler runs.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub async fn get_alarm(&self) -> Result<Option<SystemTime>> {
        self.kv.get_alarm()
    }

    /// Set the object's one alarm, in place of the one before: a duration or a number of milliseconds from now, or a
    /// time, as [`get_alarm`](Self::get_alarm) gives it. A time that has passed means at once.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub async fn set_alarm(&self, time: impl Into<ScheduledTime>) -> Result<()> {
        self.kv.set_alarm(time)
    }

    /// Remove the alarm. A handler that runs goes on.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub async fn delete_alarm(&self) -> Result<()> {
        self.kv.delete_alarm()
    }

    /// Run this function, and keep what it writes only if it returns `Ok`. It may await nothing but storage, which
    /// never waits: a transaction does not outlive its turn.
    ///
    /// # Errors
    ///
    /// What the function returned, or an error if it waited for something else. Nothing that it wrote is kept then.
    pub async fn transaction<T, F: Future<Output = Result<T>>>(
        &self,
        function: impl FnOnce(Transaction) -> F,
    ) -> Result<T> {
        transaction::run(&self.kv, function)
    }

    /// Nothing: what is written is on the disk before anything leaves that could tell of it.
    ///
    /// # Errors
    ///
    /// None; the shape is Cloudflare's.
    pub async fn sync(&self) -> Result<()> {
        Ok(())
    }
}
