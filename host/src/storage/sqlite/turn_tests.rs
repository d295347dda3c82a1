//! Turns: on both engines, unless files are what it is about.

use crate::storage::testing::{both, exec, get, keys, on_new_store, open, put, sql_error, value};
use crate::storage::{Alarm, Bounds, ListOptions, SqlValue, StorageError};

const ALARM: Alarm = Alarm {
    due_ms: 1_000,
    retry_count: 2,
};

#[test]
fn a_turn_reads_what_it_wrote_and_what_ended_turns_wrote() {
    both(&Bounds::default(), |storage| {
        let mut store = open(storage);
        assert_eq!(get(&mut *store, "k"), None);
        put(&mut *store, "k", "1").unwrap();
        assert_eq!(get(&mut *store, "k").as_deref(), Some("1"));
        store.end_turn().unwrap();
        put(&mut *store, "k", "2").unwrap();
        store.end_turn().unwrap();
        drop(store);
        assert_eq!(get(&mut *open(storage), "k").as_deref(), Some("2"));
    });
}

#[test]
fn nothing_of_an_undone_turn_has_happened() {
    both(&Bounds::default(), |storage| {
        let mut store = open(storage);
        put(&mut *store, "k", "1").unwrap();
        exec(&mut *store, "CREATE TABLE t (x)").unwrap();
        store.end_turn().unwrap();
        put(&mut *store, "k", "2").unwrap();
        exec(&mut *store, "INSERT INTO t VALUES (1); CREATE TABLE u (x)").unwrap();
        store.set_alarm(Some(ALARM)).unwrap();
        store.undo_turn().unwrap();
        assert_eq!(get(&mut *store, "k").as_deref(), Some("1"));
        assert_eq!(store.alarm().unwrap(), None);
        assert_eq!(
            value(&mut *store, "SELECT count(*) FROM t"),
            SqlValue::Integer(0)
        );
        assert!(sql_error(&mut *store, "SELECT * FROM u").contains("no such table"));
    });
}

#[test]
fn a_store_that_is_dropped_in_a_turn_undoes_it() {
    both(&Bounds::default(), |storage| {
        let mut store = open(storage);
        put(&mut *store, "k", "1").unwrap();
        store.end_turn().unwrap();
        put(&mut *store, "k", "2").unwrap();
        drop(store);
        assert_eq!(get(&mut *open(storage), "k").as_deref(), Some("1"));
    });
}

#[test]
fn a_turn_is_dirty_from_its_first_write_to_its_end() {
    on_new_store(|store| {
        assert!(!store.is_dirty());
        get(store, "k");
        exec(store, "SELECT 1").unwrap();
        store.begin().unwrap();
        assert!(!store.is_dirty());
        exec(store, "CREATE TABLE t (x)").unwrap();
        assert!(store.is_dirty());
        store.end_turn().unwrap();
        assert!(!store.is_dirty());
        put(store, "k", "1").unwrap();
        store.undo_turn().unwrap();
        assert!(!store.is_dirty());
    });
}

#[test]
fn transactions_nest_and_each_keeps_or_undoes_its_own_writes() {
    on_new_store(|store| {
        put(store, "outside", "1").unwrap();
        store.begin().unwrap();
        put(store, "outer", "1").unwrap();
        store.begin().unwrap();
        put(store, "inner", "1").unwrap();
        store.rollback().unwrap();
        store.begin().unwrap();
        put(store, "kept", "1").unwrap();
        store.commit().unwrap();
        store.commit().unwrap();
        store.end_turn().unwrap();
        assert_eq!(keys(store, &ListOptions::default()), "kept outer outside");
    });
}

#[test]
fn a_transaction_that_began_before_the_first_write_is_rolled_back_all_the_same() {
    on_new_store(|store| {
        store.begin().unwrap();
        store.begin().unwrap();
        put(store, "inner", "1").unwrap();
        store.rollback().unwrap();
        put(store, "outer", "1").unwrap();
        store.commit().unwrap();
        store.end_turn().unwrap();
        assert_eq!(keys(store, &ListOptions::default()), "outer");
    });
}

