//! What keeps an object from hibernating, however long nothing happens to it; and that the host can say so.

use pairway_host::{Hold, ObjectStatus};

use crate::VAULT;
use crate::support::{Client, Host, Raw, Request, get, until};

async fn drowsy() -> Host {
    Host::with(VAULT, |config| config.limits.hibernate_after_ms = 40).await
}

fn status(host: &Host, name: &str) -> Option<ObjectStatus> {
    let mut list = host.objects.list().into_iter();
    list.find(|status| status.name.as_deref() == Some(name))
}

/// The object `a` must be held by this, and by nothing else, while another that is as idle hibernates again and again.
async fn held(host: &Host, holds: &[Hold]) {
    until("the object to be held", || {
        status(host, "a").is_some_and(|status| status.holds == holds)
    })
    .await;
    for _ in 0..3 {
        get(host.address, "/clock/log")
            .await
            .expect(200, "new 0, request log");
        until("the other to hibernate", || status(host, "clock").is_none()).await;
    }
    let status = status(host, "a").expect("it is known");
    assert!(status.is_awake, "{status:?}");
    assert_eq!(status.holds, holds);
}

/// The object `a` must not be held by anything any more.
async fn let_go(host: &Host) {
    until("the object to hibernate", || {
        status(host, "a").is_none_or(|status| !status.is_awake && status.holds.is_empty())
    })
    .await;
}

#[tokio::test]
async fn a_timer_that_runs() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("timer 100000", "done").await;
    held(&host, &[Hold::Timer]).await;
    client
        .ask("log", "new 0, message timer 100000, message log")
        .await;
}

#[tokio::test]
async fn a_handler_that_is_under_way() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("hang", "hanging").await;
    held(&host, &[Hold::Handler]).await;
    get(host.address, "/a/release").await.expect(200, "done");
    client.expect("released").await;
    let_go(&host).await;
}

#[tokio::test]
async fn what_was_given_to_wait_until() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("hang on", "done").await;
    held(&host, &[Hold::Handler]).await;
    client.ask("release", "done").await;
    let_go(&host).await;
}

#[tokio::test]
async fn a_socket_that_was_accepted_in_the_standard_way() {
    let host = drowsy().await;
    let mut standard = Client::connect(host.address, "/a/standard").await;
    let mut client = Client::connect(host.address, "/a").await;
    held(&host, &[Hold::StandardSocket]).await;
    client.ask("log", "new 0, message log").await;
    standard.ask("echo", "echo").await;
    standard.close(1000, "").await;
    standard.expect_close(1000, "").await;
    let_go(&host).await;
    client.ask("log", "new 1, message log").await;
}

#[tokio::test]
async fn a_request_that_waits_for_its_response() {
    let host = drowsy().await;
    let mut asking = Raw::connect(host.address).await;
    asking.write(&Request::get("/a/hang").to_bytes()).await;
    held(&host, &[Hold::Request, Hold::Handler]).await;
    get(host.address, "/a/release").await.expect(200, "done");
    asking.answer().await.expect(200, "released");
    let_go(&host).await;
}

#[tokio::test]
async fn a_closed_gate() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("gate never", "closed").await;
    held(&host, &[Hold::Handler, Hold::Gate]).await;
}

#[tokio::test]
async fn a_request_to_another_object_which_is_held_by_it_too() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a").await;
    client.send("ask b hang").await;
    held(&host, &[Hold::Handler, Hold::Operation]).await;
    let other = status(&host, "b").expect("it is at work");
    assert_eq!(other.holds, [Hold::Request, Hold::Handler]);
    get(host.address, "/b/release").await.expect(200, "done");
    client.expect("released").await;
    let_go(&host).await;
}

#[tokio::test]
async fn a_hibernatable_socket_does_not() {
    let host = drowsy().await;
    let _client = Client::connect(host.address, "/a").await;
    let_go(&host).await;
    let status = status(&host, "a").expect("it has a socket");
    assert_eq!((status.sockets, &status.class[..]), (1, "Vault"));
}
