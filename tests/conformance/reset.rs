//! What an object does to itself: an error that it returns changes nothing, and a reset ends all its sockets.

use crate::support::{Client, Host, Raw, frames, get, until};
use crate::{VAULT, WRECKER};

#[tokio::test]
async fn an_error_of_a_handler_holds_no_message_back_and_closes_no_socket() {
    let host = Host::start(WRECKER).await;
    let mut client = Client::connect(host.address, "/a?name=x").await;
    client.ask("fail", "sent before the failure").await;
    client.ask("me", "x x Open").await;
    assert_eq!(
        (host.counters.wakes.get(), host.counters.faults.get()),
        (1, 0)
    );
}

/// Every socket of the object must end without a Close, and what comes next must meet a new instance without sockets.
async fn is_reset(host: &Host, sockets: Vec<Raw>, how: &str) {
    let mut standard = Raw::open(host.address, "/a/standard").await;
    let mut sockets = sockets.into_iter();
    let mut first = sockets.next().expect("there is one");
    let mut elsewhere = Client::connect(host.address, "/b").await;
    first.send(how).await;
    until("the reset", || host.counters.faults.get() == 1).await;
    // It may still have been sent something by the turn that led to the reset, but no Close.
    while let Some(frame) = first.next().await {
        assert_eq!(frame.first, frames::FIN | frames::TEXT, "{frame:?}");
    }
    for mut raw in sockets {
        raw.expect_end().await;
    }
    standard.expect_end().await;
    elsewhere.ask("echo", "echo").await;
    until("the sockets to be gone", || {
        host.counters.sockets_live.get() == 1
    })
    .await;
}

async fn vaults(host: &Host) -> Vec<Raw> {
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(Raw::open(host.address, "/a").await);
    }
    sockets
}

#[tokio::test]
async fn abort_ends_every_socket_without_a_close_and_the_next_request_meets_a_new_instance() {
    let host = Host::start(VAULT).await;
    let sockets = vaults(&host).await;
    is_reset(&host, sockets, "abort").await;
    get(host.address, "/a/sockets").await.expect(200, "");
    get(host.address, "/a/log")
        .await
        .expect(200, "new 0, request sockets, request log");
}

#[tokio::test]
async fn a_gate_whose_future_fails_resets_the_object() {
    let host = Host::start(VAULT).await;
    let sockets = vaults(&host).await;
    is_reset(&host, sockets, "gate fail").await;
    get(host.address, "/a/log")
        .await
        .expect(200, "new 0, request log");
}

#[tokio::test]
async fn a_gate_that_stays_closed_for_too_long_resets_the_object() {
    let host = Host::with(VAULT, |config| config.limits.gate_ms = 100).await;
    let sockets = vaults(&host).await;
    is_reset(&host, sockets, "gate never").await;
    get(host.address, "/a/log")
        .await
        .expect(200, "new 0, request log");
}

#[tokio::test]
async fn a_reset_keeps_storage_and_forgets_what_the_host_kept_of_the_object() {
    let host = Host::start(VAULT).await;
    let mut raw = Raw::open(host.address, "/a").await;
    for (command, answer) in [
        ("auto ping pong", "done"),
        ("timeout 1234", "done"),
        ("increment key", "1"),
        ("increment key", "2"),
    ] {
        raw.send(command).await;
        raw.expect_text(answer).await;
    }
    is_reset(&host, vec![raw], "abort").await;
    get(host.address, "/a/auto").await.expect(200, "");
    get(host.address, "/a/timeout").await.expect(200, "None");
    get(host.address, "/a/increment/key").await.expect(200, "3");
}

#[tokio::test]
async fn what_waits_behind_the_gate_meets_the_new_instance() {
    let host = Host::with(VAULT, |config| config.limits.gate_ms = 200).await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("gate never", "closed").await;
    get(host.address, "/a/log")
        .await
        .expect(200, "new 0, request log");
    client.expect_end().await;
}

#[tokio::test]
async fn a_constructor_whose_gate_fails_is_a_500_each_time() {
    let host = Host::with(VAULT, |config| {
        config.vars.insert("BEGIN".to_owned(), "badly".to_owned());
    })
    .await;
    for _ in 0..3 {
        assert_eq!(get(host.address, "/a/log").await.status, 500);
    }
    until("the instances to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}
