//! The index of alarms: it may be early, and misses none.

use crate::storage::store::AlarmHint;
use crate::storage::testing::{Dir, address, on_disk};
use crate::storage::{Bounds, Storage, StorageError};

/// The alarms, as id and time.
fn alarms(storage: &dyn Storage) -> Vec<(String, u64)> {
    let hints = storage.alarms().unwrap().into_iter();
    hints
        .map(|hint| (hint.address.id.to_string(), hint.due_ms))
        .collect()
}

#[test]
fn notes_outlive_the_process_with_address_and_name() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    storage
        .note_alarm(&address("a1"), Some("lobby"), 200)
        .unwrap();
    storage.note_alarm(&address("b2"), None, 100).unwrap();
    let copy = dir.copy();
    let hints = on_disk(&copy, Bounds::default()).alarms().unwrap();
    let expected = [("b2", None, 100), ("a1", Some("lobby"), 200)];
    let expected = expected.map(|(id, name, due_ms)| AlarmHint {
        address: address(id),
        name: name.map(str::to_owned),
        due_ms,
    });
    assert_eq!(hints, expected);
}

#[test]
fn a_note_never_hides_an_earlier_time_until_it_is_settled() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    let alarm = address("a1");
    for (due_ms, expected) in [(200, 200), (300, 200), (100, 100), (400, 100)] {
        storage.note_alarm(&alarm, None, due_ms).unwrap();
        assert_eq!(alarms(&storage), [("a1".to_owned(), expected)]);
    }
    storage.settle_alarm(&alarm, 400).unwrap();
    assert_eq!(alarms(&storage), [("a1".to_owned(), 400)]);
    // Settling makes nothing earlier and nothing new: that must be durable first.
    storage.settle_alarm(&alarm, 50).unwrap();
    storage.settle_alarm(&address("b2"), 50).unwrap();
    assert_eq!(alarms(&storage), [("a1".to_owned(), 400)]);
    storage.note_alarm(&alarm, None, u64::MAX).unwrap();
    storage.forget_alarm(&alarm).unwrap();
    storage.forget_alarm(&alarm).unwrap();
    assert_eq!(alarms(&storage), []);
}

#[test]
fn a_name_that_comes_later_is_kept() {
    let dir = Dir::new();
    let storage = on_disk(&dir, Bounds::default());
    for name in [None, Some("lobby"), None] {
        storage.note_alarm(&address("a1"), name, 100).unwrap();
    }
    assert_eq!(storage.alarms().unwrap()[0].name.as_deref(), Some("lobby"));
}

#[test]
fn a_damaged_index_is_reported_by_name_and_left_as_it_is() {
    let dir = Dir::new();
    let path = dir.join("alarms.sqlite");
    let bytes = b"this is a text and no database".repeat(100);
    std::fs::write(&path, &bytes).unwrap();
    let result = crate::storage::SqliteStorage::open(&dir, Bounds::default());
    let Err(StorageError::Failed(reason)) = result else {
        panic!("{result:?}")
    };
    assert!(
        reason.contains("alarms.sqlite: file is not a database"),
        "{reason}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}
