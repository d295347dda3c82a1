//! Each bound: what is just within it goes, what is beyond it is refused, and the store goes on. `busy_ms` is about
//! files, and tried with them.

use super::*;
use crate::storage::testing::{both, exec, get, open, put, sql_error, value};
use crate::storage::{ListOptions, SqlValue, StorageError, Store};

/// Try a rule on both engines with changed bounds.
fn with(change: impl Fn(&mut Bounds), rule: impl Fn(&mut dyn Store)) {
    let mut bounds = Bounds::default();
    change(&mut bounds);
    both(&bounds, |storage| {
        let mut store = open(storage);
        rule(&mut *store);
        store.end_turn().unwrap();
        put(&mut *store, "k", "on").unwrap();
        store.end_turn().unwrap();
        assert_eq!(get(&mut *store, "k").as_deref(), Some("on"));
    });
}

/// SQL that goes, and SQL that is refused with a text that contains this.
fn sql_bound(change: impl Fn(&mut Bounds), within: &str, beyond: &str, text: &str) {
    with(change, |store| {
        exec(store, within).unwrap();
        let reason = sql_error(store, beyond);
        assert!(reason.contains(text), "{reason}");
    });
}

fn entry(key: usize, value: usize) -> [(String, Vec<u8>); 1] {
    [("k".repeat(key), vec![7; value])]
}

#[test]
fn key_bytes() {
    with(
        |bounds| bounds.key_bytes = 10,
        |store| {
            let (within, beyond) = (vec!["k".repeat(10)], vec!["k".repeat(11)]);
            let refused = StorageError::KeyTooLarge(10);
            assert_eq!(store.put(&entry(10, 1)), Ok(()));
            assert_eq!(store.put(&entry(11, 1)), Err(refused.clone()));
            assert_eq!(store.get(&within), Ok(vec![Some(vec![7])]));
            assert_eq!(store.get(&beyond), Err(refused.clone()));
            assert_eq!(store.delete(&within), Ok(1));
            assert_eq!(store.delete(&beyond), Err(refused));
        },
    );
}

#[test]
fn value_bytes() {
    with(
        |_| {},
        |store| {
            let most = 2 * 1024 * 1024;
            store.put(&entry(2_048, most - 2_048)).unwrap();
            let beyond = store.put(&entry(2_048, most - 2_047));
            assert_eq!(beyond, Err(StorageError::ValueTooLarge(most as u64)));
            // All or none: the entries before the one that is refused are not written either.
            let entries = [
                ("first".to_owned(), vec![]),
                ("k".to_owned(), vec![0; most]),
            ];
            assert!(store.put(&entries).is_err());
            assert_eq!(get(store, "first"), None);
            exec(store, "CREATE TABLE t (x)").unwrap();
            exec(store, "INSERT INTO t VALUES (zeroblob(2097152))").unwrap();
            let reason = sql_error(store, "INSERT INTO t VALUES (zeroblob(2100000))");
            assert!(reason.contains("(limit value_bytes)"), "{reason}");
            let blob = [SqlValue::Blob(vec![0; 2_100_000])];
            assert!(matches!(
                store.exec("SELECT ?", &blob),
                Err(StorageError::Sql(_))
            ));
        },
    );
}

#[test]
fn keys_per_call() {
    with(
        |bounds| bounds.keys_per_call = 3,
        |store| {
            let keys = |count| vec!["k".to_owned(); count];
            let entries = |count| vec![("k".to_owned(), vec![]); count];
            assert!(store.put(&entries(3)).is_ok());
            assert!(store.get(&keys(3)).is_ok());
            assert!(store.delete(&keys(3)).is_ok());
            assert!(matches!(
                store.put(&entries(4)),
                Err(StorageError::Options(_))
            ));
            assert!(matches!(store.get(&keys(4)), Err(StorageError::Options(_))));
            assert!(matches!(
                store.delete(&keys(4)),
                Err(StorageError::Options(_))
            ));
        },
    );
}

