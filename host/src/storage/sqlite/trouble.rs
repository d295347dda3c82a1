//! Owns what went wrong inside SQLite: whose fault it is, and what it says. Knows nothing of turns.

use rusqlite::{Error, ErrorCode};

use crate::storage::store::StorageError;

/// Why work on a database stopped.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The engine failed; the transaction can not be relied on.
    Engine(Error),
    /// So it did, at a bound that this explains.
    Full(Error, String),
    /// The work was refused, or is wrong; what was written before it stands.
    Refused(StorageError),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Refused(error)
    }
}

impl Trouble {
    /// As the guest and the log get it. `place` says which database.
    pub(super) fn into_error(self, place: &str) -> StorageError {
        match self {
            Self::Engine(error) => failed(place, &error),
            Self::Full(error, bound) => {
                StorageError::Failed(format!("{place}: {}{bound}", message(&error)))
            }
            Self::Refused(error) => error,
        }
    }
}

/// The engine failed at this database.
pub(super) fn failed(place: &str, error: &Error) -> StorageError {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => " (another process, or another turn, has it open)",
        _ => "",
    };
    StorageError::Failed(format!("{place}: {}{hint}", message(error)))
}

/// Whether an error of the guest's SQL is not the SQL's fault.
pub(super) fn is_engine_failure(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::InternalMalfunction
        )
    )
}

/// What SQLite says, without the whole SQL text that rusqlite quotes.
pub(super) fn message(error: &Error) -> String {
    if let Error::SqlInputError { msg, offset, .. } = error {
        return format!("{msg} (at byte {offset})");
    }
    error.to_string()
}
