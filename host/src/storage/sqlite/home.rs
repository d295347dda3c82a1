//! Owns where a store's database lives: the trait [`Home`], and the home that is a file. Knows nothing of what
//! is in the database.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::engine::Engine;
use crate::storage::bounds::Bounds;
use crate::storage::room::Room;
use crate::storage::store::{Address, StorageError};

/// What follows the name of a database in that of its log.
const LOG: &str = "-wal";
/// And in that of a file that is not whole yet.
const NEW: &str = "-new";

/// Where one object's database is.
pub(in crate::storage) trait Home: Send + fmt::Debug {
    /// The database, if there is one.
    fn find(&mut self) -> Result<Option<Engine>, StorageError>;

    /// A new database, where there is none.
    fn create(&mut self) -> Result<Engine, StorageError>;

    /// Bytes that it takes, while nobody uses it. `engine` is it, where it has no file.
    fn bytes(&self, engine: &Engine) -> u64;

    /// The database is not used any more, but is to stay. Gives the bytes that it takes.
    fn keep(&mut self, engine: Engine) -> u64;

    /// The database is empty and not used any more: leave nothing of it.
    fn remove(&mut self, engine: Engine) -> Result<(), StorageError>;
}

/// A file `<objects>/<class>/<id>.sqlite`. The latest turns are in the `-wal` beside it.
#[derive(Debug)]
pub(super) struct FileHome {
    path: PathBuf,
    /// The bytes of a new database.
    template: Arc<[u8]>,
    bounds: Arc<Bounds>,
}

impl FileHome {
    pub(super) fn new(
        objects: &Path,
        address: &Address,
        template: Arc<[u8]>,
        bounds: Arc<Bounds>,
    ) -> Self {
        let dir = objects.join(file_name(&address.class));
        Self {
            path: dir.join(format!("{}.sqlite", file_name(&address.id))),
            template,
            bounds,
        }
    }

    fn failed(&self, what: &str, cause: &std::io::Error) -> StorageError {
        StorageError::Failed(format!("{}: {what}: {cause}", self.path.display()))
    }

    /// A new file, whole or not at all: one that a crash cuts short could not be told from a damaged one. It has
    /// its name for good from the first commit on, when SQLite syncs the directory for the log's sake.
    fn write_template(&self) -> std::io::Result<()> {
        let path = beside(&self.path, NEW);
        let mut file = private_file(&path)?;
        file.write_all(&self.template)?;
        file.sync_all()?;
        fs::rename(path, &self.path)
    }
}

impl Home for FileHome {
    fn find(&mut self) -> Result<Option<Engine>, StorageError> {
        match fs::metadata(&self.path) {
            // SQLite would take it for new, and remove its log.
            Ok(file) if file.len() == 0 => {
                let path = self.path.display();
                Err(StorageError::Failed(format!(
                    "{path}: the file is damaged: it has no bytes"
                )))
            }
            Ok(_) => Engine::object(&self.path, &self.bounds).map(Some),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(self.failed("cannot be looked for", &cause)),
        }
    }

    fn create(&mut self) -> Result<Engine, StorageError> {
        let dir = self
            .path
            .parent()
            .expect("the path was joined to a directory");
        if let Some(objects) = dir.parent()
            && !dir.is_dir()
        {
            private_dir(dir).map_err(|cause| self.failed("cannot be made", &cause))?;
            sync_dir(objects)?;
        }
        // A log without its database, as a crash in the middle of `sweep` may leave one, is not to be replayed
        // into the new one.
        sweep(&self.path)?;
        self.write_template()
            .map_err(|cause| self.failed("cannot be made", &cause))
            .and_then(|()| Engine::object(&self.path, &self.bounds))
            .inspect_err(|_| {
                if let Err(error) = sweep(&self.path) {
                    tracing::warn!("{error}");
                }
            })
    }

    fn bytes(&self, _: &Engine) -> u64 {
        bytes_of(&self.path)
    }

