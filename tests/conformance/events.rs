//! What the worker is told of a connection that ends, and what its socket is like then.

use crate::COMMANDER;
use crate::support::{Host, Observer, Raw, frames};

const LOST: &str = "WebSocket disconnected without sending Close frame.";

async fn observed() -> (Host, Observer, Raw) {
    let host = Host::shared(COMMANDER).await;
    let observer = Observer::connect(host.address).await;
    let raw = Raw::open(host.address, "/").await;
    (host, observer, raw)
}

/// The one event that must come: 1006, with the state unchanged; what is sent then is dropped without a word.
async fn expect_lost(host: &Host, observer: &mut Observer, state: &str) {
    observer
        .expect(&format!("close 1006 false {state} ok ok {LOST}"))
        .await;
    // Once nothing is left of the connection, nothing more can be said about it.
    crate::support::until("the socket to be gone", || {
        host.counters.sockets_live.get() == 1
    })
    .await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_connection_that_ends_with_fin_is_a_close_1006_exactly_once() {
    let (host, mut observer, raw) = observed().await;
    drop(raw);
    expect_lost(&host, &mut observer, "Open").await;
}

#[tokio::test]
async fn a_connection_that_is_half_closed_without_a_close_frame_is_lost() {
    let (host, mut observer, mut raw) = observed().await;
    raw.finish().await;
    raw.expect_end().await;
    expect_lost(&host, &mut observer, "Open").await;
}

#[tokio::test]
async fn a_connection_that_ends_with_rst_is_a_close_1006_exactly_once() {
    let (host, mut observer, raw) = observed().await;
    raw.reset();
    expect_lost(&host, &mut observer, "Open").await;
}

#[tokio::test]
async fn a_connection_that_ends_within_a_frame_is_a_close_1006_exactly_once() {
    for length in [1, 5, 9] {
        let (host, mut observer, mut raw) = observed().await;
        raw.write(&frames::text("cut off")[..length]).await;
        raw.finish().await;
        expect_lost(&host, &mut observer, "Open").await;
    }
}

#[tokio::test]
async fn a_connection_that_ends_within_a_fragmented_message_is_lost_and_the_fragment_with_it() {
    let (host, mut observer, mut raw) = observed().await;
    raw.write(&frames::frame(frames::TEXT, b"begun")).await;
    raw.finish().await;
    expect_lost(&host, &mut observer, "Open").await;
}

#[tokio::test]
async fn a_connection_lost_while_the_worker_waits_for_the_peers_close_is_a_close_1006_in_state_closing()
 {
    let (host, mut observer, mut raw) = observed().await;
    raw.send("close 4001 kick").await;
    raw.expect_close(4001, "kick").await;
    raw.finish().await;
    observer.expect("message Open close 4001 kick").await;
    expect_lost(&host, &mut observer, "Closing").await;
}

#[tokio::test]
async fn messages_before_the_loss_are_delivered_before_it() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.write(
        &(0..100)
            .flat_map(|at| frames::text(&format!("echo {at}")))
            .collect::<Vec<_>>(),
    )
    .await;
    raw.finish().await;
    for at in 0..100 {
        observer.expect(&format!("message Open echo {at}")).await;
    }
    observer
        .expect(&format!("close 1006 false Open ok ok {LOST}"))
        .await;
}

#[tokio::test]
async fn a_protocol_error_is_an_error_event_and_no_close_event() {
    let (_host, mut observer, mut raw) = observed().await;
    raw.send("before").await;
    raw.expect_text("before").await;
    raw.write(&frames::frame(frames::FIN | 0x3, b"unknown opcode"))
        .await;
    raw.expect_failed(1002).await;
    // The socket is closed; what is sent to it is dropped without a word.
    assert_eq!(
        observer.lines().await,
        ["message Open before", "error Closed ok ok"]
    );
}

#[tokio::test]
async fn a_task_that_fails_is_no_fault_and_what_it_sent_leaves() {
    let (host, mut observer, mut raw) = observed().await;
    let mut neighbour = Raw::open(host.address, "/").await;
    raw.send("fail").await;
    observer.expect("message Open fail").await;
    raw.expect_text("sent before the failure").await;
    // The task held the last handle of its socket, which nobody could read any more.
    assert_eq!(raw.frame().await.into_close().0, 1011);
    raw.write(&frames::close(1011, "")).await;
    raw.expect_end().await;
    neighbour.send("still here").await;
    neighbour.expect_text("still here").await;
    assert_eq!(host.counters.faults.get(), 0);
}
