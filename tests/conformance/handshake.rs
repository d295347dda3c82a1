//! What the worker sees of a handshake, and what becomes of one that the host cannot take as it is.

use crate::support::{Client, Host, Raw, Request, frames};
use crate::{ANSWERS, COMMANDER};

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
async fn compression_is_declined_while_the_host_does_not_serve_it() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::connect(host.address).await;
    let request = Request::upgrade("/").with("Sec-WebSocket-Extensions", "permessage-deflate");
    raw.write(&request.to_bytes()).await;
    let answer = raw.head().await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    // RSV1 marks a compressed message, and nobody agreed on one.
    raw.write(&frames::frame(0xc1, b"compressed")).await;
    let (code, reason) = raw.frame().await.into_close();
    assert_eq!(code, 1002);
    assert!(!reason.is_empty(), "the reason says what was wrong");
}

#[tokio::test]
async fn a_socket_remembers_the_request_it_came_with() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/room?name=ada").await;
    // The client's `Host` header, not the address it happened to reach.
    client.ask("uri", "http://worker.test/room?name=ada").await;
}
