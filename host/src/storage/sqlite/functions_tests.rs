//! Functions in place of SQLite's own: the same results, in linear time and bounded memory.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::install;

const MOST: usize = 2 * 1024 * 1024;

fn ours() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    install(&connection, MOST).unwrap();
    connection
}

/// What a statement gives, of what type, and with which bytes.
fn outcome(connection: &Connection, sql: &str, values: &[Value]) -> Result<String, String> {
    let sql = format!("SELECT typeof(r) || ' ' || quote(CAST(r AS BLOB)) FROM (SELECT {sql} AS r)");
    let row = connection.query_row(&sql, params_from_iter(values), |row| row.get(0));
    row.map_err(|error| error.to_string())
}

fn same(sql: &str, values: &[Value]) {
    let theirs = Connection::open_in_memory().unwrap();
    assert_eq!(
        outcome(&ours(), sql, values),
        outcome(&theirs, sql, values),
        "{sql} of {values:?}"
    );
}

/// Few different characters, so that they meet: of one to four bytes, quotes, controls.
fn text() -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec![
        'a',
        'b',
        'a',
        ' ',
        'ä',
        '€',
        '\u{1f600}',
        '"',
        '\\',
        '\'',
        '\n',
        '\u{1}',
        '\u{7f}',
    ]);
    prop::collection::vec(character, 0..12).prop_map(|chars| chars.into_iter().collect())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::Text),
        2 => prop::collection::vec(prop::sample::select(vec![0x61_u8, 0x62, 0xc3, 0xa4, 0x80, 0]), 0..8)
            .prop_map(Value::Blob),
        1 => Just(Value::Null),
        1 => (-20_i64..300).prop_map(Value::Integer),
        1 => prop_oneof![Just(1.5), Just(-0.1), Just(1e300), Just(3.0)].prop_map(Value::Real),
    ]
}

proptest! {
    #[test]
    fn instr_is_that_of_sqlite(a in value(), b in value()) {
        same("instr(?1, ?2)", &[a, b]);
    }

    #[test]
    fn replace_is_that_of_sqlite(a in value(), b in value(), c in value()) {
        same("replace(?1, ?2, ?3)", &[a, b, c]);
    }

    #[test]
    fn trim_is_that_of_sqlite(a in value(), b in value()) {
        for name in ["trim", "ltrim", "rtrim"] {
            same(&format!("{name}(?1, ?2)"), &[a.clone(), b.clone()]);
            same(&format!("{name}(?1)"), std::slice::from_ref(&a));
        }
    }

    #[test]
    fn json_groups_are_those_of_sqlite(a in value(), b in value(), c in text()) {
        let (a, b) = (json_value(a), json_value(b));
        let values = [a, b, Value::Text(c)];
        let rows = "FROM (SELECT ?3 AS k, ?1 AS v UNION ALL SELECT 'n', ?2 UNION ALL SELECT NULL, 1 UNION ALL SELECT 2.5, json_array(?1, 2))";
        for sql in [
            "(SELECT json_group_array(v) ROWS)",
            "(SELECT json_group_object(k, v) ROWS)",
            "(SELECT jsonb_group_array(v) ROWS)",
            "(SELECT jsonb_group_object(k, v) ROWS)",
            "(SELECT json_array(1, json_group_array(json_array(v))) ROWS)",
            "(SELECT group_concat(w) FROM (SELECT json_group_array(v) OVER (ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) w ROWS))",
        ] {
            same(&sql.replace("ROWS)", &format!("{rows})")), &values);
        }
    }
}

/// JSON holds no blob, and what SQLite takes for JSONB is another matter.
fn json_value(value: Value) -> Value {
    match value {
        Value::Blob(_) => Value::Null,
        other @ (Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_)) => other,
    }
}

#[test]
fn texts_that_are_no_utf_8_and_empty_groups_are_as_in_sqlite() {
    for (sql, values) in [
        ("instr(CAST(x'e282' AS TEXT), CAST(x'82' AS TEXT))", &[][..]),
        ("instr(CAST(x'82e2' AS TEXT), CAST(x'82' AS TEXT))", &[]),
        ("instr(CAST(x'610062' AS TEXT), 'b')", &[]),
        (
            "replace(CAST(x'ff61ff' AS TEXT), 'a', CAST(x'00fe' AS TEXT))",
            &[],
        ),
        ("replace('abc', CAST(x'0061' AS TEXT), 'x')", &[]),
        (
            "trim(CAST(x'c3c3a461c3' AS TEXT), CAST(x'c3c3a4' AS TEXT))",
            &[],
        ),
        ("trim('xax', CAST(x'780061' AS TEXT))", &[]),
        ("(SELECT json_group_array(1) WHERE 0)", &[]),
        ("(SELECT json_group_object('a', 1) WHERE 0)", &[]),
        ("(SELECT json_group_array(jsonb('[1,{\"a\":2}]')))", &[]),
        ("json_array((SELECT json_group_array(1)))", &[]),
    ] {
        same(sql, values);
    }
    let error = outcome(&ours(), "(SELECT json_group_array(x'ff'))", &[]).unwrap_err();
    assert!(error.contains("JSON cannot hold BLOB values"), "{error}");
}

#[test]
fn they_can_stand_in_indexes_generated_columns_and_views() {
    let connection = ours();
    connection
        .execute_batch(
            "PRAGMA trusted_schema = OFF;
            CREATE TABLE t (a, b AS (replace(a, 'x', 'y')), CHECK (instr(a, '!') = 0));
            CREATE INDEX i ON t (trim(a)); CREATE VIEW v AS SELECT json_group_array(b) FROM t;
            INSERT INTO t VALUES (' axe ')",
        )
        .unwrap();
    let value = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    assert_eq!(value("SELECT * FROM v"), r#"[" aye "]"#);
    assert_eq!(value("SELECT b FROM t WHERE trim(a) = 'axe'"), " aye ");
}

/// The largest arguments there can be. SQLite's own take from twenty seconds to hours.
#[test]
fn the_largest_arguments_take_moments() {
    let zeros = |count: usize| Value::Text("0".repeat(count));
    let different: String = ('\u{4e00}'..).take(600_000).collect();
    let connection = ours();
    let begin = Instant::now();
    for (sql, values) in [
        ("instr(?1, ?2 || '1')", [zeros(2_000_000), zeros(1_000_000)]),
        (
            "instr(CAST(?1 AS BLOB), CAST(?2 || '1' AS BLOB))",
            [zeros(2_000_000), zeros(1_000_000)],
        ),
        (
            "length(replace(?1, ?2 || '1', 'x'))",
            [zeros(2_000_000), zeros(1_000_000)],
        ),
        (
            "length(trim(?1, ?2 || '0'))",
            [zeros(2_000_000), Value::Text(different)],
        ),
    ] {
        outcome(&connection, sql, &values).unwrap();
    }
    // Some tens of milliseconds; a slow machine that does other things may take a hundred times that.
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn what_they_give_and_keep_is_bounded() {
    let connection = ours();
    for sql in [
        "replace(?1, '0', '0123456789')",
        "(WITH RECURSIVE r (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM r) SELECT json_group_array(?1) FROM r)",
        "(WITH RECURSIVE r (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM r) SELECT json_group_object(x, ?1) FROM r)",
    ] {
        let error = outcome(&connection, sql, &[Value::Text("0".repeat(1_000_000))]).unwrap_err();
        assert!(error.contains("too big"), "{sql}: {error}");
    }
}
