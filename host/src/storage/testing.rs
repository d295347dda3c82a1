//! Owns what the tests of storage share: a data directory that is gone afterwards, and short ways to say things.
//! Knows nothing of any rule.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::store::SqlResult;
use super::{
    Address, Bounds, ListOptions, MemoryStorage, SqlValue, SqliteStorage, Storage, StorageError,
    Store,
};

/// A directory that is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Dir(PathBuf);

impl Dir {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pairway-storage-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Every file below it, with its path from here.
    pub(super) fn files(&self) -> Vec<String> {
        let (mut files, mut dirs) = (Vec::new(), vec![self.0.clone()]);
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    files.push(path.strip_prefix(&self.0).unwrap().display().to_string());
                }
            }
        }
        files.sort();
        files
    }

    /// The files of objects, below it.
    pub(super) fn objects(&self) -> Vec<String> {
        let files = self.files().into_iter();
        files.filter(|file| file.starts_with("objects/")).collect()
    }

    /// A copy of all files as they are now, as a process that is killed now would leave them.
    pub(super) fn copy(&self) -> Self {
        let copy = Self::new();
        for file in self.files() {
            let to = copy.join(&file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(self.join(&file), to).unwrap();
        }
        copy
    }
}

impl Deref for Dir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(super) fn on_disk(dir: &Dir, bounds: Bounds) -> SqliteStorage {
    SqliteStorage::open(dir, bounds).unwrap()
}

/// Try a rule on both engines.
pub(super) fn both(bounds: &Bounds, rule: impl Fn(&dyn Storage)) {
    rule(&MemoryStorage::new(bounds.clone()));
    let dir = Dir::new();
    rule(&on_disk(&dir, bounds.clone()));
}

/// Try a rule on an object's new store, on both engines, with the usual bounds.
pub(super) fn on_new_store(rule: impl Fn(&mut dyn Store)) {
    both(&Bounds::default(), |storage| rule(&mut *open(storage)));
}

pub(super) fn address(id: &str) -> Address {
    Address {
        class: "Room".into(),
        id: id.into(),
    }
}

pub(super) fn open(storage: &dyn Storage) -> Box<dyn Store> {
    storage.open(&address("a1")).unwrap()
}

pub(super) fn put(store: &mut dyn Store, key: &str, value: &str) -> Result<(), StorageError> {
    store.put(&[(key.to_owned(), value.as_bytes().to_vec())])
}

pub(super) fn get(store: &mut dyn Store, key: &str) -> Option<String> {
    let value = store.get(&[key.to_owned()]).unwrap().remove(0)?;
    Some(String::from_utf8(value).unwrap())
}

pub(super) fn exec(store: &mut dyn Store, sql: &str) -> Result<SqlResult, StorageError> {
    store.exec(sql, &[])
}

/// The keys that `list` gives, in its order.
pub(super) fn keys(store: &mut dyn Store, options: &ListOptions) -> String {
    let entries = store.list(options).unwrap();
    let keys: Vec<_> = entries.into_iter().map(|(key, _)| key).collect();
    assert_eq!(store.list_keys(options).unwrap(), keys);
    keys.join(" ")
}

/// The one value that a query gives.
pub(super) fn value(store: &mut dyn Store, sql: &str) -> SqlValue {
    let result = exec(store, sql).unwrap();
    result.rows.into_iter().next().unwrap().remove(0)
}

pub(super) fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}

/// What a refused SQL says.
pub(super) fn sql_error(store: &mut dyn Store, sql: &str) -> String {
    match exec(store, sql) {
        Err(StorageError::Sql(reason)) => reason,
        other => panic!("{sql} gave {other:?}"),
    }
}
