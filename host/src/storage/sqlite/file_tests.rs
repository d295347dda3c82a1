//! Files: what is made when, what a crash leaves, and what damage does.

use std::fs;

use super::*;
use crate::storage::testing::{
    Dir, address, exec, get, on_disk, open, put, sql_error, text, value,
};
use crate::storage::{Alarm, ListOptions, SqlValue};

const OBJECT: &str = "objects/Room/a1.sqlite";
const LOG: &str = "objects/Room/a1.sqlite-wal";

fn reason<T: std::fmt::Debug>(result: Result<T, StorageError>) -> String {
    match result {
        Err(StorageError::Failed(reason)) => reason,
        other => panic!("{other:?} is no failure"),
    }
}

/// A data directory with one object, whose entry `k` is `1`.
fn with_object() -> Dir {
    let dir = Dir::new();
    let mut store = open(&on_disk(&dir, Bounds::default()));
    put(&mut *store, "k", "1").unwrap();
    store.end_turn().unwrap();
    dir
}

/// The same, with nothing left in the log.
fn with_object_without_log() -> Dir {
    let dir = with_object();
    change(&dir, "PRAGMA wal_checkpoint (TRUNCATE)");
    assert_eq!(dir.objects(), [OBJECT]);
    dir
}

/// Change the object's file behind the storage's back.
fn change(dir: &Dir, sql: &str) {
    let connection = rusqlite::Connection::open(dir.join(OBJECT)).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn an_object_has_no_file_before_its_first_write() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    let mut store = open(&storage);
    assert_eq!(get(&mut *store, "k"), None);
    assert_eq!(store.list(&ListOptions::default()), Ok(Vec::new()));
    assert_eq!(store.delete(&["k".to_owned()]), Ok(0));
    assert_eq!((store.alarm(), store.size()), (Ok(None), Ok(0)));
    store.set_alarm(None).unwrap();
    store.put(&[]).unwrap();
    store.begin().unwrap();
    store.rollback().unwrap();
    store.delete_all().unwrap();
    assert_eq!(value(&mut *store, "SELECT 1 + 1"), SqlValue::Integer(2));
    sql_error(&mut *store, "SELECT * FROM t");
    store.end_turn().unwrap();
    assert_eq!(dir.objects(), [""; 0]);
    put(&mut *store, "k", "1").unwrap();
    assert!(dir.objects().contains(&OBJECT.to_owned()));
}

#[test]
fn a_turn_that_is_undone_takes_the_file_that_it_made_with_it() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    let mut store = open(&storage);
    put(&mut *store, "k", "1").unwrap();
    store.undo_turn().unwrap();
    assert_eq!(dir.objects(), [""; 0]);
    sql_error(
        &mut *store,
        "CREATE TABLE t (x); INSERT INTO nowhere VALUES (1)",
    );
    assert_eq!(dir.objects(), [""; 0]);
    store.begin().unwrap();
    put(&mut *store, "k", "1").unwrap();
    store.end_turn().unwrap();
    assert_eq!(dir.objects(), [""; 0]);
    put(&mut *store, "k", "1").unwrap();
    drop(store);
    assert_eq!(dir.objects(), [""; 0]);
}

#[test]
fn a_closed_store_leaves_a_small_log() {
    let dir = with_object();
    assert_eq!(dir.objects(), [OBJECT, LOG]);
    let log_bytes = || fs::metadata(dir.join(LOG)).unwrap().len();
    assert!((1..50_000).contains(&log_bytes()));
    let storage = on_disk(&dir, Bounds::default());
    let mut store = open(&storage);
    store
        .put(&[("large".to_owned(), vec![7; 1_000_000])])
        .unwrap();
    store.end_turn().unwrap();
    assert!(log_bytes() > 1_000_000);
    drop(store);
    assert_eq!(log_bytes(), 0);
    assert_eq!(get(&mut *open(&storage), "k").as_deref(), Some("1"));
}

#[test]
fn delete_all_leaves_no_file_or_a_small_one() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    let mut store = open(&storage);
    store
        .put(&[("large".to_owned(), vec![7; 1_000_000])])
        .unwrap();
    store.end_turn().unwrap();
    store.delete_all().unwrap();
    put(&mut *store, "k", "1").unwrap();
    store.end_turn().unwrap();
    assert!(store.size().unwrap() < 50_000);
    drop(store);
    let mut store = open(&storage);
    assert!(fs::metadata(dir.join(OBJECT)).unwrap().len() < 50_000);
    assert_eq!(get(&mut *store, "k").as_deref(), Some("1"));
    store.delete_all().unwrap();
    assert_eq!(dir.objects(), [OBJECT, LOG]);
    store.end_turn().unwrap();
    assert_eq!(dir.objects(), [""; 0]);
    // The store goes on as that of a new object.
    assert_eq!(get(&mut *store, "k"), None);
    exec(&mut *store, "CREATE TABLE t (x)").unwrap();
    store.delete_all().unwrap();
    store.end_turn().unwrap();
    assert_eq!(dir.objects(), [""; 0]);
    put(&mut *store, "k", "2").unwrap();
    store.end_turn().unwrap();
    assert_eq!(get(&mut *store, "k").as_deref(), Some("2"));
}

