//! Owns the database of an object in a test: SQLite in memory, by the rules that the host has for a worker's SQL. What that
//! may cost there it does not know.

use super::super::Rows;
use crate::error::{Error, Result};
use crate::value::SqlStorageValue;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, Connection, Statement, ToSql};
use std::sync::{Arc, Mutex, PoisonError};

const STATEMENT_BYTES: usize = 100_000;
const HOST_PREFIX: &str = "_pairway_";

/// Opened when it is first used.
#[derive(Default)]
pub(super) struct Database {
    open: Option<Open>,
    /// Transactions that are open, one inside the other.
    depth: usize,
}

struct Open {
    connection: Connection,
    guard: Guard,
}

/// What the worker's SQL may do.
#[derive(Clone, Default)]
struct Guard(Arc<Mutex<Watch>>);

#[derive(Default)]
struct Watch {
    /// It is the worker's SQL.
    is_guest: bool,
    /// Why the last action was refused.
    refusal: Option<&'static str>,
}

impl Guard {
    fn watch<T>(&self, act: impl FnOnce(&mut Watch) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn authorize(&self, context: &AuthContext<'_>) -> Authorization {
        self.watch(|watch| {
            let refusal = refusal(&context.action).filter(|_| watch.is_guest);
            if refusal.is_none() {
                return Authorization::Allow;
            }
            watch.refusal = refusal;
            Authorization::Deny
        })
    }
}

/// Why an action is not allowed.
fn refusal(action: &AuthAction<'_>) -> Option<&'static str> {
    use AuthAction as A;
    if let A::Transaction { .. } | A::Savepoint { .. } = action {
        Some(
            "BEGIN, COMMIT, ROLLBACK, SAVEPOINT and RELEASE are not allowed in SQL: use `transaction`",
        )
    } else if let A::Attach { .. } | A::Detach { .. } = action {
        Some("ATTACH and DETACH are not allowed: an object has one database")
    } else if let A::CreateTempIndex { .. }
    | A::CreateTempTable { .. }
    | A::CreateTempTrigger { .. }
    | A::CreateTempView { .. } = action
    {
        Some("TEMP is not allowed: it would be gone when the object hibernates")
    } else if let A::CreateVtable { module_name, .. } = action {
        let module = module_name.to_ascii_lowercase();
        let is_known = ["fts5", "fts5vocab", "rtree", "rtree_i32"].contains(&module.as_str());
        (!is_known).then_some("of modules only fts5, fts5vocab, rtree and rtree_i32 are allowed")
    } else if let A::Function { function_name } = action {
        let name = function_name.to_ascii_lowercase();
        ["load_extension", "fts3_tokenizer", "sqlite_log"]
            .contains(&name.as_str())
            .then_some("this function is not allowed")
    } else if let A::Pragma {
        pragma_name,
        pragma_value,
    } = action
    {
        pragma(pragma_name, *pragma_value)
    } else {
        None
    }
}

fn pragma(name: &str, value: Option<&str>) -> Option<&'static str> {
    let is_allowed = match name.to_ascii_lowercase().as_str() {
        "table_info" | "table_xinfo" | "table_list" | "index_list" | "index_info"
        | "index_xinfo" | "foreign_key_list" | "foreign_key_check" | "quick_check"
        | "integrity_check" | "defer_foreign_keys" | "user_version" | "optimize" => true,
        "foreign_keys" | "schema_version" | "data_version" | "encoding" | "page_count"
        | "page_size" | "freelist_count" | "compile_options" | "function_list" | "module_list"
        | "pragma_list" | "collation_list" => value.is_none(),
        _ => false,
    };
    (!is_allowed).then_some("this PRAGMA is not allowed here")
}

fn refused(error: &rusqlite::Error) -> Error {
    use rusqlite::Error as E;
    Error::Sql(if let E::SqlInputError { msg, offset, .. } = error {
        format!("{msg} (at byte {offset})")
    } else if let E::SqliteFailure(_, Some(message)) = error {
        message.clone()
    } else {
        error.to_string()
    })
}

impl Database {
    fn open(&mut self) -> Result<&mut Open> {
        if self.open.is_none() {
            let open = Open::new().map_err(|error| refused(&error))?;
            // Nothing was in it when the transactions began.
            for level in 0..self.depth {
                open.run(&format!("SAVEPOINT level_{level}"))?;
            }
            self.open = Some(open);
        }
        self.open
            .as_mut()
            .ok_or_else(|| Error::Storage("the database is not open".to_owned()))
    }

