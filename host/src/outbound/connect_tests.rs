//! `connect` against servers of a few lines: what goes out, and what counts as open.

use tokio::io::AsyncReadExt;

use crate::outbound::testing::{
    Server, header, listen, open, quick, switching, to_loopback, within,
};
use crate::outbound::{Bounds, ConnectOptions, Failed, Refusal};

/// Why a socket to this server does not open.
async fn failure(server: &Server) -> Failed {
    let outbound = to_loopback(Bounds::default());
    open(&outbound, &server.url("ws", "/")).await.unwrap_err()
}

#[tokio::test]
async fn the_handshake_says_what_the_worker_asked_for() {
    let server = Server::upgrades("Sec-WebSocket-Protocol: b\r\n", b"").await;
    let options = ConnectOptions {
        protocols: vec!["a".to_owned(), "b".to_owned()],
        headers: vec![
            ("X-Own".to_owned(), b"1".to_vec()),
            ("X-Own".to_owned(), b"2".to_vec()),
        ],
        extensions: None,
    };
    let outbound = to_loopback(Bounds::default());
    let url = server.url("ws", "/path?query");
    let plan = outbound.connect(&url, options).unwrap();
    let opened = within(outbound.open(plan)).await.unwrap();
    assert_eq!((opened.protocol.as_str(), opened.extensions), ("b", None));
    let authority = server.address.to_string();
    let request = server.request().await;
    assert!(
        request.starts_with("GET /path?query HTTP/1.1\r\n"),
        "{request}"
    );
    for (name, value) in [
        ("host", authority.as_str()),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "a, b"),
        ("x-own", "1"),
    ] {
        assert_eq!(header(&request, name), Some(value), "{request}");
    }
    assert_eq!(request.matches("x-own").count(), 2, "{request}");
    assert_eq!(header(&request, "sec-websocket-extensions"), None);
}

#[tokio::test]
async fn what_the_server_sends_behind_its_101_is_kept() {
    let server = Server::upgrades("", b"\x81\x05early").await;
    let mut opened = open(&to_loopback(Bounds::default()), &server.url("ws", "/"))
        .await
        .unwrap();
    // It may come with the head or behind it.
    let (_, stream) = server.finish().await;
    drop(stream);
    let mut all = opened.read_ahead.to_vec();
    within(opened.stream.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all, b"\x81\x05early");
}

