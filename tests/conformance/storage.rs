//! The storage of an object: values by keys, transactions, SQL, and what is refused.

use crate::LEDGER;
use crate::support::{Client, Host};

async fn ledger() -> (Host, Client) {
    let host = Host::start(LEDGER).await;
    let client = Client::connect(host.address, "/a").await;
    (host, client)
}

/// Commands and their answers, over one socket.
async fn dialogue(lines: &[(&str, &str)]) {
    let (_host, mut client) = ledger().await;
    for (command, answer) in lines {
        client.send(*command).await;
        assert_eq!(client.text().await, *answer, "{command}");
    }
}

#[tokio::test]
async fn a_value_is_what_was_last_put_under_its_key() {
    dialogue(&[
        ("get a", "None"),
        ("put a 1", "done"),
        ("get a", "Some(\"1\")"),
        ("put a 2", "done"),
        ("get a", "Some(\"2\")"),
        ("delete a", "true"),
        ("delete a", "false"),
        ("get a", "None"),
        ("put  empty", "done"),
        ("get ", "Some(\"empty\")"),
    ])
    .await;
}

#[tokio::test]
async fn several_keys_are_got_put_and_deleted_at_once() {
    dialogue(&[
        ("puts a=1 b=2 c=3", "done"),
        ("gets c x a", "a=1 c=3"),
        ("deletes a x c", "2"),
        ("list", "b=2"),
    ])
    .await;
}

#[tokio::test]
async fn a_list_is_narrowed_turned_round_and_cut_off() {
    dialogue(&[
        ("puts a=1 b=2 b1=3 b2=4 b3=5 c=6", "done"),
        ("list", "a=1 b=2 b1=3 b2=4 b3=5 c=6"),
        ("list start=b1", "b1=3 b2=4 b3=5 c=6"),
        ("list after=b1", "b2=4 b3=5 c=6"),
        ("list after=b11", "b2=4 b3=5 c=6"),
        ("list end=b1", "a=1 b=2"),
        ("list start=b end=b2", "b=2 b1=3"),
        ("list prefix=b", "b=2 b1=3 b2=4 b3=5"),
        ("list prefix=b after=b end=b3", "b1=3 b2=4"),
        ("list prefix=x", ""),
        ("list limit=2", "a=1 b=2"),
        ("list reverse", "c=6 b3=5 b2=4 b1=3 b=2 a=1"),
        ("list reverse limit=2", "c=6 b3=5"),
        ("list prefix=b reverse limit=2", "b3=5 b2=4"),
        ("list reverse start=b end=b2", "b1=3 b=2"),
        ("list limit=0", ""),
        ("list start=c end=a", ""),
    ])
    .await;
}

#[tokio::test]
async fn keys_are_ordered_by_their_bytes() {
    // In UTF-16 the last would stand before the one before it.
    dialogue(&[
        ("puts é=4 \u{ffff}=5 z=3 Z=1 a=2 \u{1f600}=6", "done"),
        ("list", "Z=1 a=2 z=3 é=4 \u{ffff}=5 \u{1f600}=6"),
        ("list start=é end=\u{1f600}", "é=4 \u{ffff}=5"),
        ("list after=z reverse", "\u{1f600}=6 \u{ffff}=5 é=4"),
    ])
    .await;
}

#[tokio::test]
async fn a_list_from_two_beginnings_is_refused() {
    let (_host, mut client) = ledger().await;
    client.send("list start=a after=b").await;
    assert!(client.text().await.starts_with("Other("));
}

#[tokio::test]
async fn deleting_everything_deletes_values_and_tables() {
    dialogue(&[
        ("puts a=1 b=2", "done"),
        ("sql CREATE TABLE t (x)", " +0"),
        ("wipe", "done"),
        ("list", ""),
        ("sql CREATE TABLE t (x)", " +0"),
        ("put a again", "done"),
        ("list", "a=again"),
    ])
    .await;
}

