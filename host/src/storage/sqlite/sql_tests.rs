//! The guest's SQL: what it gives, and what it may not.

use crate::storage::testing::{
    both, exec, get, on_new_store, open, put, sql_error, text, value,
};
use crate::storage::{Alarm, Bounds, SqlResult, SqlValue, StorageError, Store};

#[test]
fn the_last_statement_gets_the_parameters_and_gives_the_rows() {
    on_new_store(|store| {
        let sql = "-- one
            CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'one'); SELECT 7;
            INSERT INTO t VALUES (?, ?2) RETURNING b, a AS first; -- the end";
        let result = store.exec(sql, &[SqlValue::Integer(2), text("two")]).unwrap();
        let expected = SqlResult {
            columns: vec!["b".to_owned(), "first".to_owned()],
            rows: vec![vec![text("two"), SqlValue::Integer(2)]],
            rows_written: 2,
        };
        assert_eq!(result, expected);
        let result = exec(store, "SELECT a FROM t WHERE a > 5; DELETE FROM t WHERE a = 1; ").unwrap();
        assert_eq!((result.columns.len(), result.rows.len(), result.rows_written), (0, 0, 1));
        let result = exec(store, "SELECT a FROM t WHERE a > 5").unwrap();
        assert_eq!((result.columns, result.rows.len()), (vec!["a".to_owned()], 0));
    });
}

#[test]
fn values_of_every_kind_go_in_and_come_out_the_same() {
    on_new_store(|store| {
        let values = [
            SqlValue::Null,
            SqlValue::Integer(i64::MIN),
            SqlValue::Real(-0.5),
            text("nul \0 and \u{10ffff}"),
            SqlValue::Blob(vec![0, 255]),
            SqlValue::Blob(vec![]),
        ];
        let result = store.exec("SELECT ?, ?, ?, ?, ?, ?", &values).unwrap();
        assert_eq!(result.rows, [values.to_vec()]);
        assert_eq!(value(store, "SELECT CAST(x'41ff' AS TEXT)"), text("A\u{fffd}"));
    });
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let one = [SqlValue::Integer(1)];
    on_new_store(|store| {
        exec(store, "CREATE TABLE t (x)").unwrap();
        for (sql, values) in [
            ("INSERT INTO t VALUES (?)", &one[..0]),
            ("INSERT INTO t VALUES (?, ?)", &one),
            ("INSERT INTO t VALUES (1)", &one),
            ("INSERT INTO t VALUES (1); SELECT 1", &one),
            ("INSERT INTO t VALUES (?); INSERT INTO t VALUES (1)", &one),
        ] {
            let result = store.exec(sql, values);
            assert!(matches!(result, Err(StorageError::Sql(_))), "{sql} gave {result:?}");
        }
        assert_eq!(value(store, "SELECT count(*) FROM t"), SqlValue::Integer(0));
    });
}

#[test]
fn sql_that_is_none_is_refused() {
    on_new_store(|store| {
        for (sql, reason) in [
            ("", "the SQL contains no statement"),
            (" ; -- nothing", "the SQL contains no statement"),
            ("SELECT 1\0; DROP TABLE t", "the SQL contains a zero byte"),
            ("SELEKT 1", "near \"SELEKT\": syntax error (at byte 0)"),
            ("SELECT 1; SELECT x", "no such column: x (at byte 8)"),
        ] {
            assert_eq!(sql_error(store, sql), reason);
        }
    });
}

#[test]
fn a_statement_follows_its_table_when_that_changes() {
    on_new_store(|store| {
        exec(store, "CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
        assert_eq!(exec(store, "SELECT * FROM t").unwrap().columns, ["a"]);
        exec(store, "ALTER TABLE t ADD COLUMN b DEFAULT 2").unwrap();
        let result = exec(store, "SELECT * FROM t").unwrap();
        assert_eq!(result.columns, ["a", "b"]);
        assert_eq!(result.rows, [[SqlValue::Integer(1), SqlValue::Integer(2)]]);
    });
}

#[test]
fn rows_that_triggers_and_foreign_keys_write_are_counted() {
    on_new_store(|store| {
        let sql = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE log (x);
            CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE);
            CREATE TRIGGER tr AFTER DELETE ON c BEGIN INSERT INTO log VALUES (old.p); END;
            INSERT INTO p VALUES (1); INSERT INTO c VALUES (1), (1)";
        assert_eq!(exec(store, sql).unwrap().rows_written, 3);
        assert_eq!(exec(store, "DELETE FROM p").unwrap().rows_written, 5);
    });
}

