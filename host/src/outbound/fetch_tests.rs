//! `fetch` against servers of a few lines: what goes out, what comes back, and how much of it.

use std::sync::Arc;

use tokio::io::AsyncReadExt;

use crate::outbound::testing::{
    Dns, Server, at, header, is_untouched, listen, nobody, outbound, to_loopback, within,
};
use crate::outbound::{Bounds, Failed, Outbound, Refusal, Request, Response};
use crate::quota::{Charge, Quota};

fn get(uri: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        uri: uri.to_owned(),
        ..Request::default()
    }
}

fn upgrade(uri: &str) -> Request {
    Request {
        headers: vec![("Upgrade".to_owned(), b"WebSocket".to_vec())],
        ..get(uri)
    }
}

async fn send(outbound: &Outbound, request: Request) -> Result<Response, Failed> {
    let plan = outbound.fetch(request).unwrap();
    within(outbound.send(plan, Charge::on(&Quota::new(u64::MAX)))).await
}

async fn ask(server: &Server, bounds: Bounds) -> Result<Response, Failed> {
    send(&to_loopback(bounds), get(&server.url("http", "/"))).await
}

/// What a server that answers this leads to.
async fn answered(bytes: impl Into<Vec<u8>>) -> Response {
    let server = Server::answers(bytes).await;
    ask(&server, Bounds::default()).await.unwrap()
}

async fn failure(bytes: impl Into<Vec<u8>>, bounds: Bounds) -> Failed {
    ask(&Server::answers(bytes).await, bounds)
        .await
        .unwrap_err()
}

fn value<'a>(response: &'a Response, name: &str) -> Vec<&'a [u8]> {
    let of_name = response.headers.iter().filter(|(own, _)| own == name);
    of_name.map(|(_, value)| value.as_slice()).collect()
}

#[tokio::test]
async fn a_get_goes_out_with_the_workers_headers_and_comes_back_whole() {
    let server = Server::answers(
        "HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
         Connection: close, x-hop\r\nX-Hop: 1\r\n\r\nhello",
    )
    .await;
    let request = Request {
        headers: vec![
            ("X-Own".to_owned(), b"1".to_vec()),
            ("Host".to_owned(), b"evil".to_vec()),
        ],
        ..get(&server.url("http", "/path?query#fragment"))
    };
    let response = send(&to_loopback(Bounds::default()), request)
        .await
        .unwrap();
    assert_eq!((response.status, &response.body[..]), (418, &b"hello"[..]));
    assert_eq!(value(&response, "set-cookie"), [b"a", b"b"]);
    assert!(value(&response, "x-hop").is_empty() && value(&response, "connection").is_empty());
    assert!(response.socket.is_none());
    let authority = server.address.to_string();
    let request = server.request().await;
    assert!(
        request.starts_with("GET /path?query HTTP/1.1\r\n"),
        "{request}"
    );
    assert_eq!(header(&request, "host"), Some(authority.as_str()));
    assert_eq!(header(&request, "connection"), Some("close"));
    assert_eq!(header(&request, "x-own"), Some("1"));
    assert_eq!(header(&request, "upgrade"), None);
}

#[tokio::test]
async fn a_post_has_its_body_and_the_length_of_it() {
    let server = Server::answers("HTTP/1.1 204 No Content\r\n\r\n").await;
    let request = Request {
        method: "POST".to_owned(),
        headers: vec![("content-length".to_owned(), b"9999".to_vec())],
        body: "the body".into(),
        ..get(&server.url("http", "/"))
    };
    let response = send(&to_loopback(Bounds::default()), request)
        .await
        .unwrap();
    assert_eq!((response.status, response.body.len()), (204, 0));
    let request = server.request().await;
    assert_eq!(header(&request, "content-length"), Some("8"));
    assert!(
        request.starts_with("POST / ") && request.ends_with("\r\n\r\nthe body"),
        "{request}"
    );
}

#[tokio::test]
async fn a_body_is_whole_however_it_is_framed() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    assert_eq!(answered(chunked).await.body, "hello world");
    // Up to the end of the connection.
    let server = Server::answers("HTTP/1.1 200 OK\r\n\r\nhello world").await;
    let request = get(&server.url("http", "/"));
    let outbound = to_loopback(Bounds::default());
    let (response, _) = tokio::join!(send(&outbound, request), server.request());
    assert_eq!(response.unwrap().body, "hello world");
}

#[tokio::test]
async fn an_answer_to_head_has_a_length_and_no_body() {
    let server = Server::answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
    let request = Request {
        method: "HEAD".to_owned(),
        ..get(&server.url("http", "/"))
    };
    let response = send(&to_loopback(Bounds::default()), request)
        .await
        .unwrap();
    assert_eq!(response.body.len(), 0);
    assert_eq!(value(&response, "content-length"), [b"5"]);
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let response = answered(answer).await;
    assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]));
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let elsewhere = listen().await;
    let to = elsewhere.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{to}/\r\nContent-Length: 0\r\n\r\n");
    let response = answered(answer).await;
    assert_eq!(response.status, 302);
    assert_eq!(value(&response, "location").len(), 1);
    assert!(is_untouched(elsewhere));
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_bound_and_no_larger() {
    let bounds = Bounds {
        response_body_bytes: 1_000,
        ..Bounds::default()
    };
    let sized = |size| {
        let body = "x".repeat(size);
        format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{body}")
    };
    let chunked = |size| {
        let body = "x".repeat(size);
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
        )
    };
    for answer in [sized(1_000), chunked(1_000)] {
        let response = ask(&Server::answers(answer).await, bounds.clone())
            .await
            .unwrap();
        assert_eq!(response.body.len(), 1_000);
    }
    // One that never ends is no longer read.
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5_000));
    for answer in [sized(1_001), chunked(1_001), endless] {
        let failed = failure(answer, bounds.clone()).await;
        assert!(
            failed
                .text
                .contains("1000 bytes (limit response_body_bytes)"),
            "{failed}"
        );
        assert_eq!(failed.status, Some(200));
    }
}

