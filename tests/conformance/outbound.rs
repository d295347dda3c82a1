//! Sockets to other servers: how they are opened, and why they are not.

use pairway_host::Config;

use crate::support::{Client, Host, Upstream, frames, get, pattern, to_loopback, until};
use crate::{CALLER, OUTWARD};

/// A worker, the socket it takes commands from, and a server that it may reach.
pub(crate) async fn outward_with(set: impl FnOnce(&mut Config)) -> (Host, Client, Upstream) {
    let host = Host::with(OUTWARD, |config| {
        to_loopback(config);
        set(config);
    })
    .await;
    let control = Client::connect(host.address, "/").await;
    (host, control, Upstream::listen().await)
}

pub(crate) async fn outward() -> (Host, Client, Upstream) {
    outward_with(|_| ()).await
}

#[tokio::test]
async fn a_socket_opens_and_carries_text_and_binary_both_ways() {
    let (_host, mut control, upstream) = outward().await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let mut server = upstream.accept().await;
    control.expect("open 0 Open").await;
    control.ask("send 0 to the server", "send ok").await;
    server.expect("to the server").await;
    server.send("to the worker").await;
    control.expect("text 0 to the worker").await;
    control.ask("bytes 0 300", "bytes ok").await;
    assert_eq!(server.message().await.into_data(), pattern(300));
    server.send(pattern(300)).await;
    control.expect("binary 0 300").await;
}