#[test]
fn a_transaction_that_is_open_at_the_end_of_the_turn_is_rolled_back() {
    on_new_store(|store| {
        put(store, "before", "1").unwrap();
        store.begin().unwrap();
        put(store, "inside", "1").unwrap();
        store.begin().unwrap();
        put(store, "inside", "2").unwrap();
        store.end_turn().unwrap();
        assert_eq!(keys(store, &ListOptions::default()), "before");
        // And it is over: the next turn has none.
        let without = StorageError::Options("commit without begin".to_owned());
        assert_eq!(store.commit(), Err(without));
    });
}

#[test]
fn commit_and_rollback_without_begin_are_refused() {
    on_new_store(|store| {
        assert!(matches!(store.commit(), Err(StorageError::Options(_))));
        assert!(matches!(store.rollback(), Err(StorageError::Options(_))));
        store.begin().unwrap();
        store.commit().unwrap();
        assert!(matches!(store.commit(), Err(StorageError::Options(_))));
    });
}

#[test]
fn an_alarm_is_kept_with_its_retries_and_undone_with_its_turn() {
    on_new_store(|store| {
        assert_eq!(store.alarm(), Ok(None));
        store.set_alarm(None).unwrap();
        assert!(!store.is_dirty());
        store.set_alarm(Some(ALARM)).unwrap();
        store.end_turn().unwrap();
        assert_eq!(store.alarm(), Ok(Some(ALARM)));
        store.set_alarm(None).unwrap();
        assert_eq!(store.alarm(), Ok(None));
        store.undo_turn().unwrap();
        assert_eq!(store.alarm(), Ok(Some(ALARM)));
        let never = Alarm {
            due_ms: u64::MAX,
            retry_count: 0,
        };
        store.set_alarm(Some(never)).unwrap();
        assert_eq!(
            store.alarm().unwrap().unwrap().due_ms,
            i64::MAX.cast_unsigned()
        );
    });
}