#[tokio::test]
async fn the_head_is_bounded_in_bytes_and_headers() {
    let bounds = Bounds {
        response_head_bytes: 8_192,
        response_headers: 10,
        ..Bounds::default()
    };
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(9_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-One: 1\r\n".repeat(11));
    for answer in [long, many] {
        let failed = failure(answer, bounds.clone()).await;
        assert!(
            failed
                .text
                .contains("limits response_head_bytes, response_headers"),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_not_whole_in_time_fails() {
    let bounds = Bounds {
        fetch_ms: 50,
        ..Bounds::default()
    };
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx",
    ] {
        let failed = failure(answer, bounds.clone()).await;
        assert!(
            failed.text.contains("50 ms are over (limit fetch_ms)"),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn a_server_that_goes_in_the_middle_fails_the_request() {
    let closed = "closed the connection before its response was whole";
    for (answer, expected) in [
        ("", closed),
        ("HTTP/1.1 200 OK\r\n", closed),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx",
            "end of file before message length reached",
        ),
    ] {
        let server = Server::answers(answer).await;
        let request = get(&server.url("http", "/"));
        let outbound = to_loopback(Bounds::default());
        let (response, _) = tokio::join!(send(&outbound, request), server.request());
        let failed = response.unwrap_err();
        assert!(failed.text.contains(expected), "{answer:?}: {failed}");
    }
    let outbound = to_loopback(Bounds::default());
    let request = get(&format!("http://{}/", nobody().await));
    let failed = send(&outbound, request).await.unwrap_err();
    assert!(failed.text.contains("refused"), "{failed}");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_allowed() {
    let inside = listen().await;
    let answer = [at("8.8.8.8", 80), inside.local_addr().unwrap()];
    let dns = Dns::with("a.example", &[&answer]);
    let outbound = outbound(&["http://*:*"], Arc::clone(&dns) as _, Bounds::default());
    let failed = send(&outbound, get("http://a.example/")).await.unwrap_err();
    assert!(failed.is_not_allowed, "{failed}");
    assert_eq!(dns.lookups(), 1);
    assert!(is_untouched(inside));
}

#[tokio::test]
async fn a_request_with_upgrade_gets_a_socket_for_a_101() {
    let server = Server::upgrades("Sec-WebSocket-Protocol: b\r\nX-Own: 1\r\n", b"").await;
    let mut request = upgrade(&server.url("http", "/"));
    let offered = ("sec-websocket-protocol".to_owned(), b"a, b".to_vec());
    request.headers.push(offered);
    let response = send(&to_loopback(Bounds::default()), request)
        .await
        .unwrap();
    assert_eq!(response.status, 101);
    assert_eq!(value(&response, "x-own"), [b"1"]);
    assert_eq!(value(&response, "sec-websocket-protocol"), [b"b"]);
    let mut socket = response.socket.unwrap();
    assert_eq!(socket.protocol, "b");
    let (request, stream) = server.finish().await;
    assert_eq!(header(&request, "connection"), Some("Upgrade"));
    assert_eq!(header(&request, "sec-websocket-protocol"), Some("a, b"));
    drop(stream);
    assert_eq!(within(socket.stream.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_with_upgrade_gets_an_ordinary_response_for_anything_else() {
    let server = Server::answers("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno").await;
    let request = upgrade(&server.url("http", "/"));
    let response = send(&to_loopback(Bounds::default()), request)
        .await
        .unwrap();
    assert_eq!((response.status, &response.body[..]), (403, &b"no"[..]));
    assert!(response.socket.is_none());
}

#[tokio::test]
async fn a_101_fails_that_nothing_has_asked_for_or_that_does_not_answer_the_handshake() {
    let bare = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let failed = failure(bare, Bounds::default()).await;
    assert!(failed.text.contains("nothing had asked for it"), "{failed}");
    let server = Server::answers(bare).await;
    let request = upgrade(&server.url("http", "/"));
    let failed = send(&to_loopback(Bounds::default()), request)
        .await
        .unwrap_err();
    assert!(
        failed.text.contains("lacks `Upgrade: websocket`"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_plan_is_refused_where_the_worker_is_at_fault() {
    let outbound = to_loopback(Bounds::default());
    let refused = |request| outbound.fetch(request).unwrap_err();
    let fine = "http://127.0.0.1/";
    assert!(matches!(
        refused(get("ws://127.0.0.1/")),
        Refusal::InvalidUrl(_)
    ));
    assert!(matches!(
        refused(get("http://a.example/")),
        Refusal::NotAllowed(_)
    ));
    for method in ["CONNECT", "TRACE", "TRACK", "", "A B", "GET\r\n"] {
        let method = method.to_owned();
        let request = Request {
            method,
            ..get(fine)
        };
        assert!(matches!(refused(request), Refusal::Other(_)));
    }
    let posted = Request {
        method: "POST".to_owned(),
        ..upgrade(fine)
    };
    let with_body = Request {
        body: "x".into(),
        ..upgrade(fine)
    };
    for request in [posted, with_body] {
        let refusal = refused(request).to_string();
        assert!(refusal.contains("a GET without a body"), "{refusal}");
    }
    assert_eq!(
        outbound
            .fetch(get("http://me:secret@127.1/#x"))
            .unwrap()
            .url(),
        fine
    );
}
