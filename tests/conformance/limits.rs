//! Bounds, and what happens at each of them.

use std::time::{Duration, Instant};

use crate::support::{
    Answer, Client, Host, Observer, Raw, Request, frames, get, pattern, until, within,
};
use crate::{ANSWERS, COMMANDER, ENDS, OUTBOX};

const MESSAGE_MAX: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn a_message_of_exactly_32_mib_is_accepted() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    let message = pattern(MESSAGE_MAX);
    let writing = raw.write_along(frames::binary(&message));
    assert!(raw.frame().await.payload == message, "it came back changed");
    writing.await.expect("everything was read");
}

#[tokio::test]
async fn a_message_of_one_byte_more_is_1009_as_soon_as_its_header_is_there() {
    let host = Host::shared(COMMANDER).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.write(&frames::head(
        frames::FIN | frames::BINARY,
        MESSAGE_MAX + 1,
        true,
    ))
    .await;
    raw.expect_close(1009, "Message is too large: 33554433 > 33554432")
        .await;
    raw.expect_end().await;
    observer.expect("error Closed ok ok").await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_length_that_no_memory_holds_fails_the_connection() {
    let host = Host::start(COMMANDER).await;
    for length in [1_usize << 40, usize::MAX >> 1, usize::MAX] {
        let mut raw = Raw::open(host.address, "/").await;
        raw.write(&frames::head(frames::FIN | frames::BINARY, length, true))
            .await;
        let (code, _) = raw.frame().await.into_close();
        assert!([1002, 1009].contains(&code), "{code}");
        raw.expect_end().await;
    }
}

#[tokio::test]
async fn the_bound_on_a_message_counts_all_its_fragments() {
    let host = Host::with(COMMANDER, |config| config.limits.message_bytes = 1_000).await;
    let mut raw = Raw::open(host.address, "/").await;
    let (first, rest) = (
        frames::frame(frames::TEXT, &[b'x'; 600]),
        |length: usize| frames::frame(frames::FIN | frames::CONTINUATION, &vec![b'x'; length]),
    );
    raw.write(&[&first[..], &rest(400)].concat()).await;
    assert_eq!(raw.frame().await.into_text().len(), 1_000);
    raw.write(&[&first[..], &rest(401)].concat()).await;
    raw.expect_failed(1009).await;
}

#[tokio::test]
async fn what_the_worker_sends_may_be_larger_than_what_it_receives() {
    let host = Host::with(COMMANDER, |config| config.limits.message_bytes = 1_000).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("large 100000").await;
    assert_eq!(raw.frame().await.payload.len(), 100_000);
}

#[tokio::test]
async fn an_instance_holds_so_many_sockets() {
    let host = Host::with(ENDS, |config| config.limits.sockets = 10).await;
    get(host.address, "/many")
        .await
        .expect(200, "5\nTooManySockets(10)");
}

#[tokio::test]
async fn sockets_that_are_over_are_not_counted() {
    let host = Host::with(COMMANDER, |config| {
        config.sockets_per_instance = 10;
        config.limits.sockets = 10;
    })
    .await;
    let mut first = Client::connect(host.address, "/").await;
    for at in 0..50 {
        let mut client = Raw::open(host.address, "/").await;
        client.send("hello").await;
        client.expect_text("hello").await;
        // Each ends in another way.
        match at % 4 {
            0 => client.reset(),
            1 => drop(client),
            2 => {
                client.write(&frames::close(1000, "")).await;
                client.expect_close(1000, "").await;
                drop(client);
            }
            _ => {
                client.write(&frames::frame(0x3, b"")).await;
                client.expect_failed(1002).await;
                drop(client);
            }
        }
        until("the socket to be gone", || {
            host.counters.sockets_live.get() == 1
        })
        .await;
    }
    first.ask("echo still here", "still here").await;
    assert_eq!(host.counters.instances.get(), 1);
}

#[tokio::test]
async fn an_instance_has_so_many_timers_of_so_long_a_time() {
    let host = Host::with(ENDS, |config| {
        config.limits.timers = 10;
        config.limits.timer_ms = 60_000;
    })
    .await;
    get(host.address, "/timers")
        .await
        .expect(200, "10\nTooManyTimers(10)\nTimeoutTooLong(60000)");
}

#[tokio::test]
async fn over_the_bound_on_instances_a_request_gets_503_until_one_is_gone() {
    let host = Host::with(COMMANDER, |config| config.limits.instances = 2).await;
    let mut first = Client::connect(host.address, "/").await;
    let mut second = Client::connect(host.address, "/").await;
    assert_eq!(Request::upgrade("/").send(host.address).await.status, 503);
    second.ask("echo still here", "still here").await;
    first.close(1000, "").await;
    first.expect_close(1000, "").await;
    until("an instance to be gone", || {
        host.counters.instances_live.get() == 1
    })
    .await;
    Client::connect(host.address, "/")
        .await
        .ask("echo there is room", "there is room")
        .await;
}

#[tokio::test]
async fn over_the_bound_on_connections_the_next_waits_for_one_to_end() {
    let host = Host::with(ANSWERS, |config| config.limits.connections = 2).await;
    let first = Raw::connect(host.address).await;
    let _second = Raw::connect(host.address).await;
    until("both to be accepted", || {
        host.counters.connections.get() == 2
    })
    .await;
    let mut third = Raw::connect(host.address).await;
    third.write(&Request::get("/forbidden").to_bytes()).await;
    drop(first);
    third.answer().await.expect(403, "no");
    assert!(host.counters.connections_live.get() <= 2);
}

async fn answers(set: impl FnOnce(&mut pairway_host::Limits), request: Request) -> Answer {
    let host = Host::with(ANSWERS, |config| set(&mut config.limits)).await;
    request.send(host.address).await
}

#[tokio::test]
async fn a_request_head_over_its_bound_is_a_431() {
    let large = Request::get("/forbidden").with("X-Large", &"x".repeat(20_000));
    assert_eq!(answers(|_| (), large).await.status, 431);
    let many = (0..100).fold(Request::get("/forbidden"), |request, at| {
        request.and(&format!("X-{at}"), "x")
    });
    assert_eq!(answers(|_| (), many).await.status, 431);
    let fits = (0..90).fold(Request::get("/forbidden"), |request, at| {
        request.and(&format!("X-{at}"), "x")
    });
    assert_eq!(answers(|_| (), fits).await.status, 403);
}

#[tokio::test]
async fn a_request_body_over_its_bound_is_a_413() {
    let post = |length: usize| {
        Request::get("/echo")
            .method("POST")
            .body(&vec![b'x'; length])
    };
    assert_eq!(
        answers(|limits| limits.request_body_bytes = 1_000, post(1_000))
            .await
            .body
            .len(),
        1_000
    );
    assert_eq!(
        answers(|limits| limits.request_body_bytes = 1_000, post(1_001))
            .await
            .status,
        413
    );
    // Also where its length is not told beforehand.
    let chunked = Request::get("/echo")
        .method("POST")
        .chunked(&[&[b'x'; 600], &[b'x'; 600]]);
    assert_eq!(
        answers(|limits| limits.request_body_bytes = 1_000, chunked)
            .await
            .status,
        413
    );
}

#[tokio::test]
async fn a_request_head_that_does_not_come_to_its_end_loses_its_connection() {
    let host = Host::with(ANSWERS, |config| config.limits.request_head_ms = 200).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(b"GET / HTTP/1.1\r\nHost: worker.test\r\n").await;
    // Silently, or with a 408.
    within("the end of the connection", raw.until_end()).await;
}

#[tokio::test]
async fn a_request_body_that_does_not_come_to_its_end_is_a_408() {
    let host = Host::with(ANSWERS, |config| config.limits.request_body_ms = 200).await;
    let mut raw = Raw::connect(host.address).await;
    let whole = Request::get("/echo")
        .method("POST")
        .body(b"0123456789")
        .to_bytes();
    raw.write(&whole[..whole.len() - 1]).await;
    assert_eq!(raw.answer().await.status, 408);
}

#[tokio::test]
async fn a_turn_sends_so_much_over_all_sockets_and_drain_says_when_to_go_on() {
    let host = Host::with(OUTBOX, |config| {
        config.sockets_per_instance = 3;
        config.limits.turn_bytes = 100_000;
        config.limits.outbox_stall_ms = 200;
    })
    .await;
    let mut observer = Observer::connect(host.address).await;
    let mut other = Client::connect(host.address, "/").await;
    other.ask("hello", "hello").await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("fill-and-try-others 10000").await;
    for _ in 0..9 {
        assert_eq!(raw.frame().await.payload.len(), 10_000);
    }
    assert!(observer.line().await.starts_with("full 9 OutboxFull"));
    assert!(observer.line().await.starts_with("other OutboxFull"));
    // Every socket on which it was refused hears of the room there is; none is taken for a slow reader.
    observer.expect("drain 0 true").await;
    observer.expect("drain 0 true").await;
    other.ask("still here", "still here").await;
}

#[tokio::test]
async fn a_turn_asks_for_so_many_things_and_a_worker_that_asks_for_more_is_stopped() {
    let host = Host::with(ENDS, |config| config.limits.turn_effects = 1_000).await;
    assert_eq!(get(host.address, "/timers").await.status, 500);
    assert_eq!(host.counters.faults.get(), 1);
    get(host.address, "/nowhere")
        .await
        .expect(200, "unknown path");
}

#[tokio::test]
async fn a_socket_is_read_no_faster_than_its_operator_allows_and_others_are_not_held_up() {
    let host = Host::with(COMMANDER, |config| config.limits.messages_per_second = 100).await;
    let mut fast = Raw::open(host.address, "/").await;
    let mut other = Client::connect(host.address, "/").await;
    let began = Instant::now();
    // One read may bring them all; then the next waits until its time has come.
    fast.write(&frames::text("echo a").repeat(400)).await;
    for _ in 0..400 {
        fast.expect_text("a").await;
    }
    fast.send("echo b").await;
    other.ask("echo at once", "at once").await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "this host is too slow to tell"
    );
    fast.expect_text("b").await;
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "401 messages in {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_peer_that_is_read_slowly_is_not_taken_for_dead_and_may_close() {
    let host = Host::with(COMMANDER, |config| config.limits.messages_per_second = 20).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.write(&frames::text("note").repeat(80)).await;
    raw.write(&frames::text("close 4000 bye")).await;
    raw.expect_close(4000, "bye").await;
    let answered = Instant::now();
    raw.write(&frames::close(4000, "")).await;
    raw.until_end().await;
    assert!(
        answered.elapsed() < Duration::from_secs(5),
        "its Close is read at once"
    );
}