#[test]
fn delete_all_takes_entries_alarm_and_tables_that_refer_to_one_another() {
    on_new_store(|store| {
        put(store, "k", "1").unwrap();
        store.set_alarm(Some(ALARM)).unwrap();
        let sql = "CREATE TABLE \"a\"\"b\" (id INTEGER PRIMARY KEY AUTOINCREMENT);
            CREATE TABLE child (parent REFERENCES \"a\"\"b\" (id));
            INSERT INTO \"a\"\"b\" VALUES (1); INSERT INTO child (parent) VALUES (1);
            CREATE TABLE loose (x); INSERT INTO loose VALUES (1);
            ALTER TABLE child ADD COLUMN peer REFERENCES loose (x);
            CREATE VIEW v AS SELECT * FROM child; CREATE INDEX i ON child (parent);
            CREATE TRIGGER tr AFTER INSERT ON child BEGIN DELETE FROM child; END;
            CREATE VIRTUAL TABLE f USING fts5 (body); INSERT INTO f VALUES ('hello');
            PRAGMA user_version = 3; ANALYZE";
        exec(store, sql).unwrap();
        store.end_turn().unwrap();
        store.delete_all().unwrap();
        let left = "SELECT count(*) FROM sqlite_schema \
            WHERE name NOT LIKE '_pairway_%' AND tbl_name NOT LIKE 'sqlite_%'";
        assert_eq!(value(store, left), SqlValue::Integer(0));
        assert_eq!(get(store, "k"), None);
        assert_eq!(store.alarm(), Ok(None));
        // It is undone with its turn like anything else.
        store.undo_turn().unwrap();
        assert_eq!(
            value(store, "SELECT count(*) FROM child"),
            SqlValue::Integer(1)
        );
        assert_eq!(get(store, "k").as_deref(), Some("1"));
        store.delete_all().unwrap();
        store.end_turn().unwrap();
        assert_eq!(value(store, left), SqlValue::Integer(0));
        assert_eq!((store.alarm(), get(store, "k")), (Ok(None), None));
        exec(store, "CREATE TABLE child (x)").unwrap();
        store.end_turn().unwrap();
    });
}

#[test]
fn what_a_turn_writes_after_delete_all_stays() {
    both(&Bounds::default(), |storage| {
        let mut store = open(storage);
        put(&mut *store, "old", "1").unwrap();
        store.end_turn().unwrap();
        store.delete_all().unwrap();
        put(&mut *store, "new", "1").unwrap();
        store.end_turn().unwrap();
        assert_eq!(keys(&mut *store, &ListOptions::default()), "new");
        drop(store);
        assert_eq!(keys(&mut *open(storage), &ListOptions::default()), "new");
    });
}

#[test]
fn a_delete_all_that_its_transaction_rolls_back_deletes_nothing() {
    on_new_store(|store| {
        put(store, "k", "1").unwrap();
        store.end_turn().unwrap();
        store.begin().unwrap();
        store.delete_all().unwrap();
        store.rollback().unwrap();
        store.end_turn().unwrap();
        assert_eq!(get(store, "k").as_deref(), Some("1"));
    });
}

#[test]
fn a_broken_constraint_undoes_one_exec_and_not_the_turn() {
    on_new_store(|store| {
        put(store, "k", "1").unwrap();
        exec(store, "CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1)").unwrap();
        let reason = sql_error(store, "INSERT INTO t VALUES (2); INSERT INTO t VALUES (1)");
        assert_eq!(reason, "UNIQUE constraint failed: t.x");
        store.end_turn().unwrap();
        assert_eq!(
            value(store, "SELECT group_concat(x) FROM t"),
            SqlValue::Text("1".to_owned())
        );
        assert_eq!(get(store, "k").as_deref(), Some("1"));
    });
}

#[test]
fn a_first_write_that_fails_leaves_the_turn_clean() {
    on_new_store(|store| {
        sql_error(store, "CREATE TABLE t (x); INSERT INTO t VALUES (1, 2)");
        assert!(!store.is_dirty());
        put(store, "k", "1").unwrap();
        store.end_turn().unwrap();
        assert_eq!(get(store, "k").as_deref(), Some("1"));
    });
}

#[test]
fn sql_that_rolls_back_the_turn_by_itself_fails_the_turn() {
    on_new_store(|store| {
        exec(store, "CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1)").unwrap();
        store.end_turn().unwrap();
        put(store, "k", "1").unwrap();
        sql_error(store, "INSERT OR ROLLBACK INTO t VALUES (1)");
        // Whatever the turn does now would be half of what it meant.
        assert!(matches!(put(store, "l", "1"), Err(StorageError::Failed(_))));
        assert!(matches!(
            exec(store, "SELECT 1"),
            Err(StorageError::Failed(_))
        ));
        assert!(store.is_dirty());
        assert!(matches!(store.end_turn(), Err(StorageError::Failed(_))));
        assert_eq!(get(store, "k"), None);
        put(store, "k", "2").unwrap();
        store.end_turn().unwrap();
        // Alone in its turn it has undone nothing that the turn does not know of.
        sql_error(store, "INSERT OR ROLLBACK INTO t VALUES (1)");
        assert_eq!(get(store, "k").as_deref(), Some("2"));
        store.end_turn().unwrap();
    });
}

#[test]
fn a_deferred_foreign_key_is_checked_at_the_end_of_the_turn() {
    on_new_store(|store| {
        let sql = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id))";
        exec(store, sql).unwrap();
        store.end_turn().unwrap();
        assert!(sql_error(store, "INSERT INTO c VALUES (7)").contains("FOREIGN KEY"));
        exec(store, "PRAGMA defer_foreign_keys = ON").unwrap();
        exec(store, "INSERT INTO c VALUES (7)").unwrap();
        exec(store, "INSERT INTO p VALUES (7)").unwrap();
        store.end_turn().unwrap();
        exec(
            store,
            "PRAGMA defer_foreign_keys = ON; INSERT INTO c VALUES (8)",
        )
        .unwrap();
        let Err(StorageError::Sql(reason)) = store.end_turn() else {
            panic!("the key is missing")
        };
        assert!(
            reason.starts_with("at the end of the turn: FOREIGN KEY"),
            "{reason}"
        );
        assert_eq!(value(store, "SELECT count(*) FROM c"), SqlValue::Integer(1));
        assert!(sql_error(store, "INSERT INTO c VALUES (8)").contains("FOREIGN KEY"));
    });
}

#[test]
fn the_size_is_that_of_the_database_and_none_without_one() {
    on_new_store(|store| {
        assert_eq!(store.size(), Ok(0));
        store.put(&[("k".to_owned(), vec![7; 100_000])]).unwrap();
        let size = store.size().unwrap();
        assert!((100_000..150_000).contains(&size), "{size}");
    });
}
