//! Accepting the worker's end: late, or never.

use crate::LATE;
use crate::support::{Client, Host, Raw, frames, until};

#[tokio::test]
async fn messages_wait_for_a_late_accept_and_keep_their_order() {
    let host = Host::start(LATE).await;
    let mut client = Client::connect(host.address, "/late").await;
    let words = || (0..100).map(|at| format!("message {at}"));
    client.send_all(words()).await;
    client.expect("accepted").await;
    for word in words() {
        client.expect(&word).await;
    }
}

#[tokio::test]
async fn pings_and_the_peers_close_are_answered_before_an_accept() {
    let host = Host::start(LATE).await;
    let mut raw = Raw::open(host.address, "/never").await;
    raw.write(&[frames::text("unread"), frames::ping(b"are you there")].concat())
        .await;
    let pong = raw.frame().await;
    assert_eq!(
        (pong.first, &pong.payload[..]),
        (frames::FIN | frames::PONG, b"are you there".as_slice())
    );
    raw.write(&frames::close(4000, "tired of waiting")).await;
    raw.expect_close(4000, "tired of waiting").await;
    raw.expect_end().await;
}

#[tokio::test]
async fn a_close_before_a_late_accept_is_delivered_behind_the_messages() {
    let host = Host::shared(LATE).await;
    let mut observer = crate::support::Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/late").await;
    raw.write(
        &[
            frames::text("one"),
            frames::text("two"),
            frames::close(4000, "bye"),
        ]
        .concat(),
    )
    .await;
    // The accept comes after the Close was answered: what the worker sends finds nobody.
    raw.expect_close(4000, "bye").await;
    raw.expect_end().await;
    for line in ["one", "two", "close 4000 true bye"] {
        observer.expect(line).await;
    }
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_socket_that_can_be_accepted_no_more_gets_close_1011() {
    let host = Host::start(LATE).await;
    for target in ["/stuck", "/dropped"] {
        let mut client = Client::connect(host.address, target).await;
        assert_eq!(client.close_frame().await.0, 1011, "{target}");
        client.expect_end().await;
    }
    until("the instances to be dropped", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}
