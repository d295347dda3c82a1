//! Sockets that are an object's own: how they are taken, and what reaches their handlers. How they end stands in
//! `hibernatable_end`.

use pairway_host::DurableObject;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Host, Observer, Raw, Request, frames, get, within};
use crate::{BARE_OBJECT, ROOM};

/// A host, an observer of the lobby, and a connection to it.
pub(crate) async fn observed() -> (Host, Observer, Raw) {
    observed_at("/").await
}

pub(crate) async fn observed_at(target: &str) -> (Host, Observer, Raw) {
    let host = Host::start(ROOM).await;
    let observer = Observer::connect(host.address).await;
    let raw = Raw::open(host.address, target).await;
    (host, observer, raw)
}

/// How many sockets the lobby has, its observers not among them.
pub(crate) async fn count(host: &Host) -> String {
    get(host.address, "/room/lobby/count")
        .await
        .text()
        .to_owned()
}

/// The lines with which the object that speaks to the bare interface answers.
pub(crate) async fn bare(target: &str) -> Vec<String> {
    let answer = get(bare_host().await.address, target).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().lines().map(str::to_owned).collect()
}

async fn bare_host() -> Host {
    Host::with(BARE_OBJECT, |config| {
        // It says nothing of the classes that it has.
        config.durable_objects.push(DurableObject {
            name: "BARE".to_owned(),
            class_name: "Bare".to_owned(),
            hibernate_after_ms: None,
        });
    })
    .await
}

#[tokio::test]
async fn an_end_is_taken_once_and_in_one_way() {
    let expected = [
        "NotAccepted",
        "ok",
        "AlreadyAccepted",
        "AlreadyAccepted",
        "AlreadyUsed",
        "ok",
        "listed true",
        // A standard socket cannot become hibernatable.
        "ok",
        "AlreadyAccepted",
        "ok",
        // Nor can one whose other end is accepted.
        "ok",
        "AlreadyUsed",
        "ok",
        "more 1",
    ];
    assert_eq!(bare("/accepting").await, expected);
}

#[tokio::test]
async fn an_end_is_taken_before_the_other_leaves_and_does_not_leave_itself() {
    let host = bare_host().await;
    let mut raw = Raw::open(host.address, "/leaving").await;
    let (code, _) = raw.frame().await.into_close();
    assert_eq!(code, 1011, "nobody has accepted the other end");
    get(host.address, "/seen")
        .await
        .expect(200, "AlreadyAccepted\nok\nAlreadyUsed");
}

#[tokio::test]
async fn a_stateless_worker_has_nothing_of_what_an_object_has() {
    let lines = bare("/outside").await;
    let (last, refusals) = lines.split_last().expect("it answers");
    assert_eq!(refusals, ["NotAnObject"; 28]);
    assert_eq!(last, "ok");
}

#[tokio::test]
async fn an_id_that_is_no_hibernatable_sockets_is_unknown() {
    assert_eq!(bare("/unknown").await, ["UnknownSocket(id)"; 12]);
}

#[tokio::test]
async fn event_timeout_and_keep_alive_end_at_seven_days() {
    let expected = [
        "Ok(None)",
        "ok",
        "Ok(Some(604800000))",
        "TimeoutTooLong(604800000)",
        "Ok(Some(604800000))",
        // Zero is none.
        "ok",
        "Ok(None)",
        "ok",
        "Ok(Some(5))",
        "ok",
        "Ok(None)",
        "ok",
        "TimeoutTooLong(604800000)",
        "TimeoutTooLong(604800000)",
    ];
    assert_eq!(bare("/timeouts").await, expected);
}

