//! What the guest's SQL may not, and what it may nevertheless.

use crate::storage::testing::{exec, get, on_new_store, put, sql_error, text, value};
use crate::storage::{SqlValue, StorageError};

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
        assert_eq!(
            sql_error(store, "SELECT * FROM _pairway_kv"),
            "the table _pairway_kv is the host's"
        );
        // Naming them is no crime.
        let sql = "SELECT name FROM sqlite_schema WHERE name NOT LIKE '_pairway_%'";
        assert_eq!(value(store, sql), text("own"));
        exec(store, "CREATE TABLE my_pairway_table (x)").unwrap();
        exec(store, "INSERT INTO my_pairway_table SELECT '_pairway_kv'").unwrap();
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
            crate::storage::sqlite::kv::GET,
            "COMMIT /* _pairway_ */",
            "SAVEPOINT _pairway_1",
            "RELEASE _pairway_1",
        ] {
            let result = store.exec(sql, &[text("k")]);
            assert!(
                matches!(result, Err(StorageError::Sql(_))),
                "{sql} gave {result:?}"
            );
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
            assert_eq!(
                sql_error(store, sql),
                "names that begin with _pairway_ are the host's"
            );
        }
    });
}

#[test]
fn transactions_in_sql_are_refused_with_the_way_that_there_is() {
    on_new_store(|store| {
        exec(store, "CREATE TABLE t (x)").unwrap();
        for sql in [
            "BEGIN",
            "BEGIN IMMEDIATE",
            "COMMIT",
            "END",
            "ROLLBACK",
            "SAVEPOINT s",
            "RELEASE s",
            "ROLLBACK TO s",
            "INSERT INTO t VALUES (1); COMMIT",
        ] {
            assert!(
                sql_error(store, sql).ends_with("use `transaction`"),
                "{sql}"
            );
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
            (
                "SELECT name FROM pragma_table_list WHERE name IN ('t')",
                text("t"),
            ),
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
            assert_eq!(
                value(store, "PRAGMA user_version"),
                SqlValue::Integer(expected)
            );
        }
        exec(store, "PRAGMA optimize; ANALYZE").unwrap();
        store.undo_turn().unwrap();
        assert_eq!(value(store, "PRAGMA user_version"), SqlValue::Integer(3));
    });
}
