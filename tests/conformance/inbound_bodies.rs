//! How much memory the bodies of requests and responses take together, and who gives way.

use std::time::Duration;

use pairway_host::Config;
use tokio::time::sleep;

use crate::ANSWERS;
use crate::support::{Host, Raw, Request, get, until};

const MIB: u64 = 1024 * 1024;

/// A worker, for all of whose bodies there is so much memory.
async fn with_bodies_of(bytes: u64, set: impl FnOnce(&mut Config)) -> Host {
    Host::with(ANSWERS, |config| {
        config.limits.body_total_bytes = bytes;
        set(config);
    })
    .await
}

#[tokio::test]
async fn unfinished_bodies_take_half_of_the_memory_and_the_next_is_a_503() {
    let host = with_bodies_of(4 * MIB, |_| ()).await;
    let post = || {
        Request::get("/echo")
            .method("POST")
            .body(&vec![b'x'; 900_000])
    };
    let whole = post().to_bytes();
    let mut unfinished = Vec::new();
    // How fast each is read nobody tells: sooner or later there are too many.
    let answer = loop {
        let mut raw = Raw::connect(host.address).await;
        raw.write(&whole[..whole.len() - 1]).await;
        unfinished.push(raw);
        let answer = post().send(host.address).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(unfinished.len() < 50, "all were taken");
    };
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.text().contains("body_total_bytes"), "{answer:?}");
    // Requests without a body, and responses, have the other half.
    assert_eq!(get(host.address, "/bytes?count=1000000").await.status, 200);
    drop(unfinished);
    until("the unfinished to be gone", || {
        host.counters.connections_live.get() == 0
    })
    .await;
    for _ in 0..10 {
        let answer = post().send(host.address).await;
        assert_eq!((answer.status, answer.body.len()), (200, 900_000));
    }
}

#[tokio::test]
async fn bodies_that_have_left_are_not_counted_any_more() {
    let host = with_bodies_of(4 * MIB, |_| ()).await;
    let mut kept = Raw::connect(host.address).await;
    for _ in 0..10 {
        kept.write(&Request::get("/bytes?count=3000000").to_bytes())
            .await;
        assert_eq!(kept.answer().await.body.len(), 3_000_000);
    }
    assert_eq!(get(host.address, "/bytes?count=3000000").await.status, 200);
    assert_eq!(host.counters.bodies_refused.get(), 0);
}

#[tokio::test]
async fn a_response_for_which_there_is_no_memory_is_a_503() {
    let host = with_bodies_of(MIB, |_| ()).await;
    let answer = get(host.address, "/bytes?count=2000000").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.text().contains("body_total_bytes"), "{answer:?}");
    get(host.address, "/forbidden").await.expect(403, "no");
}

#[tokio::test]
async fn clients_that_take_nothing_give_way_to_others() {
    let host = with_bodies_of(32 * MIB, |config| {
        config.limits.response_stall_ms = 10_000;
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::connect(host.address).await;
        raw.write(&Request::get("/bytes?count=15000000").to_bytes())
            .await;
        raw.read_some().await;
        silent.push(raw);
    }
    let began = std::time::Instant::now();
    let answer = loop {
        let answer = get(host.address, "/bytes?count=15000000").await;
        if answer.status != 503 {
            break answer;
        }
        sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((answer.status, answer.body.len()), (200, 15_000_000));
    assert!(host.counters.stalled_clients.get() >= 1);
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "before its own time was over"
    );
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_a_response_is_dropped() {
    let host = Host::with(ANSWERS, |config| config.limits.response_stall_ms = 300).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::get("/bytes?count=30000000").to_bytes())
        .await;
    until("the client to be dropped", || {
        host.counters.stalled_clients.get() == 1
    })
    .await;
    until("its connection to be gone", || {
        host.counters.connections_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_takes_a_response_slowly_gets_it_whole() {
    let host = Host::with(ANSWERS, |config| config.limits.response_stall_ms = 1_500).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::get("/bytes?count=12000000").to_bytes())
        .await;
    assert_eq!(raw.head().await.status, 200);
    let mut left: usize = 12_000_000;
    let began = std::time::Instant::now();
    while left > 0 {
        let piece = left.min(100_000);
        let taken = raw.bytes(piece).await;
        left -= taken.expect("the host does not give up").len();
        sleep(Duration::from_millis(30)).await;
    }
    assert!(
        began.elapsed() > Duration::from_millis(3_000),
        "it was no slow client"
    );
    assert_eq!(host.counters.stalled_clients.get(), 0);
}

#[tokio::test]
async fn the_body_of_a_workers_response_has_a_bound() {
    let host = Host::with(ANSWERS, |config| {
        config.limits.worker_response_bytes = 10_000;
    })
    .await;
    assert_eq!(get(host.address, "/bytes?count=10000").await.status, 200);
    assert_eq!(get(host.address, "/bytes?count=10001").await.status, 500);
}
