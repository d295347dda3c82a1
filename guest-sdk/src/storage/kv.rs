//! Owns [`Kv`]: values by their keys, and the alarm, as plain functions.

use super::entries::entries;
use super::json;
use super::options::{ListOptions, ScheduledTime};
use crate::error::Result;
use crate::sys;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A durable object's values as plain functions, from [`Storage::kv`](super::Storage::kv): what the host answers at
/// once needs no `await`. They say what those of [`Storage`](super::Storage) say.
#[derive(Clone, Debug)]
pub struct Kv {
    pub(super) host: sys::Object,
}

impl Kv {
    pub(super) fn new(host: sys::Object) -> Self {
        Self { host }
    }

    /// The value of that key; `None` if it has none.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`](super::Storage::get).
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let value = self.host.get(&[key])?.pop().flatten();
        value.map_or(Ok(None), |value| Ok(Some(json::read(&value)?)))
    }

    /// The value of that key as it stands in the storage: what [`put_bytes`](Self::put_bytes) has left there, and the JSON
    /// of what [`put`](Self::put) has; `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`Error::KeyTooLarge`](crate::Error::KeyTooLarge).
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.host.get(&[key])?.pop().flatten())
    }

    /// The values of these keys, without the keys that have none.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`](super::Storage::get).
    pub fn get_multiple<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<BTreeMap<String, T>> {
        let keys: Vec<_> = keys.into_iter().collect();
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        let mut found = BTreeMap::new();
        for (key, value) in keys.iter().zip(self.host.get(&keys)?) {
            if let Some(value) = value {
                found.insert((*key).to_owned(), json::read(&value)?);
            }
        }
        Ok(found)
    }

    /// Set the value of that key.
    ///
    /// # Errors
    ///
    /// As [`Storage::put`](super::Storage::put).
    pub fn put<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<()> {
        self.host.put(&[(key, &json::write(value)?)])
    }

    /// Set the value of that key to these bytes, as they are; [`get_bytes`](Self::get_bytes) reads them.
    ///
    /// # Errors
    ///
    /// [`Error::KeyTooLarge`](crate::Error::KeyTooLarge) and [`Error::ValueTooLarge`](crate::Error::ValueTooLarge).
    pub fn put_bytes(&self, key: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.host.put(&[(key, bytes.as_ref())])
    }

    /// Set a key for each field of a struct, or entry of a map. All or none.
    ///
    /// # Errors
    ///
    /// As [`Storage::put_multiple`](super::Storage::put_multiple).
    pub fn put_multiple<T: Serialize + ?Sized>(&self, values: &T) -> Result<()> {
        let entries = entries(values)?;
        let entries: Vec<(&str, &[u8])> = entries
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_slice()))
            .collect();
        self.host.put(&entries)
    }

    /// Delete that key. Whether it had a value.
    ///
    /// # Errors
    ///
    /// As [`Storage::delete`](super::Storage::delete).
    pub fn delete(&self, key: &str) -> Result<bool> {
        Ok(self.host.delete(&[key])? > 0)
    }

    /// Delete these keys. How many of them had a value.
    ///
    /// # Errors
    ///
    /// As [`Storage::delete`](super::Storage::delete).
    pub fn delete_multiple(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<usize> {
        let keys: Vec<_> = keys.into_iter().collect();
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        Ok(self.host.delete(&keys)? as usize)
    }

    /// Delete everything: values, tables, and the alarm.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn delete_all(&self) -> Result<()> {
        self.host.delete_all()
    }

    /// All keys and their values, by key.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`](super::Storage::get).
    pub fn list<T: DeserializeOwned>(&self) -> Result<Vec<(String, T)>> {
        self.list_with_options(ListOptions::new())
    }

    /// The keys that the options name, and their values, in the order that they name.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`](super::Storage::get).
    pub fn list_with_options<T: DeserializeOwned>(
        &self,
        options: ListOptions<'_>,
    ) -> Result<Vec<(String, T)>> {
        let entries = self.host.list(options.0)?.into_iter();
        entries
            .map(|(key, value)| Ok((key, json::read(&value)?)))
            .collect()
    }

    /// All keys, without their values.
    ///
    /// # Errors
    ///
    /// [`Error::Other`](crate::Error::Other) if they are too many for one call.
    pub fn keys(&self) -> Result<Vec<String>> {
        self.keys_with_options(ListOptions::new())
    }

    /// The keys that the options name, without their values, in the order that they name.
    ///
    /// # Errors
    ///
    /// As [`keys`](Self::keys), and for options that rule each other out.
    pub fn keys_with_options(&self, options: ListOptions<'_>) -> Result<Vec<String>> {
        self.host.list_keys(options.0)
    }

    /// When the alarm is due; `None` if there is none, and while its handler runs.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn get_alarm(&self) -> Result<Option<SystemTime>> {
        let time_ms = self.host.alarm()?;
        Ok(time_ms.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms)))
    }

    /// Set the object's one alarm, in place of the one before: a [`Duration`] from now, or a [`SystemTime`], as
    /// [`get_alarm`](Self::get_alarm) gives it.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn set_alarm(&self, time: impl Into<ScheduledTime>) -> Result<()> {
        self.host.set_alarm(Some(time.into().unix_ms()))
    }

    /// Remove the alarm. A handler that runs goes on.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn delete_alarm(&self) -> Result<()> {
        self.host.set_alarm(None)
    }
}
