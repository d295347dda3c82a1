//! Owns what durable objects keep: the traits [`Storage`] and [`Store`] as the seam for other engines, and the
//! engine there is, SQLite, on disk ([`SqliteStorage`]) and in memory ([`MemoryStorage`]). Knows nothing of
//! wasmtime, of turns' effects on sockets, and of when an alarm is delivered.
//!
//! A *turn* of an object is one transaction. It begins lazily, at the first write, and whoever runs the turn ends
//! it:
//!
//! ```text
//!   clean ──first write──► dirty ──end_turn──► clean (durable)
//!                            ├────undo_turn──► clean (as before the turn)
//!                            └──disk full, I/O error, a write that took too long──► lost: everything fails
//!                               until end_turn (which fails too) or undo_turn
//! ```

mod bounds;
mod memory;
mod room;
mod sqlite;
mod stop;
mod store;
#[cfg(test)]
mod testing;

pub(crate) use bounds::Bounds;
pub(crate) use memory::MemoryStorage;
pub(crate) use sqlite::SqliteStorage;
pub(crate) use stop::Stop;
pub(crate) use store::{
    Address, Alarm, ListOptions, SqlResult, SqlValue, Storage, StorageError, Store, Work,
};