/// Everything by which SQL could get at the host's tables.
const TRESPASSES: &[&str] = &[
    "SELECT * FROM _pairway_kv",
    "SELECT count(*) FROM _PAIRWAY_KV",
    "SELECT * FROM own JOIN \"_pairway_meta\"",
    "SELECT (SELECT max(value) FROM main._pairway_kv)",
    "INSERT INTO _pairway_kv VALUES ('k', 'v')",
    "UPDATE _pairway_kv SET value = 'v'",
    "DELETE FROM _pairway_kv",
    "INSERT INTO own SELECT key FROM _pairway_kv",
    "DROP TABLE _pairway_kv",
    "ALTER TABLE _pairway_kv ADD COLUMN x",
    "ALTER TABLE _pairway_kv RENAME TO kv",
    "ALTER TABLE own RENAME TO _Pairway_own",
    "CREATE TABLE _pairway_own (x)",
    "CREATE TABLE copy AS SELECT * FROM _pairway_kv",
    "CREATE INDEX i ON _pairway_kv (value)",
    "CREATE VIEW v AS SELECT * FROM _pairway_kv",
    "CREATE TRIGGER tr AFTER INSERT ON _pairway_kv BEGIN DELETE FROM own; END",
    "CREATE TRIGGER tr AFTER INSERT ON own BEGIN DELETE FROM _pairway_kv; END",
    "CREATE TABLE child (k REFERENCES _pairway_kv (value))",
    "CREATE VIRTUAL TABLE f USING fts5 (key, value, content = '_pairway_kv')",
    "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 0, '')",
    "UPDATE sqlite_schema SET sql = '' WHERE name = '_pairway_kv'",
    "SELECT value FROM _pairway_kv WHERE key = 'k'; SELECT 1",
];

#[test]
fn the_hosts_tables_are_out_of_reach() {
    on_new_store(|store| {
        exec(store, "CREATE TABLE own (x)").unwrap();
        put(store, "k", "mine").unwrap();
        store.end_turn().unwrap();
        for sql in TRESPASSES {
            sql_error(store, sql);
            assert!(!store.is_dirty(), "{sql}");
        }
        assert_eq!(get(store, "k").as_deref(), Some("mine"));
        assert_eq!(sql_error(store, "SELECT * FROM _pairway_kv"), "the table _pairway_kv is the host's");
        // Naming them is no crime.
        let sql = "SELECT name FROM sqlite_schema WHERE name NOT LIKE '_pairway_%'";
        assert_eq!(value(store, sql), text("own"));
    });
}

#[test]
fn sql_does_not_get_at_statements_that_were_compiled_for_the_host() {
    on_new_store(|store| {
        put(store, "k", "mine").unwrap();
        get(store, "k");
        store.begin().unwrap();
        store.commit().unwrap();
        for sql in [
            super::super::kv::GET,
            "COMMIT /* _pairway_ */",
            "SAVEPOINT _pairway_1",
            "RELEASE _pairway_1",
        ] {
            let result = store.exec(sql, &[text("k")]);
            assert!(matches!(result, Err(StorageError::Sql(_))), "{sql} gave {result:?}");
        }
        assert!(store.is_dirty());
    });
}

#[test]
fn a_definition_is_looked_at_each_time() {
    on_new_store(|store| {
        let sql = "CREATE TABLE child (k REFERENCES _PAIRWAY_KV (value))";
        let result = store.exec(sql, &[SqlValue::Null]);
        assert!(matches!(result, Err(StorageError::Sql(_))), "{result:?}");
        for _ in 0..2 {
            assert_eq!(sql_error(store, sql), "names that begin with _pairway_ are the host's");
        }
    });
}

#[test]
fn transactions_in_sql_are_refused_with_the_way_that_there_is() {
    on_new_store(|store| {
        exec(store, "CREATE TABLE t (x)").unwrap();
        for sql in [
            "BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s",
            "ROLLBACK TO s", "INSERT INTO t VALUES (1); COMMIT",
        ] {
            assert!(sql_error(store, sql).ends_with("use `transaction`"), "{sql}");
        }
        assert_eq!(value(store, "SELECT count(*) FROM t"), SqlValue::Integer(0));
    });
}

