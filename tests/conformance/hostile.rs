//! Clients that would hurt the host, or others through it: each is held within a bound that has a name.

use std::time::Duration;

use pairway_host::Config;
use tokio::time::timeout;

use crate::support::{Binary, Client, Host, Observer, Raw, Request, frames, get, until};
use crate::{COMMANDER, EXAMPLE_ECHO, OUTBOX};

use frames::{BINARY, CONTINUATION, FIN, PING, TEXT, frame};

fn from(origin: &str) -> Request {
    Request::upgrade("/").with("Origin", origin)
}

#[tokio::test]
async fn a_web_page_of_another_origin_opens_no_socket_and_the_worker_does_not_hear_of_it() {
    let allow = |config: &mut Config| {
        config.allowed_origins = vec!["https://app.example".to_owned()];
    };
    let host = Host::with(COMMANDER, allow).await;
    for origin in ["https://evil.example", "http://app.example", "null"] {
        let answer = from(origin).send(host.address).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert!(answer.text().contains("allowed_origins"), "{answer:?}");
    }
    assert_eq!(host.counters.requests.get(), 0);
    assert_eq!(host.counters.origins_refused.get(), 3);
    drop(Raw::open_with(host.address, &from("https://app.example")).await);
    // A client that is no page has no origin; and what is no upgrade is not our business.
    Client::connect(host.address, "/").await;
    let plain = Request::get("/").with("Origin", "https://evil.example");
    assert_ne!(plain.send(host.address).await.status, 403);
}

#[tokio::test]
async fn a_page_of_any_origin_opens_sockets_unless_the_operator_says_otherwise() {
    let host = Host::start(COMMANDER).await;
    Raw::open_with(host.address, &from("https://anywhere.example")).await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_the_next_is_dropped() {
    let few = |config: &mut Config| config.limits.connections_per_address = 2;
    let host = Host::with(COMMANDER, few).await;
    let mut first = Client::connect(host.address, "/").await;
    let _second = Client::connect(host.address, "/").await;
    let mut third = Raw::connect(host.address).await;
    third.expect_end().await;
    assert_eq!(host.counters.connections_refused.get(), 1);
    first.ask("uri", "http://worker.test/").await;
    drop(first);
    until("the first to be gone", || {
        host.counters.connections_live.get() < 2
    })
    .await;
    Client::connect(host.address, "/").await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_fewer_and_those_that_have_shaken_hands_do_not_count() {
    let few = |config: &mut Config| config.limits.handshakes_per_address = 2;
    let host = Host::with(COMMANDER, few).await;
    let _sockets = [
        Client::connect(host.address, "/").await,
        Client::connect(host.address, "/").await,
        Client::connect(host.address, "/").await,
    ];
    let _silent = [
        Raw::connect(host.address).await,
        Raw::connect(host.address).await,
    ];
    let mut third = Raw::connect(host.address).await;
    third.expect_end().await;
    assert_eq!(host.counters.connections_refused.get(), 1);
}

#[tokio::test]
async fn unfinished_messages_take_so_much_memory_over_all_connections() {
    let small = |config: &mut Config| config.limits.unfinished_bytes = 400_000;
    let host = Host::with(EXAMPLE_ECHO, small).await;
    let begin = frame(BINARY, &[7; 100_000]);
    let more = frame(CONTINUATION, &[7; 100_000]);
    let mut first = Raw::open(host.address, "/echo").await;
    first.write(&begin).await;
    let held = || host.counters.unfinished_bytes_live.get();
    until("the first part to be held", || held() >= 100_000).await;
    let mut second = Raw::open(host.address, "/echo").await;
    second.write(&[begin, more.repeat(3)].concat()).await;
    second.expect_failed(1013).await;
    // The first is none the worse for it.
    first.write(&frame(FIN | CONTINUATION, b"")).await;
    assert_eq!(first.frame().await.payload, [7; 100_000]);
    until("nothing to be held", || held() == 0).await;
}

#[tokio::test]
async fn a_client_that_stops_within_a_frame_holds_what_it_has_sent_and_nothing_once_it_is_gone() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let mut raw = Raw::open(host.address, "/echo").await;
    let whole = frame(FIN | BINARY, &[1; 30_000_000]);
    raw.write(&whole[..1000]).await;
    let held = || host.counters.unfinished_bytes_live.get();
    until("the beginning to be held", || held() > 0).await;
    assert!(
        held() < 4096,
        "it was promised 30 MB, and got {} bytes",
        held()
    );
    drop(raw);
    until("nothing to be held", || held() == 0).await;
}

#[tokio::test]
async fn fragments_without_end_hold_what_they_bring_and_pings_are_answered_in_between() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let mut raw = Raw::open(host.address, "/echo").await;
    raw.write(&frame(TEXT, b"begin")).await;
    let mut nothing = frame(CONTINUATION, b"").repeat(50_000);
    nothing.extend(frame(FIN | PING, b"still there?"));
    raw.write(&nothing).await;
    assert_eq!(raw.frame().await.payload, b"still there?");
    assert!(host.counters.unfinished_bytes_live.get() < 64);
    raw.write(&frame(FIN | CONTINUATION, b" end")).await;
    raw.expect_text("begin end").await;
}