#[tokio::test]
async fn messages_of_both_kinds_reach_the_handler_and_its_answers_the_client() {
    let host = Host::start(ROOM).await;
    let mut observer = Observer::connect(host.address).await;
    let mut client = Client::connect(host.address, "/").await;
    for message in [
        Message::text("é𝄞"),
        Message::text(""),
        Message::binary(vec![0, 255]),
        Message::binary(Vec::new()),
    ] {
        client.send(message.clone()).await;
        assert_eq!(client.message().await, message);
    }
    let expected = [
        "message Open é𝄞",
        "message Open ",
        "binary Open [0, 255]",
        "binary Open []",
    ];
    assert_eq!(observer.lines().await, expected);
}

#[tokio::test]
async fn two_thousand_pipelined_messages_are_handled_in_order() {
    let host = Host::start(ROOM).await;
    let mut observer = Observer::connect(host.address).await;
    let mut client = Client::connect(host.address, "/").await;
    let words = || (0..2000).map(|at| format!("message-{at}"));
    client.send_all(words()).await;
    for word in words() {
        client.expect(&word).await;
        observer.expect(&format!("message Open {word}")).await;
    }
}

#[tokio::test]
async fn handlers_of_one_socket_start_in_order_and_overlap_where_they_wait() {
    let host = Host::start(ROOM).await;
    let mut client = Client::connect(host.address, "/").await;
    let commands = ["sleep 300 A", "sleep 100 B", "plain"];
    client
        .send_all(commands.into_iter().map(str::to_owned))
        .await;
    for word in ["start A", "start B", "plain", "end B", "end A"] {
        client.expect(word).await;
    }
}

#[tokio::test]
async fn a_handler_that_waits_holds_up_neither_other_sockets_nor_requests() {
    let (host, _observer, mut raw) = observed().await;
    raw.send("wait").await;
    raw.expect_text("waiting").await;
    let mut other = Client::connect(host.address, "/").await;
    other.ask("hello", "hello").await;
    raw.send("hello").await;
    raw.expect_text("hello").await;
    get(host.address, "/room/lobby/release")
        .await
        .expect(200, "");
    raw.expect_text("released").await;
}

