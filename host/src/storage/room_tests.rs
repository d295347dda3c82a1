//! What all objects store together, on both engines: what is beyond the bound is refused, and the stores go on.

use crate::storage::testing::{Dir, address, both, get, on_disk, open, put};
use crate::storage::{Bounds, Storage, StorageError, Store};

/// Try a rule on both engines with changed bounds.
fn with(change: impl Fn(&mut Bounds), rule: impl Fn(&mut dyn Store)) {
    let mut bounds = Bounds::default();
    change(&mut bounds);
    both(&bounds, |storage| rule(&mut *open(storage)));
}

fn entry(key: usize, value: usize) -> [(String, Vec<u8>); 1] {
    [("k".repeat(key), vec![7; value])]
}

#[test]
fn storage_bytes_and_memory_storage_bytes() {
    let change = |bounds: &mut Bounds| {
        bounds.storage_bytes = 1_000_000;
        bounds.memory_storage_bytes = 1_000_000;
    };
    with(change, |store| {
        put(store, "k", "1").unwrap();
        store.end_turn().unwrap();
        let Err(StorageError::Failed(reason)) = store.put(&entry(1, 400_000)) else {
            panic!("a quarter of what is left is less")
        };
        assert!(reason.contains("storage_bytes)"), "{reason}");
        assert!(!store.is_dirty());
        store.put(&entry(1, 100_000)).unwrap();
        // In place of what was there it takes nothing more.
        for _ in 0..5 {
            store.put(&entry(1, 100_000)).unwrap();
            store.end_turn().unwrap();
        }
        let fill = |store: &mut dyn Store| {
            (2..20).all(|key| store.put(&entry(key, 50_000)).is_ok() && store.end_turn().is_ok())
        };
        assert!(!fill(store));
        store.undo_turn().unwrap();
        store.delete_all().unwrap();
        store.end_turn().unwrap();
        store.put(&entry(1, 100_000)).unwrap();
    });
}

#[test]
fn stored_objects() {
    let bounds = Bounds {
        stored_objects: 2,
        ..Bounds::default()
    };
    both(&bounds, |storage| {
        let mut stores: Vec<_> = ["a", "b", "c"]
            .map(|id| storage.open(&address(id)).unwrap())
            .into();
        put(&mut *stores[0], "k", "1").unwrap();
        put(&mut *stores[1], "k", "1").unwrap();
        let refused = put(&mut *stores[2], "k", "1");
        assert!(
            matches!(&refused, Err(StorageError::Failed(text)) if text.contains("limit stored_objects")),
            "{refused:?}"
        );
        assert!(!stores[2].is_dirty());
        // One whose turn comes to nothing is none.
        stores[1].undo_turn().unwrap();
        stores[0].end_turn().unwrap();
        put(&mut *stores[2], "k", "1").unwrap();
        stores[2].end_turn().unwrap();
        stores[0].delete_all().unwrap();
        stores[0].end_turn().unwrap();
        put(&mut *stores[1], "k", "1").unwrap();
    });
}

/// What is stored when a process begins counts, and an object counts the same open and closed.
#[test]
fn what_was_stored_before_counts() {
    let dir = Dir::new();
    let bounds = Bounds {
        stored_objects: 1,
        ..Bounds::default()
    };
    let storage = on_disk(&dir, bounds.clone());
    let mut store = open(&storage);
    store.put(&entry(1, 500_000)).unwrap();
    store.end_turn().unwrap();
    drop(store);
    let used = storage.room().used();
    assert!(used.0 > 500_000 && used.1 == 1, "{used:?}");
    for _ in 0..3 {
        let mut store = open(&storage);
        assert!(get(&mut *store, "k").is_some());
        drop(store);
        assert_eq!(storage.room().used(), used);
    }
    drop(storage);
    let storage = on_disk(&dir, bounds);
    assert_eq!(storage.room().used(), used);
    let mut store = storage.open(&address("b1")).unwrap();
    assert!(put(&mut *store, "k", "1").is_err());
}
