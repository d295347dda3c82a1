//! The guest's SQL: what it gives, and what it may not.

use crate::storage::store::SqlResult;
use crate::storage::testing::{both, exec, get, on_new_store, open, put, sql_error, text, value};
use crate::storage::{Alarm, Bounds, SqlValue, StorageError};

#[test]
fn the_last_statement_gets_the_parameters_and_gives_the_rows() {
    on_new_store(|store| {
        let sql = "-- one
            CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'one'); SELECT 7;
            INSERT INTO t VALUES (?, ?2) RETURNING b, a AS first; -- the end";
        let result = store
            .exec(sql, &[SqlValue::Integer(2), text("two")])
            .unwrap();
        let expected = SqlResult {
            columns: vec!["b".to_owned(), "first".to_owned()],
            rows: vec![vec![text("two"), SqlValue::Integer(2)]],
            rows_written: 2,
        };
        assert_eq!(result, expected);
        let result = exec(
            store,
            "SELECT a FROM t WHERE a > 5; DELETE FROM t WHERE a = 1; ",
        )
        .unwrap();
        assert_eq!(
            (result.columns.len(), result.rows.len(), result.rows_written),
            (0, 0, 1)
        );
        let result = exec(store, "SELECT a FROM t WHERE a > 5").unwrap();
        assert_eq!(
            (result.columns, result.rows.len()),
            (vec!["a".to_owned()], 0)
        );
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
        assert_eq!(
            value(store, "SELECT CAST(x'41ff' AS TEXT)"),
            text("A\u{fffd}")
        );
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
            assert!(
                matches!(result, Err(StorageError::Sql(_))),
                "{sql} gave {result:?}"
            );
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
        exec(
            &mut *store,
            "UPDATE f SET body = 'hello you' WHERE f MATCH 'hello'",
        )
        .unwrap();
        exec(&mut *store, "INSERT INTO f (f) VALUES ('optimize')").unwrap();
        store.end_turn().unwrap();
        drop(store);
        let mut store = open(storage);
        let found = "SELECT highlight(f, 0, '<', '>') FROM f WHERE f MATCH 'hello' ORDER BY rank";
        assert_eq!(value(&mut *store, found), text("<hello> you"));
        assert_eq!(
            value(&mut *store, "SELECT count(*) FROM words"),
            SqlValue::Integer(4)
        );
        assert_eq!(
            value(&mut *store, "SELECT id FROM r WHERE x0 < 3"),
            SqlValue::Integer(1)
        );
        sql_error(&mut *store, "DELETE FROM f_data");
        exec(&mut *store, "DROP TABLE words; DROP TABLE f; DROP TABLE r").unwrap();
        store.end_turn().unwrap();
    });
}

#[test]
fn ordinary_definitions_work() {
    on_new_store(|store| {
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, b AS (a || '!'));
            ALTER TABLE t RENAME COLUMN a TO c; ALTER TABLE t RENAME TO u; ALTER TABLE u ADD COLUMN d TEXT;
            ALTER TABLE u DROP COLUMN d; CREATE VIEW v AS SELECT * FROM u;
            CREATE TRIGGER tr INSTEAD OF INSERT ON v BEGIN INSERT INTO u (c) VALUES (new.c); END;
            INSERT INTO v (c) VALUES ('x'); REINDEX; ANALYZE;
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
            INSERT INTO u (c) SELECT json_object('i', i) FROM n;
            EXPLAIN QUERY PLAN SELECT * FROM u; SELECT b FROM v";
        let sql = sql
            .replace(" ON CONFLICT DO NOTHING", "")
            .replace(" STRICT", "");
        let result = exec(store, &sql).unwrap();
        assert_eq!(
            (result.rows[0][0].clone(), result.rows.len()),
            (text("x!"), 4)
        );
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
        assert_eq!(
            value(&mut *store, "SELECT count(*) FROM t"),
            SqlValue::Integer(0)
        );
        assert_eq!(get(&mut *store, "k").as_deref(), Some("1"));
        assert_eq!(
            store.set_alarm(Some(Alarm {
                due_ms: 1,
                retry_count: 0
            })),
            Ok(())
        );
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
                format!(
                    "{}SELECT 1{}",
                    "SELECT * FROM (".repeat(3_000),
                    ")".repeat(3_000)
                ),
                format!(
                    "SELECT {}1{}",
                    "CASE WHEN 1 THEN ".repeat(3_000),
                    " END".repeat(3_000)
                ),
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
        sql_error(
            store,
            "SELECT * FROM pragma_table_info(CAST(x'ff' AS TEXT))",
        );
        put(store, "k", "1").unwrap();
        store.end_turn().unwrap();
    });
}
