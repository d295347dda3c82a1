//! A worker answers a client's upgrade with the socket of a request of its own: the host passes on what comes from
//! either side, and the worker is not needed any more.

use pairway_host::Config;

use crate::CALLER;
use crate::relay_end::over;
use crate::support::{
    Client, Frame, Host, Raw, Request, Upstream, frames, pattern, to_loopback, until,
};

/// A host, a client, and the server whose socket the client was given.
async fn relayed_with(set: impl FnOnce(&mut Config)) -> (Host, Client, Client) {
    let host = host_with(set).await;
    let upstream = Upstream::listen().await;
    let target = target(&upstream);
    let (client, server) = tokio::join!(Client::connect(host.address, &target), upstream.accept());
    (host, client, server)
}

pub(crate) async fn relayed() -> (Host, Client, Client) {
    relayed_with(|_| ()).await
}

/// The same with bytes by hand on either side. Both have receive buffers that are soon full.
pub(crate) async fn bare_with(set: impl FnOnce(&mut Config)) -> (Host, Raw, Raw) {
    let host = host_with(set).await;
    let upstream = Upstream::listen().await;
    let target = target(&upstream);
    let (client, server) = tokio::join!(Raw::open_narrow(host.address, &target), upstream.open());
    (host, client, server)
}

pub(crate) async fn bare() -> (Host, Raw, Raw) {
    bare_with(|_| ()).await
}

pub(crate) async fn host_with(set: impl FnOnce(&mut Config)) -> Host {
    Host::with(CALLER, |config| {
        to_loopback(config);
        set(config);
    })
    .await
}

pub(crate) fn target(upstream: &Upstream) -> String {
    format!("/relay?url={}", upstream.http("/"))
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frames::unmasked(frames::FIN | frames::TEXT, text.as_bytes())
}

#[tokio::test]
async fn messages_go_both_ways_in_order() {
    let (_host, mut client, mut server) = relayed().await;
    for at in 0..200 {
        client.send(format!("up {at}")).await;
        server.send(format!("down {at}")).await;
    }
    for at in 0..200 {
        server.expect(&format!("up {at}")).await;
        client.expect(&format!("down {at}")).await;
    }
    client
        .send_all((0..2_000).map(|at| format!("up {at}")))
        .await;
    for at in 0..2_000 {
        server.expect(&format!("up {at}")).await;
    }
}

#[tokio::test]
async fn messages_of_every_size_arrive_as_they_were() {
    let (_host, mut client, mut server) = relayed().await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1024 * 1024, 5_000_000] {
        let (_, message) = tokio::join!(client.send(pattern(size)), server.message());
        assert!(
            message.is_binary() && message.into_data() == pattern(size),
            "{size} up"
        );
        let (_, message) = tokio::join!(server.send(pattern(size)), client.message());
        assert!(
            message.is_binary() && message.into_data() == pattern(size),
            "{size} down"
        );
    }
    client.send("\u{1f980}").await;
    server.expect("\u{1f980}").await;
}

#[tokio::test]
async fn each_side_is_masked_as_its_direction_wants_it() {
    let (_host, mut client, mut server) = bare().await;
    client.write(&frames::text("up")).await;
    let frame = server.frame().await;
    assert!(frame.masked && frame.payload == b"up");
    server.write(&text("down")).await;
    let frame = client.frame().await;
    assert!(!frame.masked && frame.payload == b"down");
}

