//! Owns [`SqliteStorage`]: one SQLite file per object below a data directory, which one process has to itself.
//! Knows nothing of how a turn works.
//!
//! ```text
//!   <data>/lock                        held as long as the process lives
//!   <data>/alarms.sqlite               who may have an alarm
//!   <data>/new.sqlite                  there while a host starts
//!   <data>/objects/<class>/<id>.sqlite one object, from its first write on; with its latest turns in `-wal`
//! ```

mod alarm;
mod engine;
mod functions;
mod guard;
mod home;
mod index;
mod kv;
mod size;
mod sql;
mod store;
mod temp;
mod trouble;
mod turn;
mod wipe;

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::engine::Engine;
use self::home::FileHome;
pub(super) use self::home::Home;
use self::index::AlarmIndex;
pub(super) use self::store::SqliteStore;
use super::bounds::Bounds;
use super::room::Room;
use super::store::{Address, AlarmHint, Storage, StorageError, Store};

/// Objects' stores as files.
#[derive(Debug)]
pub(crate) struct SqliteStorage {
    objects: PathBuf,
    /// The bytes of a new object's database.
    template: Arc<[u8]>,
    bounds: Arc<Bounds>,
    room: Arc<Room>,
    index: AlarmIndex,
    /// Held, not read.
    _lock: File,
}

impl SqliteStorage {
    /// Take the data directory, which is made if there is none.
    pub(crate) fn open(data_dir: &Path, bounds: Bounds) -> Result<Self, StorageError> {
        let objects = data_dir.join("objects");
        home::private_dir(&objects).map_err(|cause| {
            let dir = objects.display();
            StorageError::Failed(format!("cannot make the directory {dir}: {cause}"))
        })?;
        let lock = lock(data_dir)?;
        home::sync_dir(data_dir)?;
        let new = data_dir.join("new.sqlite");
        home::sweep(&new)?;
        let template = Engine::template(&new, &bounds)?;
        home::sweep(&new)?;
        let room = Room::new(bounds.storage_bytes, bounds.stored_objects, "storage_bytes");
        home::scan(&objects, &room)?;
        Ok(Self {
            objects,
            room,
            template: template.into(),
            index: AlarmIndex::open(&data_dir.join("alarms.sqlite"), &bounds)?,
            bounds: Arc::new(bounds),
            _lock: lock,
        })
    }
}

#[cfg(test)]
impl SqliteStorage {
    pub(super) fn room(&self) -> &Room {
        &self.room
    }
}

/// Two hosts on one directory would each deliver every alarm, and each find the other's objects locked.
fn lock(data_dir: &Path) -> Result<File, StorageError> {
    let dir = data_dir.display();
    let failed = |cause: std::io::Error| {
        StorageError::Failed(format!("cannot lock the data directory {dir}: {cause}"))
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(data_dir.join("lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::Failed(format!(
            "the data directory {dir} is in use by another pairway; stop it, or choose another directory"
        ))),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

impl Storage for SqliteStorage {
    fn open(&self, address: &Address) -> Result<Box<dyn Store>, StorageError> {
        let template = Arc::clone(&self.template);
        let home = FileHome::new(&self.objects, address, template, Arc::clone(&self.bounds));
        let store = SqliteStore::open(Box::new(home), &self.room, &self.bounds)?;
        Ok(Box::new(store))
    }

    fn alarms(&self) -> Result<Vec<AlarmHint>, StorageError> {
        self.index.all()
    }

    fn note_alarm(
        &self,
        address: &Address,
        name: Option<&str>,
        due_ms: u64,
    ) -> Result<(), StorageError> {
        self.index.note(address, name, due_ms)
    }

    fn settle_alarm(&self, address: &Address, due_ms: u64) -> Result<(), StorageError> {
        self.index.settle(address, due_ms)
    }

    fn forget_alarm(&self, address: &Address) -> Result<(), StorageError> {
        self.index.forget(address)
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
