//! Owns the storage of objects: values by their keys, in memory. Its limits it does not know.

use super::super::List;
use super::host;
use super::objects::Object;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Bound;

#[derive(Default)]
pub(super) struct Values {
    values: BTreeMap<String, Vec<u8>>,
    /// How they were when each of the open transactions began.
    before: Vec<BTreeMap<String, Vec<u8>>>,
}

impl Values {
    fn list(&self, list: List<'_>) -> Result<Vec<(String, Vec<u8>)>> {
        let from = match (list.start, list.start_after) {
            (Some(_), Some(_)) => {
                return Err(Error::Other("`start` rules `start_after` out".to_owned()));
            }
            (Some(key), None) => Bound::Included(key),
            (None, Some(key)) => Bound::Excluded(key),
            (None, None) => Bound::Unbounded,
        };
        let entries = self.values.range::<str, _>((from, Bound::Unbounded));
        let mut found: Vec<_> = entries
            .filter(|(key, _)| list.end.is_none_or(|end| key.as_str() < end))
            .filter(|(key, _)| list.prefix.is_none_or(|prefix| key.starts_with(prefix)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if list.reverse {
            found.reverse();
        }
        found.truncate(list.limit.map_or(usize::MAX, |limit| limit as usize));
        Ok(found)
    }

    fn end(&mut self) -> Result<BTreeMap<String, Vec<u8>>> {
        let before = self.before.pop();
        before.ok_or_else(|| Error::Other("there is no transaction".to_owned()))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the interface of the other host")]
impl Object {
    fn values<T>(self, act: impl FnOnce(&mut Values) -> T) -> T {
        host(|host| act(host.objects.values(self)))
    }

    pub(crate) fn get(self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        Ok(self.values(|values| {
            let found = keys.iter().map(|key| values.values.get(*key).cloned());
            found.collect()
        }))
    }

    pub(crate) fn put(self, entries: &[(&str, &[u8])]) -> Result<()> {
        let entries = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.to_vec()));
        self.values(|values| values.values.extend(entries));
        Ok(())
    }

    pub(crate) fn delete(self, keys: &[&str]) -> Result<u32> {
        Ok(self.values(|values| {
            let mut count = 0;
            for key in keys {
                count += u32::from(values.values.remove(*key).is_some());
            }
            count
        }))
    }

    pub(crate) fn delete_all(self) -> Result<()> {
        self.values(|values| values.values.clear());
        self.set_alarm(None)
    }

    pub(crate) fn list(self, list: List<'_>) -> Result<Vec<(String, Vec<u8>)>> {
        self.values(|values| values.list(list))
    }

    pub(crate) fn begin(self) -> Result<()> {
        self.values(|values| values.before.push(values.values.clone()));
        Ok(())
    }

    pub(crate) fn commit(self) -> Result<()> {
        self.values(Values::end)?;
        Ok(())
    }

    pub(crate) fn rollback(self) -> Result<()> {
        self.values(|values| {
            values.values = values.end()?;
            Ok(())
        })
    }
}
