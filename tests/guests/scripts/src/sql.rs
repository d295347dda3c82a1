//! What an object sees of its database.

use crate::Log;
use pairway::*;
use serde::Deserialize;
use serde_bytes::ByteBuf;

pub(crate) fn run(name: &str, log: &mut Log, storage: &Storage) -> Result<()> {
    let sql = storage.sql();
    match name {
        "types" => types(log, &sql),
        "rows" => rows(log, &sql),
        "cursors" => cursors(log, &sql),
        "statements" => statements(log, &sql),
        "errors" => errors(log, &sql),
        "refused" => refused(log, &sql),
        "pragmas" => pragmas(log, &sql),
        "whole_or_not" => whole_or_not(log, &sql),
        "transactions" => transactions(log, storage),
        "foreign_keys" => foreign_keys(log, &sql),
        "search" => search(log, &sql),
        "functions" => functions(log, &sql),
        "math" => math(log, &sql),
        _ => Err("there is no such program".into()),
    }
}

fn types(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    let parameters = params![
        1,
        i64::MIN,
        0.5,
        0.1_f32,
        "é",
        "",
        vec![0_u8, 255],
        Vec::<u8>::new(),
        true,
        None::<i64>,
        f64::INFINITY
    ];
    let marks = vec!["?"; parameters.len()].join(", ");
    let cursor = sql.exec(&format!("SELECT {marks}"), parameters)?;
    for row in cursor.raw() {
        for value in row {
            log.line("value", value);
        }
    }
    log.line(
        "NaN",
        sql.exec("SELECT ?", [f64::NAN])?.one::<Option<f64>>()?,
    );
    let kinds = sql.exec("SELECT typeof(?), typeof(?), typeof(?)", (1, 1.0, true))?;
    log.line("kinds", kinds.one::<(String, String, String)>()?);
    Ok(())
}

#[derive(Debug, PartialEq, Deserialize)]
struct Line {
    author: String,
    picture: Option<Vec<u8>>,
    #[serde(default)]
    is_old: bool,
}

fn rows(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    sql.exec(
        "CREATE TABLE lines (author TEXT, picture BLOB, is_old INTEGER)",
        None,
    )?;
    sql.exec(
        "INSERT INTO lines VALUES ('Ada', x'00ff', 1), ('Bob', NULL, 0)",
        None,
    )?;
    let of = |author: &str| sql.exec("SELECT * FROM lines WHERE author = ?", [author]);
    log.line("struct", of("Ada")?.one::<Line>());
    log.line("option", of("Bob")?.one::<Option<Line>>());
    log.line("none", of("Eve")?.one::<Option<Line>>());
    log.line("no row", of("Eve")?.one::<Line>());
    log.line("tuple", of("Ada")?.one::<(String, Vec<u8>, bool)>());
    log.line(
        "short tuple",
        of("Ada")?.one::<(String, Vec<u8>)>().is_err(),
    );
    let blob = || sql.exec("SELECT x'00ff'", None);
    log.line(
        "bytes",
        (
            blob()?.one::<Vec<u8>>(),
            blob()?.one::<[u8; 2]>(),
            blob()?.one::<ByteBuf>(),
        ),
    );
    log.line(
        "all",
        sql.exec("SELECT picture FROM lines", None)?
            .to_array::<Option<Vec<u8>>>(),
    );
    let none = sql.exec(
        "SELECT max(author) AS author, max(picture) AS picture FROM lines WHERE 0",
        None,
    )?;
    log.line("nothing but NULL", none.one::<Option<Line>>());
    log.line(
        "several",
        sql.exec("SELECT * FROM lines", None)?.one::<Line>(),
    );
    Ok(())
}

fn cursors(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    let cursor = sql.exec("CREATE TABLE t (a, b)", None)?;
    log.line("no columns", (cursor.column_names(), cursor.rows_written()));
    let cursor = sql.exec("INSERT INTO t VALUES (1, 'x'), (2, 'y')", None)?;
    log.line("written", (cursor.rows_written(), cursor.raw().count()));
    let cursor = sql.exec("SELECT a, b AS c, a + 1 FROM t ORDER BY a DESC", None)?;
    log.line("columns", cursor.column_names());
    for row in cursor.next::<(u8, String, u8)>() {
        log.line("row", row);
    }
    log.line("read", cursor.rows_written());
    let cursor = sql.exec("UPDATE t SET a = a + 1 WHERE a > ? RETURNING a", [1])?;
    log.line(
        "returning",
        (cursor.to_array::<u8>(), cursor.rows_written()),
    );
    let cursor = sql.exec("DELETE FROM t", None)?;
    log.line("deleted", cursor.rows_written());
    Ok(())
}