#[tokio::test]
async fn the_client_gets_the_answer_of_the_server_with_its_subprotocol() {
    let host = host_with(|_| ()).await;
    let upstream = Upstream::listen().await;
    let mut client = Raw::connect(host.address).await;
    let request = Request::upgrade(&target(&upstream)).with("Sec-WebSocket-Protocol", "a, b");
    client.write(&request.to_bytes()).await;
    let lines = "Sec-WebSocket-Protocol: b\r\nX-Own: 1\r\nSet-Cookie: c\r\n";
    let (mut server, asked) = upstream.open_with(lines).await;
    assert_eq!(asked.header("sec-websocket-protocol"), Some("a, b"));
    let answer = client.head().await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-protocol"), Some("b"));
    assert_eq!(
        (answer.header("x-own"), answer.header("set-cookie")),
        (Some("1"), Some("c"))
    );
    // The key of RFC 6455: each handshake has its own.
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_ne!(
        asked.header("sec-websocket-key"),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
    server.write(&text("down")).await;
    client.expect_text("down").await;
}

#[tokio::test]
async fn what_either_side_sends_with_its_handshake_arrives() {
    let host = host_with(|_| ()).await;
    let upstream = Upstream::listen().await;
    let mut client = Raw::connect(host.address).await;
    let early = [
        Request::upgrade(&target(&upstream)).to_bytes(),
        frames::text("early up"),
    ];
    client.write(&early.concat()).await;
    let (mut server, asked) = upstream.asked().await;
    let early = [
        asked.switching("").into_bytes(),
        text("early down"),
        text("and more"),
    ];
    server.write(&early.concat()).await;
    assert_eq!(client.head().await.status, 101);
    client.expect_text("early down").await;
    client.expect_text("and more").await;
    server.expect_text("early up").await;
}

#[tokio::test]
async fn an_answer_other_than_101_is_the_clients() {
    let host = host_with(|_| ()).await;
    let upstream = Upstream::listen().await;
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let request = Request::upgrade(&target(&upstream));
    let (answer, _) = tokio::join!(request.send(host.address), upstream.answer(answer));
    answer.expect(403, "no");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_the_workers_error() {
    let host = host_with(|_| ()).await;
    let upstream = Upstream::listen().await;
    let request = Request::upgrade(&target(&upstream));
    drop(upstream);
    assert_eq!(request.send(host.address).await.status, 500);
}

#[tokio::test]
async fn pings_of_either_side_are_answered() {
    let (_host, mut client, mut server) = bare().await;
    client.write(&frames::ping(b"up")).await;
    let pong = client.frame().await;
    assert_eq!(
        pong,
        Frame {
            first: 0x8a,
            masked: false,
            payload: b"up".to_vec()
        }
    );
    server.write(&frames::unmasked(0x89, b"down")).await;
    let pong = server.frame().await;
    assert_eq!(
        pong,
        Frame {
            first: 0x8a,
            masked: true,
            payload: b"down".to_vec()
        }
    );
}

#[tokio::test]
async fn the_instance_is_gone_and_no_turn_runs() {
    let (host, mut client, mut server) = relayed().await;
    until("the instance to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
    let turns = host.counters.turns.get();
    for _ in 0..100 {
        client.send("up").await;
        server.expect("up").await;
        server.send("down").await;
        client.expect("down").await;
    }
    client.close(4000, "bye").await;
    server.expect_close(4000, "bye").await;
    server.expect_end().await;
    client.expect_close(4000, "bye").await;
    client.expect_end().await;
    over(&host, (client, server)).await;
    assert_eq!(host.counters.turns.get(), turns);
    assert_eq!(
        (host.counters.instances.get(), host.counters.faults.get()),
        (1, 0)
    );
}

/// Messages that show when one is missing, and are more than the operating system keeps.
const MESSAGES: usize = 40_000;

fn message(at: usize) -> String {
    format!("{at:>1000}")
}

/// The reader has not read yet, and the writer waits.
async fn is_held_back(host: &Host, writing: &tokio::task::JoinHandle<impl Sized>) {
    until("the host to stop reading", || {
        host.counters.read_pauses.get() > 0
    })
    .await;
    // Time enough for all of it, if the host went on.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(
        !writing.is_finished(),
        "40 MB were read for a side that does not read"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_stops_the_server() {
    let (host, mut client, mut server) = bare_with(|config| {
        config.limits.outbox_soft_bytes = 64 * 1024;
    })
    .await;
    let writing = server.write_along((0..MESSAGES).flat_map(|at| text(&message(at))).collect());
    is_held_back(&host, &writing).await;
    for at in 0..MESSAGES {
        client.expect_text(&message(at)).await;
    }
    writing.await.expect("all was read in the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_read_stops_the_client() {
    let (host, mut client, mut server) = bare_with(|config| {
        config.limits.outbox_soft_bytes = 64 * 1024;
    })
    .await;
    let writing = client.write_along(
        (0..MESSAGES)
            .flat_map(|at| frames::text(&message(at)))
            .collect(),
    );
    is_held_back(&host, &writing).await;
    for at in 0..MESSAGES {
        server.expect_text(&message(at)).await;
    }
    writing.await.expect("all was read in the end");
}
