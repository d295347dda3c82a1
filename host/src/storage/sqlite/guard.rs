//! Owns what a guest's SQL may do: which actions SQLite is to refuse, and for how long it may run. Knows nothing
//! of results.
//!
//! SQLite asks while it compiles a statement, so a statement compiled for the host is not asked about again. The
//! two must not share compiled statements; see [`is_host_text`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::temp::Temp;
use crate::storage::stop::Stop;

/// Instructions of SQLite's machine between two looks at the clock, some microseconds, or as many milliseconds where they
/// are functions of the largest values.
const STEPS_PER_LOOK: i32 = 100;

/// What the names of the host's own tables begin with.
const HOST_PREFIX: &str = "_pairway_";

const NO_TEMP: &str = "TEMP is not allowed: it would be gone when the object hibernates";

/// Whether a text can be the text of one of the host's own statements: all of them contain the prefix.
pub(super) fn is_host_text(sql: &str) -> bool {
    sql.contains(HOST_PREFIX)
}

/// Watches over one connection.
#[derive(Debug, Default)]
pub(super) struct Guard {
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    /// The guest's SQL is compiled or runs, not the host's.
    is_guest: bool,
    deadline: Option<Instant>,
    is_late: bool,
    /// Why the last action was refused.
    refusal: Option<String>,
    defines: bool,
    sets: bool,
    /// A function whose time grows with the square of what it is given.
    squares: Option<&'static str>,
    /// There is too much in temporary files.
    is_spilling: bool,
    temp: Option<Temp>,
    stop: Option<Arc<Stop>>,
}

impl Guard {
    /// Have a guard watch over this connection.
    pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<Arc<Self>> {
        let guard = Arc::new(Self::default());
        let asked = Arc::clone(&guard);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            asked.authorize(context)
        }))?;
        let asked = Arc::clone(&guard);
        connection.progress_handler(STEPS_PER_LOOK, Some(move || asked.is_over()))?;
        Ok(guard)
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on it is the guest's SQL, until the scope is dropped.
    pub(super) fn enter(&self, deadline: Instant, temp_bytes: u64, stop: &Arc<Stop>) -> Scope<'_> {
        *self.watch() = Watch {
            is_guest: true,
            deadline: Some(deadline),
            stop: Some(Arc::clone(stop)),
            temp: Some(Temp::watch(temp_bytes)),
            ..Watch::default()
        };
        Scope { guard: self }
    }

    fn authorize(&self, context: AuthContext<'_>) -> Authorization {
        let mut watch = self.watch();
        if !watch.is_guest {
            return Authorization::Allow;
        }
        let is_temp = context.database_name == Some("temp");
        match judge(context.action) {
            Verdict::Allow => {}
            Verdict::Defines if is_temp => {
                watch.refusal = Some(NO_TEMP.to_owned());
                return Authorization::Deny;
            }
            Verdict::Defines => watch.defines = true,
            Verdict::Sets => watch.sets = true,
            Verdict::Squares(name) => watch.squares = Some(name),
            Verdict::Refuse(reason) => {
                watch.refusal = Some(reason);
                return Authorization::Deny;
            }
        }
        Authorization::Allow
    }

    /// Whether the guest's SQL has had its time or its room.
    fn is_over(&self) -> bool {
        let mut watch = self.watch();
        let Some(deadline) = watch.deadline else {
            return false;
        };
        let now = Instant::now();
        watch.is_late |= now >= deadline;
        watch.is_spilling |= watch.temp.as_mut().is_some_and(|temp| temp.is_over(now));
        watch.is_late
            || watch.is_spilling
            || watch.stop.as_ref().is_some_and(|stop| stop.is_given_up())
    }
}

/// The time during which a connection runs the guest's SQL.
#[derive(Debug)]
pub(super) struct Scope<'g> {
    guard: &'g Guard,
}

