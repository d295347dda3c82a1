//! More objects than there may be instances: those that have been idle for longest make room for others, and where none
//! is idle the client is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pairway_host::Config;
use tokio::task::JoinHandle;

use crate::VAULT;
use crate::support::{Client, Host, Request, get, until, within};

const PLACES: u64 = 20;
const OBJECTS: u64 = 500;

fn few_places(config: &mut Config, places: u64) {
    config.limits.instances = places;
    // All requests meet in one instance of the worker, which takes a place while there is a request.
    config.sockets_per_instance = 10_000;
}

/// Looks all the time at how many instances there are, and keeps the most it has seen.
fn watch_instances(host: &Host) -> (Arc<AtomicU64>, JoinHandle<()>) {
    let (most, counters) = (Arc::new(AtomicU64::new(0)), Arc::clone(&host.counters));
    let seen = Arc::clone(&most);
    let watching = tokio::spawn(async move {
        loop {
            seen.fetch_max(counters.instances_live.get(), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    });
    (most, watching)
}

async fn ask_again_and_again(mut client: Client, number: u64) -> Client {
    for round in 0..5 {
        let text = format!("{number} {round}");
        client.ask(&text, &text).await;
    }
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_objects_share_twenty_instances() {
    let host = Host::with(VAULT, |config| few_places(config, PLACES)).await;
    let (most, watching) = watch_instances(&host);
    let mut clients = Vec::new();
    for number in 0..OBJECTS {
        let mut client = Client::connect(host.address, &format!("/{number}?tags=t{number}")).await;
        client.ask("attach x", "done").await;
        clients.push(client);
    }
    assert!(host.counters.evictions.get() >= OBJECTS - PLACES);
    let asking: Vec<_> = clients
        .into_iter()
        .zip(0..)
        .map(|(client, number)| tokio::spawn(ask_again_and_again(client, number)))
        .collect();
    let mut clients = Vec::new();
    for (number, asking) in asking.into_iter().enumerate() {
        let mut client = within("every answer", asking).await.expect("each is right");
        client.ask("me", &format!("[t{number}] x Open")).await;
        clients.push(client);
    }
    watching.abort();
    let most = most.load(Ordering::Relaxed);
    assert!(most <= PLACES, "{most} instances were alive");
    assert_eq!(host.counters.faults.get(), 0);
    assert_eq!(host.counters.sockets_live.get(), OBJECTS);
    assert_eq!(host.objects.list().len() as u64, OBJECTS);
}

#[tokio::test]
async fn the_object_that_has_been_idle_for_longest_makes_room() {
    let host = Host::with(VAULT, |config| few_places(config, 4)).await;
    let mut clients = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        clients.push(Client::connect(host.address, &format!("/{name}")).await);
    }
    let awake = || {
        let list = host.objects.list().into_iter();
        let awake = list
            .filter(|status| status.is_awake)
            .filter_map(|status| status.name);
        let mut awake: Vec<String> = awake.collect();
        awake.sort();
        awake.concat()
    };
    until("the worker's instance to go", || {
        host.counters.instances_live.get() == awake().len() as u64
    })
    .await;
    // Each in turn, and time passes in between.
    for (at, expected) in [
        (0, "a"),
        (1, "ab"),
        (2, "abc"),
        (3, "abcd"),
        (0, "abcd"),
        (4, "acde"),
        (1, "abde"),
    ] {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(5) {
            clients[at].ask("note", "note").await;
        }
        let awake = awake();
        assert!(
            expected.chars().all(|name| awake.contains(name)),
            "{awake}, not {expected}"
        );
        assert!(awake.len() <= 4, "{awake}");
    }
    assert_eq!(awake(), "abde");
}

/// So many objects, each with a handler that does not return.
async fn pinned(host: &Host, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for at in 0..count {
        clients.push(Client::connect(host.address, &format!("/pinned-{at}")).await);
    }
    for client in &mut clients {
        client.ask("hang", "hanging").await;
    }
    clients
}

#[tokio::test]
async fn a_message_for_which_no_place_is_found_in_time_closes_its_socket_with_1013() {
    let host = Host::with(VAULT, |config| {
        few_places(config, 3);
        config.limits.instance_wait_ms = 100;
    })
    .await;
    let mut client = Client::connect(host.address, "/a").await;
    let mut neighbour = Client::connect(host.address, "/a").await;
    let mut pinned = pinned(&host, 3).await;
    assert_eq!(host.counters.instances_live.get(), 3);
    client.send("note").await;
    assert_eq!(client.close_frame().await.0, 1013);
    client.expect_end().await;
    assert_eq!(host.counters.faults.get(), 0);
    // Others of the object are as they were, and are served once there is a place.
    pinned[0].ask("release", "done").await;
    pinned[0].expect("released").await;
    neighbour.ask("sockets", "[]  Open").await;
}

#[tokio::test]
async fn a_request_for_which_no_place_is_found_in_time_is_a_503() {
    let host = Host::with(VAULT, |config| {
        few_places(config, 3);
        config.limits.instance_wait_ms = 100;
    })
    .await;
    // One place is left for the worker, and none for the object.
    let mut pinned = pinned(&host, 2).await;
    assert_eq!(get(host.address, "/a/log").await.status, 503);
    assert_eq!(Request::upgrade("/a").send(host.address).await.status, 503);
    pinned[1].ask("release", "done").await;
    pinned[1].expect("released").await;
    get(host.address, "/a/log")
        .await
        .expect(200, "new 0, request log");
}

#[tokio::test]
async fn what_waits_for_a_place_is_served_when_one_is_given_back() {
    let host = Host::with(VAULT, |config| few_places(config, 3)).await;
    let mut client = Client::connect(host.address, "/a").await;
    let mut pinned = pinned(&host, 3).await;
    client.send("log").await;
    pinned[2].ask("still served", "still served").await;
    pinned[2].ask("release", "done").await;
    pinned[2].expect("released").await;
    client.expect("new 1, message log").await;
    assert_eq!(host.counters.instances_live.get(), 3);
}

#[tokio::test]
async fn objects_over_the_bound_on_those_awake_make_room_for_one_another_and_leave_the_worker_its_places()
 {
    let host = Host::with(VAULT, |config| {
        config.limits.objects_awake = 2;
        config.limits.instance_wait_ms = 100;
    })
    .await;
    for at in 0..10 {
        let mut client = Client::connect(host.address, &format!("/{at}")).await;
        client.ask("note", "note").await;
        assert!(host.counters.objects_awake_live.get() <= 2);
    }
    let mut pinned = pinned(&host, 2).await;
    assert_eq!(get(host.address, "/a/log").await.status, 503);
    assert_eq!(host.counters.faults.get(), 0);
    pinned[1].ask("release", "done").await;
    pinned[1].expect("released").await;
    get(host.address, "/a/log")
        .await
        .expect(200, "new 0, request log");
}
