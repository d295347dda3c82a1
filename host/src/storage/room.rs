//! Owns how much all objects of a worker may store together: bytes, and objects.
//!
//! Each database is charged with what it takes. A call that writes is granted a part of what is left beforehand, which
//! SQLite keeps to, so that the databases together never pass the bound, however many write at a time; when it has ended
//! the database is charged with what it takes then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::store::StorageError;

/// The part of what is left that one call may use: a few write at a time.
const PART: u64 = 4;

/// What is stored.
#[derive(Debug)]
pub(super) struct Room {
    bytes: Tally,
    objects: Tally,
    /// The name of the bound on bytes.
    limit: &'static str,
}

impl Room {
    pub(super) fn new(bytes: u64, objects: u64, limit: &'static str) -> Arc<Self> {
        Arc::new(Self {
            bytes: Tally::of(bytes),
            objects: Tally::of(objects),
            limit,
        })
    }

    /// There is a database of so many bytes already.
    pub(super) fn count(&self, bytes: u64) {
        self.objects.take(1);
        self.bytes.take(bytes);
    }

    /// A database is about to be made.
    pub(super) fn add_object(&self) -> Result<(), StorageError> {
        if self.objects.try_take(1) {
            return Ok(());
        }
        Err(StorageError::Failed(format!(
            "there are {} objects with storage already (limit stored_objects)",
            self.objects.max
        )))
    }

    /// A database is gone.
    pub(super) fn remove_object(&self) {
        self.objects.give(1);
    }

    /// A database takes now so many bytes where it took so many.
    pub(super) fn resize(&self, before: u64, after: u64) {
        self.bytes.take(after.saturating_sub(before));
        self.bytes.give(before.saturating_sub(after));
    }

    /// Grant a part of what is left, up to so many bytes.
    pub(super) fn grant(self: &Arc<Self>, most: u64) -> Grant {
        let left = self.bytes.max.saturating_sub(self.bytes.used());
        let bytes = most.min(left / PART);
        // Others may have taken it this moment.
        let is_granted = self.bytes.try_take(bytes);
        Grant {
            room: Arc::clone(self),
            bytes: if is_granted { bytes } else { 0 },
        }
    }

    /// Why a database could not grow.
    pub(super) fn full(&self) -> String {
        format!(
            ": the databases of all objects have together up to {} bytes (limit {})",
            self.bytes.max, self.limit
        )
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> (u64, u64) {
        (self.bytes.used(), self.objects.used())
    }
}

/// How much there is of something that has a bound.
#[derive(Debug)]
struct Tally {
    max: u64,
    used: AtomicU64,
}

impl Tally {
    fn of(max: u64) -> Self {
        let used = AtomicU64::new(0);
        Self { max, used }
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn try_take(&self, amount: u64) -> bool {
        let before = self.used.fetch_add(amount, Ordering::Relaxed);
        let has_room = before.saturating_add(amount) <= self.max;
        if !has_room {
            self.give(amount);
        }
        has_room
    }

    /// So much there is already.
    fn take(&self, amount: u64) {
        self.used.fetch_add(amount, Ordering::Relaxed);
    }

    fn give(&self, amount: u64) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}

/// Bytes by which a database may grow, until this is dropped.
#[derive(Debug)]
pub(super) struct Grant {
    room: Arc<Room>,
    pub(super) bytes: u64,
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.room.bytes.give(self.bytes);
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