#[test]
fn result_bytes() {
    with(
        |bounds| bounds.result_bytes = 10_000,
        |store| {
            for key in ["a", "b", "c"] {
                store.put(&[(key.to_owned(), vec![7; 4_000])]).unwrap();
            }
            let keys = |keys: &str| keys.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let list = |limit| ListOptions {
                limit: Some(limit),
                ..ListOptions::default()
            };
            assert!(store.get(&keys("a b")).is_ok());
            assert!(matches!(
                store.get(&keys("a b c")),
                Err(StorageError::Options(_))
            ));
            assert!(store.list(&list(2)).is_ok());
            assert!(matches!(
                store.list(&list(3)),
                Err(StorageError::Options(_))
            ));
            let rows = |count| {
                format!(
            "WITH RECURSIVE r (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM r LIMIT {count})
            SELECT x, NULL FROM r"
        )
            };
            assert!(exec(store, &rows(100)).is_ok());
            assert!(sql_error(store, &rows(200)).contains("limit result_bytes"));
            // What a statement wrote whose rows are too many is undone.
            exec(store, "CREATE TABLE t (x)").unwrap();
            let sql = format!(
                "INSERT INTO t {} RETURNING zeroblob(1000)",
                rows(20).replace(", NULL", "")
            );
            sql_error(store, &sql);
            assert_eq!(value(store, "SELECT count(*) FROM t"), SqlValue::Integer(0));
        },
    );
}

#[test]
fn transaction_depth() {
    with(
        |bounds| bounds.transaction_depth = 2,
        |store| {
            for _ in 0..2 {
                store.begin().unwrap();
                put(store, "k", "1").unwrap();
            }
            assert!(matches!(store.begin(), Err(StorageError::Options(_))));
            store.commit().unwrap();
            store.begin().unwrap();
        },
    );
}

#[test]
fn database_bytes() {
    let change = |bounds: &mut Bounds| {
        bounds.database_bytes = 100_000;
        bounds.memory_database_bytes = 100_000;
    };
    with(change, |store| {
        put(store, "k", "1").unwrap();
        store.end_turn().unwrap();
        // Alone in its turn, it takes nothing else with it.
        let Err(StorageError::Failed(reason)) = store.put(&entry(1, 200_000)) else {
            panic!("it does not fit")
        };
        assert!(reason.contains("database or disk is full"), "{reason}");
        assert!(!store.is_dirty());
        // Else the turn is undone.
        exec(store, "CREATE TABLE t (x)").unwrap();
        put(store, "k", "2").unwrap();
        let sql = "INSERT INTO t VALUES (zeroblob(200000))";
        assert!(matches!(exec(store, sql), Err(StorageError::Failed(_))));
        assert!(matches!(put(store, "k", "3"), Err(StorageError::Failed(_))));
        assert!(matches!(store.end_turn(), Err(StorageError::Failed(_))));
        assert_eq!(get(store, "k").as_deref(), Some("1"));
        assert!(sql_error(store, "SELECT * FROM t").contains("no such table"));
        put(store, "k", "4").unwrap();
        assert!(store.put(&entry(1, 200_000)).is_err());
        store.undo_turn().unwrap();
        store.put(&entry(1, 40_000)).unwrap();
    });
}

#[test]
fn sql_statement_bytes() {
    sql_bound(
        |bounds| bounds.sql_statement_bytes = 20,
        "SELECT 1            ",
        "SELECT 1             ",
        "limit sql_statement_bytes",
    );
}

#[test]
fn sql_parameters() {
    let change = |bounds: &mut Bounds| bounds.sql_parameters = 6;
    with(change, |store| {
        let values = |count| vec![SqlValue::Null; count];
        store.exec("SELECT ?, ?, ?, ?, ?, ?6", &values(6)).unwrap();
        assert!(
            store
                .exec("SELECT ?, ?, ?, ?, ?, ?, ?", &values(7))
                .is_err()
        );
        assert!(sql_error(store, "SELECT ?7").contains("variable number must be between"));
    });
}

#[test]
fn sql_columns() {
    sql_bound(
        |bounds| bounds.sql_columns = 10,
        "CREATE TABLE t (a, b, c, d, e, f, g, h, i, j)",
        "CREATE TABLE u (a, b, c, d, e, f, g, h, i, j, k)",
        "too many columns on u",
    );
}

#[test]
fn sql_arguments() {
    sql_bound(
        |bounds| bounds.sql_arguments = 4,
        "SELECT max(1, 2, 3, 4)",
        "SELECT max(1, 2, 3, 4, 5)",
        "too many arguments on function max",
    );
}

