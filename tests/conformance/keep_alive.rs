//! The watch over peers that say nothing.

use tokio_tungstenite::tungstenite::Message;

use crate::ROOM;
use crate::hibernatable::{count, observed};
use crate::support::{Client, Frame, Host, Observer, Raw, frames, until};

const LOST: &str =
    "close 1006 false Open ok ok WebSocket disconnected without sending Close frame.";

/// A ping every 50 ms of silence, and as good as no end of patience for the answer.
async fn watch(raw: &mut Raw) {
    raw.send("keep-alive 50 60000").await;
    raw.expect_text("ok").await;
}

/// The ping that must come next.
async fn ping(raw: &mut Raw) -> Frame {
    let frame = raw.frame().await;
    assert_eq!(
        (frame.first, frame.masked),
        (frames::FIN | frames::PING, false),
        "not a ping: {frame:?}"
    );
    assert!(frame.payload.len() <= 125);
    frame
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_stays_as_long_as_it_answers() {
    let (host, mut observer, mut raw) = observed().await;
    watch(&mut raw).await;
    observer.expect("message Open keep-alive 50 60000").await;
    for pings in 1..4 {
        let frame = ping(&mut raw).await;
        assert_eq!(host.counters.pings.get(), pings);
        raw.write(&frames::frame(frames::FIN | frames::PONG, &frame.payload))
            .await;
    }
    // The handlers hear nothing of it.
    observer.expect_nothing().await;
    assert_eq!(host.counters.dead_peers.get(), 0);
}

#[tokio::test]
async fn whatever_a_peer_says_shows_that_it_lives() {
    let (host, _observer, mut raw) = observed().await;
    watch(&mut raw).await;
    ping(&mut raw).await;
    raw.send("hello").await;
    raw.expect_text("hello").await;
    ping(&mut raw).await;
    // Even half a frame.
    let hello = frames::text("hello");
    raw.write(&hello[..4]).await;
    ping(&mut raw).await;
    raw.write(&hello[4..]).await;
    raw.expect_text("hello").await;
    ping(&mut raw).await;
    assert_eq!(host.counters.dead_peers.get(), 0);
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_lost_and_the_handler_is_told() {
    let (host, mut observer, mut raw) = observed().await;
    raw.send("keep-alive 50 100").await;
    raw.expect_text("ok").await;
    observer.expect("message Open keep-alive 50 100").await;
    ping(&mut raw).await;
    // It ends without a Close: there is nobody to read one.
    raw.expect_end().await;
    observer.expect(LOST).await;
    assert_eq!(count(&host).await, "0");
    assert_eq!(host.counters.dead_peers.get(), 1);
    assert_eq!(host.counters.pings.get(), 1);
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_foreign_client_answers_by_itself() {
    let host = Host::start(ROOM).await;
    let mut client = Client::connect(host.address, "/").await;
    client.ask("keep-alive 50 10000", "ok").await;
    for _ in 0..5 {
        let message = client.message().await;
        assert!(matches!(message, Message::Ping(_)), "{message:?}");
    }
    assert_eq!(host.counters.dead_peers.get(), 0);
}

#[tokio::test]
async fn each_socket_is_watched_over_in_its_own_way_and_only_while_it_wants_it() {
    let (host, _observer, mut raw) = observed().await;
    let mut watched = Raw::open(host.address, "/").await;
    watch(&mut raw).await;
    watch(&mut watched).await;
    ping(&mut raw).await;
    raw.send("keep-alive").await;
    loop {
        let frame = raw.frame().await;
        if frame.first == frames::FIN | frames::TEXT {
            assert_eq!(frame.into_text(), "ok");
            break;
        }
    }
    // While the other is pinged again and again, this one is left in peace.
    for _ in 0..5 {
        let payload = ping(&mut watched).await.payload;
        watched
            .write(&frames::frame(frames::FIN | frames::PONG, &payload))
            .await;
    }
    raw.send("hello").await;
    raw.expect_text("hello").await;
}

#[tokio::test]
async fn the_times_can_be_changed_while_they_run() {
    let (_host, _observer, mut raw) = observed().await;
    raw.send("keep-alive 600000 600000").await;
    raw.expect_text("ok").await;
    watch(&mut raw).await;
    ping(&mut raw).await;
    raw.send("keep-alive 604800001 1").await;
    loop {
        let frame = raw.frame().await;
        if frame.first == frames::FIN | frames::TEXT {
            assert_eq!(frame.into_text(), "TimeoutTooLong");
            break;
        }
    }
    // The refusal left it as it was.
    ping(&mut raw).await;
}

#[tokio::test]
async fn the_watch_outlives_the_instance_and_wakes_nobody() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 100).await;
    let mut raw = Raw::open(host.address, "/").await;
    watch(&mut raw).await;
    while host.counters.hibernations.get() == 0 {
        let payload = ping(&mut raw).await.payload;
        raw.write(&frames::frame(frames::FIN | frames::PONG, &payload))
            .await;
    }
    for _ in 0..3 {
        let payload = ping(&mut raw).await.payload;
        raw.write(&frames::frame(frames::FIN | frames::PONG, &payload))
            .await;
    }
    assert_eq!(host.counters.wakes.get(), 1);
    assert_eq!(host.counters.hibernations.get(), 1);
}

#[tokio::test]
async fn a_sleeping_object_is_woken_to_hear_that_a_peer_is_lost() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 100).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("keep-alive 1000 1000").await;
    raw.expect_text("ok").await;
    observer.expect("message Open keep-alive 1000 1000").await;
    until("the object to hibernate", || {
        host.counters.hibernations.get() == 1
    })
    .await;
    observer.expect(LOST).await;
    assert_eq!(host.counters.wakes.get(), 2);
    assert_eq!(host.counters.dead_peers.get(), 1);
}
