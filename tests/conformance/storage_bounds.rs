//! What the storage of some objects costs all others: no time, and a bounded part of the disk.

use crate::LEDGER;
use crate::support::{Binary, Client, Folder, Host, Raw, get, until};

const ENDLESS: &str =
    "sql WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

/// Host and client share one thread here.
#[tokio::test]
async fn others_are_served_while_the_sql_of_some_objects_runs() {
    let host = Host::start(LEDGER).await;
    let mut busy = Vec::new();
    for name in ["/a", "/b"] {
        let mut client = Client::connect(host.address, name).await;
        client.send(ENDLESS).await;
        busy.push(client);
    }
    let mut other = Client::connect(host.address, "/c").await;
    let [first, second] = &mut busy[..] else {
        panic!("there are two")
    };
    let dialogue = async {
        other.ask("put a 1", "done").await;
        other.ask("sql SELECT 7 AS n", "n (7) +0").await;
        other.ask("get a", "Some(\"1\")").await;
    };
    tokio::select! {
        biased;
        told = first.text() => panic!("the first is through: {told}"),
        told = second.text() => panic!("the second is through: {told}"),
        () = dialogue => {}
    }
}

#[tokio::test]
async fn so_much_sql_runs_at_a_time_and_more_waits_no_longer_than_it_may_run() {
    let host = Host::with(LEDGER, |config| {
        config.limits.sql_threads = 1;
        config.limits.sql_ms = 500;
    })
    .await;
    let mut told = Vec::new();
    let mut clients = Vec::new();
    for name in ["/a", "/b", "/c"] {
        let mut client = Client::connect(host.address, name).await;
        // Opens its storage.
        client.ask("get a", "None").await;
        clients.push(client);
    }
    for client in &mut clients {
        client.send(ENDLESS).await;
    }
    for client in &mut clients {
        told.push(client.text().await);
    }
    // The first runs at once, the second when the first has ended, and the third would when it has waited too long.
    assert!(told[0].contains("limit sql_ms"), "{told:?}");
    assert!(told[2].contains("limit sql_threads, 1"), "{told:?}");
}

#[tokio::test]
async fn time_that_sql_takes_is_the_turns() {
    let host = Host::with(LEDGER, |config| {
        config.limits.sql_ms = 300;
        config.limits.turn_cpu_ms = 100;
    })
    .await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("put a 1", "done").await;
    let mut raw = Raw::open(host.address, "/a").await;
    raw.send(ENDLESS).await;
    raw.expect_failed(1011).await;
    client.ask("get a", "Some(\"1\")").await;
}

#[tokio::test]
async fn sql_that_a_turn_no_longer_waits_for_is_ended_and_the_object_goes_on() {
    let host = Host::with(LEDGER, |config| config.limits.turn_wall_ms = 200).await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("put a 1", "done").await;
    let mut raw = Raw::open(host.address, "/a").await;
    raw.send(ENDLESS).await;
    raw.expect_failed(1011).await;
    // Long before `sql_ms` is over.
    client.ask("get a", "Some(\"1\")").await;
    client.ask("put a 2", "done").await;
}

#[tokio::test]
async fn all_objects_together_store_so_much() {
    let host = Host::with(LEDGER, |config| {
        config.limits.memory_storage_bytes = 8 * 1024 * 1024;
    })
    .await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("large 1 1000000", "done").await;
    client.ask("large 2 1000000", "done").await;
    assert_eq!(get(host.address, "/b/large/1/1900000").await.status, 500);
    // What was there is there; what takes nothing more goes, and makes room.
    client.ask("large 1 1000000", "done").await;
    client.ask("wipe", "done").await;
    assert_eq!(get(host.address, "/b/large/1/1900000").await.status, 200);
}

#[tokio::test]
async fn so_many_objects_have_storage() {
    let host = Host::with(LEDGER, |config| config.limits.stored_objects = 2).await;
    for (path, status) in [
        ("/a/put/k/1", 200),
        ("/b/put/k/1", 200),
        ("/c/get/k", 200),
        ("/c/put/k/1", 500),
        ("/a/put/k/2", 200),
        ("/a/wipe", 200),
        ("/c/put/k/1", 200),
        ("/a/put/k/1", 500),
    ] {
        assert_eq!(get(host.address, path).await.status, status, "{path}");
    }
}

/// A bound on the size of files stands in for a disk that ends.
#[tokio::test]
async fn a_file_that_can_grow_no_more_is_a_full_disk() {
    let folder = Folder::new("largest-file");
    let script = "ulimit -f 30000; exec \"$@\"";
    let mut command = Binary::command("sh");
    command.args(["-c", script, "sh"]).arg(Binary::path());
    command
        .args(Binary::serve_arguments(LEDGER))
        .args(["--data-dir", folder.text()]);
    let host = Binary::run(command).await;
    get(host.address, "/a/put/k/1").await;
    let mut status = 200;
    for key in 2..60 {
        status = get(host.address, &format!("/a/large/{key}/1900000"))
            .await
            .status;
        if status != 200 {
            break;
        }
    }
    assert_eq!(status, 500);
    let there = get(host.address, "/a/get/k").await;
    assert_eq!((there.status, there.text()), (200, "Some(\"1\")"));
    let mut other = Client::connect(host.address, "/b").await;
    other.ask("put a 1", "done").await;
}

/// Objects that have come to rest cost next to nothing, whatever their databases have cost.
#[tokio::test]
async fn the_memory_of_a_thousand_databases_is_given_back() {
    let folder = Folder::new("given-back");
    let flags = [
        "--data-dir",
        folder.text(),
        "--limit",
        "hibernate_after_ms=300",
    ];
    let host = Binary::serve(LEDGER, &flags).await;
    let before = host.resident_kib();
    for at in 0..1_000 {
        let put = get(host.address, &format!("/object-{at}/put/k/1")).await;
        assert_eq!(put.status, 200);
    }
    // Each took about 200 KiB while it was awake.
    until("the memory to be given back", || {
        host.resident_kib() < before + 40 * 1024
    })
    .await;
}
