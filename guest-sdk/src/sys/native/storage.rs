//! Owns the storage of objects: values by their keys, in memory, and the SQL database beside them, whose transactions are the
//! same.

use super::super::{List, Rows};
use super::host;
use super::objects::Object;
use super::sql::Database;
use crate::error::{Error, Result};
use crate::value::SqlStorageValue;
use std::collections::BTreeMap;
use std::ops::Bound;

/// The bounds of the host, unless its operator has set others.
const KEY_BYTES: usize = 2_048;
const VALUE_BYTES: usize = 2 * 1024 * 1024;
const KEYS_PER_CALL: usize = 128;

#[derive(Default)]
pub(super) struct Values {
    values: BTreeMap<String, Vec<u8>>,
    /// How all was when each of the open transactions began.
    before: Vec<Before>,
    database: Database,
}

/// How it was.
struct Before {
    values: BTreeMap<String, Vec<u8>>,
    alarm_ms: Option<u64>,
}

fn check_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Result<()> {
    let count = keys.len();
    if count > KEYS_PER_CALL {
        let why = format!("{count} keys in one call are more than {KEYS_PER_CALL}");
        return Err(Error::Other(why));
    }
    for key in keys {
        if key.len() > KEY_BYTES {
            return Err(Error::KeyTooLarge(KEY_BYTES as u64));
        }
    }
    Ok(())
}

fn check_entries(entries: &[(&str, &[u8])]) -> Result<()> {
    check_keys(entries.iter().map(|(key, _)| *key))?;
    let is_too_large = |(key, value): &(&str, &[u8])| key.len() + value.len() > VALUE_BYTES;
    if entries.iter().any(is_too_large) {
        return Err(Error::ValueTooLarge(VALUE_BYTES as u64));
    }
    Ok(())
}

impl Values {
    /// The entries that the options name, what `of` makes of each.
    fn list<T>(&self, list: List<'_>, of: impl Fn(&String, &Vec<u8>) -> T) -> Result<Vec<T>> {
        let from = match (list.start, list.start_after) {
            (Some(_), Some(_)) => {
                return Err(Error::Other(
                    "list: start and start-after rule each other out".to_owned(),
                ));
            }
            (Some(key), None) => Bound::Included(key),
            (None, Some(key)) => Bound::Excluded(key),
            (None, None) => Bound::Unbounded,
        };
        let entries = self.values.range::<str, _>((from, Bound::Unbounded));
        let mut found: Vec<_> = entries
            .filter(|(key, _)| list.end.is_none_or(|end| key.as_str() < end))
            .filter(|(key, _)| list.prefix.is_none_or(|prefix| key.starts_with(prefix)))
            .map(|(key, value)| of(key, value))
            .collect();
        if list.reverse {
            found.reverse();
        }
        found.truncate(list.limit.map_or(usize::MAX, |limit| limit as usize));
        Ok(found)
    }

    fn end(&mut self) -> Result<Before> {
        let before = self.before.pop();
        before.ok_or_else(|| Error::Other("there is no transaction".to_owned()))
    }
}

impl Object {
    fn values<T>(self, act: impl FnOnce(&mut Values) -> T) -> T {
        host(|host| act(host.objects.values(self)))
    }

    pub(crate) fn get(self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        check_keys(keys.iter().copied())?;
        Ok(self.values(|values| {
            let found = keys.iter().map(|key| values.values.get(*key).cloned());
            found.collect()
        }))
    }

    pub(crate) fn put(self, entries: &[(&str, &[u8])]) -> Result<()> {
        check_entries(entries)?;
        let entries = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.to_vec()));
        self.values(|values| values.values.extend(entries));
        Ok(())
    }

    pub(crate) fn delete(self, keys: &[&str]) -> Result<u32> {
        check_keys(keys.iter().copied())?;
        Ok(self.values(|values| {
            let mut count = 0;
            for key in keys {
                count += u32::from(values.values.remove(*key).is_some());
            }
            count
        }))
    }

    pub(crate) fn delete_all(self) -> Result<()> {
        self.values(|values| {
            values.values.clear();
            values.database.wipe()
        })?;
        self.set_alarm(None)
    }

    pub(crate) fn list(self, list: List<'_>) -> Result<Vec<(String, Vec<u8>)>> {
        self.values(|values| values.list(list, |key, value| (key.clone(), value.clone())))
    }

    pub(crate) fn list_keys(self, list: List<'_>) -> Result<Vec<String>> {
        self.values(|values| values.list(list, |key, _| key.clone()))
    }

    pub(crate) fn begin(self) -> Result<()> {
        let alarm_ms = self.alarm()?;
        self.values(|values| {
            values.database.begin()?;
            values.before.push(Before {
                values: values.values.clone(),
                alarm_ms,
            });
            Ok(())
        })
    }

    pub(crate) fn commit(self) -> Result<()> {
        self.values(|values| {
            values.end()?;
            values.database.commit()
        })
    }

    pub(crate) fn rollback(self) -> Result<()> {
        let alarm_ms = self.values(|values| {
            let before = values.end()?;
            values.values = before.values;
            values.database.rollback()?;
            Ok::<_, Error>(before.alarm_ms)
        })?;
        if self.alarm()? != alarm_ms {
            self.set_alarm(alarm_ms)?;
        }
        Ok(())
    }

    pub(crate) fn exec(self, sql: &str, parameters: &[SqlStorageValue]) -> Result<Rows> {
        self.values(|values| values.database.exec(sql, parameters))
    }

    pub(crate) fn database_size(self) -> Result<u64> {
        self.values(|values| values.database.size())
    }
}
