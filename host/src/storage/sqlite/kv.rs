//! Owns keys and values in the table `_pairway_kv`. Knows nothing of turns; what it writes is part of the
//! transaction that is open.

use rusqlite::{OptionalExtension, Row, ToSql};

use super::engine::Engine;
use super::trouble::Trouble;
use crate::storage::bounds::Bounds;
use crate::storage::store::{ListOptions, StorageError};

pub(super) const GET: &str = "SELECT value FROM _pairway_kv WHERE key = ?1";
const PUT: &str = "INSERT INTO _pairway_kv (key, value) VALUES (?1, ?2) \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM _pairway_kv WHERE key = ?1";

/// Check keys before anything is read or written.
pub(super) fn check_keys<'k>(
    keys: impl ExactSizeIterator<Item = &'k String>,
    bounds: &Bounds,
) -> Result<(), StorageError> {
    if keys.len() as u64 > bounds.keys_per_call {
        return Err(StorageError::Options(format!(
            "{} keys in one call are more than {} (limit keys_per_call)",
            keys.len(),
            bounds.keys_per_call
        )));
    }
    for key in keys {
        if key.len() as u64 > bounds.key_bytes {
            return Err(StorageError::KeyTooLarge(bounds.key_bytes));
        }
    }
    Ok(())
}

/// Check entries before any is written.
pub(super) fn check_entries(
    entries: &[(String, Vec<u8>)],
    bounds: &Bounds,
) -> Result<(), StorageError> {
    check_keys(entries.iter().map(|(key, _)| key), bounds)?;
    for (key, value) in entries {
        if (key.len() + value.len()) as u64 > bounds.value_bytes {
            return Err(StorageError::ValueTooLarge(bounds.value_bytes));
        }
    }
    Ok(())
}

pub(super) fn get(
    engine: &Engine,
    bounds: &Bounds,
    keys: &[String],
) -> Result<Vec<Option<Vec<u8>>>, Trouble> {
    let mut statement = engine.host(GET)?;
    let mut room = Room::new("get", bounds);
    let mut values = Vec::with_capacity(keys.len());
    for key in keys {
        let value: Option<Vec<u8>> = statement.query_row([key], |row| row.get(0)).optional()?;
        room.take(value.as_ref().map_or(0, Vec::len))?;
        values.push(value);
    }
    Ok(values)
}

pub(super) fn put(engine: &Engine, entries: &[(String, Vec<u8>)]) -> Result<(), Trouble> {
    let mut statement = engine.host(PUT)?;
    for (key, value) in entries {
        statement.execute((key, value))?;
    }
    Ok(())
}

pub(super) fn delete(engine: &Engine, keys: &[String]) -> Result<u32, Trouble> {
    let mut statement = engine.host(DELETE)?;
    let mut deleted = 0;
    for key in keys {
        deleted += u32::from(statement.execute([key])? > 0);
    }
    Ok(deleted)
}

/// The keys that the options name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// From this key on.
    from: String,
    /// Up to the last key before this one.
    to: Option<String>,
}

impl Range {
    pub(super) fn of(options: &ListOptions) -> Result<Self, StorageError> {
        let mut from = match (&options.start, &options.start_after) {
            (Some(_), Some(_)) => {
                return Err(StorageError::Options(
                    "list: start and start-after rule each other out".to_owned(),
                ));
            }
            (Some(start), None) => start.clone(),
            // The first string behind another, in the order of bytes, is that string and a zero byte.
            (None, Some(before)) => format!("{before}\0"),
            (None, None) => String::new(),
        };
        let mut to = options.end.clone();
        if let Some(prefix) = &options.prefix {
            from = from.max(prefix.clone());
            to = match (to, behind_prefix(prefix)) {
                (Some(end), Some(behind)) => Some(end.min(behind)),
                (end, behind) => end.or(behind),
            };
        }
        Ok(Self { from, to })
    }
}

/// The first string that is greater than all strings with this prefix, if there is one. Strings compare as
/// their bytes, and in UTF-8 that is the order of code points.
fn behind_prefix(prefix: &str) -> Option<String> {
    let mut behind = prefix.to_owned();
    while let Some(last) = behind.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            behind.push(next);
            return Some(behind);
        }
    }
    None
}

pub(super) fn list(
    engine: &Engine,
    bounds: &Bounds,
    range: &Range,
    options: &ListOptions,
) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
    select(engine, bounds, range, options, "key, value", |row| {
        let entry: (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let bytes = entry.0.len() + entry.1.len();
        Ok((entry, bytes))
    })
}

pub(super) fn list_keys(
    engine: &Engine,
    bounds: &Bounds,
    range: &Range,
    options: &ListOptions,
) -> Result<Vec<String>, Trouble> {
    select(engine, bounds, range, options, "key", |row| {
        let key: String = row.get(0)?;
        let bytes = key.len();
        Ok((key, bytes))
    })
}

/// What `read` makes of each row, and how many bytes it has.
fn select<T>(
    engine: &Engine,
    bounds: &Bounds,
    range: &Range,
    options: &ListOptions,
    columns: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<(T, usize)>,
) -> Result<Vec<T>, Trouble> {
    let upper = if range.to.is_some() {
        "AND key < ?3"
    } else {
        ""
    };
    let order = if options.reverse { "DESC" } else { "ASC" };
    let mut statement = engine.host(&format!(
        "SELECT {columns} FROM _pairway_kv WHERE key >= ?1 {upper} ORDER BY key {order} LIMIT ?2"
    ))?;
    let limit = options.limit.map_or(-1, i64::from);
    let mut parameters: Vec<&dyn ToSql> = vec![&range.from, &limit];
    parameters.extend(range.to.as_ref().map(|to| to as &dyn ToSql));
    let mut rows = statement.query(parameters.as_slice())?;
    let mut room = Room::new("list", bounds);
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let (entry, bytes) = read(row)?;
        room.take(bytes + size_of_val(&entry))?;
        entries.push(entry);
    }
    Ok(entries)
}

/// What a result may still take.
struct Room {
    what: &'static str,
    bytes: u64,
    left: u64,
}

impl Room {
    fn new(what: &'static str, bounds: &Bounds) -> Self {
        let bytes = bounds.result_bytes;
        let left = bytes;
        Self { what, bytes, left }
    }

    fn take(&mut self, bytes: usize) -> Result<(), StorageError> {
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| {
            StorageError::Options(format!(
                "{}: the entries take more than {} bytes (limit result_bytes): ask for less at a time",
                self.what, self.bytes
            ))
        })?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "kv_tests.rs"]
mod tests;
