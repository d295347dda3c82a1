//! What an object has stored is there again after hibernation, after a restart, and after a crash; and what cannot be
//! stored is undone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pairway_host::{Error, Server};
use tokio_tungstenite::tungstenite::Message;

use crate::LEDGER;
use crate::support::{Binary, Client, Folder, Host, Raw, config, get, load, until, within};

async fn on(folder: &Folder) -> Host {
    Host::with(LEDGER, |config| {
        config.data_dir = Some(folder.path().to_owned());
    })
    .await
}

#[tokio::test]
async fn storage_survives_hibernation_in_memory_and_on_disk() {
    let folder = Folder::new("hibernation");
    for data_dir in [None, Some(folder.path().to_owned())] {
        let host = Host::with(LEDGER, |config| {
            config.data_dir = data_dir;
            config.limits.hibernate_after_ms = 30;
        })
        .await;
        let mut client = Client::connect(host.address, "/a").await;
        client.ask("put a 1", "done").await;
        client.ask("sql CREATE TABLE t (x)", " +0").await;
        for round in 0..3 {
            until("the object to hibernate", || {
                host.counters.objects_awake_live.get() == 0
            })
            .await;
            client.ask("get a", "Some(\"1\")").await;
            client.ask("sql INSERT INTO t VALUES (1)", " +1").await;
            let count = format!("n ({}) +0", round + 1);
            client.ask("sql SELECT count(*) AS n FROM t", &count).await;
        }
        // Also without a socket, where nothing of the object is left in memory.
        client.close(1000, "").await;
        client.expect_close(1000, "").await;
        until("the object to be forgotten", || {
            host.objects.list().is_empty()
        })
        .await;
        get(host.address, "/a/get/a")
            .await
            .expect(200, "Some(\"1\")");
    }
}

#[tokio::test]
async fn storage_on_disk_survives_the_host() {
    let folder = Folder::new("restart");
    let host = on(&folder).await;
    get(host.address, "/a/put/a/1").await.expect(200, "done");
    get(host.address, "/b/put/a/2").await.expect(200, "done");
    host.stopped().await;
    let host = on(&folder).await;
    get(host.address, "/a/get/a")
        .await
        .expect(200, "Some(\"1\")");
    get(host.address, "/b/get/a")
        .await
        .expect(200, "Some(\"2\")");
    get(host.address, "/c/get/a").await.expect(200, "None");
}

#[tokio::test]
async fn storage_in_memory_ends_with_the_host() {
    let host = Host::start(LEDGER).await;
    get(host.address, "/a/put/a/1").await.expect(200, "done");
    host.stopped().await;
    let host = Host::start(LEDGER).await;
    get(host.address, "/a/get/a").await.expect(200, "None");
}

#[tokio::test]
async fn an_object_that_only_reads_leaves_no_file() {
    let folder = Folder::new("reads");
    let host = on(&folder).await;
    get(host.address, "/a/get/a").await.expect(200, "None");
    assert!(databases(folder.path()).is_empty());
    get(host.address, "/a/put/a/1").await.expect(200, "done");
    assert_eq!(databases(folder.path()).len(), 1);
    get(host.address, "/a/wipe").await.expect(200, "done");
    get(host.address, "/a/list").await.expect(200, "");
}

/// The files of objects below a data directory.
fn databases(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("objects/Ledger")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("the folder is ours").path());
    paths
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "sqlite"))
        .collect()
}

#[tokio::test]
async fn two_hosts_on_one_directory_are_refused_by_name() {
    let folder = Folder::new("shared");
    let first = on(&folder).await;
    let mut config = config();
    config.data_dir = Some(folder.path().to_owned());
    let worker = load(LEDGER, &config).await.expect("the worker loads");
    let refused = Server::bind(worker, &config).await.map(|_| ());
    let Err(Error::Storage(text)) = &refused else {
        panic!("no error of storage: {refused:?}");
    };
    assert!(
        text.contains(folder.text()) && text.contains("in use"),
        "{text}"
    );
    get(first.address, "/a/put/a/1").await.expect(200, "done");
    // Once the first is gone there is room for another.
    first.stopped().await;
    let next = on(&folder).await;
    get(next.address, "/a/get/a")
        .await
        .expect(200, "Some(\"1\")");
}

