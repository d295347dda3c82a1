//! Requests to other servers: what goes out, what comes back, and the socket that may come with it.

use crate::outbound::{outward, outward_with};
use crate::support::{Client, Host, Upstream, frames, get, to_loopback, until};
use crate::{CALLER, OUTWARD};

async fn fetch(control: &mut Client, arguments: &str) {
    control.ask(&format!("fetch {arguments}"), "fetch ok").await;
}

/// What a server's answer leads to.
async fn told(control: &mut Client, upstream: &Upstream, answer: &str) -> String {
    fetch(control, &format!("GET {}", upstream.http("/"))).await;
    let _answered = upstream.answer(answer).await;
    control.text().await
}

#[tokio::test]
async fn a_get_brings_status_headers_and_body() {
    let (_host, mut control, upstream) = outward().await;
    let url = upstream.http("/path?query#fragment");
    fetch(
        &mut control,
        &format!("GET {url} header=x-own:1 header=host:evil.test"),
    )
    .await;
    let answer = "HTTP/1.1 418 Teapot\r\nX-One: 1\r\nX-Two: 2\r\nX-Two: 3\r\nContent-Length: 5\r\n\
                  Connection: close\r\n\r\nhello";
    let (_raw, asked) = upstream.answer(answer).await;
    control
        .expect("response 418 x-one=1,x-two=2,x-two=3,content-length=5 hello")
        .await;
    assert_eq!(asked.line, "GET /path?query HTTP/1.1");
    let authority = upstream.address.to_string();
    assert_eq!(asked.header("host"), Some(authority.as_str()));
    assert_eq!(asked.header("x-own"), Some("1"));
    assert_eq!(asked.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_post_carries_its_body() {
    let (_host, mut control, upstream) = outward().await;
    fetch(
        &mut control,
        &format!("POST {} body=the-body", upstream.http("/")),
    )
    .await;
    let (_raw, asked) = upstream
        .answer("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        .await;
    control.expect("response 201 content-length=0 ").await;
    assert_eq!(asked.line, "POST / HTTP/1.1");
    assert_eq!(asked.body, b"the-body");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (_host, mut control, upstream) = outward().await;
    let to = upstream.http("/elsewhere");
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let line = told(&mut control, &upstream, &answer).await;
    assert_eq!(
        line,
        format!("response 302 location={to},content-length=0 ")
    );
}

#[tokio::test]
async fn a_body_has_its_bound() {
    let (_host, mut control, upstream) =
        outward_with(|config| config.limits.response_body_bytes = 2_000).await;
    for (size, expected) in [(2_000, "response 200 "), (2_001, "failed Other(")] {
        let body = "x".repeat(size);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{body}");
        let line = told(&mut control, &upstream, &answer).await;
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(
            line.contains("limit response_body_bytes"),
            size > 2_000,
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_head_has_its_bounds() {
    let (_host, mut control, upstream) = outward_with(|config| {
        config.limits.response_head_bytes = 8_192;
        config.limits.response_headers = 10;
    })
    .await;
    let long = format!("X-Long: {}\r\n", "x".repeat(9_000));
    let many = "X-One: 1\r\n".repeat(11);
    for lines in [long, many] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n");
        let line = told(&mut control, &upstream, &answer).await;
        assert!(
            line.contains("limits response_head_bytes, response_headers"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_response_has_its_time() {
    let (_host, mut control, upstream) = outward_with(|config| config.limits.fetch_ms = 100).await;
    fetch(&mut control, &format!("GET {}", upstream.http("/"))).await;
    let (mut raw, _) = upstream
        .answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")
        .await;
    let line = control.text().await;
    assert!(line.contains("100 ms are over (limit fetch_ms)"), "{line}");
    raw.expect_end().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_something_else_fails_the_request() {
    let (_host, mut control, upstream) = outward().await;
    let line = told(&mut control, &upstream, "SSH-2.0-OpenSSH_9.6\r\n\r\n").await;
    assert!(
        line.starts_with("failed Other(\"127.0.0.1 does not answer in HTTP/1.1"),
        "{line}"
    );
    let url = upstream.http("/");
    drop(upstream);
    fetch(&mut control, &format!("GET {url}")).await;
    let line = control.text().await;
    assert!(
        line.starts_with("failed Other(\"cannot connect to 127.0.0.1"),
        "{line}"
    );
}

#[tokio::test]
async fn what_the_worker_may_not_ask_for_is_refused_by_the_call() {
    let (host, mut control, _upstream) = outward().await;
    for (arguments, expected) in [
        ("GET ws://127.0.0.1/", "InvalidUrl("),
        ("GET /path", "InvalidUrl("),
        ("GET http://10.0.0.1/", "NotAllowed("),
        ("GET https://example.com/", "NotAllowed("),
        ("CONNECT http://127.0.0.1/", "Other("),
        ("GET http://127.0.0.1/ header=x\u{fc}:1", "Other("),
        ("POST http://127.0.0.1/ header=upgrade:websocket", "Other("),
    ] {
        control.send(format!("fetch {arguments}")).await;
        let line = control.text().await;
        assert!(
            line.starts_with(&format!("fetch {expected}")),
            "{arguments}: {line}"
        );
    }
    assert_eq!(host.counters.outbound.get(), 0);
}

#[tokio::test]
async fn a_name_that_leads_into_this_machine_is_not_allowed() {
    let host = Host::with(OUTWARD, |config| {
        config.outbound.allowed_hosts = vec!["http://*:*".to_owned()];
    })
    .await;
    let mut control = Client::connect(host.address, "/").await;
    fetch(&mut control, "GET http://localhost:9/").await;
    let line = control.text().await;
    assert!(
        line.starts_with("failed NotAllowed(\"localhost leads to"),
        "{line}"
    );
}

#[tokio::test]
async fn an_upgrade_brings_a_socket_that_can_be_accepted() {
    let (_host, mut control, upstream) = outward().await;
    let url = upstream.http("/room");
    let options = "header=upgrade:websocket header=sec-websocket-protocol:a";
    fetch(&mut control, &format!("GET {url} {options}")).await;
    let (mut raw, asked) = upstream.open_with("Sec-WebSocket-Protocol: a\r\n").await;
    assert_eq!(asked.header("sec-websocket-protocol"), Some("a"));
    let line = control.text().await;
    assert!(
        line.starts_with("response 101 ") && line.contains("sec-websocket-protocol=a"),
        "{line}"
    );
    control.expect(&format!("socket 0 Open {url} [a] []")).await;
    control.ask("send 0 early", "send NotAccepted").await;
    control.ask("accept 0", "accept ok").await;
    control.ask("send 0 hello", "send ok").await;
    raw.expect_text("hello").await;
    raw.write(&frames::unmasked(0x81, b"answer")).await;
    control.expect("text 0 answer").await;
    control.ask("close 0 4000 bye", "close ok").await;
    raw.expect_close(4000, "bye").await;
}

#[tokio::test]
async fn what_comes_before_the_accept_is_kept_and_the_close_too() {
    let (_host, mut control, upstream) = outward().await;
    fetch(
        &mut control,
        &format!("GET {} header=upgrade:websocket", upstream.http("/")),
    )
    .await;
    let (mut raw, asked) = upstream.asked().await;
    let early = [
        asked.switching("").into_bytes(),
        frames::unmasked(0x81, b"one"),
        frames::unmasked(0x82, b"two"),
    ];
    raw.write(&early.concat()).await;
    assert!(control.text().await.starts_with("response 101 "));
    assert!(control.text().await.starts_with("socket 0 Open "));
    raw.write(
        &[
            frames::unmasked(0x81, b"three"),
            frames::unmasked_close(4000, "bye"),
        ]
        .concat(),
    )
    .await;
    control.ask("accept 0", "accept ok").await;
    for line in [
        "text 0 one",
        "binary 0 3",
        "text 0 three",
        "close 0 4000 true Closed Closed bye",
    ] {
        control.expect(line).await;
    }
    raw.expect_close(4000, "bye").await;
    raw.expect_end().await;
}

#[tokio::test]
async fn a_violation_before_the_accept_is_told_behind_the_messages_before_it() {
    let (_host, mut control, upstream) = outward().await;
    let url = upstream.http("/");
    fetch(&mut control, &format!("GET {url} header=upgrade:websocket")).await;
    let mut raw = upstream.open().await;
    assert!(control.text().await.starts_with("response 101 "));
    assert!(control.text().await.starts_with("socket 0 Open "));
    raw.write(&[frames::unmasked(0x81, b"one"), frames::text("masked")].concat())
        .await;
    raw.expect_failed(1002).await;
    control.ask("accept 0", "accept ok").await;
    control.expect("text 0 one").await;
    let line = control.text().await;
    assert!(line.starts_with("error 0 "), "{line}");
    // It was the last event.
    control.ask("room 0", "room 0 true").await;
}

#[tokio::test]
async fn a_loss_before_the_accept_is_told_behind_the_messages_before_it() {
    let (host, mut control, upstream) = outward().await;
    let url = upstream.http("/");
    fetch(&mut control, &format!("GET {url} header=upgrade:websocket")).await;
    let mut raw = upstream.open().await;
    assert!(control.text().await.starts_with("response 101 "));
    assert!(control.text().await.starts_with("socket 0 Open "));
    raw.write(&frames::unmasked(0x81, b"one")).await;
    raw.finish().await;
    until("the connection to be over", || {
        host.counters.outbound_live.get() == 0
    })
    .await;
    control.ask("accept 0", "accept ok").await;
    control.expect("text 0 one").await;
    let line = control.text().await;
    assert!(line.starts_with("close 0 1006 false "), "{line}");
}

#[tokio::test]
async fn a_server_is_not_read_endlessly_for_a_socket_that_nobody_accepts() {
    let (host, mut control, upstream) =
        outward_with(|config| config.limits.held_bytes = 16 * 1024).await;
    fetch(
        &mut control,
        &format!("GET {} header=upgrade:websocket", upstream.http("/")),
    )
    .await;
    let mut raw = upstream.open().await;
    assert!(control.text().await.starts_with("response 101 "));
    assert!(control.text().await.starts_with("socket 0 Open "));
    let message = |at: usize| format!("{at:>1000}");
    let all = (0..15_000).flat_map(|at| frames::unmasked(0x81, message(at).as_bytes()));
    let writing = raw.write_along(all.collect());
    for _ in 0..20 {
        control.ask("room 0", "room 0 true").await;
    }
    assert!(!writing.is_finished(), "15 MB were read for nobody");
    control.ask("accept 0", "accept ok").await;
    for at in 0..15_000 {
        control.expect(&format!("text 0 {}", message(at))).await;
    }
    writing.await.expect("all was read in the end");
    assert_eq!(host.counters.outbound_live.get(), 1);
}

#[tokio::test]
async fn an_upgrade_that_is_not_granted_is_an_ordinary_response() {
    let (_host, mut control, upstream) = outward().await;
    fetch(
        &mut control,
        &format!("GET {} header=upgrade:websocket", upstream.http("/")),
    )
    .await;
    let answer = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno";
    let _answered = upstream.answer(answer).await;
    control.expect("response 426 content-length=2 no").await;
    // Nor is one that nobody has asked for.
    let line = told(
        &mut control,
        &upstream,
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    )
    .await;
    assert!(line.contains("nothing had asked for it"), "{line}");
}

#[tokio::test]
async fn the_sdk_fetches_and_accepts_sockets() {
    let host = Host::with(CALLER, to_loopback).await;
    let upstream = Upstream::listen().await;
    let target = format!("/text?url={}", upstream.http("/"));
    let answer = "HTTP/1.1 404 No\r\nContent-Length: 7\r\n\r\nnothing";
    let (told, _) = tokio::join!(get(host.address, &target), upstream.answer(answer));
    told.expect(200, "404 nothing");
    let target = format!("/upgrade?url={}", upstream.http("/"));
    let serving = async {
        let mut raw = upstream.open().await;
        raw.write(&frames::unmasked(0x81, b"early")).await;
        raw.write(&frames::unmasked_close(1000, "")).await;
        raw.expect_close(1000, "").await;
    };
    let (told, ()) = tokio::join!(get(host.address, &target), serving);
    told.expect(200, "101\nText(\"early\")");
}

#[tokio::test]
async fn a_socket_that_nobody_accepts_ends_with_its_handle() {
    let host = Host::with(CALLER, to_loopback).await;
    let upstream = Upstream::listen().await;
    let target = format!("/drop?url={}", upstream.http("/"));
    let (told, mut raw) = tokio::join!(get(host.address, &target), upstream.open());
    told.expect(200, "dropped");
    // With a Close, or without.
    raw.until_end().await;
    drop(raw);
    until("nothing to be left", || {
        host.counters.outbound_live.get() == 0 && host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_gives_its_requests_up() {
    let (host, mut control, upstream) = outward().await;
    fetch(&mut control, &format!("GET {}", upstream.http("/"))).await;
    let (mut raw, _) = upstream.asked().await;
    control.send("die").await;
    raw.expect_end().await;
    until("nothing to be left", || {
        host.counters.outbound_live.get() == 0 && host.counters.instances_live.get() == 0
    })
    .await;
}