    pub(super) fn exec(&mut self, sql: &str, parameters: &[SqlStorageValue]) -> Result<Rows> {
        if sql.len() > STATEMENT_BYTES {
            return Err(Error::Sql(format!(
                "the SQL has more than {STATEMENT_BYTES} bytes"
            )));
        }
        if sql.contains('\0') {
            return Err(Error::Sql("the SQL contains a zero byte".to_owned()));
        }
        if sql.to_ascii_lowercase().contains(HOST_PREFIX) {
            let why = "names that begin with _pairway_ are the host's";
            return Err(Error::Sql(why.to_owned()));
        }
        self.open()?.exec(sql, parameters)
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        if let Some(open) = &self.open {
            open.run(&format!("SAVEPOINT level_{}", self.depth))?;
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        self.depth -= 1;
        let level = self.depth;
        self.open
            .as_ref()
            .map_or(Ok(()), |open| open.run(&format!("RELEASE level_{level}")))
    }

    pub(super) fn rollback(&mut self) -> Result<()> {
        self.depth -= 1;
        let level = self.depth;
        self.open.as_ref().map_or(Ok(()), |open| {
            open.run(&format!("ROLLBACK TO level_{level}; RELEASE level_{level}"))
        })
    }

    /// Every table goes, and comes back if the transaction around it is undone.
    pub(super) fn wipe(&mut self) -> Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        open.run("PRAGMA defer_foreign_keys = ON")?;
        for kind in ["trigger", "view", "table"] {
            for name in open.names(kind)? {
                open.run(&format!("DROP {kind} IF EXISTS {}", quoted(&name)))?;
            }
        }
        Ok(())
    }

    pub(super) fn size(&mut self) -> Result<u64> {
        let rows = self.open()?.exec(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            &[],
        )?;
        match rows.rows.first().and_then(|row| row.first()) {
            Some(SqlStorageValue::Integer(bytes)) => Ok(bytes.unsigned_abs()),
            _ => Ok(0),
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Open {
    fn new() -> rusqlite::Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let guard = Guard::default();
        let asked = guard.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            asked.authorize(&context)
        }))?;
        Ok(Self { connection, guard })
    }

    /// The host's own SQL.
    fn run(&self, sql: &str) -> Result<()> {
        self.connection
            .execute_batch(sql)
            .map_err(|error| refused(&error))
    }

    fn names(&self, kind: &str) -> Result<Vec<String>> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let read = |statement: &mut Statement<'_>| {
            statement
                .query_map([kind], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        };
        let names = self.connection.prepare(sql);
        names
            .and_then(|mut statement| read(&mut statement))
            .map_err(|error| refused(&error))
    }

    /// The worker's SQL: all of it or nothing.
    fn exec(&mut self, sql: &str, parameters: &[SqlStorageValue]) -> Result<Rows> {
        self.run("SAVEPOINT exec")?;
        self.guard.watch(|watch| watch.is_guest = true);
        let ran = self.run_all(sql, parameters);
        let refusal = self.guard.watch(std::mem::take).refusal;
        self.run(if ran.is_ok() {
            "RELEASE exec"
        } else {
            "ROLLBACK TO exec; RELEASE exec"
        })?;
        ran.map_err(|error| match (error, refusal) {
            (Error::Sql(_), Some(refusal)) => Error::Sql(refusal.to_owned()),
            (error, _) => error,
        })
    }

    fn run_all(&self, sql: &str, parameters: &[SqlStorageValue]) -> Result<Rows> {
        let mut rows = Rows {
            columns: Vec::new(),
            rows: Vec::new(),
            rows_written: 0,
        };
        let before = self.connection.total_changes();
        let mut batch = Batch::new(&self.connection, sql);
        let mut last = None;
        while let Some(mut statement) = batch.next().map_err(|error| refused(&error))? {
            if last.is_some_and(|count| count > 0) {
                let why = "only the last statement can have parameters";
                return Err(Error::Sql(why.to_owned()));
            }
            let wanted = statement.parameter_count();
            if wanted > 0 {
                check_parameters(wanted, parameters)?;
            }
            run_one(&mut statement, parameters, &mut rows).map_err(|error| refused(&error))?;
            last = Some(wanted);
        }
        let Some(wanted) = last else {
            return Err(Error::Sql("the SQL contains no statement".to_owned()));
        };
        check_parameters(wanted, parameters)?;
        rows.rows_written = self.connection.total_changes() - before;
        Ok(rows)
    }
}

fn check_parameters(wanted: usize, parameters: &[SqlStorageValue]) -> Result<()> {
    let given = parameters.len();
    if wanted == given {
        return Ok(());
    }
    Err(Error::Sql(format!(
        "the SQL has {wanted} parameters, and {given} values were given"
    )))
}

fn run_one(
    statement: &mut Statement<'_>,
    parameters: &[SqlStorageValue],
    into: &mut Rows,
) -> rusqlite::Result<()> {
    if statement.parameter_count() > 0 {
        for (index, value) in parameters.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, value)?;
        }
    }
    into.rows.clear();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let columns = row.as_ref().column_count();
        let values = (0..columns).map(|column| row.get_ref(column).map(value));
        into.rows.push(values.collect::<rusqlite::Result<_>>()?);
    }
    drop(rows);
    into.columns = statement.column_names().map(str::to_owned).collect();
    Ok(())
}

fn value(value: ValueRef<'_>) -> SqlStorageValue {
    match value {
        ValueRef::Null => SqlStorageValue::Null,
        ValueRef::Integer(integer) => SqlStorageValue::Integer(integer),
        ValueRef::Real(real) => SqlStorageValue::Float(real),
        ValueRef::Text(text) => SqlStorageValue::String(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => SqlStorageValue::Blob(bytes.to_vec()),
    }
}

impl ToSql for SqlStorageValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Boolean(value) => ValueRef::Integer(i64::from(*value)),
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Float(real) => ValueRef::Real(*real),
            Self::String(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