#[test]
fn sql_reaches_no_file_no_code_and_no_setting() {
    on_new_store(|store| {
        exec(store, "CREATE TABLE t (x)").unwrap();
        for sql in [
            "ATTACH '/tmp/pairway-attached' AS other",
            "ATTACH ':memory:' AS other",
            "DETACH main",
            "VACUUM",
            "VACUUM INTO '/tmp/pairway-vacuumed'",
            "SELECT load_extension('x')",
            "SELECT fts3_tokenizer('x')",
            "SELECT readfile('/etc/passwd')",
            "CREATE TEMP TABLE x (y)",
            "CREATE TEMP VIEW x AS SELECT 1",
            "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TABLE temp.x (y)",
            "CREATE VIRTUAL TABLE x USING fts4 (y)",
            "CREATE VIRTUAL TABLE x USING dbstat",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA synchronous = OFF",
            "PRAGMA locking_mode",
            "PRAGMA writable_schema = ON",
            "PRAGMA foreign_keys = OFF",
            "PRAGMA max_page_count = 10",
            "PRAGMA cache_size = 1000000",
            "PRAGMA mmap_size = 1000000",
            "PRAGMA temp_store_directory = '/tmp'",
            "PRAGMA database_list",
            "PRAGMA wal_checkpoint",
            "PRAGMA page_count(1)",
            "PRAGMA encoding = 'UTF-16'",
            "SELECT * FROM pragma_database_list",
            "SELECT * FROM pragma_journal_mode",
        ] {
            sql_error(store, sql);
        }
        assert!(!std::path::Path::new("/tmp/pairway-attached").exists());
        assert!(!std::path::Path::new("/tmp/pairway-vacuumed").exists());
    });
}

#[test]
fn pragmas_that_tell_of_the_database_are_allowed() {
    on_new_store(|store| {
        let sql = "CREATE TABLE t (x REFERENCES u (y)); CREATE INDEX i ON t (x); CREATE TABLE u (y UNIQUE)";
        exec(store, sql).unwrap();
        store.end_turn().unwrap();
        for (sql, expected) in [
            ("PRAGMA table_info(t)", SqlValue::Integer(0)),
            ("SELECT name FROM pragma_table_info('t')", text("x")),
            ("SELECT name FROM pragma_table_list WHERE name IN ('t')", text("t")),
            ("PRAGMA index_list(t)", SqlValue::Integer(0)),
            ("PRAGMA index_info(i)", SqlValue::Integer(0)),
            ("PRAGMA foreign_key_list(t)", SqlValue::Integer(0)),
            ("PRAGMA foreign_keys", SqlValue::Integer(1)),
            ("PRAGMA quick_check", text("ok")),
            ("PRAGMA user_version", SqlValue::Integer(0)),
        ] {
            assert_eq!(value(store, sql), expected, "{sql}");
        }
        assert!(!store.is_dirty());
    });
}

#[test]
fn settings_in_the_database_are_undone_with_the_turn() {
    on_new_store(|store| {
        for expected in [0, 3] {
            exec(store, "PRAGMA user_version = 3").unwrap();
            assert!(store.is_dirty());
            if expected == 3 {
                store.end_turn().unwrap();
            } else {
                store.undo_turn().unwrap();
            }
            assert_eq!(value(store, "PRAGMA user_version"), SqlValue::Integer(expected));
        }
        exec(store, "PRAGMA optimize; ANALYZE").unwrap();
        store.undo_turn().unwrap();
        assert_eq!(value(store, "PRAGMA user_version"), SqlValue::Integer(3));
    });
}

#[test]
fn full_text_and_r_trees_work_and_last() {
    both(&Bounds::default(), |storage| {
        let mut store = open(storage);
        let sql = "CREATE VIRTUAL TABLE f USING fts5 (body);
            CREATE VIRTUAL TABLE words USING fts5vocab (f, row);
            CREATE VIRTUAL TABLE r USING rtree (id, x0, x1);
            INSERT INTO f VALUES ('hello world'), ('good day'); INSERT INTO r VALUES (1, 0, 5)";
        exec(&mut *store, sql).unwrap();
        store.end_turn().unwrap();
        exec(&mut *store, "UPDATE f SET body = 'hello you' WHERE f MATCH 'hello'").unwrap();
        exec(&mut *store, "INSERT INTO f (f) VALUES ('optimize')").unwrap();
        store.end_turn().unwrap();
        drop(store);
        let mut store = open(storage);
        let found = "SELECT highlight(f, 0, '<', '>') FROM f WHERE f MATCH 'hello' ORDER BY rank";
        assert_eq!(value(&mut *store, found), text("<hello> you"));
        assert_eq!(value(&mut *store, "SELECT count(*) FROM words"), SqlValue::Integer(4));
        assert_eq!(value(&mut *store, "SELECT id FROM r WHERE x0 < 3"), SqlValue::Integer(1));
        sql_error(&mut *store, "DELETE FROM f_data");
        exec(&mut *store, "DROP TABLE words; DROP TABLE f; DROP TABLE r").unwrap();
        store.end_turn().unwrap();
    });
}

