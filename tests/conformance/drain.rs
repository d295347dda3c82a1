//! Shutting down: sockets are told, requests are finished, and nobody is waited for without a bound.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;

use crate::support::{Client, Host, Raw, Request, frames, until};
use crate::{ANSWERS, COMMANDER};

#[tokio::test]
async fn every_socket_gets_close_1001_behind_what_was_sent_to_it() {
    let mut host = Host::start(COMMANDER).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Client::connect(host.address, "/").await;
        client.send("flood 100").await;
        client.expect("f0").await;
        clients.push(client);
    }
    host.shut_down();
    for mut client in clients {
        for at in 1..100 {
            client.expect(&format!("f{at}")).await;
        }
        assert_eq!(client.close_frame().await.0, 1001);
        client.expect_end().await;
    }
    host.stopped().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_no_new_one_is_taken() {
    let mut host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::get("/sleep?ms=500").to_bytes()).await;
    until("the request to be under way", || {
        host.counters.requests.get() == 1
    })
    .await;
    host.shut_down();
    crate::support::within("the host to listen no more", async {
        while TcpStream::connect(host.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    raw.answer().await.expect(200, "slept");
    host.stopped().await;
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_it_up() {
    let host = Host::start(ANSWERS).await;
    let mut used = Raw::connect(host.address).await;
    used.write(&Request::get("/forbidden").to_bytes()).await;
    used.answer().await.expect(403, "no");
    let mut fresh = Raw::connect(host.address).await;
    until("both to be accepted", || {
        host.counters.connections.get() == 2
    })
    .await;
    let begin = Instant::now();
    host.stopped().await;
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    used.expect_end().await;
    fresh.expect_end().await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_is_waited_for_so_long() {
    let host = Host::with(COMMANDER, |config| config.limits.close_timeout_ms = 200).await;
    let mut raw = Raw::open(host.address, "/").await;
    let begin = Instant::now();
    host.stopped().await;
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    assert_eq!(raw.frame().await.into_close().0, 1001);
    raw.expect_end().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_hold_it_up_for_ever() {
    let host = Host::with(COMMANDER, |config| config.limits.drain_ms = 300).await;
    let mut raw = Raw::open_narrow(host.address, "/").await;
    raw.send("large 16000000").await;
    raw.read_some().await;
    let begin = Instant::now();
    host.stopped().await;
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    raw.until_end().await;
}

#[tokio::test]
async fn a_drain_as_a_whole_takes_so_long() {
    let host = Host::with(ANSWERS, |config| config.limits.drain_ms = 200).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::get("/sleep?ms=60000").to_bytes()).await;
    until("the request to be under way", || {
        host.counters.requests.get() == 1
    })
    .await;
    let begin = Instant::now();
    host.stopped().await;
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    raw.until_end().await;
}

#[tokio::test]
async fn a_close_handshake_under_way_is_finished() {
    let mut host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("close 4001 kick").await;
    raw.expect_close(4001, "kick").await;
    host.shut_down();
    raw.write(&frames::close(4001, "kick")).await;
    // There is one Close only.
    raw.expect_end().await;
    drop(raw);
    host.stopped().await;
}

#[tokio::test]
async fn a_handshake_under_way_is_finished_and_its_socket_closed() {
    let mut host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::upgrade("/late-upgrade?ms=300").to_bytes())
        .await;
    until("the request to be under way", || {
        host.counters.requests.get() == 1
    })
    .await;
    host.shut_down();
    assert_eq!(raw.answer().await.status, 101);
    raw.expect_text("welcome").await;
    assert_eq!(raw.frame().await.into_close().0, 1001);
    raw.write(&frames::close(1001, "")).await;
    raw.expect_end().await;
    drop(raw);
    host.stopped().await;
}

#[test]
fn a_host_whose_runtime_is_dropped_leaves_nothing_behind() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (host, client) = runtime.block_on(async {
        let host = Host::start(COMMANDER).await;
        let mut client = Client::connect(host.address, "/").await;
        client.ask("sleep 60000 word", "start word").await;
        (host, client)
    });
    let counters = Arc::clone(&host.counters);
    drop(runtime);
    drop((host, client));
    assert_eq!(counters.instances_live.get(), 0);
    assert_eq!(
        Arc::strong_count(&counters),
        1,
        "something of the host is still there"
    );
}