#[tokio::test]
async fn an_error_of_a_handler_undoes_nothing_and_closes_nothing() {
    let (host, mut observer, mut raw) = observed().await;
    raw.send("instance").await;
    let instance = raw.frame().await.into_text();
    raw.send("fail").await;
    raw.expect_text("sent before the failure").await;
    raw.expect_text("broadcast before the failure").await;
    for (question, answer) in [
        ("instance", &instance[..]),
        ("tags", r#"["set before the failure"]"#),
        ("attachment", r#"Some("left before the failure")"#),
        ("state", "Open"),
    ] {
        raw.send(question).await;
        raw.expect_text(answer).await;
    }
    assert_eq!(host.counters.faults.get(), 0);
    let lines = observer.lines().await;
    assert!(
        !lines.iter().any(|line| line.starts_with("error")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn what_was_sent_before_the_101_comes_first() {
    let (_host, _observer, mut raw) = observed_at("/early").await;
    raw.expect_text("early1").await;
    raw.expect_text("early2").await;
    raw.send("hello").await;
    raw.expect_text("hello").await;
}

#[tokio::test]
async fn a_socket_may_be_closed_before_the_101() {
    let (host, mut observer, mut raw) = observed_at("/early-close").await;
    raw.expect_close(4002, "early").await;
    assert_eq!(count(&host).await, "1");
    raw.write(&frames::close(4002, "early")).await;
    raw.expect_end().await;
    observer
        .expect("close 4002 true Closed Closed ok early")
        .await;
    assert_eq!(count(&host).await, "0");
}

#[tokio::test]
async fn what_arrives_together_with_the_handshake_is_handled() {
    let host = Host::start(ROOM).await;
    let mut raw = Raw::connect(host.address).await;
    let handshake = Request::upgrade("/").to_bytes();
    raw.write(&[handshake, frames::text("at once")].concat())
        .await;
    assert_eq!(raw.answer().await.status, 101);
    raw.expect_text("at once").await;
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_no_socket() {
    for (target, status) in [("/failed", 500), ("/refused", 403)] {
        let host = Host::start(ROOM).await;
        let mut observer = Observer::connect(host.address).await;
        let answer = Request::upgrade(target).send(host.address).await;
        assert_eq!(answer.status, status);
        within("the socket to be gone", async {
            while count(&host).await != "0" {}
        })
        .await;
        for line in observer.lines().await {
            assert!(line.starts_with("close 10"), "{line}");
        }
        assert_eq!(host.counters.faults.get(), 0);
    }
}

#[tokio::test]
async fn a_handler_knows_the_request_that_its_socket_came_with() {
    let host = Host::start(ROOM).await;
    let mut raw = Raw::connect(host.address).await;
    let request = Request::upgrade("/room/lobby/socket?x=1").with("X-Test", "from the client");
    raw.write(&request.to_bytes()).await;
    assert_eq!(raw.answer().await.status, 101);
    raw.send("uri").await;
    raw.expect_text("http://worker.test/room/lobby/socket?x=1")
        .await;
    raw.send("header x-test").await;
    raw.expect_text("from the client").await;
}

#[tokio::test]
async fn pings_and_pongs_are_the_hosts() {
    let (host, mut observer, mut raw) = observed().await;
    raw.send("hello").await;
    raw.expect_text("hello").await;
    observer.expect("message Open hello").await;
    let turns = host.counters.turns.get();
    for length in [0, 125] {
        let payload = vec![b'p'; length];
        raw.write(&frames::frame(frames::FIN | frames::PONG, &payload))
            .await;
        raw.write(&frames::ping(&payload)).await;
        let pong = raw.frame().await;
        assert_eq!(
            (pong.first, pong.payload),
            (frames::FIN | frames::PONG, payload)
        );
    }
    assert_eq!(host.counters.turns.get(), turns);
}

#[tokio::test]
async fn events_without_a_handler_are_dropped_and_the_peer_is_answered_all_the_same() {
    let host = Host::start(ROOM).await;
    let target = "/in/SIDE_ROOM/any";
    let mut raw = Raw::open(host.address, target).await;
    raw.send("nobody cares").await;
    raw.write(&frames::ping(b"p")).await;
    assert_eq!(raw.frame().await.first, frames::FIN | frames::PONG);
    get(host.address, target).await.expect(200, "1");
    raw.write(&frames::close(4000, "bye")).await;
    raw.expect_close(4000, "bye").await;
    raw.expect_end().await;
    get(host.address, target).await.expect(200, "0");
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn a_standard_socket_of_an_object_is_not_among_its_hibernatable_ones() {
    let (host, mut observer, mut raw) = observed_at("/room/lobby/standard").await;
    raw.send("hello").await;
    raw.expect_text("standard hello").await;
    assert_eq!(count(&host).await, "0");
    raw.write(&frames::close(1000, "")).await;
    raw.expect_close(1000, "").await;
    raw.expect_end().await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn an_object_has_so_many_sockets() {
    let host = Host::with(ROOM, |config| config.limits.sockets = 4).await;
    let mut members = Vec::new();
    for _ in 0..4 {
        members.push(Raw::open(host.address, "/").await);
    }
    let refused = Request::upgrade("/").send(host.address).await;
    refused.expect(409, "TooManySockets");
    // Another object counts for itself, and a place that becomes free is taken.
    Raw::open(host.address, "/room/other").await;
    let mut leaving = members.remove(0);
    leaving.write(&frames::close(1000, "")).await;
    leaving.expect_close(1000, "").await;
    leaving.expect_end().await;
    assert_eq!(count(&host).await, "3");
    Raw::open(host.address, "/").await;
}

#[tokio::test]
async fn an_object_has_as_many_sockets_as_it_may_also_when_all_have_something_to_say() {
    let host = Host::with(ROOM, |config| config.limits.sockets = 4).await;
    let mut members = Vec::new();
    for _ in 0..4 {
        let mut raw = Raw::open(host.address, "/").await;
        raw.send("hello").await;
        raw.expect_text("hello").await;
        members.push(raw);
    }
}