fn statements(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    let last = sql.exec(
        "CREATE TABLE t (a); INSERT INTO t VALUES (1); SELECT a + ? FROM t;",
        [1],
    )?;
    log.line("last", last.to_array::<u8>());
    log.line(
        "first takes none",
        sql.exec("SELECT ?; SELECT 1", [1]).map(drop),
    );
    log.line("too few", sql.exec("SELECT ?, ?", [1]).map(drop));
    log.line("too many", sql.exec("SELECT ?", [1, 2]).map(drop));
    log.line("none wanted", sql.exec("SELECT 1", [1]).map(drop));
    log.line(
        "numbered",
        sql.exec("SELECT ?2, ?1, ?2", [1, 2])?.one::<(u8, u8, u8)>(),
    );
    log.line(
        "comments",
        sql.exec("-- nothing\nSELECT 1 -- one", None)?.one::<u8>(),
    );
    Ok(())
}

fn errors(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    sql.exec(
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL CHECK (b <> ''))",
        None,
    )?;
    sql.exec("INSERT INTO t VALUES (1, 'x')", None)?;
    for wrong in [
        "SELEC 1",
        "SELECT * FROM nowhere",
        "SELECT nothing FROM t",
        "SELECT no_such_function(1)",
        "INSERT INTO t VALUES (1, 'y')",
        "INSERT INTO t VALUES (2, NULL)",
        "INSERT INTO t VALUES (2, '')",
        "INSERT INTO t VALUES (2)",
        "CREATE TABLE t (c)",
        "SELECT 1 +",
        "SELECT 'unfinished",
        "SELECT abs(-9223372036854775808)",
    ] {
        log.line(wrong, sql.exec(wrong, None).map(drop));
    }
    for wrong in ["", "  -- nothing", "SELECT 1\0"] {
        log.line(wrong, sql.exec(wrong, None).map(drop));
    }
    log.line(
        "left",
        sql.exec("SELECT * FROM t", None)?.one::<(u8, String)>(),
    );
    Ok(())
}

fn is_refused(outcome: &Result<SqlCursor>) -> bool {
    matches!(outcome, Err(Error::Sql(_)))
}

fn refused(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    for action in [
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT s",
        "RELEASE s",
        "ATTACH ':memory:' AS other",
        "DETACH other",
        "CREATE TEMP TABLE t (a)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE t USING dbstat",
        "SELECT load_extension('x')",
        "SELECT * FROM _pairway_kv",
        "CREATE TABLE _PAIRWAY_mine (a)",
        "VACUUM",
    ] {
        log.line(action, is_refused(&sql.exec(action, None)));
    }
    Ok(())
}

fn pragmas(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    sql.exec("CREATE TABLE t (a, b)", None)?;
    for pragma in [
        "table_info(t)",
        "user_version",
        "user_version = 7",
        "foreign_keys",
        "defer_foreign_keys = ON",
        "quick_check",
        "index_list(t)",
        "encoding",
        "journal_mode = OFF",
        "locking_mode = NORMAL",
        "synchronous = OFF",
        "cache_size = 1",
        "writable_schema = ON",
        "page_size = 512",
    ] {
        log.line(
            pragma,
            is_refused(&sql.exec(&format!("PRAGMA {pragma}"), None)),
        );
    }
    log.line(
        "version",
        sql.exec("PRAGMA user_version", None)?.one::<u8>(),
    );
    let columns = sql.exec("SELECT name FROM pragma_table_info('t')", None)?;
    log.line("columns", columns.to_array::<String>());
    Ok(())
}

