//! What the worker sees of a handshake, and what becomes of one that the host cannot take as it is.

use crate::support::{Client, Host, Raw, Request};
use crate::{ANSWERS, COMMANDER, EXAMPLE_ECHO};

#[tokio::test]
async fn the_worker_sees_the_headers_of_the_handshake() {
    let host = Host::start(ANSWERS).await;
    let answer = Request::upgrade("/request")
        .with("Origin", "http://elsewhere.example")
        .with("Sec-WebSocket-Protocol", "chat, superchat")
        .send(host.address)
        .await;
    assert_eq!(answer.status, 200);
    for line in [
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol: chat, superchat",
        "origin: http://elsewhere.example",
    ] {
        assert!(answer.text().contains(line), "{line}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_bad_handshake_ends_its_connection() {
    let host = Host::start(COMMANDER).await;
    for request in [
        Request::upgrade("/").with("Sec-WebSocket-Version", "8"),
        Request::upgrade("/").without("Sec-WebSocket-Key"),
    ] {
        let mut raw = Raw::connect(host.address).await;
        raw.write(&request.to_bytes()).await;
        let answer = raw.answer().await;
        assert_eq!(answer.header("connection"), Some("close"));
        raw.expect_end().await;
    }
}

#[tokio::test]
async fn a_socket_remembers_the_request_it_came_with() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/room?name=ada").await;
    // The client's `Host` header, not the address it happened to reach.
    client.ask("uri", "http://worker.test/room?name=ada").await;
}

#[tokio::test]
async fn a_client_that_gets_no_socket_sees_the_workers_response() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let refused = Client::try_connect(host.address, "/nowhere", Some("chat")).await;
    assert_eq!(refused.err(), Some(404));
    let mut client = Client::try_connect(host.address, "/echo", None)
        .await
        .expect("the worker accepts");
    client.ask("hello", "hello").await;
}