#[tokio::test]
async fn an_answer_other_than_101_fails_with_its_status() {
    for (answer, status) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200),
        (
            "HTTP/1.1 301 Moved\r\nLocation: ws://a.example/\r\nContent-Length: 0\r\n\r\n",
            301,
        ),
    ] {
        let failed = failure(&Server::answers(answer).await).await;
        assert_eq!(failed.status, Some(status), "{failed}");
        assert!(
            failed.text.contains("where a WebSocket needs 101"),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn a_101_that_does_not_answer_the_handshake_fails() {
    let wrong_key = |request: &str| {
        let request = request.replace("Sec-WebSocket-Key: ", "sec-websocket-key: ");
        let at = request.find("sec-websocket-key: ").unwrap() + "sec-websocket-key: ".len();
        let mut other = request.clone();
        other.replace_range(at..at + 4, "AAAA");
        switching(&other, "").into_bytes()
    };
    let failed = failure(&Server::with(wrong_key).await).await;
    assert!(failed.text.contains("does not match the key"), "{failed}");
    assert_eq!(failed.status, Some(101));
    for (headers, expected) in [
        ("Sec-WebSocket-Protocol: a\r\n", "was not offered"),
        (
            "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            "none was offered",
        ),
    ] {
        let failed = failure(&Server::upgrades(headers, b"").await).await;
        assert!(failed.text.contains(expected), "{failed}");
    }
    let bare = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let failed = failure(&Server::answers(bare).await).await;
    assert!(
        failed.text.contains("lacks `Upgrade: websocket`"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_server_that_is_none_fails_in_words() {
    for (answer, expected) in [
        ("", "closed the connection before its response was whole"),
        (
            "HTTP/1.1 101 Sw",
            "closed the connection before its response was whole",
        ),
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", "does not answer in HTTP/1.1"),
    ] {
        let server = Server::answers(answer).await;
        let url = server.url("ws", "/");
        let closing = async { drop(server.request().await) };
        let outbound = to_loopback(Bounds::default());
        let (opened, ()) = tokio::join!(open(&outbound, &url), closing);
        let failed = opened.unwrap_err();
        assert!(failed.text.contains(expected), "{answer:?}: {failed}");
        assert!(failed.text.contains("127.0.0.1"), "{failed}");
    }
}

#[tokio::test]
async fn the_head_of_the_answer_is_bounded_in_bytes_and_headers() {
    let bounds = Bounds {
        response_head_bytes: 8_192,
        response_headers: 10,
        ..Bounds::default()
    };
    let outbound = to_loopback(bounds);
    let long = format!(
        "HTTP/1.1 101 Switching Protocols\r\nX-Long: {}\r\n\r\n",
        "x".repeat(9_000)
    );
    let many = format!(
        "HTTP/1.1 101 Switching Protocols\r\n{}\r\n",
        "X-One: 1\r\n".repeat(11)
    );
    // One that never ends is no longer read.
    let endless = format!(
        "HTTP/1.1 101 Switching Protocols\r\nX-Long: {}",
        "x".repeat(100_000)
    );
    for answer in [long, many, endless] {
        let server = Server::answers(answer).await;
        let failed = open(&outbound, &server.url("ws", "/")).await.unwrap_err();
        assert!(
            failed
                .text
                .contains("limits response_head_bytes, response_headers"),
            "{failed}"
        );
    }
    let server = Server::upgrades("X-Long: 7000\r\n", b"").await;
    open(&outbound, &server.url("ws", "/")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_has_connect_ms() {
    let listener = listen().await;
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let failed = open(&to_loopback(quick()), &url).await.unwrap_err();
    assert!(
        failed.text.contains("50 ms are over (limit connect_ms)"),
        "{failed}"
    );
    assert!(
        failed.text.contains("get a response from 127.0.0.1"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_handshake_that_nobody_waits_for_any_more_closes_its_connection() {
    let listener = listen().await;
    let outbound = to_loopback(Bounds::default());
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let plan = outbound.connect(&url, ConnectOptions::default()).unwrap();
    let opening = tokio::spawn(async move { outbound.open(plan).await });
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    let mut request = Vec::new();
    within(stream.read_buf(&mut request)).await.unwrap();
    assert!(request.starts_with(b"GET / HTTP/1.1\r\n"));
    opening.abort();
    within(stream.read_to_end(&mut request)).await.unwrap();
}

#[tokio::test]
async fn a_plan_is_refused_where_the_worker_is_at_fault() {
    let outbound = to_loopback(Bounds::default());
    let refused = |url: &str, options| outbound.connect(url, options).unwrap_err();
    let nothing = ConnectOptions::default;
    let twice = ConnectOptions {
        protocols: vec!["a".to_owned(), "a".to_owned()],
        ..nothing()
    };
    let host = ConnectOptions {
        headers: vec![("Host".to_owned(), b"b.example".to_vec())],
        ..nothing()
    };
    let fine = "ws://127.0.0.1:9/";
    assert!(matches!(
        refused("http://127.0.0.1/", nothing()),
        Refusal::InvalidUrl(_)
    ));
    assert!(matches!(
        refused("ws://a.example/", nothing()),
        Refusal::NotAllowed(_)
    ));
    assert!(matches!(refused(fine, twice), Refusal::InvalidProtocol(_)));
    assert!(matches!(refused(fine, host), Refusal::Other(_)));
}

#[tokio::test]
async fn the_url_is_told_in_its_normal_form_and_without_credentials() {
    let outbound = to_loopback(Bounds::default());
    let plan = outbound
        .connect("WS://me:secret@127.1:80/a b", ConnectOptions::default())
        .unwrap();
    assert_eq!(plan.url(), "ws://127.0.0.1/a%20b");
}
