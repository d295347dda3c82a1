//! Owns [`Kv`]: values by their keys, and the alarm, as plain functions.

use super::options::{ListOptions, ScheduledTime};
use crate::error::{Error, Result};
use crate::sys;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

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
        value.map_or(Ok(None), |value| Ok(Some(serde_json::from_slice(&value)?)))
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
                found.insert((*key).to_owned(), serde_json::from_slice(&value)?);
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
        self.host.put(&[(key, &serde_json::to_vec(value)?)])
    }

    /// Set a key for each field of a struct, or entry of a map. All or none.
    ///
    /// # Errors
    ///
    /// As [`Storage::put_multiple`](super::Storage::put_multiple).
    pub fn put_multiple<T: Serialize + ?Sized>(&self, values: &T) -> Result<()> {
        let serde_json::Value::Object(values) = serde_json::to_value(values)? else {
            return Err(Error::Json("expected a struct or a map".to_owned()));
        };
        let mut entries = Vec::with_capacity(values.len());
        for (key, value) in &values {
            entries.push((key.as_str(), serde_json::to_vec(value)?));
        }
        let entries: Vec<(&str, &[u8])> = entries
            .iter()
            .map(|(key, value)| (*key, value.as_slice()))
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
            .map(|(key, value)| Ok((key, serde_json::from_slice(&value)?)))
            .collect()
    }

    /// When the alarm is due, in milliseconds since 1970; `None` if there is none, and while its handler runs.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn get_alarm(&self) -> Result<Option<i64>> {
        let time = self.host.alarm()?;
        Ok(time.map(|time| i64::try_from(time).unwrap_or(i64::MAX)))
    }

    /// Set the object's one alarm, in place of the one before.
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
