//! The handshake, and the response that makes a socket.

use crate::support::{Answer, Client, Host, Raw, Request, frames, until};
use crate::{ANSWERS, COMMANDER, EARLY, RESPONSES};

/// Send one request to a worker that upgrades everything.
async fn answer_to(request: &Request) -> Answer {
    let host = Host::start(COMMANDER).await;
    request.send(host.address).await
}

#[tokio::test]
async fn a_101_carries_the_accept_key_and_the_workers_headers() {
    let host = Host::start(EARLY).await;
    let answer = Request::upgrade("/").send(host.address).await;
    assert_eq!(answer.status, 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert!(
        answer
            .header("upgrade")
            .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    );
    assert!(
        answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("upgrade"))
    );
    assert_eq!(answer.header("x-custom"), Some("passes"));
}

#[tokio::test]
async fn headers_of_the_handshake_that_the_worker_sets_are_dropped() {
    let host = Host::start(EARLY).await;
    let answer = Request::upgrade("/").send(host.address).await;
    // `header` fails where one stands twice.
    assert_ne!(answer.header("sec-websocket-accept"), Some("forbidden"));
    for name in [
        "sec-websocket-extensions",
        "content-length",
        "transfer-encoding",
    ] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn tokens_of_the_handshake_are_compared_without_regard_to_case_and_in_lists() {
    let request = Request::upgrade("/")
        .with("Upgrade", "WebSocket")
        .with("Connection", "keep-alive, Upgrade");
    assert_eq!(answer_to(&request).await.status, 101);
    let request = Request::upgrade("/")
        .with("Connection", "keep-alive")
        .and("Connection", "upgrade");
    assert_eq!(answer_to(&request).await.status, 101);
    let request = Request::upgrade("/").with("Upgrade", "h2c, websocket");
    assert_eq!(answer_to(&request).await.status, 101);
}

#[tokio::test]
async fn another_version_than_13_is_answered_with_426() {
    for request in [
        Request::upgrade("/").with("Sec-WebSocket-Version", "8"),
        Request::upgrade("/").without("Sec-WebSocket-Version"),
    ] {
        let answer = answer_to(&request).await;
        assert_eq!(answer.status, 426);
        assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        assert!(!answer.body.is_empty(), "a text says why");
    }
}

#[tokio::test]
async fn a_handshake_without_a_key_is_answered_with_400() {
    assert_eq!(
        answer_to(&Request::upgrade("/").without("Sec-WebSocket-Key"))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_handshake_that_is_no_get_is_answered_with_400() {
    assert_eq!(
        answer_to(&Request::upgrade("/").method("POST").body(b""))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_handshake_without_connection_upgrade_is_answered_with_400() {
    assert_eq!(
        answer_to(&Request::upgrade("/").without("Connection"))
            .await
            .status,
        400
    );
    assert_eq!(
        answer_to(&Request::upgrade("/").with("Connection", "keep-alive"))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_handshake_in_http_1_0_is_answered_with_400() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::upgrade("/").version("HTTP/1.0").to_bytes())
        .await;
    assert_eq!(raw.answer().await.status, 400);
}

#[tokio::test]
async fn a_101_to_a_request_that_asked_for_no_websocket_is_a_500() {
    for request in [
        Request::get("/"),
        Request::upgrade("/").with("Upgrade", "h2c"),
    ] {
        assert_eq!(answer_to(&request).await.status, 500);
    }
}

#[tokio::test]
async fn the_worker_answers_before_the_host_looks_at_the_handshake() {
    let host = Host::start(ANSWERS).await;
    let request = Request::upgrade("/forbidden")
        .with("Sec-WebSocket-Version", "8")
        .without("Sec-WebSocket-Key");
    request.send(host.address).await.expect(403, "no");
}

#[tokio::test]
async fn a_worker_that_refuses_an_upgrade_is_heard_and_the_connection_goes_on() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    for (target, status, body) in [
        ("/expected-upgrade", 426, "Expected Upgrade"),
        ("/forbidden", 403, "no"),
    ] {
        raw.write(&Request::upgrade(target).to_bytes()).await;
        raw.answer().await.expect(status, body);
    }
}

#[tokio::test]
async fn a_subprotocol_is_the_workers_to_choose() {
    let host = Host::start(ANSWERS).await;
    // The helper of the SDK chooses "chat" among what is offered.
    let answer = Request::upgrade("/upgrade-helper")
        .with("Sec-WebSocket-Protocol", "super, chat")
        .send(host.address)
        .await;
    assert_eq!(
        (answer.status, answer.header("sec-websocket-protocol")),
        (101, Some("chat"))
    );
    let host = Host::start(EARLY).await;
    // What the worker sets is sent as it is, offered or not.
    let answer = Request::upgrade("/protocol").send(host.address).await;
    assert_eq!(
        (answer.status, answer.header("sec-websocket-protocol")),
        (101, Some("chat"))
    );
    // None is chosen for it.
    let answer = Request::upgrade("/")
        .with("Sec-WebSocket-Protocol", "chat")
        .send(host.address)
        .await;
    assert_eq!(
        (answer.status, answer.header("sec-websocket-protocol")),
        (101, None)
    );
}

#[tokio::test]
async fn no_extension_is_agreed_on_that_the_host_does_not_serve() {
    let answer =
        answer_to(&Request::upgrade("/").with("Sec-WebSocket-Extensions", "x-unknown; a=1")).await;
    assert_eq!(
        (answer.status, answer.header("sec-websocket-extensions")),
        (101, None)
    );
}

#[tokio::test]
async fn the_upgrade_helper_answers_426_to_a_request_that_is_no_upgrade() {
    let host = Host::start(ANSWERS).await;
    assert_eq!(
        Request::get("/upgrade-helper")
            .send(host.address)
            .await
            .status,
        426
    );
}

#[tokio::test]
async fn messages_sent_before_the_101_come_first_and_in_order() {
    let host = Host::start(EARLY).await;
    let mut client = Client::connect(host.address, "/messages").await;
    client.send("hello").await;
    client.expect("early1").await;
    assert_eq!(client.message().await.into_data(), b"early2".as_slice());
    client.expect("hello").await;
}

#[tokio::test]
async fn a_close_before_the_101_comes_behind_it() {
    let host = Host::start(EARLY).await;
    let mut client = Client::connect(host.address, "/close").await;
    client.expect_close(4002, "early").await;
    client.expect_end().await;
    let mut client = Client::connect(host.address, "/both").await;
    client.expect("early").await;
    client.expect_close(1005, "").await;
    client.expect_end().await;
}

#[tokio::test]
async fn frames_in_the_segment_of_the_handshake_are_not_lost() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::connect(host.address).await;
    let first = [
        Request::upgrade("/").to_bytes(),
        frames::text("one"),
        frames::text("two"),
    ]
    .concat();
    // And a frame that is cut in two there.
    let third = frames::text("three");
    raw.write(&[&first[..], &third[..3]].concat()).await;
    assert_eq!(raw.answer().await.status, 101);
    raw.expect_text("one").await;
    raw.expect_text("two").await;
    raw.write(&third[3..]).await;
    raw.expect_text("three").await;
}

#[tokio::test]
async fn an_end_that_was_accepted_cannot_be_sent_and_the_client_gets_no_socket() {
    let host = Host::start(RESPONSES).await;
    let answer = Request::upgrade("/accepted").send(host.address).await;
    answer.expect(200, "AlreadyAccepted");
    let answer = Request::upgrade("/accepted-and-silent")
        .send(host.address)
        .await;
    assert_eq!(answer.status, 500);
}

#[tokio::test]
async fn a_handler_that_fails_after_it_made_a_socket_is_a_500_and_leaves_nothing() {
    let host = Host::start(EARLY).await;
    let answer = Request::upgrade("/fails").send(host.address).await;
    assert_eq!(answer.status, 500);
    let answer = Request::upgrade("/other-response").send(host.address).await;
    answer.expect(200, "no upgrade");
    // The ends that nobody holds any more keep no instance alive.
    until("the instances to be dropped", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_101_needs_a_socket_and_a_socket_needs_a_101() {
    let host = Host::start(RESPONSES).await;
    for target in ["/101-without-socket", "/101-with-body", "/200-with-socket"] {
        let answer = Request::upgrade(target).send(host.address).await;
        assert_eq!(answer.status, 200, "{target}");
        assert!(
            answer.text().starts_with("InvalidResponse"),
            "{target}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_request_is_answered_once() {
    let host = Host::start(RESPONSES).await;
    let mut client = Client::connect(host.address, "/twice").await;
    assert!(client.text().await.starts_with("UnknownRequest"));
}

#[tokio::test]
async fn a_connection_that_has_served_requests_can_be_upgraded() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::get("/forbidden").to_bytes()).await;
    raw.answer().await.expect(403, "no");
    // Both at once: the request, and the upgrade behind it.
    let upgrade = Request::upgrade("/upgrade-helper").with("Sec-WebSocket-Protocol", "chat");
    raw.write(&[Request::get("/sleep?ms=20").to_bytes(), upgrade.to_bytes()].concat())
        .await;
    raw.answer().await.expect(200, "slept");
    assert_eq!(raw.answer().await.status, 101);
    raw.expect_text("welcome").await;
}

#[tokio::test]
async fn connections_fill_one_instance_after_the_other() {
    let host = Host::with(COMMANDER, |config| config.sockets_per_instance = 2).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::connect(host.address, "/").await);
    }
    assert_eq!(host.counters.instances_live.get(), 3);
    for client in &mut clients {
        client.ask("echo hello", "hello").await;
        client.close(1000, "").await;
        client.expect_close(1000, "").await;
    }
    // An instance lives as long as its sockets.
    until("the instances to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_key_is_taken_as_it_is() {
    // As in Cloudflare's system, which does not ask for 16 bytes in base64.
    let answer = answer_to(&Request::upgrade("/").with("Sec-WebSocket-Key", "no key")).await;
    assert_eq!(answer.status, 101);
    assert!(answer.header("sec-websocket-accept").is_some());
}

#[tokio::test]
async fn a_handshake_may_arrive_byte_by_byte() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::connect(host.address).await;
    let all = [
        Request::upgrade("/").to_bytes(),
        frames::text("and a frame"),
    ]
    .concat();
    for byte in all {
        raw.write(&[byte]).await;
    }
    assert_eq!(raw.answer().await.status, 101);
    raw.expect_text("and a frame").await;
}

#[tokio::test]
async fn a_client_that_leaves_before_its_101_is_lost_to_the_worker() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::upgrade("/late-upgrade?ms=200").to_bytes())
        .await;
    until("the request to be under way", || {
        host.counters.requests.get() == 1
    })
    .await;
    drop(raw);
    until("the instance to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
    assert_eq!(
        (host.counters.sockets_live.get(), host.counters.faults.get()),
        (0, 0)
    );
}

#[tokio::test]
async fn of_a_pair_only_one_end_leaves() {
    let host = Host::shared(RESPONSES).await;
    let mut held = Raw::connect(host.address).await;
    held.write(&Request::upgrade("/hold").to_bytes()).await;
    until("the request to be under way", || {
        host.counters.requests.get() == 1
    })
    .await;
    let first = Request::upgrade("/both-ends").send(host.address).await;
    assert_eq!(first.status, 101);
    held.answer().await.expect(200, "AlreadyUsed");
}
