//! Owns one open database: how it is opened and set up, and the host's own tables in it. Knows nothing of turns
//! and of where files belong.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension};

use super::functions;
use super::guard::{Guard, is_host_text};
use super::home::private_file;
use super::trouble::{Trouble, failed, message};
use crate::storage::bounds::Bounds;
use crate::storage::store::StorageError;

/// The version of the host's tables. A database with a higher one is not touched.
const FORMAT: i64 = 1;

/// Pages that one open database keeps in memory; a transaction that changes more spills into the log. Small,
/// because there is one for every object that is awake, and the operating system has the file in memory too.
const CACHE_PAGES: u32 = 8;

/// Pages of log after which it is moved into the database, and bytes of log that a closed database may leave. The
/// log outlives the connection, because to move it at every close, and to make it anew, takes four syncs.
const LOG_PAGES: u32 = 64;
const LOG_BYTES: u64 = 256 * 1024;

/// Compiled statements that are kept, some kilobytes each.
const STATEMENTS: usize = 24;

/// Triggers that set off one another. Cloudflare: 10.
const TRIGGER_DEPTH: i32 = 10;

/// Bytes that a row of `_pairway_kv` may be larger than what is in it.
const ROW_OVERHEAD: i32 = 1_024;

/// An open database.
#[derive(Debug)]
pub(in crate::storage) struct Engine {
    pub(super) connection: Connection,
    pub(super) guard: Arc<Guard>,
    /// What errors call it.
    pub(super) place: Arc<str>,
    page_bytes: i64,
    most_bytes: Cell<u64>,
}

impl Engine {
    /// An object's database, which exists.
    pub(super) fn object(path: &Path, bounds: &Bounds) -> Result<Self, StorageError> {
        let engine = Self::file(path, OpenFlags::empty(), bounds)?;
        engine.check_format()?;
        engine.shrink();
        Ok(engine)
    }

    /// A database for other ends, made if there is none.
    pub(super) fn index(path: &Path, bounds: &Bounds) -> Result<Self, StorageError> {
        if !path.exists() {
            private_file(path).map_err(|cause| {
                StorageError::Failed(format!("{}: cannot be made: {cause}", path.display()))
            })?;
        }
        let engine = Self::file(path, OpenFlags::SQLITE_OPEN_CREATE, bounds)?;
        let log = "PRAGMA journal_mode = WAL";
        let result = engine.connection.execute_batch(log);
        result.map_err(|error| failed(&engine.place, &error))?;
        Ok(engine)
    }

    fn file(path: &Path, flags: OpenFlags, bounds: &Bounds) -> Result<Self, StorageError> {
        let place = path.display().to_string();
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(path, flags)
            .and_then(|connection| Self::set_up(connection, &place, bounds))
            .map_err(|error| failed(&place, &error))
    }