#[tokio::test]
async fn a_client_that_sends_512_mib_and_never_reads_costs_less_than_2_mib() {
    // One thread: the first buffers of another are no cost of this client's.
    let host = Binary::serve(EXAMPLE_ECHO, &["--threads", "1"]).await;
    let message = frame(FIN | BINARY, &vec![9; 64 * 1024]);
    let mut warm = Raw::open(host.address, "/echo").await;
    for _ in 0..64 {
        warm.write(&message).await;
        warm.frame().await;
    }
    let before = host.resident_kib();
    let mut raw = Raw::open_narrow(host.address, "/echo").await;
    let all = async {
        for _ in 0..512 * 16 {
            raw.write(&message).await;
        }
    };
    let sent = timeout(Duration::from_secs(3), all).await;
    assert!(
        sent.is_err(),
        "a client that does not read must not be read"
    );
    let grown = host.resident_kib().saturating_sub(before);
    assert!(grown < 2048, "the host grew by {grown} KiB");
    warm.write(&message).await;
    warm.frame().await;
}

#[tokio::test]
async fn the_system_looks_whether_the_machine_of_a_silent_peer_is_still_there() {
    let host = Host::start(COMMANDER).await;
    let client = Raw::open(host.address, "/").await;
    let port = |port: u16| format!(":{port:04X}");
    let (own, peer) = (port(host.address.port()), port(client.local_port()));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let line = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| fields[1].ends_with(&own) && fields[2].ends_with(&peer))
        .expect("the connection is there");
    // The kind of timer that runs: 2 is that of keep-alive probes.
    assert!(line[5].starts_with("02:"), "{line:?}");
    assert_ne!(get(host.address, "/").await.status, 101);
}

/// Say this to the worker that fills its outbox.
async fn full(address: std::net::SocketAddr) -> Raw {
    let mut raw = Raw::open_narrow(address, "/").await;
    raw.send("send 16000000").await;
    raw
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up_also_where_no_send_was_refused() {
    let host = Host::with(OUTBOX, |config| {
        config.sockets_per_instance = 2;
        config.limits.outbox_soft_bytes = 64 * 1024;
        config.limits.outbox_stall_ms = 200;
    })
    .await;
    let mut observer = Observer::connect(host.address).await;
    let _raw = full(host.address).await;
    observer.expect("close 1006 false ok").await;
}

#[tokio::test]
async fn outboxes_together_have_a_bound_and_the_fullest_is_dropped() {
    let host = Host::with(OUTBOX, |config| {
        config.limits.outbox_total_bytes = 40_000_000;
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(full(host.address).await);
    }
    let counters = &host.counters;
    until("some to be dropped", || counters.outboxes_dropped.get() > 0).await;
    until("room to be made", || {
        counters.outbox_bytes_live.get() < 40_000_000
    })
    .await;
    assert!(counters.sockets_live.get() > 0, "not all of them");
    // One with nothing waiting is served as before.
    Client::connect(host.address, "/")
        .await
        .ask("hello", "hello")
        .await;
}

#[tokio::test]
async fn a_connection_with_messages_waiting_is_not_read_where_too_much_waits_in_all() {
    let host = Host::with(OUTBOX, |config| {
        config.sockets_per_instance = 10_000;
        config.limits.held_total_bytes = 400_000;
    })
    .await;
    let mut paused = Raw::open(host.address, "/").await;
    paused.send("pause 600").await;
    until("the timer", || host.counters.turns.get() >= 2).await;
    // Less than one connection may have waiting, more than all may have together.
    let bytes: Vec<u8> = (0..1000)
        .flat_map(|_| frames::text(&"x".repeat(1000)))
        .collect();
    let writing = paused.write_along(bytes);
    for _ in 0..1000 {
        let text = paused.frame().await.into_text();
        assert!(text == "resumed" || text.len() == 1000);
    }
    writing.await.expect("all was read in the end");
    until("nothing to wait", || {
        host.counters.held_bytes_live.get() == 0
    })
    .await;
}