fn whole_or_not(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    sql.exec("CREATE TABLE t (a UNIQUE)", None)?;
    let failed = sql.exec(
        "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); INSERT INTO t VALUES (1)",
        None,
    );
    log.line("failed", failed.map(drop));
    let failed = sql.exec("CREATE TABLE u (a); SELECT * FROM nowhere", None);
    log.line("failed", failed.map(drop));
    log.line(
        "rows",
        sql.exec("SELECT count(*) FROM t", None)?.one::<u8>(),
    );
    log.line("table", sql.exec("SELECT * FROM u", None).is_err());
    Ok(())
}

fn transactions(log: &mut Log, storage: &Storage) -> Result<()> {
    let (sql, kv) = (storage.sql(), storage.kv());
    let count = || sql.exec("SELECT count(*) FROM t", None)?.one::<u8>();
    let undone = storage.transaction_sync(|| {
        sql.exec("CREATE TABLE t (a)", None)?;
        kv.put("k", &1)?;
        Err::<(), _>("no".into())
    });
    log.line("undone", (undone, count().is_err(), kv.get::<u8>("k")?));
    sql.exec("CREATE TABLE t (a)", None)?;
    let kept = storage.transaction_sync(|| {
        sql.exec("INSERT INTO t VALUES (1)", None)?;
        let inner = storage.transaction_sync(|| {
            sql.exec("INSERT INTO t VALUES (2)", None)?;
            kv.put("k", &2)?;
            Err::<(), _>("inner".into())
        });
        kv.put("l", &3)?;
        Ok(inner)
    });
    log.line("kept", (kept, count()?, kv.keys()?));
    Ok(())
}

fn foreign_keys(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    sql.exec("CREATE TABLE p (id INTEGER PRIMARY KEY)", None)?;
    sql.exec("CREATE TABLE c (p REFERENCES p ON DELETE CASCADE)", None)?;
    log.line(
        "alone",
        sql.exec("INSERT INTO c VALUES (1)", None).map(drop),
    );
    let both = sql.exec("INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)", None)?;
    log.line("both", both.rows_written());
    log.line("cascade", sql.exec("DELETE FROM p", None)?.rows_written());
    log.line(
        "left",
        sql.exec("SELECT count(*) FROM c", None)?.one::<u8>(),
    );
    Ok(())
}

fn search(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    sql.exec("CREATE VIRTUAL TABLE notes USING fts5(text)", None)?;
    sql.exec(
        "INSERT INTO notes VALUES ('the quick fox'), ('the lazy dog')",
        None,
    )?;
    let found = sql.exec(
        "SELECT text FROM notes WHERE notes MATCH ?",
        ["quick OR dog"],
    )?;
    log.line("found", found.to_array::<String>());
    sql.exec("CREATE VIRTUAL TABLE places USING rtree(id, x0, x1)", None)?;
    sql.exec("INSERT INTO places VALUES (1, 0, 1), (2, 5, 6)", None)?;
    log.line(
        "place",
        sql.exec("SELECT id FROM places WHERE x0 > 2", None)?
            .one::<u8>(),
    );
    Ok(())
}

fn functions(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    for expression in [
        "upper('é a')",
        "json_extract('{\"a\": [1, 2]}', '$.a[1]')",
        "json_group_array(1)",
        "group_concat('x')",
        "substr('abc', 2)",
        "hex(x'0aff')",
        "iif(1, 2, 3)",
        "'a' LIKE 'A'",
        "'a' GLOB 'A'",
        "printf('%05d', 7)",
        "date('2026-01-31', '+1 month')",
        "10 / 4",
        "10 % 4",
        "1e400",
    ] {
        let outcome = sql.exec(&format!("SELECT {expression}"), None);
        log.line(
            expression,
            outcome.map(|cursor| cursor.raw().flatten().cloned().collect::<Vec<_>>()),
        );
    }
    Ok(())
}

fn math(log: &mut Log, sql: &SqlStorage) -> Result<()> {
    for expression in [
        "sqrt(2)",
        "ceil(1.5)",
        "floor(1.5)",
        "mod(7, 4)",
        "pow(2, 10)",
        "log(100)",
        "ln(1)",
        "exp(0)",
        "trunc(1.5)",
        "sin(0)",
        "radians(180)",
        "pi()",
    ] {
        let outcome = sql.exec(&format!("SELECT {expression}"), None);
        log.line(
            expression,
            outcome.map(|cursor| cursor.raw().flatten().cloned().collect::<Vec<_>>()),
        );
    }
    Ok(())
}