#[tokio::test]
async fn messages_of_every_size_come_back_as_they_were() {
    let (_host, mut control, upstream) = outward().await;
    control
        .ask(
            &format!("connect {}\necho 0", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    control.expect("echo ok").await;
    let mut server = upstream.accept().await;
    for text in ["", "a", "\u{1f980}", &"x".repeat(125), &"y".repeat(126)] {
        server.ask(text, text).await;
    }
    for size in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
        server.send(pattern(size)).await;
        assert_eq!(server.message().await.into_data(), pattern(size));
    }
}

#[tokio::test]
async fn what_was_agreed_on_is_reported() {
    let (_host, mut control, upstream) = outward().await;
    let url = upstream.url("/room?name=lobby");
    let command = format!("connect {url} protocol=a protocol=b\nabout 0");
    control.ask(&command, "connect 0 Connecting").await;
    // Nothing is agreed on yet.
    control
        .expect(&format!("about Connecting {url} [] []"))
        .await;
    let _raw = upstream.open_with("Sec-WebSocket-Protocol: b\r\n").await;
    control.expect("open 0 Open").await;
    control
        .ask("about 0", &format!("about Open {url} [b] []"))
        .await;
}

#[tokio::test]
async fn headers_and_subprotocols_go_out() {
    let (_host, mut control, upstream) = outward().await;
    let url = upstream.url("/room?name=lobby");
    let options = "protocol=a protocol=b header=x-own:1 header=authorization:secret";
    control
        .ask(&format!("connect {url} {options}"), "connect 0 Connecting")
        .await;
    let (_raw, asked) = upstream.asked().await;
    assert_eq!(asked.line, "GET /room?name=lobby HTTP/1.1");
    let authority = upstream.address.to_string();
    for (name, value) in [
        ("host", Some(authority.as_str())),
        ("upgrade", Some("websocket")),
        ("connection", Some("Upgrade")),
        ("sec-websocket-version", Some("13")),
        ("sec-websocket-protocol", Some("a, b")),
        ("x-own", Some("1")),
        ("authorization", Some("secret")),
        (
            "sec-websocket-extensions",
            Some(
                "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits",
            ),
        ),
        ("origin", None),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn every_frame_to_the_server_is_masked() {
    let (_host, mut control, upstream) = outward().await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let mut raw = upstream.open().await;
    control.expect("open 0 Open").await;
    raw.write(&frames::unmasked(0x89, b"ping")).await;
    let pong = raw.frame().await;
    assert_eq!(
        (pong.first, pong.masked, &pong.payload[..]),
        (0x8a, true, &b"ping"[..])
    );
    control
        .send("send 0 text\nbytes 0 70000\nclose 0 4000 bye")
        .await;
    for (first, length) in [(0x81, 4), (0x82, 70_000), (0x88, 5)] {
        let frame = raw.frame().await;
        assert_eq!(
            (frame.first, frame.masked, frame.payload.len()),
            (first, true, length)
        );
    }
}

#[tokio::test]
async fn nothing_can_be_done_with_a_socket_that_is_connecting() {
    let (_host, mut control, upstream) = outward().await;
    let connect = format!("connect {}", upstream.url("/"));
    control
        .send(format!("{connect}\nsend 0 early\naccept 0"))
        .await;
    for line in [
        "connect 0 Connecting",
        "send Connecting",
        "accept Connecting",
    ] {
        control.expect(line).await;
    }
    let (mut raw, asked) = upstream.asked().await;
    control.ask("send 0 early", "send Connecting").await;
    control.ask("accept 0", "accept Connecting").await;
    raw.write(asked.switching("").as_bytes()).await;
    control.expect("open 0 Open").await;
    // It is accepted.
    control.ask("accept 0", "accept ok").await;
    control.ask("send 0 now", "send ok").await;
    raw.expect_text("now").await;
}

#[tokio::test]
async fn a_close_gives_the_handshake_up() {
    let (host, mut control, upstream) = outward().await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let (mut raw, _) = upstream.asked().await;
    control
        .ask("close 0 4000 enough\nabout 0", "close ok")
        .await;
    assert!(control.text().await.starts_with("about Closing"));
    let line = control.text().await;
    assert_eq!(line, "error 0 the socket was closed before it was open");
    let line = control.text().await;
    assert!(line.starts_with("close 0 1006 false Closed"), "{line}");
    raw.expect_end().await;
    until("the place to be free", || {
        host.counters.outbound_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_close_in_the_turn_of_the_connect_gives_it_up_too() {
    let (_host, mut control, upstream) = outward().await;
    control
        .ask(
            &format!("connect {}\nclose 0", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    control.expect("close ok").await;
    assert!(
        control
            .text()
            .await
            .starts_with("error 0 the socket was closed")
    );
    assert!(
        control
            .text()
            .await
            .starts_with("close 0 1006 false Closed")
    );
}

#[tokio::test]
async fn the_future_of_the_sdk_gives_an_open_socket() {
    let host = Host::with(CALLER, to_loopback).await;
    let upstream = Upstream::listen().await;
    let target = format!("/once?url={}", upstream.url("/x"));
    let serving = async {
        let (mut raw, asked) = upstream.open_with("Sec-WebSocket-Protocol: b\r\n").await;
        assert_eq!(asked.header("sec-websocket-protocol"), Some("a, b"));
        assert_eq!(asked.header("x-own"), Some("1"));
        raw.expect_text("question").await;
        raw.write(&frames::unmasked(0x81, b"answer")).await;
        raw.expect_close(4000, "done").await;
        raw.write(&frames::unmasked_close(4000, "")).await;
        raw.expect_end().await;
    };
    let (answer, ()) = tokio::join!(get(host.address, &target), serving);
    let told = format!(
        "Open Some({:?}) [b] [] Some(Text(\"answer\"))",
        upstream.url("/x")
    );
    answer.expect(200, &told);
}

#[tokio::test]
async fn the_future_of_the_sdk_fails_with_the_reason() {
    let host = Host::with(CALLER, to_loopback).await;
    let upstream = Upstream::listen().await;
    let address = upstream.address;
    let target = format!("/failing?url={}", upstream.url("/"));
    let answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    let (told, _) = tokio::join!(get(host.address, &target), upstream.answer(answer));
    assert!(
        told.text()
            .starts_with("SocketFailed(\"127.0.0.1 answered 503"),
        "{told:?}"
    );
    drop(upstream);
    for (url, expected) in [
        (
            format!("ws://{address}/"),
            "SocketFailed(\"cannot connect to 127.0.0.1",
        ),
        ("ws://10.0.0.1/".to_owned(), "NotAllowed("),
        ("http://127.0.0.1/".to_owned(), "InvalidUrl("),
    ] {
        let told = get(host.address, &format!("/failing?url={url}")).await;
        assert!(told.text().starts_with(expected), "{told:?}");
    }
}

#[tokio::test]
async fn dropping_the_future_of_the_sdk_gives_the_handshake_up() {
    let host = Host::with(CALLER, to_loopback).await;
    let upstream = Upstream::listen().await;
    let target = format!("/impatient?url={}", upstream.url("/"));
    let serving = async {
        let (mut raw, _) = upstream.asked().await;
        raw.expect_end().await;
    };
    let (answer, ()) = tokio::join!(get(host.address, &target), serving);
    answer.expect(200, "Err(Elapsed)");
}

#[tokio::test]
async fn a_server_with_a_window_that_nobody_can_compress_for_gets_messages_as_they_are() {
    let (_host, mut control, upstream) = outward().await;
    control
        .ask(
            &format!("connect {}", upstream.url("/")),
            "connect 0 Connecting",
        )
        .await;
    let agreed = "permessage-deflate; server_no_context_takeover; client_max_window_bits=8";
    let (mut raw, _) = upstream
        .open_with(&format!("Sec-WebSocket-Extensions: {agreed}\r\n"))
        .await;
    control.expect("open 0 Open").await;
    control.ask("bytes 0 70000", "bytes ok").await;
    let frame = raw.frame().await;
    assert_eq!((frame.first, frame.payload), (0x82, pattern(70_000)));
    // The server may compress all the same: an empty message, RFC 7692, 7.2.3.6.
    raw.write(&frames::unmasked(0xc1, b"\0")).await;
    control.expect("text 0 ").await;
}