#[test]
fn sql_pattern_bytes() {
    sql_bound(
        |bounds| bounds.sql_pattern_bytes = 5,
        "SELECT 'hello' LIKE 'h%l_o'",
        "SELECT 'hello' LIKE 'h%l_o%'",
        "LIKE or GLOB pattern too complex",
    );
}

#[test]
fn sql_depth() {
    sql_bound(
        |bounds| bounds.sql_depth = 10,
        "SELECT 1+1+1+1+1+1+1+1",
        "SELECT 1+1+1+1+1+1+1+1+1+1+1",
        "Expression tree is too large",
    );
}

#[test]
fn sql_instructions() {
    let rows = |count| format!("VALUES (1){}", ", (abs(1))".repeat(count));
    let change = |bounds: &mut Bounds| bounds.sql_instructions = 2_000;
    let text = "the SQL is too complex (limit sql_instructions)";
    sql_bound(change, &rows(10), &rows(5_000), text);
}

#[test]
fn sql_ms() {
    let endless =
        "WITH RECURSIVE r (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r";
    let text = "the SQL took more than 20 ms (limit sql_ms)";
    sql_bound(|bounds| bounds.sql_ms = 20, "SELECT 1", endless, text);
}

#[test]
fn sql_quadratic_bytes() {
    let text = "limit sql_quadratic_bytes";
    let change = |bounds: &mut Bounds| bounds.sql_quadratic_bytes = 1_000;
    for sql in [
        "SELECT json_patch('{}', '{\"a\":\"SIZE\"}')",
        "SELECT unhex('SIZE', 'SIZE')",
        "SELECT jsonb_patch('{}', json_object('a', printf('%SIZE', 1)))",
    ] {
        let sized = |size: usize| {
            let sql = sql.replace("%SIZE", &format!("%0{size}d"));
            sql.replace("SIZE", &"00".repeat(size / 2))
        };
        sql_bound(change, &sized(500), &sized(1_100), text);
    }
    with(
        |_| {},
        |store| {
            exec(store, "CREATE VIRTUAL TABLE f USING fts5 (x)").unwrap();
            let long = |words: usize| [SqlValue::Text("word ".repeat(words))];
            store.exec("INSERT INTO f VALUES (?)", &long(100)).unwrap();
            for function in [
                "snippet(f, 0, '<', '>', '...', 5)",
                "highlight(f, 0, '<', '>')",
            ] {
                let sql = format!("SELECT {function} FROM f WHERE f MATCH 'word'");
                exec(store, &sql).unwrap();
                store
                    .exec("INSERT INTO f VALUES (?)", &long(20_000))
                    .unwrap();
                assert!(sql_error(store, &sql).contains(text), "{sql}");
                exec(store, "DELETE FROM f WHERE rowid > 1").unwrap();
            }
            // Where it is defined it would not be noticed.
            let reason = sql_error(store, "CREATE TABLE t (a, b AS (json_patch(a, a)))");
            assert!(
                reason.contains("json_patch cannot stand in a definition"),
                "{reason}"
            );
            assert!(sql_error(store, "SELECT json_pretty('[1]')").contains("json_pretty"));
        },
    );
}

#[test]
fn sql_temp_bytes() {
    let sorted = |rows: u32| {
        format!(
            "WITH RECURSIVE r (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM r LIMIT {rows})
            SELECT count(*) FROM (SELECT randomblob(1000000) FROM r ORDER BY 1 LIMIT -1 OFFSET 1)"
        )
    };
    sql_bound(
        |bounds| bounds.sql_temp_bytes = 64 << 20,
        &sorted(10),
        &sorted(2_000),
        "limit sql_temp_bytes",
    );
}

/// SQLite looks at the clock where a statement jumps: many functions in a row get smaller values instead.
#[test]
fn a_statement_of_many_instructions_works_with_smaller_values() {
    with(
        |_| {},
        |store| {
            exec(store, "CREATE TABLE t (x)").unwrap();
            exec(store, "INSERT INTO t VALUES (hex(zeroblob(500000)))").unwrap();
            let row = format!("SELECT {} FROM t", vec!["length(hex(x))"; 90].join(", "));
            exec(store, &row).unwrap();
            let many = vec![row; 40].join(" UNION ALL ");
            let reason = sql_error(store, &many);
            assert!(reason.contains("so many instructions"), "{reason}");
        },
    );
}