#[test]
fn ordinary_definitions_work() {
    on_new_store(|store| {
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, b AS (a || '!')) STRICT;
            ALTER TABLE t RENAME COLUMN a TO c; ALTER TABLE t RENAME TO u; ALTER TABLE u ADD COLUMN d TEXT;
            ALTER TABLE u DROP COLUMN d; CREATE VIEW v AS SELECT * FROM u;
            CREATE TRIGGER tr INSTEAD OF INSERT ON v BEGIN INSERT INTO u (c) VALUES (new.c); END;
            INSERT INTO v (c) VALUES ('x') ON CONFLICT DO NOTHING; REINDEX; ANALYZE;
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
            INSERT INTO u (c) SELECT json_object('i', i) FROM n;
            EXPLAIN QUERY PLAN SELECT * FROM u; SELECT b FROM v";
        let sql = sql.replace(" ON CONFLICT DO NOTHING", "").replace(" STRICT", "");
        let result = exec(store, &sql).unwrap();
        assert_eq!((result.rows[0][0].clone(), result.rows.len()), (text("x!"), 4));
        store.end_turn().unwrap();
        exec(store, "DROP TABLE u").unwrap();
        store.end_turn().unwrap();
    });
}

#[test]
fn create_if_not_exists_is_no_error_the_second_time() {
    on_new_store(|store| {
        for _ in 0..3 {
            exec(store, "CREATE TABLE IF NOT EXISTS t (x)").unwrap();
            exec(store, "INSERT INTO t VALUES (1)").unwrap();
            store.end_turn().unwrap();
        }
        assert_eq!(value(store, "SELECT count(*) FROM t"), SqlValue::Integer(3));
    });
}

#[test]
fn an_endless_statement_is_stopped_and_the_store_goes_on() {
    let bounds = Bounds {
        sql_ms: 50,
        ..Bounds::default()
    };
    let endless = "WITH RECURSIVE r (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r)";
    both(&bounds, |storage| {
        let mut store = open(storage);
        let reason = "the SQL took more than 50 ms (limit sql_ms)";
        put(&mut *store, "k", "1").unwrap();
        // Reading, it undoes nothing.
        let sql = format!("{endless} SELECT max(x) FROM r");
        assert_eq!(sql_error(&mut *store, &sql), reason);
        exec(&mut *store, "CREATE TABLE t (x)").unwrap();
        store.end_turn().unwrap();
        // Writing, it undoes the turn, and the turn fails unless that was all of it.
        let sql = format!("{endless} INSERT INTO t SELECT x FROM r WHERE x % 1000 = 0");
        assert_eq!(sql_error(&mut *store, &sql), reason);
        store.end_turn().unwrap();
        put(&mut *store, "k", "2").unwrap();
        assert_eq!(sql_error(&mut *store, &sql), reason);
        assert!(matches!(store.end_turn(), Err(StorageError::Failed(_))));
        assert_eq!(value(&mut *store, "SELECT count(*) FROM t"), SqlValue::Integer(0));
        assert_eq!(get(&mut *store, "k").as_deref(), Some("1"));
        assert_eq!(store.set_alarm(Some(Alarm { due_ms: 1, retry_count: 0 })), Ok(()));
        store.end_turn().unwrap();
    });
}

/// SQL that is small and means to be large.
#[test]
fn sql_that_explodes_is_stopped_on_a_small_stack() {
    let work = || {
        on_new_store(|store| {
            let mut columns = "a0".to_owned();
            for i in 1..60 {
                let before = i - 1;
                columns.push_str(&format!(", a{i} AS (a{before} + a{before})"));
            }
            for sql in [
                format!("CREATE TABLE g ({columns}); INSERT INTO g VALUES (1); SELECT a59 FROM g"),
                format!("SELECT {}1{}", "(".repeat(40_000), ")".repeat(40_000)),
                format!("SELECT {}1", "- ".repeat(40_000)),
                format!("{}SELECT 1{}", "SELECT * FROM (".repeat(3_000), ")".repeat(3_000)),
                format!("SELECT {}1{}", "CASE WHEN 1 THEN ".repeat(3_000), " END".repeat(3_000)),
                format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(5_000)),
                format!("SELECT json('{}')", "[".repeat(90_000)),
                "SELECT printf('%.*c', 2000000000, 'x')".to_owned(),
                "SELECT replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000)))".to_owned(),
            ] {
                sql_error(store, &sql);
            }
            put(store, "k", "1").unwrap();
            store.end_turn().unwrap();
        });
    };
    let thread = std::thread::Builder::new().stack_size(512 * 1024);
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn text_that_is_no_utf_8_is_refused_where_names_belong() {
    on_new_store(|store| {
        sql_error(store, "SELECT * FROM pragma_table_info(CAST(x'ff' AS TEXT))");
        put(store, "k", "1").unwrap();
        store.end_turn().unwrap();
    });
}