#[tokio::test]
async fn a_damaged_file_fails_its_own_object_and_is_named() {
    let folder = Folder::new("damaged");
    let host = on(&folder).await;
    get(host.address, "/a/put/a/1").await.expect(200, "done");
    host.stopped().await;
    let [file] = &databases(folder.path())[..] else {
        panic!("not one file");
    };
    std::fs::write(file, [b'x'; 8192]).expect("the folder is ours");
    let mut host = Binary::serve(LEDGER, &["--data-dir", folder.text()]).await;
    for _ in 0..3 {
        assert_eq!(get(host.address, "/a/get/a").await.status, 500);
        get(host.address, "/b/increment").await;
    }
    host.logs(file.to_str().expect("a path of ours")).await;
    get(host.address, "/b/count").await.expect(200, "3");
    // It may hold what somebody can still save.
    assert_eq!(std::fs::read(file).expect("it is there"), [b'x'; 8192]);
}

#[tokio::test]
async fn a_database_that_is_full_undoes_the_turn_and_tells_the_client() {
    let folder = Folder::new("full");
    let host = Host::with(LEDGER, |config| {
        config.data_dir = Some(folder.path().to_owned());
        config.limits.database_bytes = 512 * 1024;
    })
    .await;
    let mut raw = Raw::open(host.address, "/a").await;
    let mut other = Client::connect(host.address, "/a").await;
    other.ask("large 1 100000", "done").await;
    raw.send("large 2 1000000").await;
    raw.expect_failed(1011).await;
    assert_eq!(get(host.address, "/a/large/3/1000000").await.status, 500);
    // What was there is there, and there is room for what is small.
    other.ask("put a 1", "done").await;
    other.ask("get kk", "None").await;
    other.ask("get a", "Some(\"1\")").await;
    until("the other socket to be gone", || {
        host.counters.sockets_live.get() == 1
    })
    .await;
}

/// Increment until the host is gone, with a few on their way at any time, so that a crash meets some. Gives how many
/// were sent, and the last value that came back.
async fn increment_until_the_end(mut client: Client) -> (u64, u64) {
    let (mut sent, mut answered, mut last) = (0, 0, 0);
    loop {
        while sent < answered + 4 {
            sent += 1;
            if !client.try_send("increment").await {
                return (sent, last);
            }
        }
        match client.next().await.map(Message::into_text) {
            Some(Ok(count)) => last = count.parse().expect("a number"),
            Some(Err(_)) | None => return (sent, last),
        }
        answered += 1;
    }
}

/// One life of the host, cut off; the objects `a` and `b` had counted so far when it began. Gives what each must have
/// counted at least, and at most.
async fn one_life(host: Binary, counted: [u64; 2], life: Duration) -> [(u64, u64); 2] {
    let mut counting = Vec::new();
    for at in [0, 0, 0, 1] {
        let client = Client::connect(host.address, ["/a", "/b"][at]).await;
        counting.push((at, tokio::spawn(increment_until_the_end(client))));
    }
    tokio::time::sleep(life).await;
    host.signal("KILL").await;
    assert_eq!(host.ended().await, None, "a signal ends it");
    let mut bounds = counted.map(|count| (count, count));
    for (at, counting) in counting {
        let (sent, last) = within("the end", counting).await.expect("each is a number");
        bounds[at].0 = bounds[at].0.max(last);
        bounds[at].1 += sent;
    }
    bounds
}

#[tokio::test]
async fn what_a_client_has_been_told_was_stored_before_whenever_the_host_dies() {
    const LIVES: u64 = 25;
    let folder = Folder::new("crashes");
    let mut counted = [0, 0];
    for life in 0..LIVES {
        let host = Binary::serve(LEDGER, &["--data-dir", folder.text()]).await;
        let life = Duration::from_micros(1_000 + life * 7_919 % 60_000);
        let bounds = one_life(host, counted, life).await;
        let host = Binary::serve(LEDGER, &["--data-dir", folder.text()]).await;
        for (at, (least, most)) in bounds.into_iter().enumerate() {
            let answer = get(host.address, ["/a/count", "/b/count"][at]).await;
            let count = answer.text().parse().expect("a number");
            assert!(
                (least..=most).contains(&count),
                "{count} is not from {least} to {most}"
            );
            counted[at] = count;
        }
        // The next one gets the folder only when this one is gone.
        host.signal("KILL").await;
        assert_eq!(host.ended().await, None, "a signal ends it");
    }
    assert!(counted.iter().all(|count| *count > LIVES), "{counted:?}");
}
