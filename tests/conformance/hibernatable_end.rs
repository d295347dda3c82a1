//! How the sockets of an object end, and what its handlers are told of it.

use crate::ROOM;
use crate::hibernatable::{count, observed, observed_at};
use crate::support::{Client, Host, Observer, Raw, frames, get, until};

const LOST: &str = "WebSocket disconnected without sending Close frame.";

#[tokio::test]
async fn the_peers_close_is_answered_with_its_code_and_reason_and_the_handler_is_told() {
    let long = "r".repeat(123);
    let host = Host::start(ROOM).await;
    let mut observer = Observer::connect(host.address).await;
    for (code, reason) in [(1000, "bye"), (4999, "é"), (1001, ""), (3000, &long)] {
        let mut raw = Raw::open(host.address, "/").await;
        raw.write(&frames::close(code, reason)).await;
        raw.expect_close(code, reason).await;
        raw.expect_end().await;
        // In the handler the socket is closed: `send` is refused, and `close` does nothing.
        observer
            .expect(&format!("close {code} true Closed Closed ok {reason}"))
            .await;
    }
    observer.expect_nothing().await;
}

#[tokio::test]
async fn an_empty_close_reads_as_1005_and_is_answered_with_an_empty_one() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.write(&frames::empty_close()).await;
    assert_eq!(raw.frame().await.payload, b"");
    raw.expect_end().await;
    observer.expect("close 1005 true Closed Closed ok ").await;
}

#[tokio::test]
async fn a_close_is_answered_while_a_handler_of_the_socket_waits_and_its_late_send_is_refused() {
    let (host, mut observer, mut raw) = observed().await;
    raw.send("wait").await;
    raw.expect_text("waiting").await;
    raw.write(&frames::close(1000, "bye")).await;
    raw.expect_close(1000, "bye").await;
    raw.expect_end().await;
    observer.expect("message Open wait").await;
    observer
        .expect("close 1000 true Closed Closed ok bye")
        .await;
    get(host.address, "/room/lobby/release").await;
    observer.expect("released Closed").await;
}

#[tokio::test]
async fn a_late_send_to_a_socket_that_was_lost_is_dropped() {
    let (host, mut observer, mut raw) = observed().await;
    raw.send("wait").await;
    raw.expect_text("waiting").await;
    raw.reset();
    observer.expect("message Open wait").await;
    observer
        .expect(&format!("close 1006 false Open ok ok {LOST}"))
        .await;
    get(host.address, "/room/lobby/release").await;
    observer.expect("released ok").await;
}