#[tokio::test]
async fn a_key_and_a_value_have_so_many_bytes_and_a_refusal_changes_nothing() {
    // A value stands in quotation marks.
    dialogue(&[
        ("large 2048 10", "done"),
        ("large 2049 10", "KeyTooLarge(2048)"),
        ("large 1 2097149", "done"),
        ("large 1 2097150", "ValueTooLarge(2097152)"),
        ("still here", "still here"),
    ])
    .await;
}

#[tokio::test]
async fn one_call_takes_so_many_keys() {
    let (_host, mut client) = ledger().await;
    client.ask("get-many 128", "0").await;
    client.send("get-many 129").await;
    let refusal = client.text().await;
    assert!(
        refusal.starts_with("Other(") && refusal.contains("keys_per_call"),
        "{refusal}"
    );
    let pairs = |count: u32| (0..count).map(|at| format!(" k{at}=v")).collect::<String>();
    client.ask(&format!("puts{}", pairs(128)), "done").await;
    client.send(format!("puts x=x{}", pairs(128))).await;
    assert!(client.text().await.starts_with("Other("));
    client.ask("get x", "None").await;
}

#[tokio::test]
async fn a_transaction_is_kept_whole_or_not_at_all() {
    const NO: &str = "Err(RustError(\"no\"))";
    for (how, ended, kept) in [
        ("commit", "Ok(true)", "a=new b=new c=old"),
        ("error", NO, "a=old c=old"),
        ("rollback", "Ok(true)", "a=old c=old"),
        ("commit-error", "Ok(false)", "a=new c=old"),
        ("commit-rollback", "Ok(true)", "a=new c=old"),
        ("error-commit", NO, "a=old c=old"),
        ("rollback-error", "Ok(false)", "a=old c=old"),
        ("sync-commit", "Ok(true)", "a=new c=old"),
        ("sync-error", NO, "a=old c=old"),
    ] {
        let (_host, mut client) = ledger().await;
        client.ask("puts a=old c=old", "done").await;
        client.send(format!("transaction {how}")).await;
        assert_eq!(client.text().await, ended, "{how}");
        client.send("list").await;
        assert_eq!(client.text().await, kept, "{how}");
    }
}

#[tokio::test]
async fn a_transaction_waits_for_nothing() {
    // The inner one alone is undone if it alone waits.
    for (how, ended, kept) in [
        ("await", "only storage may be awaited", "c=old"),
        ("commit-await", "Ok(false)", "a=new c=old"),
    ] {
        let (_host, mut client) = ledger().await;
        client.ask("put c old", "done").await;
        client.send(format!("transaction {how}")).await;
        let told = client.text().await;
        assert!(told.contains(ended), "{told}");
        client.ask("list", kept).await;
    }
}