    fn keep(&mut self, engine: Engine) -> u64 {
        let log = fs::metadata(beside(&self.path, LOG));
        if let Err(error) = engine.close(log.map_or(0, |log| log.len())) {
            tracing::warn!("{error}");
        }
        bytes_of(&self.path)
    }

    fn remove(&mut self, engine: Engine) -> Result<(), StorageError> {
        // A crash of the whole machine may bring back one file and not the other: then the database by itself
        // is to be the empty one.
        engine.move_log()?;
        drop(engine);
        sweep(&self.path)
    }
}

/// Make a directory, and those around it, for nobody but the user whose process this is. One that is there stays as it is:
/// its owner may have reasons.
pub(super) fn private_dir(dir: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Make a file, or empty one, for nobody but the user whose process this is. SQLite gives the log of a database the
/// permissions of the database.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(true).write(true).mode(0o600);
    options.open(path)
}

/// Count the databases that there are.
pub(super) fn scan(objects: &Path, room: &Room) -> Result<(), StorageError> {
    let failed = |cause: std::io::Error| {
        let dir = objects.display();
        StorageError::Failed(format!("{dir}: cannot be counted: {cause}"))
    };
    for class in fs::read_dir(objects).map_err(failed)? {
        let class = class.map_err(failed)?.path();
        if !class.is_dir() {
            continue;
        }
        for file in fs::read_dir(class).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            if path.extension().is_some_and(|suffix| suffix == "sqlite") {
                room.count(bytes_of(&path));
            }
        }
    }
    Ok(())
}

/// Bytes of a database and its log.
pub(super) fn bytes_of(path: &Path) -> u64 {
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    bytes(path) + bytes(&beside(path, LOG))
}

/// The path of a file beside a database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Remove a database and what may be left beside it. The database goes first: a log without one is not read.
pub(super) fn sweep(path: &Path) -> Result<(), StorageError> {
    for suffix in ["", LOG, "-journal", NEW] {
        match fs::remove_file(beside(path, suffix)) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                let path = path.display();
                let text = format!("{path}: cannot be removed: {cause}");
                return Err(StorageError::Failed(text));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// What a crash must not take away again: a new name in this directory.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StorageError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|cause| StorageError::Failed(format!("{}: {cause}", dir.display())))
}

/// A name as a file name: letters, digits, `-` and `_` stay, every other byte becomes `%` and two digits.
fn file_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    if safe.is_empty() {
        // Else the file of the empty name would be the hidden file `.sqlite`.
        safe.push('%');
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::storage::Storage;
    use crate::storage::testing::{Dir, address, on_disk, open, put};

    fn name_of(file: &str) -> String {
        let (mut bytes, mut rest) = (Vec::new(), file.as_bytes());
        while let Some((first, tail)) = rest.split_first() {
            if *first == b'%' && tail.len() >= 2 {
                let digits = std::str::from_utf8(&tail[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &tail[2..];
            } else {
                bytes.extend((*first != b'%').then_some(*first));
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_class_name_becomes_a_safe_file_name_and_can_be_read_back() {
        for (name, file) in [
            ("Room", "Room"),
            ("../../etc", "%2E%2E%2F%2E%2E%2Fetc"),
            ("Räume", "R%C3%A4ume"),
            ("a%41", "a%2541"),
            ("nul\0", "nul%00"),
            ("", "%"),
        ] {
            assert_eq!(file_name(name), file);
            assert_eq!(name_of(file), name);
        }
    }

    #[test]
    fn what_is_made_is_for_nobody_else() {
        let dir = Dir::new();
        let storage = on_disk(&dir, Bounds::default());
        storage.note_alarm(&address("a1"), None, 5).unwrap();
        let mut store = open(&storage);
        put(&mut *store, "k", "1").unwrap();
        store.end_turn().unwrap();
        let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        for name in ["objects", "objects/Room"] {
            assert_eq!(mode(name), 0o700, "{name}");
        }
        let files = dir.files();
        assert!(files.len() >= 5, "{files:?}");
        for name in files {
            assert_eq!(mode(&name), 0o600, "{name}");
        }
    }
}
