//! The close handshake, from either side.

use std::time::Duration;

use crate::support::{Client, Host, Observer, Raw, frames, until, within};
use crate::{COMMANDER, ENDS, HALF_OPEN};

/// A host with one instance, an observer of it, and a connection to it.
async fn observed() -> (Host, Observer, Raw) {
    let host = Host::shared(COMMANDER).await;
    let observer = Observer::connect(host.address).await;
    let raw = Raw::open(host.address, "/").await;
    (host, observer, raw)
}

#[tokio::test]
async fn the_worker_closes_and_the_peers_answer_ends_the_connection() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.send("close 4001 kick me").await;
    observer.expect("message Open close 4001 kick me").await;
    raw.expect_close(4001, "kick me").await;
    // Messages still arrive, and find the socket closing.
    raw.send("note").await;
    observer.expect("message Closing note").await;
    raw.write(&frames::close(4001, "kick me")).await;
    observer
        .expect("close 4001 true Closed Closed ok kick me")
        .await;
    raw.expect_end().await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_close_without_a_code_has_an_empty_body() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.send("close").await;
    assert_eq!(raw.frame().await.payload, b"");
    raw.write(&frames::empty_close()).await;
    raw.expect_end().await;
    assert_eq!(
        observer.lines().await,
        ["message Open close", "close 1005 true Closed Closed ok "]
    );
}

#[tokio::test]
async fn the_code_that_the_worker_is_told_is_the_peers() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.send("close 4001 ours").await;
    raw.expect_close(4001, "ours").await;
    raw.write(&frames::close(3333, "theirs")).await;
    raw.expect_end().await;
    assert_eq!(
        observer.lines().await.last().map(String::as_str),
        Some("close 3333 true Closed Closed ok theirs")
    );
}

#[tokio::test]
async fn what_was_sent_before_a_close_leaves_first_and_nothing_can_be_sent_after_it() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.send("closesend").await;
    raw.expect_text("last").await;
    raw.expect_close(1000, "").await;
    raw.write(&frames::close(1000, "")).await;
    raw.expect_end().await;
    let lines = observer.lines().await;
    assert_eq!(
        lines[..2],
        ["message Open closesend", "send after close Closed"]
    );
}

#[tokio::test]
async fn only_codes_that_an_application_may_send_are_accepted() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 5000, 65_535] {
        raw.send(&format!("trycode {code}")).await;
        raw.expect_text("InvalidCloseCode").await;
    }
    // The refusals changed nothing.
    raw.send("state").await;
    raw.expect_text("Open").await;
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1016, 2999, 3000, 4999] {
        let mut raw = Raw::open(host.address, "/").await;
        raw.send(&format!("trycode {code}")).await;
        raw.expect_close(code, "").await;
    }
}

#[tokio::test]
async fn arguments_of_a_close_are_checked_also_when_it_does_nothing() {
    let host = Host::start(ENDS).await;
    let answer = crate::support::get(host.address, "/validation").await;
    let outcomes: Vec<&str> = answer
        .text()
        .lines()
        .map(|line| line.split('(').next().unwrap_or(line))
        .collect();
    let expected = [
        "InvalidCloseCode",
        "InvalidCloseReason",
        "InvalidCloseReason",
        "ok",
        "ok",
        "ReadyState::Closing",
        "Closed",
        "ok",
        "InvalidCloseCode",
        "InvalidCloseReason",
        "InvalidCloseReason",
    ];
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn a_reason_of_123_bytes_passes() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    let reason = "é".repeat(61) + "x";
    raw.send(&format!("close 4000 {reason}")).await;
    raw.expect_close(4000, &reason).await;
}

#[tokio::test]
async fn a_second_close_sends_nothing() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("twice").await;
    raw.expect_close(4001, "first").await;
    raw.write(&frames::close(4001, "first")).await;
    raw.expect_end().await;
}

#[tokio::test]
async fn the_peers_close_is_answered_with_its_code_and_reason_before_the_worker_hears_of_it() {
    let long = "r".repeat(123);
    for (code, reason) in [
        (1000, "bye"),
        (4999, "é"),
        (1001, ""),
        (3000, "𝄞"),
        (1014, &long),
    ] {
        let (_host, mut observer, mut raw) = observed().await;
        raw.write(&frames::close(code, reason)).await;
        raw.expect_close(code, reason).await;
        raw.expect_end().await;
        // The state is closed by then, `send` is refused and `close` does nothing.
        observer
            .expect(&format!("close {code} true Closed Closed ok {reason}"))
            .await;
        observer.expect_nothing().await;
    }
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
async fn a_foreign_client_sees_a_clean_close_from_both_sides() {
    let host = Host::start(COMMANDER).await;
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
async fn what_arrives_in_front_of_a_close_is_answered_in_front_of_its_answer_or_not_at_all() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.write(
        &[
            frames::text("one"),
            frames::text("two"),
            frames::close(1000, ""),
        ]
        .concat(),
    )
    .await;
    // The host answers at once, the worker in its turn: its answers may find the socket closed.
    let mut frame = raw.frame().await;
    while frame.first == frames::FIN | frames::TEXT {
        frame = raw.frame().await;
    }
    assert_eq!(frame.into_close(), (1000, String::new()));
    raw.expect_end().await;
    let lines = observer.lines().await;
    let words: Vec<&str> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap_or_default())
        .collect();
    assert_eq!(words, ["message", "message", "close"]);
}