#[test]
fn a_process_that_is_killed_leaves_the_turns_that_ended_and_no_other() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    let mut store = open(&storage);
    let alarm = Alarm {
        due_ms: 5,
        retry_count: 0,
    };
    exec(
        &mut *store,
        "CREATE TABLE t (x); INSERT INTO t VALUES ('ended')",
    )
    .unwrap();
    let in_first_turn = dir.copy();
    store.set_alarm(Some(alarm)).unwrap();
    put(&mut *store, "k", "ended").unwrap();
    store.end_turn().unwrap();
    let after_turn = dir.copy();
    put(&mut *store, "k", "open").unwrap();
    exec(&mut *store, "UPDATE t SET x = 'open'").unwrap();
    // So much that it does not stay in memory.
    exec(
        &mut *store,
        "WITH RECURSIVE r (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM r LIMIT 999)
        INSERT INTO t SELECT hex(randomblob(1000)) FROM r",
    )
    .unwrap();
    store.set_alarm(None).unwrap();
    let in_turn = dir.copy();

    for copy in [after_turn, in_turn] {
        let storage = on_disk(&copy, Bounds::default());
        let mut store = open(&storage);
        assert_eq!(get(&mut *store, "k").as_deref(), Some("ended"));
        assert_eq!(
            value(&mut *store, "SELECT group_concat(x) FROM t"),
            text("ended")
        );
        assert_eq!(store.alarm(), Ok(Some(alarm)));
        assert_eq!(value(&mut *store, "PRAGMA integrity_check"), text("ok"));
        put(&mut *store, "k", "later").unwrap();
        store.end_turn().unwrap();
    }
    let storage = on_disk(&in_first_turn, Bounds::default());
    let mut store = open(&storage);
    assert_eq!(get(&mut *store, "k"), None);
    put(&mut *store, "k", "later").unwrap();
    store.end_turn().unwrap();
    assert_eq!(get(&mut *store, "k").as_deref(), Some("later"));
}

#[test]
fn a_log_without_its_database_is_not_replayed() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    let mut store = open(&storage);
    put(&mut *store, "k", "deleted").unwrap();
    store.end_turn().unwrap();
    let log = dir.join(LOG);
    let bytes = fs::read(&log).unwrap();
    store.delete_all().unwrap();
    store.end_turn().unwrap();
    fs::write(&log, bytes).unwrap();
    put(&mut *store, "other", "1").unwrap();
    store.end_turn().unwrap();
    assert_eq!(get(&mut *store, "k"), None);
}

#[test]
fn a_second_host_is_told_that_the_directory_is_taken() {
    let dir = Dir::new();
    let first = on_disk(&dir, Bounds::default());
    let second = reason(SqliteStorage::open(&dir, Bounds::default()));
    assert!(second.contains(&dir.display().to_string()), "{second}");
    assert!(second.contains("in use by another pairway"), "{second}");
    drop(first);
    on_disk(&dir, Bounds::default());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = Dir::new();
    fs::write(dir.join("file"), "").unwrap();
    let path = dir.join("file/data");
    let reason = reason(SqliteStorage::open(&path, Bounds::default()));
    assert!(reason.contains("file/data"), "{reason}");
}

#[test]
fn an_object_has_one_store_at_a_time() {
    let dir = with_object();
    let bounds = Bounds {
        busy_ms: 20,
        ..Bounds::default()
    };
    let storage = on_disk(&dir, bounds);
    let mut store = open(&storage);
    let second = reason(storage.open(&address("a1")));
    assert!(second.contains("a1.sqlite: database is locked"), "{second}");
    put(&mut *store, "k", "2").unwrap();
    store.end_turn().unwrap();
    drop(store);
    assert_eq!(get(&mut *open(&storage), "k").as_deref(), Some("2"));
}

#[test]
fn a_store_waits_for_the_one_before_it() {
    let dir = with_object();
    let storage = on_disk(&dir, Bounds::default());
    let store = open(&storage);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| get(&mut *open(&storage), "k"));
        std::thread::sleep(std::time::Duration::from_millis(30));
        drop(store);
        assert_eq!(second.join().unwrap().as_deref(), Some("1"));
    });
}

