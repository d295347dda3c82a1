//! Requests and responses without a socket.

use crate::support::{Client, Host, Raw, Request, get, pattern};
use crate::{ANSWERS, RESPONSES};

#[tokio::test]
async fn the_worker_sees_the_whole_request() {
    let host = Host::start(ANSWERS).await;
    let request = Request::get("/request?a=1&b=%20x")
        .method("POST")
        .with("X-Mixed-Case", "Value")
        .and("X-Twice", "one")
        .and("X-Twice", "two")
        .with("Upgrade", "websocket")
        .with("Connection", "Upgrade")
        .body("bodyé".as_bytes());
    let answer = request.send(host.address).await;
    let lines: Vec<&str> = answer.text().lines().collect();
    assert_eq!(
        lines[..2],
        ["method Post", "uri http://worker.test/request?a=1&b=%20x"]
    );
    assert!(lines[2].starts_with("peer 127.0.0.1:"), "{}", lines[2]);
    let expected = [
        "header host: worker.test",
        "header x-mixed-case: Value",
        "header x-twice: one",
        "header x-twice: two",
        "header upgrade: websocket",
        "header connection: Upgrade",
        "header content-length: 6",
        "body bodyé",
    ];
    assert_eq!(lines[3..], expected);
}

#[tokio::test]
async fn the_client_sees_the_workers_status_headers_and_body() {
    let host = Host::start(ANSWERS).await;
    let answer = get(host.address, "/headers").await;
    answer.expect(200, "body");
    assert_eq!(answer.header("x-custom"), Some("passes"));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    get(host.address, "/nowhere").await.expect(404, "Not Found");
}

#[tokio::test]
async fn headers_that_frame_the_message_are_the_hosts() {
    let host = Host::start(ANSWERS).await;
    let answer = get(host.address, "/headers").await;
    assert_eq!(answer.header("content-length"), Some("4"));
    for name in ["transfer-encoding", "connection", "upgrade"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    // But a 426 names the protocol to upgrade to.
    let answer = get(host.address, "/expected-upgrade").await;
    assert_eq!(answer.header("upgrade"), Some("websocket"));
}

#[tokio::test]
async fn one_connection_serves_requests_one_after_the_other() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    let pipelined = [
        Request::get("/sleep?ms=50").to_bytes(),
        Request::get("/forbidden").to_bytes(),
    ]
    .concat();
    raw.write(&pipelined).await;
    raw.answer().await.expect(200, "slept");
    raw.answer().await.expect(403, "no");
    assert_eq!(host.counters.connections.get(), 1);
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::get("/forbidden").method("HEAD").to_bytes())
        .await;
    assert_eq!(raw.head().await.status, 403);
    // What follows is the next answer.
    raw.write(&Request::get("/forbidden").to_bytes()).await;
    raw.answer().await.expect(403, "no");
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    let host = Host::start(ANSWERS).await;
    assert_eq!(get(host.address, "/large").await.body.len(), 3 << 20);
    let body = pattern(2_000_000);
    let answer = Request::get("/echo")
        .method("PUT")
        .body(&body)
        .send(host.address)
        .await;
    assert!(answer.body == body, "it came back changed");
    let answer = Request::get("/echo")
        .method("PUT")
        .chunked(&[b"in ", b"pieces"])
        .send(host.address)
        .await;
    answer.expect(200, "in pieces");
}

#[tokio::test]
async fn a_handler_may_wait_before_it_answers_and_others_are_served_meanwhile() {
    let host = Host::with(ANSWERS, |config| config.sockets_per_instance = 10).await;
    let (slow, fast) = tokio::join!(
        get(host.address, "/sleep?ms=300"),
        get(host.address, "/forbidden")
    );
    slow.expect(200, "slept");
    fast.expect(403, "no");
}

#[tokio::test]
async fn a_response_may_come_in_a_later_turn() {
    let host = Host::start(RESPONSES).await;
    get(host.address, "/later").await.expect(200, "later");
}