#[tokio::test]
async fn what_follows_a_close_is_ignored() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.write(
        &[
            frames::close(1000, "bye"),
            frames::text("too late"),
            frames::close(1001, "again"),
        ]
        .concat(),
    )
    .await;
    raw.expect_close(1000, "bye").await;
    raw.expect_end().await;
    observer
        .expect("close 1000 true Closed Closed ok bye")
        .await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_peer_that_never_answers_a_close_loses_its_connection() {
    let host = Host::with(COMMANDER, |config| {
        config.sockets_per_instance = 2;
        config.limits.close_timeout_ms = 200;
    })
    .await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("close 4001 kick").await;
    raw.expect_close(4001, "kick").await;
    raw.expect_end().await;
    observer.expect("message Open close 4001 kick").await;
    observer
        .expect(
            "close 1006 false Closing ok ok WebSocket disconnected without sending Close frame.",
        )
        .await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn half_open_leaves_the_workers_direction_open_until_it_closes_itself() {
    let host = Host::start(HALF_OPEN).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("hello").await;
    raw.expect_text("hello").await;
    raw.write(&frames::close(4444, "over to you")).await;
    raw.expect_text("4444 true Closing").await;
    raw.expect_text("later").await;
    raw.expect_close(4010, "done").await;
    raw.expect_end().await;
}

#[tokio::test]
async fn half_open_can_send_and_close_in_the_handler_of_the_peers_close() {
    let host = Host::shared(COMMANDER).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/half-open").await;
    raw.write(&frames::close(4444, "over to you")).await;
    raw.expect_text("sent by the handler").await;
    raw.expect_close(3999, "closed by the handler").await;
    raw.expect_end().await;
    observer
        .expect("close 4444 true Closing ok ok over to you")
        .await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn half_open_hears_no_second_close_when_the_connection_is_lost_later() {
    let host = Host::shared(HALF_OPEN).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.write(&frames::close(4444, "over to you")).await;
    raw.expect_text("4444 true Closing").await;
    raw.reset();
    // Its task ends by itself, the instance with it, and neither fails.
    until("the instance to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn a_peer_that_says_everything_but_close_loses_its_connection_as_well() {
    let host = Host::with(COMMANDER, |config| config.limits.close_timeout_ms = 300).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("close 4001 kick").await;
    raw.expect_close(4001, "kick").await;
    let mut pings = raw.write_again_and_again(frames::ping(b"not yet"), Duration::from_millis(50));
    raw.expect_end().await;
    pings.abort();
    within("the task to end", &mut pings)
        .await
        .unwrap_or_default();
}

#[tokio::test]
async fn a_connection_is_given_back_though_its_client_keeps_its_side_open() {
    let host = Host::with(COMMANDER, |config| config.limits.linger_ms = 100).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.write(&frames::close(1000, "")).await;
    raw.expect_close(1000, "").await;
    raw.expect_end().await;
    until("the connection to be given back", || {
        host.counters.connections_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn both_sides_may_close_at_once() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.write(
        &[
            frames::text("close 4001 ours"),
            frames::close(3333, "theirs"),
        ]
        .concat(),
    )
    .await;
    raw.expect_close(4001, "ours").await;
    raw.expect_end().await;
    observer.expect("message Open close 4001 ours").await;
    observer
        .expect("close 3333 true Closed Closed ok theirs")
        .await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_close_inside_a_fragmented_message_ends_the_socket_and_the_fragment_is_lost() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.write(
        &[
            frames::frame(frames::TEXT, b"begun"),
            frames::close(1000, "bye"),
        ]
        .concat(),
    )
    .await;
    raw.expect_close(1000, "bye").await;
    raw.expect_end().await;
    observer
        .expect("close 1000 true Closed Closed ok bye")
        .await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_peer_may_answer_with_the_code_that_the_worker_chose() {
    // The worker may choose from more codes than a peer may begin with.
    for code in [1016, 2999] {
        let (_host, mut observer, mut raw) = observed().await;
        raw.send(&format!("close {code}")).await;
        raw.expect_close(code, "").await;
        raw.write(&frames::close(code, "")).await;
        raw.expect_end().await;
        observer.expect(&format!("message Open close {code}")).await;
        observer
            .expect(&format!("close {code} true Closed Closed ok "))
            .await;
    }
}

#[tokio::test]
async fn a_connection_is_given_back_though_its_client_goes_on_sending() {
    let host = Host::with(COMMANDER, |config| config.limits.linger_ms = 100).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.write(&frames::close(1000, "")).await;
    raw.expect_close(1000, "").await;
    let sending = raw.write_again_and_again(frames::text("too late"), Duration::from_millis(10));
    until("the connection to be given back", || {
        host.counters.connections_live.get() == 0
    })
    .await;
    within("the end to be noticed", sending)
        .await
        .expect("writing fails, and that is all");
}
