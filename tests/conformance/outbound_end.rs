//! Sockets to other servers: how they end, what a slow server feels, and what they hold alive.

use crate::outbound::outward_with;
use crate::support::{Client, Host, Raw, Upstream, frames, get, to_loopback, until};
use crate::{CALLER, OUTBOUND_ECHO};

/// A worker, the socket it takes commands from, and the server's side of a socket that it has opened.
async fn open_with(set: impl FnOnce(&mut pairway_host::Config)) -> (Host, Client, Raw) {
    let (host, mut control, upstream) = outward_with(set).await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let raw = upstream.open().await;
    control.expect("open 0 Open").await;
    (host, control, raw)
}

async fn open() -> (Host, Client, Raw) {
    open_with(|_| ()).await
}

fn text(text: &str) -> Vec<u8> {
    frames::unmasked(frames::FIN | frames::TEXT, text.as_bytes())
}

#[tokio::test]
async fn the_server_closes_and_is_answered() {
    let (host, mut control, mut raw) = open().await;
    raw.write(&[text("last"), frames::unmasked_close(4001, "enough")].concat())
        .await;
    raw.expect_close(4001, "enough").await;
    control.expect("text 0 last").await;
    control
        .expect("close 0 4001 true Closed Closed enough")
        .await;
    raw.expect_end().await;
    drop(raw);
    until("the connection to be over", || {
        host.counters.outbound_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn the_worker_closes_and_is_told_of_the_answer() {
    let (_host, mut control, mut raw) = open().await;
    control
        .ask("send 0 last\nclose 0 4001 enough\nsend 0 more", "send ok")
        .await;
    control.expect("close ok").await;
    control.expect("send Closed").await;
    raw.expect_text("last").await;
    raw.expect_close(4001, "enough").await;
    // Messages still arrive.
    raw.write(&[text("crossing"), frames::unmasked_close(3333, "fine")].concat())
        .await;
    control.expect("text 0 crossing").await;
    control.expect("close 0 3333 true Closed Closed fine").await;
    raw.expect_end().await;
}

#[tokio::test]
async fn an_empty_close_has_no_code() {
    let (_host, mut control, mut raw) = open().await;
    raw.write(&frames::unmasked(0x88, b"")).await;
    raw.expect_close(1005, "").await;
    control.expect("close 0 1005 true Closed Closed ").await;
    let (_host, mut control, mut raw) = open().await;
    control.ask("close 0", "close ok").await;
    raw.expect_close(1005, "").await;
}

#[tokio::test]
async fn a_server_that_is_lost_is_a_close_with_1006() {
    let reason = "WebSocket disconnected without sending Close frame.";
    let lost = format!("close 0 1006 false Open ok {reason}");
    let (_host, mut control, raw) = open().await;
    raw.reset();
    control.expect(&lost).await;
    let (_host, mut control, mut raw) = open().await;
    // In the middle of a frame.
    raw.write(&text("cut off")[..4]).await;
    raw.finish().await;
    control.expect(&lost).await;
    raw.expect_end().await;
}

#[tokio::test]
async fn a_server_that_breaks_the_protocol_gets_1002_and_the_worker_an_error() {
    use frames::{BINARY, CONTINUATION, FIN, PING, RSV1, RSV2, RSV3, TEXT};
    for (wrong, code) in [
        // Only a client masks.
        (frames::text("masked"), 1002),
        (frames::ping(b"masked"), 1002),
        (frames::unmasked(FIN | RSV1 | TEXT, b"x"), 1002),
        (frames::unmasked(FIN | RSV2 | TEXT, b"x"), 1002),
        (frames::unmasked(FIN | RSV3 | BINARY, b"x"), 1002),
        (frames::unmasked(FIN | CONTINUATION, b"x"), 1002),
        (frames::unmasked(FIN | 3, b"x"), 1002),
        (frames::unmasked(PING, b"x"), 1002),
        (frames::unmasked(FIN | PING, &[0; 126]), 1002),
        (frames::unmasked_close(1005, ""), 1002),
        (frames::unmasked(FIN | TEXT, b"\xff"), 1007),
    ] {
        let (host, mut control, mut raw) = open().await;
        raw.write(&[text("before"), wrong.clone()].concat()).await;
        control.expect("text 0 before").await;
        let line = control.text().await;
        assert!(line.starts_with("error 0 "), "{wrong:?}: {line}");
        raw.expect_failed(code).await;
        assert_eq!(host.counters.violations.get(), 1);
        // That was the last event.
        control.ask("room 0", "room 0 true").await;
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_a_violation() {
    let (_host, mut control, mut raw) = open_with(|config| config.limits.message_bytes = 100).await;
    raw.write(&text(&"x".repeat(100))).await;
    control.expect(&format!("text 0 {}", "x".repeat(100))).await;
    raw.write(&text(&"x".repeat(101))).await;
    assert!(control.text().await.starts_with("error 0 "));
    raw.expect_failed(1009).await;
}

#[tokio::test]
async fn messages_in_fragments_with_pings_between_them_are_whole() {
    let (_host, mut control, mut raw) = open().await;
    let fragments = [
        frames::unmasked(frames::TEXT, b"one "),
        frames::unmasked(frames::FIN | frames::PING, b"?"),
        frames::unmasked(frames::CONTINUATION, b"and "),
        frames::unmasked(frames::FIN | frames::CONTINUATION, b"the same"),
    ];
    raw.write(&fragments.concat()).await;
    control.expect("text 0 one and the same").await;
    let pong = raw.frame().await;
    assert_eq!(
        (pong.first, &pong.payload[..]),
        (frames::FIN | frames::PONG, &b"?"[..])
    );
}

#[tokio::test]
async fn a_server_that_does_not_read_fills_the_outbox_and_drain_says_when_there_is_room() {
    let (_host, mut control, mut raw) = open_with(|config| {
        config.limits.outbox_soft_bytes = 64 * 1024;
        // More than the operating system keeps for both of them.
        config.limits.outbox_hard_bytes = 24 * 1024 * 1024;
    })
    .await;
    control.send("fill 0 65536").await;
    let line = control.text().await;
    let (count, refusal) = filled(&line);
    assert!(count > 300 && refusal.starts_with("OutboxFull("), "{line}");
    control.send("room 0").await;
    let line = control.text().await;
    assert!(line.ends_with(" false"), "{line}");
    for _ in 0..count {
        assert_eq!(raw.frame().await.payload.len(), 65_536);
    }
    let line = control.text().await;
    assert!(
        line.starts_with("drain 0 ") && line.ends_with(" true"),
        "{line}"
    );
}

/// How many messages an outbox took, and how the next was refused.
fn filled(line: &str) -> (usize, &str) {
    let counted = line
        .strip_prefix("fill ")
        .and_then(|rest| rest.split_once(' '));
    let (count, refusal) = counted.unwrap_or_else(|| panic!("{line}"));
    (count.parse().expect("a number"), refusal)
}

#[tokio::test]
async fn a_server_that_never_reads_is_given_up() {
    let (host, mut control, mut raw) = open_with(|config| {
        config.limits.outbox_soft_bytes = 64 * 1024;
        config.limits.outbox_hard_bytes = 24 * 1024 * 1024;
        config.limits.outbox_stall_ms = 100;
        config.limits.close_timeout_ms = 100;
    })
    .await;
    control.send("fill 0 65536").await;
    filled(&control.text().await);
    let line = control.text().await;
    assert!(line.starts_with("close 0 1006 false "), "{line}");
    until("the connection to be over", || {
        host.counters.outbound_live.get() == 0
    })
    .await;
    raw.until_end().await;
}

#[tokio::test]
async fn a_server_is_not_read_while_its_socket_is_paused() {
    // Less than the outbox of the control takes.
    const MESSAGES: usize = 15_000;
    let (_host, mut control, mut raw) =
        open_with(|config| config.limits.held_bytes = 16 * 1024).await;
    control.ask("pause 0", "pause ok").await;
    let message = |at: usize| format!("{at:>1000}");
    let all: Vec<u8> = (0..MESSAGES).flat_map(|at| text(&message(at))).collect();
    let writing = raw.write_along(all);
    // What the worker says meanwhile leaves, and nothing comes in.
    for _ in 0..20 {
        control.ask("send 0 meanwhile", "send ok").await;
        raw.expect_text("meanwhile").await;
    }
    assert!(
        !writing.is_finished(),
        "15 MB were read for a paused socket"
    );
    control.ask("resume 0", "resume ok").await;
    for at in 0..MESSAGES {
        control.expect(&format!("text 0 {}", message(at))).await;
    }
    writing.await.expect("all was read in the end");
}

#[tokio::test]
async fn a_stateless_worker_lives_as_long_as_its_outbound_socket() {
    let host = Host::with(CALLER, to_loopback).await;
    let upstream = Upstream::listen().await;
    let target = format!("/echo?url={}", upstream.url("/"));
    let (answer, mut server) = tokio::join!(get(host.address, &target), upstream.accept());
    answer.expect(200, "echoing");
    until("the client to be gone", || {
        host.counters.connections_live.get() == 0
    })
    .await;
    for text in ["one", "two"] {
        server.ask(text, text).await;
    }
    assert_eq!(host.counters.instances_live.get(), 1);
    server.close(1000, "").await;
    server.expect_close(1000, "").await;
    until("the instance to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_handler_may_answer_once_its_outbound_socket_has_ended() {
    let host = Host::with(OUTBOUND_ECHO, to_loopback).await;
    let upstream = Upstream::listen().await;
    let target = format!("/run?url={}", upstream.url("/"));
    let server = async {
        let mut server = upstream.accept().await;
        server.ask("hello", "hello").await;
        server.close(4001, "enough").await;
        server.expect_close(4001, "enough").await;
    };
    let (answer, ()) = tokio::join!(get(host.address, &target), server);
    answer.expect(200, "4001");
}

#[tokio::test]
async fn the_server_of_a_worker_that_dies_gets_1011() {
    let (_host, control, mut raw) = open().await;
    let mut control = control;
    control.send("send 0 not sent\ndie").await;
    raw.expect_failed(1011).await;
}

#[tokio::test]
async fn a_handshake_of_a_worker_that_dies_is_given_up() {
    let (host, mut control, upstream) = outward_with(|_| ()).await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let (mut raw, _) = upstream.asked().await;
    control.send("die").await;
    raw.expect_end().await;
    until("nothing to be left", || {
        host.counters.outbound_live.get() == 0 && host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_closes_it_with_1001_behind_what_was_sent() {
    let (mut host, mut control, mut raw) = open().await;
    control.ask("send 0 last", "send ok").await;
    host.shut_down();
    raw.expect_text("last").await;
    assert_eq!(raw.frame().await.into_close().0, 1001);
    raw.write(&frames::unmasked_close(1001, "")).await;
    raw.expect_end().await;
    drop((raw, control));
    host.stopped().await;
}