#[tokio::test]
async fn a_handler_that_fails_is_a_500() {
    let host = Host::start(ANSWERS).await;
    get(host.address, "/fail")
        .await
        .expect(500, "Internal Server Error");
    get(host.address, "/bad-response")
        .await
        .expect(500, "Internal Server Error");
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn a_request_that_the_worker_fails_is_a_500_without_its_text() {
    let host = Host::start(RESPONSES).await;
    let answer = get(host.address, "/fail").await;
    answer.expect(500, "Internal Server Error");
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn a_request_to_which_no_response_can_come_any_more_is_a_500() {
    let host = Host::start(RESPONSES).await;
    assert_eq!(get(host.address, "/silent").await.status, 500);
}

#[tokio::test]
async fn a_response_that_http_cannot_carry_is_refused_and_the_request_still_waits() {
    let host = Host::start(RESPONSES).await;
    for target in ["/99", "/199", "/600", "/header-name", "/header-value"] {
        let answer = get(host.address, target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert!(
            answer.text().starts_with("InvalidResponse"),
            "{target}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_holds_nothing() {
    let host = Host::start(RESPONSES).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::get("/later").to_bytes()).await;
    drop(raw);
    get(host.address, "/").await.expect(200, "fine");
    crate::support::until("the instances to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_with_400() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(b"this is no HTTP\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 400);
}

#[tokio::test]
async fn variables_reach_the_worker_and_nothing_else_of_the_environment_does() {
    let host = Host::with(ANSWERS, |config| {
        config
            .vars
            .insert("GREETING".to_owned(), "hello".to_owned());
    })
    .await;
    get(host.address, "/var").await.expect(200, "hello");
    get(host.address, "/vars")
        .await
        .expect(200, "GREETING=hello");
    let host = Host::start(ANSWERS).await;
    assert_eq!(get(host.address, "/var").await.status, 500);
}

#[tokio::test]
async fn connections_that_share_an_instance_share_its_memory() {
    let host = Host::shared(ANSWERS).await;
    // Its socket keeps the instance.
    let _client = Client::connect(host.address, "/upgrade-helper").await;
    get(host.address, "/count").await.expect(200, "2");
    get(host.address, "/count").await.expect(200, "3");
    assert_eq!(host.counters.instances.get(), 1);
}

#[tokio::test]
async fn connections_that_do_not_share_an_instance_share_nothing() {
    let host = Host::start(ANSWERS).await;
    let _client = Client::connect(host.address, "/upgrade-helper").await;
    get(host.address, "/count").await.expect(200, "1");
    get(host.address, "/count").await.expect(200, "1");
}

#[tokio::test]
async fn a_worker_has_time_and_chance_but_neither_files_nor_network() {
    let host = Host::start(ANSWERS).await;
    let expected = [
        "file refused",
        "folder refused",
        "new file refused",
        "network refused",
        "listener refused",
        "arguments 1",
        "clock reached",
        "random reached",
    ];
    get(host.address, "/reach")
        .await
        .expect(200, &expected.join("\n"));
}

#[tokio::test]
async fn a_client_that_asks_first_whether_to_send_its_body_is_told_to() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    let whole = Request::get("/echo")
        .method("POST")
        .with("Expect", "100-continue")
        .body(b"body")
        .to_bytes();
    let (head, body) = whole.split_at(whole.len() - 4);
    raw.write(head).await;
    assert_eq!(raw.head().await.status, 100);
    raw.write(body).await;
    raw.answer().await.expect(200, "body");
}

#[tokio::test]
async fn a_client_that_wants_the_connection_closed_gets_its_answer_and_the_end() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(
        &Request::get("/forbidden")
            .with("Connection", "close")
            .to_bytes(),
    )
    .await;
    let answer = raw.answer().await;
    answer.expect(403, "no");
    raw.expect_end().await;
}

#[tokio::test]
async fn a_uri_that_is_absolute_already_stays_as_it_is() {
    let host = Host::start(ANSWERS).await;
    let answer = get(host.address, "http://other.test/request?a").await;
    assert_eq!(
        answer.text().lines().nth(1),
        Some("uri http://other.test/request?a")
    );
}

#[tokio::test]
async fn headers_need_not_be_text() {
    let host = Host::start(ANSWERS).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(b"GET /request HTTP/1.1\r\nHost: worker.test\r\nX-Bytes: a\xffb\r\n\r\n")
        .await;
    let answer = raw.answer().await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("header x-bytes: a\u{fffd}b"),
        "{}",
        answer.text()
    );
}