impl Scope<'_> {
    /// Whether the SQL was stopped because its time was over.
    pub(super) fn is_late(&self) -> bool {
        let watch = self.guard.watch();
        // What was interrupted by another thread has not looked itself.
        watch.is_late || watch.deadline.is_some_and(|at| Instant::now() >= at)
    }

    /// Whether the SQL was stopped because there is too much in temporary files.
    pub(super) fn is_spilling(&self) -> bool {
        self.guard.watch().is_spilling
    }

    /// A function that a statement uses and that takes no large values.
    pub(super) fn squares(&self) -> Option<&'static str> {
        self.guard.watch().squares
    }

    pub(super) fn take_refusal(&self) -> Option<String> {
        self.guard.watch().refusal.take()
    }

    /// Whether a statement changes what tables there are.
    pub(super) fn defines(&self) -> bool {
        self.guard.watch().defines
    }

    /// Whether a statement changes a setting, which SQLite may do already when it compiles it.
    pub(super) fn sets(&self) -> bool {
        self.guard.watch().sets
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        *self.guard.watch() = Watch::default();
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Defines,
    Sets,
    Squares(&'static str),
    Refuse(String),
}

fn refuse(reason: &str) -> Verdict {
    Verdict::Refuse(reason.to_owned())
}

fn judge(action: AuthAction<'_>) -> Verdict {
    use AuthAction as A;
    match action {
        A::Select | A::Recursive | A::Analyze { .. } | A::Reindex { .. } => Verdict::Allow,
        A::Read { table_name, .. }
        | A::Insert { table_name }
        | A::Update { table_name, .. }
        | A::Delete { table_name } => named(table_name, Verdict::Allow),
        A::CreateTable { table_name: name }
        | A::DropTable { table_name: name }
        | A::CreateView { view_name: name }
        | A::DropView { view_name: name }
        | A::CreateIndex {
            table_name: name, ..
        }
        | A::DropIndex {
            table_name: name, ..
        }
        | A::CreateTrigger {
            table_name: name, ..
        }
        | A::DropTrigger {
            table_name: name, ..
        }
        | A::AlterTable {
            table_name: name, ..
        }
        | A::DropVtable {
            table_name: name, ..
        } => named(name, Verdict::Defines),
        A::CreateVtable { module_name, .. } => module(module_name),
        A::Pragma {
            pragma_name,
            pragma_value,
        } => pragma(pragma_name, pragma_value),
        A::Function { function_name } => function(function_name),
        A::Transaction { .. } | A::Savepoint { .. } => refuse(
            "BEGIN, COMMIT, ROLLBACK, SAVEPOINT and RELEASE are not allowed in SQL: use `transaction`",
        ),
        A::Attach { .. } | A::Detach { .. } => {
            refuse("ATTACH and DETACH are not allowed: an object has one database")
        }
        A::CreateTempIndex { .. }
        | A::CreateTempTable { .. }
        | A::CreateTempTrigger { .. }
        | A::CreateTempView { .. }
        | A::DropTempIndex { .. }
        | A::DropTempTable { .. }
        | A::DropTempTrigger { .. }
        | A::DropTempView { .. } => refuse(NO_TEMP),
        A::Unknown { code, .. } => Verdict::Refuse(format!("action {code} is not allowed")),
        _ => refuse("this action is not allowed"),
    }
}

fn named(name: &str, verdict: Verdict) -> Verdict {
    if mentions_host_tables(name) {
        return Verdict::Refuse(format!("the table {name} is the host's"));
    }
    verdict
}

/// Whether a text has a name in it that begins as those of the host's tables do. SQLite compares names without
/// regard to case, and knows no other way to write a letter in one.
pub(super) fn mentions_host_tables(text: &str) -> bool {
    let is_in_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"_$".contains(byte) || !byte.is_ascii();
    let bytes = text.as_bytes();
    bytes
        .windows(HOST_PREFIX.len())
        .enumerate()
        .any(|(at, part)| {
            part.eq_ignore_ascii_case(HOST_PREFIX.as_bytes())
                && !bytes[..at].last().is_some_and(is_in_name)
        })
}

/// Modules of virtual tables. The others are there for SQLite's own sake, or old.
fn module(name: &str) -> Verdict {
    match name.to_ascii_lowercase().as_str() {
        "fts5" | "fts5vocab" | "rtree" | "rtree_i32" => Verdict::Defines,
        _ => Verdict::Refuse(format!(
            "the module {name} is not allowed: only fts5, fts5vocab, rtree and rtree_i32 are"
        )),
    }
}

fn function(name: &str) -> Verdict {
    match name.to_ascii_lowercase().as_str() {
        "load_extension" | "fts3_tokenizer" | "sqlite_log" => {
            Verdict::Refuse(format!("the function {name} is not allowed"))
        }
        "json_pretty" => refuse(
            "the function json_pretty is not allowed: what it gives can be a thousand times as large as what it is given",
        ),
        "json_patch" => Verdict::Squares("json_patch"),
        "jsonb_patch" => Verdict::Squares("jsonb_patch"),
        "unhex" => Verdict::Squares("unhex"),
        "snippet" => Verdict::Squares("snippet"),
        "highlight" => Verdict::Squares("highlight"),
        _ => Verdict::Allow,
    }
}

/// What only tells, what changes this database and is undone with the turn, and nothing else: most settings
/// belong to the connection, which the guest does not know to come and go.
fn pragma(name: &str, value: Option<&str>) -> Verdict {
    match (name.to_ascii_lowercase().as_str(), value) {
        (
            "table_info" | "table_xinfo" | "table_list" | "index_list" | "index_info"
            | "index_xinfo" | "foreign_key_list" | "foreign_key_check" | "quick_check"
            | "integrity_check",
            _,
        )
        | (
            "foreign_keys" | "defer_foreign_keys" | "user_version" | "schema_version"
            | "data_version" | "encoding" | "page_count" | "page_size" | "freelist_count"
            | "compile_options" | "function_list" | "module_list" | "pragma_list"
            | "collation_list",
            None,
        ) => Verdict::Allow,
        ("defer_foreign_keys" | "user_version", Some(_)) | ("optimize", _) => Verdict::Sets,
        ("foreign_keys", Some(_)) => refuse(
            "foreign keys are always on: PRAGMA defer_foreign_keys = ON defers them to the turn's end",
        ),
        _ => Verdict::Refuse(format!("PRAGMA {name} is not allowed here")),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