#[tokio::test]
async fn a_connection_that_ends_without_a_close_is_a_1006_once_and_all_of_the_socket_is_known() {
    for end in ["reset", "fin", "within a frame"] {
        let (host, mut observer, mut raw) =
            observed_at("/room/lobby/socket?tags=a,b&attach=mine").await;
        assert_eq!(count(&host).await, "1");
        match end {
            "reset" => raw.reset(),
            "fin" => {
                raw.finish().await;
                raw.expect_end().await;
            }
            _ => {
                raw.write(&frames::text("cut short")[..8]).await;
                drop(raw);
            }
        }
        observer
            .expect(&format!("close 1006 false Open ok ok {LOST}"))
            .await;
        observer.expect("left true a,b mine").await;
        assert_eq!(count(&host).await, "0", "{end}");
        observer.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_violation_of_the_protocol_is_an_error_and_no_close_follows() {
    let wrong: [(Vec<u8>, u16); 5] = [
        (frames::frame(0x3, b""), 1002),
        (
            frames::frame(frames::FIN | frames::RSV2 | frames::TEXT, b""),
            1002,
        ),
        (frames::frame(frames::PING, b"fragment"), 1002),
        (frames::unmasked(frames::FIN | frames::TEXT, b"x"), 1002),
        (frames::frame(frames::FIN | frames::TEXT, &[0xff]), 1007),
    ];
    for (bytes, code) in wrong {
        let (host, mut observer, mut raw) =
            observed_at("/room/lobby/socket?tags=a,b&attach=mine").await;
        raw.write(&bytes).await;
        raw.expect_failed(code).await;
        // The socket is closed for both sides; what the handler does to it is nothing, silently.
        observer.expect("error Closed ok ok").await;
        observer.expect("left true a,b mine").await;
        assert_eq!(count(&host).await, "0");
        observer.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_an_error_and_no_close_follows() {
    let host = Host::with(ROOM, |config| config.limits.message_bytes = 1_000).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    let fits = "x".repeat(1_000);
    raw.send(&fits).await;
    raw.expect_text(&fits).await;
    observer.expect(&format!("message Open {fits}")).await;
    raw.write(&frames::head(frames::FIN | frames::TEXT, 1_001, true))
        .await;
    raw.expect_close(1009, "Message is too large: 1001 > 1000")
        .await;
    raw.expect_end().await;
    observer.expect("error Closed ok ok").await;
    assert_eq!(count(&host).await, "0");
    observer.expect_nothing().await;
}

#[tokio::test]
async fn what_is_handled_before_an_end_is_heard_before_it() {
    let (_host, mut observer, mut raw) = observed().await;
    let mut bytes: Vec<u8> = (0..200)
        .flat_map(|at| frames::text(&format!("m{at}")))
        .collect();
    bytes.extend(frames::frame(0x3, b""));
    raw.write(&bytes).await;
    raw.until_end().await;
    for at in 0..200 {
        observer.expect(&format!("message Open m{at}")).await;
    }
    observer.expect("error Closed ok ok").await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn the_object_closes_and_its_handler_is_told_what_the_peer_answers() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.send("close-and-send").await;
    raw.expect_text("last").await;
    raw.expect_close(4001, "first").await;
    // Messages still arrive, and find the socket closing.
    raw.send("note").await;
    raw.write(&frames::close(3333, "theirs")).await;
    raw.expect_end().await;
    let expected = [
        "message Open close-and-send",
        "message Closing note",
        "close 3333 true Closed Closed ok theirs",
    ];
    assert_eq!(observer.lines().await, expected);
}

#[tokio::test]
async fn a_socket_that_is_closing_is_listed_until_its_peer_has_answered() {
    let (host, mut observer, mut first) = observed().await;
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(Raw::open(host.address, "/").await);
    }
    let states = async || {
        get(host.address, "/room/lobby/states")
            .await
            .text()
            .to_owned()
    };
    assert_eq!(states().await, "Open Open Open");
    first.send("close-all 4000 over").await;
    observer.expect("message Open close-all 4000 over").await;
    others.push(first);
    let mut left = vec!["Closing"; 3];
    for mut raw in others {
        raw.expect_close(4000, "over").await;
        assert_eq!(states().await, left.join(" "));
        raw.write(&frames::close(4000, "over")).await;
        raw.expect_end().await;
        observer
            .expect("close 4000 true Closed Closed ok over")
            .await;
        left.pop();
    }
    assert_eq!(states().await, "");
}

#[tokio::test]
async fn a_peer_that_never_answers_a_close_is_lost_to_the_handler() {
    let host = Host::with(ROOM, |config| config.limits.close_timeout_ms = 200).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("close 4001 kick").await;
    raw.expect_close(4001, "kick").await;
    raw.expect_end().await;
    observer.expect("message Open close 4001 kick").await;
    observer
        .expect(&format!("close 1006 false Closing ok ok {LOST}"))
        .await;
    assert_eq!(count(&host).await, "0");
}

#[tokio::test]
async fn a_socket_is_gone_also_when_the_handler_of_its_close_fails() {
    let (host, mut observer, mut raw) = observed().await;
    raw.write(&frames::close(4000, "fail")).await;
    raw.expect_close(4000, "fail").await;
    raw.expect_end().await;
    observer
        .expect("close 4000 true Closed Closed ok fail")
        .await;
    assert_eq!(count(&host).await, "0");
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn a_foreign_client_sees_a_clean_close_from_both_sides() {
    let host = Host::start(ROOM).await;
    let mut client = Client::connect(host.address, "/").await;
    client.send("close 4001 kick").await;
    client.expect_close(4001, "kick").await;
    client.expect_end().await;
    let mut client = Client::connect(host.address, "/").await;
    client.close(1000, "bye").await;
    client.expect_close(1000, "bye").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_connection_that_is_lost_is_given_back() {
    let (host, mut observer, raw) = observed().await;
    let mut other = Client::connect(host.address, "/").await;
    raw.reset();
    observer
        .expect(&format!("close 1006 false Open ok ok {LOST}"))
        .await;
    until("the connection to be given back", || {
        host.counters.connections_live.get() == 2 && host.counters.sockets_live.get() == 2
    })
    .await;
    other.ask("hello", "hello").await;
}
