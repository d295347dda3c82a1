//! Keys and values: their order, and what `list` gives.

use super::*;
use crate::storage::testing::{keys, on_new_store, put};

#[test]
fn keys_are_listed_in_the_order_of_their_bytes() {
    on_new_store(|store| {
        for key in [
            "b",
            "a",
            "B",
            "é",
            "",
            "a\0",
            "a!",
            "\u{10ffff}",
            "\u{ffff}",
        ] {
            put(store, key, "").unwrap();
        }
        let all = keys(store, &ListOptions::default());
        assert_eq!(all, " B a a\0 a! b é \u{ffff} \u{10ffff}");
    });
}

/// Options from a text such as `start=b limit=2 reverse`.
fn options(text: &str) -> ListOptions {
    let mut options = ListOptions::default();
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let key = Some(value.to_owned());
        match name {
            "start" => options.start = key,
            "start-after" => options.start_after = key,
            "end" => options.end = key,
            "prefix" => options.prefix = key,
            "limit" => options.limit = value.parse().ok(),
            "reverse" => options.reverse = true,
            _ => panic!("{name} is no option"),
        }
    }
    options
}

#[test]
fn list_gives_the_entries_that_its_options_name() {
    on_new_store(|store| {
        for key in ["a", "b", "b1", "b2", "c"] {
            put(store, key, "").unwrap();
        }
        for (text, expected) in [
            ("start=b", "b b1 b2 c"),
            ("start-after=b", "b1 b2 c"),
            ("end=b1", "a b"),
            ("prefix=b", "b b1 b2"),
            ("prefix=b start-after=b1", "b2"),
            ("prefix=b end=b2 reverse", "b1 b"),
            ("limit=2", "a b"),
            ("limit=2 reverse", "c b2"),
            ("limit=0", ""),
            ("start=c end=a", ""),
            ("prefix=x", ""),
        ] {
            assert_eq!(keys(store, &options(text)), expected, "{text}");
        }
        let both = store.list(&options("start=a start-after=a"));
        assert!(matches!(both, Err(StorageError::Options(_))));
        let both = store.list_keys(&options("start=a start-after=a"));
        assert!(matches!(both, Err(StorageError::Options(_))));
    });
}

#[test]
fn values_come_in_the_order_of_their_keys_and_deletes_are_counted() {
    on_new_store(|store| {
        assert_eq!(store.delete(&["a".to_owned()]), Ok(0));
        put(store, "a", "1").unwrap();
        put(store, "b", "").unwrap();
        let keys = ["b", "x", "a", "a"].map(str::to_owned);
        let values = store.get(&keys).unwrap();
        assert_eq!(
            values,
            [Some(vec![]), None, Some(b"1".to_vec()), Some(b"1".to_vec())]
        );
        assert_eq!(store.delete(&keys), Ok(2));
        assert_eq!(store.get(&keys).unwrap(), [None, None, None, None]);
    });
}

#[test]
fn the_range_of_a_prefix_ends_behind_all_strings_that_begin_so() {
    for (prefix, behind) in [
        ("a", Some("b")),
        ("a\u{7f}", Some("a\u{80}")),
        ("\u{d7ff}", Some("\u{e000}")),
        ("a\u{10ffff}", Some("b")),
        ("\u{10ffff}", None),
        ("", None),
    ] {
        assert_eq!(behind_prefix(prefix).as_deref(), behind);
    }
}

#[test]
fn start_end_and_prefix_narrow_each_other() {
    let options = ListOptions {
        start_after: Some("b:3".to_owned()),
        end: Some("z".to_owned()),
        prefix: Some("b:".to_owned()),
        ..ListOptions::default()
    };
    let range = Range {
        from: "b:3\0".to_owned(),
        to: Some("b;".to_owned()),
    };
    assert_eq!(Range::of(&options), Ok(range));
}
