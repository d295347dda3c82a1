//! Owns the contract of storage: the traits, the values that pass through them, and what can go wrong. Knows no
//! engine.

use std::fmt;
use std::sync::Arc;

use super::stop::Stop;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    /// The name of its class.
    pub(crate) class: Arc<str>,
    /// Its id, 64 hexadecimal digits.
    pub(crate) id: Arc<str>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.class, self.id)
    }
}

/// Why storage refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("the key has more than {0} bytes (limit key_bytes)")]
    KeyTooLarge(u64),
    #[error("the key and its value have together more than {0} bytes (limit value_bytes)")]
    ValueTooLarge(u64),
    /// SQL that is wrong, that is not allowed, that took too long or that broke a constraint.
    #[error("{0}")]
    Sql(String),
    /// A call that makes no sense or asks for too much at once: options that rule each other out, `commit`
    /// without `begin`.
    #[error("{0}")]
    Options(String),
    /// The engine failed: the disk is full, the file is damaged, another process has it. Names the file.
    #[error("{0}")]
    Failed(String),
}

/// A value in SQL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SqlValue {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// What the last statement gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SqlResult {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<SqlValue>>,
    /// Rows that all statements changed, those that triggers and foreign keys changed included.
    pub(crate) rows_written: u64,
}

/// What is about to be asked of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// To read or delete so many keys.
    Keys(usize),
    /// To write so many entries, of so many bytes in all.
    Put { entries: usize, bytes: usize },
    /// To list so many entries at most.
    List(Option<u32>),
    /// To set the alarm.
    Alarm,
    /// To end a transaction and undo what it wrote.
    Rollback,
    /// To delete everything.
    DeleteAll,
}

/// Which entries `list` gives, and in what order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ListOptions {
    /// From this key on.
    pub(crate) start: Option<String>,
    /// From the first key behind this one on. Not with `start`.
    pub(crate) start_after: Option<String>,
    /// Up to the last key before this one.
    pub(crate) end: Option<String>,
    pub(crate) prefix: Option<String>,
    /// The last key first.
    pub(crate) reverse: bool,
    pub(crate) limit: Option<u32>,
}

/// An object's alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alarm {
    /// Milliseconds since the epoch.
    pub(crate) due_ms: u64,
    /// How often it has been delivered and not been handled.
    pub(crate) retry_count: u32,
}

/// An object that may have an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlarmHint {
    pub(crate) address: Address,
    /// The name that its id was made from.
    pub(crate) name: Option<String>,
    /// The earliest time at which the alarm may be due, in milliseconds since the epoch.
    pub(crate) due_ms: u64,
}

/// Where objects' stores are. The seam for engines that are not local files.
///
/// The index of alarms is a hint: it may name an object that has no alarm, or a time that is too early, but it
/// misses none. The truth is [`Store::alarm`].
pub(crate) trait Storage: Send + Sync + fmt::Debug {
    /// Open an object's store. Leaves nothing behind if the object has none yet.
    fn open(&self, address: &Address) -> Result<Box<dyn Store>, StorageError>;

    /// The objects that may have an alarm. Read once, at the start.
    fn alarms(&self) -> Result<Vec<AlarmHint>, StorageError>;

    /// Make durable, BEFORE the object's own commit, that it may have an alarm at `due_ms`. An earlier time that
    /// is noted already stays: until the commit, the object has the alarm from before.
    fn note_alarm(
        &self,
        address: &Address,
        name: Option<&str>,
        due_ms: u64,
    ) -> Result<(), StorageError>;

    /// After the object's commit: its alarm is due at `due_ms` and not earlier. Not durable by itself, for an
    /// index that lags behind is merely early; it saves the next `note_alarm` its write.
    fn settle_alarm(&self, address: &Address, due_ms: u64) -> Result<(), StorageError>;

    /// After the object's commit: it has no alarm. Not durable by itself.
    fn forget_alarm(&self, address: &Address) -> Result<(), StorageError>;
}

/// One object's store, used by one turn at a time.
pub(crate) trait Store: Send + fmt::Debug {
    /// Whether a work takes a moment, whatever is stored; else it is not for a thread on which others wait. SQL never is.
    fn is_brief(&self, work: Work) -> bool;

    /// End the SQL that runs when this says so.
    fn listen_to(&mut self, stop: Arc<Stop>);

    /// The values of these keys, in their order.
    fn get(&mut self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StorageError>;

    /// Set these keys, all or none.
    fn put(&mut self, entries: &[(String, Vec<u8>)]) -> Result<(), StorageError>;

    /// Delete these keys. Returns how many of them had a value.
    fn delete(&mut self, keys: &[String]) -> Result<u32, StorageError>;

    /// Entries in the order of their keys' UTF-8 bytes.
    fn list(&mut self, options: &ListOptions) -> Result<Vec<(String, Vec<u8>)>, StorageError>;

    /// The keys of what `list` gives.
    fn list_keys(&mut self, options: &ListOptions) -> Result<Vec<String>, StorageError>;

    /// Delete everything: entries, alarm, the guest's own tables.
    fn delete_all(&mut self) -> Result<(), StorageError>;

    /// Run SQL statements, all or none. The parameters belong to the last, and so do columns and rows.
    fn exec(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<SqlResult, StorageError>;

    /// Bytes of the database, what this turn wrote included.
    fn size(&mut self) -> Result<u64, StorageError>;

    /// Begin a transaction inside the turn. They nest.
    fn begin(&mut self) -> Result<(), StorageError>;

    /// End the innermost transaction, keeping what it wrote.
    fn commit(&mut self) -> Result<(), StorageError>;

    /// End the innermost transaction, undoing what it wrote.
    fn rollback(&mut self) -> Result<(), StorageError>;

    fn alarm(&mut self) -> Result<Option<Alarm>, StorageError>;

    fn set_alarm(&mut self, alarm: Option<Alarm>) -> Result<(), StorageError>;

    /// Whether this turn may have written something that is not committed.
    fn is_dirty(&self) -> bool;

    /// The turn ends well: transactions still open are rolled back, the rest is durable when this returns. On
    /// an error nothing of the turn has happened.
    fn end_turn(&mut self) -> Result<(), StorageError>;

    /// The turn failed: everything that it wrote is undone.
    fn undo_turn(&mut self) -> Result<(), StorageError>;
}