#[test]
fn a_damaged_file_is_reported_by_name_and_left_as_it_is() {
    let dir = with_object_without_log();
    let storage = on_disk(&dir, Bounds::default());
    let path = dir.join(OBJECT);
    let whole = fs::read(&path).unwrap();
    let damage: [(&str, Vec<u8>); 4] = [
        ("nothing", Vec::new()),
        ("text", b"this is a text and no database".repeat(100)),
        (
            "a broken first page",
            whole
                .iter()
                .enumerate()
                .map(|(at, byte)| {
                    if (100..200).contains(&at) {
                        0xff
                    } else {
                        *byte
                    }
                })
                .collect(),
        ),
        ("no end", whole[..whole.len() - 4096].to_vec()),
    ];
    for (what, bytes) in damage {
        fs::write(&path, &bytes).unwrap();
        let result = storage.open(&address("a1")).and_then(|mut store| {
            store.get(&["k".to_owned()])?;
            store.list(&ListOptions::default())?;
            store.exec("PRAGMA integrity_check", &[])?;
            store.alarm()
        });
        let reason = reason(result);
        assert!(reason.contains(OBJECT), "{what}: {reason}");
        assert!(
            fs::read(&path).unwrap() == bytes,
            "{what}: the file has changed"
        );
    }
    // Others go on.
    let mut other = storage.open(&address("b2")).unwrap();
    put(&mut *other, "k", "1").unwrap();
    other.end_turn().unwrap();
    fs::write(&path, whole).unwrap();
    assert_eq!(get(&mut *open(&storage), "k").as_deref(), Some("1"));
}

#[test]
fn a_file_without_bytes_keeps_its_log() {
    let dir = with_object();
    let path = dir.join(OBJECT);
    let (bytes, log) = (fs::read(&path).unwrap(), fs::read(dir.join(LOG)).unwrap());
    let storage = on_disk(&dir, Bounds::default());
    fs::write(&path, "").unwrap();
    assert!(reason(storage.open(&address("a1"))).contains("it has no bytes"));
    assert!(fs::read(dir.join(LOG)).unwrap() == log);
    fs::write(&path, bytes).unwrap();
    assert_eq!(get(&mut *open(&storage), "k").as_deref(), Some("1"));
}

#[test]
fn damage_that_is_found_late_fails_the_turn() {
    let dir = with_object();
    let storage = on_disk(&dir, Bounds::default());
    let mut store = open(&storage);
    store
        .put(&[("large".to_owned(), vec![7; 300_000])])
        .unwrap();
    store.end_turn().unwrap();
    drop(store);
    change(&dir, "PRAGMA wal_checkpoint (TRUNCATE)");
    let path = dir.join(OBJECT);
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(4 * 4096) {
        *byte = 0xff;
    }
    fs::write(&path, &bytes).unwrap();
    let mut store = open(&storage);
    assert_eq!(get(&mut *store, "k").as_deref(), Some("1"));
    put(&mut *store, "k", "2").unwrap();
    let large = ["large".to_owned()];
    assert!(reason(store.get(&large)).contains("malformed"));
    assert!(reason(store.delete(&large)).contains("malformed"));
    assert!(reason(store.end_turn()).contains("undone"));
    assert_eq!(get(&mut *store, "k").as_deref(), Some("1"));
}

#[test]
fn a_file_of_a_newer_version_is_not_touched() {
    let dir = with_object();
    change(
        &dir,
        "UPDATE _pairway_meta SET value = 2 WHERE name = 'format'",
    );
    let storage = on_disk(&dir, Bounds::default());
    let reason = reason(storage.open(&address("a1")));
    assert!(
        reason.contains(OBJECT) && reason.contains("newer version"),
        "{reason}"
    );
}

#[test]
fn a_class_name_does_not_lead_out_of_the_directory() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    let address = Address {
        class: "../../Räume".into(),
        id: "0f".into(),
    };
    let mut store = storage.open(&address).unwrap();
    put(&mut *store, "k", "1").unwrap();
    store.end_turn().unwrap();
    drop(store);
    assert_eq!(
        dir.objects()[0],
        "objects/%2E%2E%2F%2E%2E%2FR%C3%A4ume/0f.sqlite"
    );
}

#[test]
fn the_log_of_an_open_store_does_not_grow_without_end() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    let mut store = open(&storage);
    for round in 0..40 {
        store
            .put(&[("k".to_owned(), vec![round; 200_000])])
            .unwrap();
        store.end_turn().unwrap();
    }
    let log = fs::metadata(dir.join(LOG)).unwrap().len();
    assert!(log < 2_000_000, "{log}");
    assert_eq!(dir.objects(), [OBJECT, LOG], "no file of shared memory");
}