#[tokio::test]
async fn sql_takes_parameters_and_gives_rows() {
    dialogue(&[
        ("sql CREATE TABLE t (a, b TEXT)", " +0"),
        (
            "sql INSERT INTO t VALUES (?, ?), (?, ?) ;; 1, 'one', null, 'none'",
            " +2",
        ),
        (
            "sql SELECT * FROM t ORDER BY a",
            "a,b (null, 'none') (1, 'one') +0",
        ),
        ("sql SELECT a FROM t WHERE b = ? ;; 'one'", "a (1) +0"),
        (
            "sql SELECT ? AS x, ? AS y, ? AS z ;; 1.5, x12, true",
            "x,y,z (1.5, blob [120, 49, 50], 1) +0",
        ),
        ("sql UPDATE t SET a = 7 RETURNING a", "a (7) (7) +2"),
        ("sql DELETE FROM t WHERE b = ? ;; 'nobody'", " +0"),
        (
            "sql SELECT 9223372036854775807 AS max",
            "max (9223372036854775807) +0",
        ),
        ("sql SELECT x FROM (SELECT 1 AS x) WHERE x > 1", "x +0"),
        (
            "sql INSERT INTO t VALUES (1, 'x'); SELECT count(*) AS n FROM t WHERE a < ? ;; 5",
            "n (1) +1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_sql_cannot_do_is_an_error_and_changes_nothing() {
    let (_host, mut client) = ledger().await;
    client.ask("sql CREATE TABLE t (a UNIQUE)", " +0").await;
    client.ask("sql INSERT INTO t VALUES (1)", " +1").await;
    for wrong in [
        "SELEKT 1",
        "SELECT * FROM nowhere",
        "SELECT ?",
        "SELECT 1 ;; 1",
        "SELECT ? ;; 1, 2",
        "INSERT INTO t VALUES (2), (1)",
        "INSERT INTO t VALUES (3); INSERT INTO t VALUES (1)",
        "",
    ] {
        client.send(format!("sql {wrong}")).await;
        let told = client.text().await;
        assert!(told.starts_with("Sql("), "{wrong}: {told}");
    }
    client.ask("sql SELECT a FROM t", "a (1) +0").await;
}

#[tokio::test]
async fn sql_stays_in_its_own_database_and_out_of_the_hosts_tables() {
    let (_host, mut client) = ledger().await;
    client.ask("put a secret", "done").await;
    for wrong in [
        "ATTACH 'other.sqlite' AS other",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO 'copy.sqlite'",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT s",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA synchronous = OFF",
        "PRAGMA writable_schema = ON",
        "SELECT load_extension('x')",
        "CREATE TEMP TABLE t (x)",
        "SELECT * FROM _pairway_kv",
        "SELECT value FROM main._pairway_kv",
        "INSERT INTO _pairway_kv VALUES ('a', 'b')",
        "UPDATE _pairway_kv SET value = 'x'",
        "DELETE FROM _pairway_kv",
        "DROP TABLE _pairway_kv",
        "ALTER TABLE _pairway_kv RENAME TO mine",
        "CREATE TABLE _pairway_mine (x)",
        "CREATE INDEX i ON _pairway_kv (value)",
        "CREATE VIEW v AS SELECT * FROM _pairway_kv; SELECT * FROM v",
        "CREATE TABLE t (x); CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM _pairway_kv; END; INSERT INTO t VALUES (1)",
        "UPDATE sqlite_master SET sql = ''",
    ] {
        client.send(format!("sql {wrong}")).await;
        let told = client.text().await;
        assert!(told.starts_with("Sql("), "{wrong}: {told}");
    }
    client.ask("get a", "Some(\"secret\")").await;
    client.ask("put b more", "done").await;
    client.ask("list", "a=secret b=more").await;
}

#[tokio::test]
async fn sql_that_takes_too_long_is_stopped_and_its_turn_undone() {
    let host = Host::with(LEDGER, |config| config.limits.sql_ms = 100).await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("sql CREATE TABLE t (x)", " +0").await;
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)";
    client
        .send(format!("sql {endless} SELECT count(*) FROM c"))
        .await;
    let told = client.text().await;
    assert!(
        told.starts_with("Sql(") && told.contains("sql_ms"),
        "{told}"
    );
    client
        .ask("sql SELECT count(*) AS n FROM t", "n (0) +0")
        .await;
}

#[tokio::test]
async fn objects_have_nothing_in_common() {
    let (host, mut first) = ledger().await;
    let mut second = Client::connect(host.address, "/b").await;
    first.ask("put a 1", "done").await;
    first.ask("sql CREATE TABLE t (x)", " +0").await;
    second.ask("list", "").await;
    second.send("sql SELECT * FROM t").await;
    assert!(second.text().await.starts_with("Sql("));
}

#[tokio::test]
async fn the_database_has_a_size() {
    let (_host, mut client) = ledger().await;
    let mut sizes = Vec::new();
    for command in ["large 1 1000", "large 2 1000000"] {
        client.ask(command, "done").await;
        client.send("size").await;
        sizes.push(client.text().await.parse::<u64>().expect("a number"));
    }
    assert!(
        sizes[0] > 0 && sizes[1] >= sizes[0] + 1_000_000,
        "{sizes:?}"
    );
}