    /// An object's database in memory, gone when it is dropped.
    pub(in crate::storage) fn memory(place: &str, bounds: &Bounds) -> Result<Self, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_in_memory_with_flags(flags)
            .and_then(|connection| Self::set_up(connection, place, bounds))
            .and_then(|engine| engine.make_tables().map(|()| engine))
            .map_err(|error| failed(place, &error))
    }

    /// The bytes of a new object's database, made in a file at this path. A file with these bytes is there with
    /// one write and one sync, where SQLite, which takes a new file from one kind of log to the other, needs
    /// five.
    pub(super) fn template(path: &Path, bounds: &Bounds) -> Result<Vec<u8>, StorageError> {
        let engine = Self::index(path, bounds)?;
        engine
            .make_tables()
            .map_err(|error| failed(&engine.place, &error))?;
        engine.move_log()?;
        drop(engine);
        fs::read(path).map_err(|cause| StorageError::Failed(format!("{}: {cause}", path.display())))
    }

    /// Settings that belong to the connection.
    fn set_up(mut connection: Connection, place: &str, bounds: &Bounds) -> rusqlite::Result<Self> {
        connection.busy_timeout(Duration::from_millis(bounds.busy_ms))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Neither the guest's SQL nor a damaged or forged schema gets at more than data.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Else SQLite compiles a statement anew for each value of a parameter that its plan could depend on, as
        // that of a LIMIT, and keeping compiled statements gains nothing.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, value_bytes(bounds)),
            (
                Limit::SQLITE_LIMIT_VARIABLE_NUMBER,
                limit(bounds.sql_parameters),
            ),
            (Limit::SQLITE_LIMIT_COLUMN, limit(bounds.sql_columns)),
            (
                Limit::SQLITE_LIMIT_FUNCTION_ARG,
                limit(bounds.sql_arguments),
            ),
            (
                Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
                limit(bounds.sql_pattern_bytes),
            ),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, limit(bounds.sql_depth)),
            (Limit::SQLITE_LIMIT_VDBE_OP, limit(bounds.sql_instructions)),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, TRIGGER_DEPTH),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            connection.set_limit(limit, value)?;
        }
        // Exclusive locking comes before anything that reads the file: only then does SQLite do without a file
        // of shared memory, and nobody else gets in.
        connection.execute_batch(&format!(
            "PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA cache_size = {CACHE_PAGES};
             PRAGMA cell_size_check = ON;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = {LOG_PAGES};
             PRAGMA journal_size_limit = {LOG_BYTES};"
        ))?;
        let guard = Guard::install(&mut connection)?;
        let most = usize::try_from(value_bytes(bounds)).unwrap_or(usize::MAX);
        functions::install(&connection, most)?;
        let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let engine = Self {
            connection,
            guard,
            place: place.into(),
            page_bytes,
            most_bytes: Cell::new(u64::MAX),
        };
        engine.bound(bounds.database_bytes)?;
        Ok(engine)
    }

    /// Have the database not grow beyond this; what is there stays.
    pub(super) fn bound(&self, bytes: u64) -> rusqlite::Result<()> {
        if self.most_bytes.replace(bytes) == bytes {
            return Ok(());
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let pages = (bytes / self.page_bytes).clamp(1, i64::from(u32::MAX) - 1);
        self.connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    }

    /// What it is not to grow beyond.
    pub(super) fn most_bytes(&self) -> u64 {
        self.most_bytes.get()
    }

    /// Move the log into the database, and leave an empty one. Outside a transaction.
    pub(super) fn move_log(&self) -> Result<(), StorageError> {
        self.connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .map_err(|error| failed(&self.place, &error))
    }

    /// Give back the pages that are not used any more, if they are many. Outside a transaction.
    pub(super) fn vacuum(&self) -> Result<(), StorageError> {
        let vacuum = || {
            let free: i64 = self
                .connection
                .pragma_query_value(None, "freelist_count", |row| row.get(0))?;
            if free * self.page_bytes < self.size()?.cast_signed() / 2 {
                return Ok(false);
            }
            self.connection.execute_batch("VACUUM").map(|()| true)
        };
        match vacuum() {
            Ok(true) => self.move_log(),
            Ok(false) => Ok(()),
            Err(error) => Err(failed(&self.place, &error)),
        }
    }

    /// Close a database whose log has so many bytes.
    pub(super) fn close(self, log_bytes: u64) -> Result<(), StorageError> {
        if log_bytes > LOG_BYTES {
            self.move_log()?;
        }
        Ok(())
    }

    /// Whether the host's tables are those of this version. This reads the schema: damage there is found now.
    fn check_format(&self) -> Result<(), StorageError> {
        let format = self
            .read_format()
            .map_err(|error| failed(&self.place, &error))?;
        let wrong = match format {
            Some(FORMAT) => return Ok(()),
            Some(_) => "it was written by a newer version of pairway",
            None => "it is not a database of pairway's, or damaged",
        };
        Err(StorageError::Failed(format!("{}: {wrong}", self.place)))
    }

    fn read_format(&self) -> rusqlite::Result<Option<i64>> {
        let log: String = self
            .connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if log != "wal" {
            return Ok(None);
        }
        let table = "SELECT 1 FROM sqlite_schema WHERE name = '_pairway_meta'";
        if !self.connection.prepare(table)?.exists([])? {
            return Ok(None);
        }
        let format = "SELECT value FROM _pairway_meta WHERE name = 'format'";
        self.connection
            .query_row(format, [], |row| row.get(0))
            .optional()
    }

    fn make_tables(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(&format!(
            "CREATE TABLE _pairway_kv (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
             CREATE TABLE _pairway_meta (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
             INSERT INTO _pairway_meta VALUES ('format', {FORMAT});"
        ))
    }

    /// A statement of the host's own, compiled once.
    pub(super) fn host(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        debug_assert!(is_host_text(sql), "{sql} could be taken for the guest's");
        self.connection.prepare_cached(sql)
    }

    pub(super) fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.host(sql)?.execute([]).map(drop)
    }

    /// Whether SQLite has a transaction open. It may have ended one by itself.
    pub(super) fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Do all of it, or undo what it did. Inside a transaction.
    pub(super) fn all_or_none<T>(
        &self,
        work: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.run("SAVEPOINT _pairway_all")?;
        let result = work();
        if result.is_err() && self.is_in_transaction() {
            self.run("ROLLBACK TO _pairway_all")?;
        }
        if self.is_in_transaction() {
            self.run("RELEASE _pairway_all")?;
        }
        result
    }

    /// Give back the memory that only speed needs.
    pub(in crate::storage) fn shrink(&self) {
        self.connection.flush_prepared_statement_cache();
        if let Err(error) = self.connection.release_memory() {
            tracing::warn!("{}: {}", self.place, message(&error));
        }
    }

    pub(in crate::storage) fn size(&self) -> rusqlite::Result<u64> {
        let pages: i64 = self
            .host("PRAGMA page_count /* _pairway_ */")?
            .query_row([], |row| row.get(0))?;
        Ok((pages * self.page_bytes).cast_unsigned())
    }
}

/// Bytes of the largest value, and of a row of the host's with it.
pub(super) fn value_bytes(bounds: &Bounds) -> i32 {
    limit(bounds.value_bytes).saturating_add(ROW_OVERHEAD)
}

/// A bound as SQLite counts, which takes no more than an `i32`.
pub(super) fn limit(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
