//! What an object leaves with a socket.

use crate::ROOM;
use crate::hibernatable::{bare, observed, observed_at};
use crate::support::{Client, Host, frames, until};

#[tokio::test]
async fn nothing_is_attached_until_something_is_and_the_last_value_counts() {
    let host = Host::start(ROOM).await;
    let mut client = Client::connect(host.address, "/").await;
    let mut other = Client::connect(host.address, "/").await;
    client.ask("attachment", "None").await;
    for value in ["first", "second", "", "é𝄞"] {
        client.ask(&format!("attach {value}"), "ok").await;
        client.ask("attachment", &format!("Some({value:?})")).await;
        client.ask("attachment", &format!("Some({value:?})")).await;
    }
    // Each socket has its own.
    other.ask("attachment", "None").await;
}

#[tokio::test]
async fn what_was_left_with_an_end_before_it_was_taken_stays() {
    let host = Host::start(ROOM).await;
    let mut client = Client::connect(host.address, "/room/lobby/socket?attach=early").await;
    client.ask("attachment", r#"Some("early")"#).await;
}

#[tokio::test]
async fn an_attachment_has_16_384_bytes_and_a_refusal_leaves_the_one_before() {
    let expected = [
        "none",
        "ok",
        "5",
        "ok",
        "16384",
        "AttachmentTooLarge(16384)",
        "16384",
        // Empty is something, and nothing is nothing.
        "ok",
        "0",
        "ok",
        "none",
    ];
    assert_eq!(bare("/attachment").await, expected);
    let host = Host::start(ROOM).await;
    let mut client = Client::connect(host.address, "/").await;
    client.ask("attach-size 10000", "ok").await;
    client.ask("attach-size 20000", "AttachmentTooLarge").await;
    client.ask("attachment", "10000").await;
    client.ask("attach small", "ok").await;
    client.ask("attachment", r#"Some("small")"#).await;
}

#[tokio::test]
async fn the_bound_on_attachments_is_the_operators() {
    let host = Host::with(ROOM, |config| config.limits.attachment_bytes = 100).await;
    let mut client = Client::connect(host.address, "/").await;
    // As JSON there are two quotes around it.
    client.ask("attach-size 98", "ok").await;
    client.ask("attach-size 99", "AttachmentTooLarge").await;
    client
        .ask("attachment", &format!("Some({:?})", "x".repeat(98)))
        .await;
}

#[tokio::test]
async fn an_attachment_is_there_in_the_handler_of_the_end() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.send("attach mine").await;
    raw.expect_text("ok").await;
    raw.write(&frames::close(1000, "")).await;
    observer.expect("message Open attach mine").await;
    observer.expect("close 1000 true Closed Closed ok ").await;
    observer.expect("left true  mine").await;

    let (_host, mut observer, mut raw) = observed_at("/room/lobby/socket?attach=mine").await;
    raw.write(&frames::frame(0x3, b"")).await;
    observer.expect("error Closed ok ok").await;
    observer.expect("left true  mine").await;

    let (_host, mut observer, raw) = observed_at("/room/lobby/socket?attach=mine").await;
    raw.reset();
    let line = observer.line().await;
    assert!(line.starts_with("close 1006"), "{line}");
    observer.expect("left true  mine").await;
}

#[tokio::test]
async fn an_attachment_outlives_the_instance() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 100).await;
    let mut client = Client::connect(host.address, "/").await;
    let mut other = Client::connect(host.address, "/").await;
    client.ask("attach first", "ok").await;
    client.ask("attach second", "ok").await;
    other.ask("attach-size 16000", "ok").await;
    for hibernations in 1..4 {
        until("the object to hibernate", || {
            host.counters.hibernations.get() == hibernations
        })
        .await;
        client.ask("attachment", r#"Some("second")"#).await;
        other.ask("attachment", "16000").await;
    }
}
