//! `sockets.send-several`, and the room for answers that a turn of several messages is promised.

use crate::SEVERAL;
use crate::support::{Host, Observer, Raw, frames};

/// Have the worker take these in one turn.
async fn say(raw: &mut Raw, texts: &[&str]) {
    let bytes: Vec<u8> = texts.iter().flat_map(|text| frames::text(text)).collect();
    raw.write(&bytes).await;
}

/// A host with one instance, and who hears what the worker sees.
async fn observed(outbox_bytes: u64) -> (Host, Observer) {
    let host = Host::with(SEVERAL, |config| {
        config.sockets_per_instance = 10_000;
        config.limits.outbox_soft_bytes = outbox_bytes;
        config.limits.outbox_hard_bytes = outbox_bytes;
    })
    .await;
    let observer = Observer::connect(host.address).await;
    (host, observer)
}

#[tokio::test]
async fn answers_within_the_promised_room_are_not_refused() {
    let (host, mut observer) = observed(10_000).await;
    let mut raw = Raw::open(host.address, "/").await;
    say(&mut raw, &["and", "room"]).await;
    observer.expect("room 10000").await;
    // All that is promised, and nothing is left for one more.
    say(&mut raw, &["and", "fill 984"]).await;
    let line = observer.line().await;
    assert!(
        line.starts_with("10 of 10, then Err(Error::OutboxFull("),
        "{line}"
    );
    for _ in 0..10 {
        assert_eq!(raw.frame().await.payload.len(), 984);
    }
}

#[tokio::test]
async fn room_is_promised_for_twice_a_batch_at_the_most() {
    let host = Host::with(SEVERAL, |config| {
        config.sockets_per_instance = 10_000;
        config.limits.batch_bytes = 3_000;
    })
    .await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    say(&mut raw, &["and", "room"]).await;
    observer.expect("room 6000").await;
}

#[tokio::test]
async fn no_room_is_promised_where_a_socket_takes_nothing() {
    let (host, mut observer) = observed(1 << 20).await;
    let mut raw = Raw::open(host.address, "/").await;
    say(&mut raw, &["close", "and"]).await;
    raw.expect_close(1000, "").await;
    // The worker has closed, and the peer goes on talking.
    say(&mut raw, &["and", "room"]).await;
    observer.expect("room 0").await;
}

#[tokio::test]
async fn several_messages_keep_their_order_among_others() {
    let (host, mut observer) = observed(1 << 20).await;
    let mut raw = Raw::open(host.address, "/").await;
    say(&mut raw, &["mixed"]).await;
    observer.expect("4").await;
    raw.expect_text("1").await;
    raw.expect_text("2").await;
    let frame = raw.frame().await;
    assert_eq!(frame.first, frames::FIN | frames::BINARY);
    assert_eq!(frame.payload, b"34");
    for text in ["5", "€", "6"] {
        raw.expect_text(text).await;
    }
}

#[tokio::test]
async fn a_message_for_a_socket_that_is_not_there_is_passed_over() {
    let (host, mut observer) = observed(1 << 20).await;
    let mut raw = Raw::open(host.address, "/").await;
    for texts in [&["stranger"][..], &["and", "stranger"]] {
        say(&mut raw, texts).await;
        observer.expect("2").await;
        raw.expect_text("a").await;
        raw.expect_text("c").await;
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_nothing_of_it_is_sent() {
    let (host, mut observer) = observed(1 << 20).await;
    let mut raw = Raw::open(host.address, "/").await;
    for which in [
        "too-short",
        "too-long",
        "cut",
        "binary",
        "few-lengths",
        "many-lengths",
        "overflow",
    ] {
        say(&mut raw, &[&format!("misfit {which}")]).await;
        observer
            .expect("the runs, the lengths and the contents do not fit each other")
            .await;
    }
    say(&mut raw, &["mixed"]).await;
    raw.expect_text("1").await;
}
