//! Mistakes of the host's own, put there by the test: whoever has taken work answers for it, gives back what it held, and goes on.

use pairway_host::{Config, Point};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Client, Host, Observer, Raw, Request, Upstream, get, to_loopback, until, within,
};
use crate::{CALLER, COMMANDER, FAULTY, OUTWARD, WRECKER};

/// After a panic nothing is left of its work, and it was counted.
async fn nothing_is_left(host: &Host, panics: u64) {
    until("the instances and connections to be gone", || {
        let counters = &host.counters;
        counters.instances_live.get() == 0
            && counters.sockets_live.get() == 0
            && counters.outbound_live.get() == 0
            && counters.connections_live.get() == 0
    })
    .await;
    assert_eq!(host.counters.panics.get(), panics);
}

#[tokio::test]
async fn in_accepting_a_connection_it_costs_that_connection() {
    let host = Host::start(FAULTY).await;
    host.counters.inject(Point::Accept, 2);
    for _ in 0..2 {
        Raw::connect(host.address).await.until_end().await;
    }
    get(host.address, "/").await.expect(200, "alive");
    nothing_is_left(&host, 2).await;
    host.stopped().await;
}

#[tokio::test]
async fn in_a_request_it_is_a_500_and_its_seat_is_given_back() {
    let host = Host::with(FAULTY, |config| config.sockets_per_instance = 2).await;
    host.counters.inject(Point::Request, 3);
    for _ in 0..3 {
        let answer = get(host.address, "/").await;
        answer.expect(500, "Internal Server Error");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    get(host.address, "/").await.expect(200, "alive");
    nothing_is_left(&host, 3).await;
}

#[tokio::test]
async fn in_a_turn_of_a_stateless_worker_it_is_a_500_or_1011() {
    for point in [Point::Turn, Point::Inbox, Point::Effects, Point::Import] {
        let host = Host::with(FAULTY, |config| config.limits.instances = 4).await;
        // More often than there are places: none may be lost.
        for _ in 0..10 {
            host.counters.inject(point, 1);
            assert_eq!(get(host.address, "/").await.status, 500, "{point:?}");
        }
        get(host.address, "/").await.expect(200, "alive");
        nothing_is_left(&host, 10).await;
        assert_eq!(host.counters.faults.get(), 10);
        if point == Point::Import {
            continue;
        }
        let mut raw = Raw::open(host.address, "/").await;
        raw.send("hello").await;
        raw.expect_text("hello").await;
        host.counters.inject(point, 1);
        raw.send("again").await;
        if point == Point::Inbox {
            // A message of a connection does not go through the inbox.
            raw.expect_text("again").await;
            host.counters.inject(point, 0);
        } else {
            raw.expect_failed(1011).await;
            nothing_is_left(&host, 11).await;
        }
    }
}

#[tokio::test]
async fn a_socket_that_shares_its_instance_goes_down_with_it_and_the_next_gets_a_new_one() {
    let host = Host::shared(FAULTY).await;
    let mut one = Client::connect(host.address, "/").await;
    let mut other = Client::connect(host.address, "/").await;
    one.ask("hello", "hello").await;
    host.counters.inject(Point::Turn, 1);
    other.send("hello").await;
    for client in [&mut one, &mut other] {
        assert_eq!(client.close_frame().await.0, 1011);
        client.expect_end().await;
    }
    Client::connect(host.address, "/")
        .await
        .ask("new", "new")
        .await;
}

fn one_place(config: &mut Config) {
    config.limits.instances = 3;
}

#[tokio::test]
async fn in_the_commit_of_an_object_its_request_is_a_500_and_nothing_of_it_stays() {
    let host = Host::with(WRECKER, one_place).await;
    for round in 1..=5 {
        host.counters.inject(Point::Commit, 1);
        assert_eq!(get(host.address, "/a/count/lost").await.status, 500);
        assert_eq!(host.counters.panics.get(), round);
    }
    get(host.address, "/a/count/kept").await.expect(200, "kept");
    get(host.address, "/a/facts")
        .await
        .expect(200, &facts(0, 1));
}

/// What `facts` says of an object with so many sockets that has counted so often, and in which nothing else has been changed.
fn facts(sockets: usize, count: u64) -> String {
    format!(
        "sockets {sockets} stored [(\"count\", {count})] table false alarm false auto false timeout false"
    )
}

/// The object must come to say so.
async fn until_facts(host: &Host, facts: &str) {
    within("the object to be as it should", async {
        while get(host.address, "/a/facts").await.text() != facts {}
    })
    .await;
}

#[tokio::test]
async fn a_message_whose_turn_fails_closes_its_own_socket_with_1011_and_nothing_of_it_stays() {
    for point in [Point::Turn, Point::Commit, Point::Import] {
        let host = Host::with(WRECKER, one_place).await;
        let mut guilty = Raw::open(host.address, "/a?name=guilty").await;
        let mut other = Client::connect(host.address, "/a?name=other").await;
        other.ask("count first", "first").await;
        host.counters.inject(point, 1);
        // It broadcasts, writes, and would do no harm by itself.
        guilty.send("wreck not").await;
        guilty.expect_failed(1011).await;
        other.ask("me", "other other Open").await;
        until_facts(&host, &facts(1, 1)).await;
        assert_eq!(
            (host.counters.panics.get(), host.counters.faults.get()),
            (1, 1)
        );
        until("the worker's instances to be gone", || {
            host.counters.instances_live.get() == 1
        })
        .await;
    }
}

#[tokio::test]
async fn amid_the_effects_of_a_turn_that_is_durable_its_event_is_not_delivered_again() {
    let host = Host::with(WRECKER, one_place).await;
    let mut client = Raw::open(host.address, "/a?name=guilty").await;
    client.send("count first").await;
    client.expect_text("first").await;
    host.counters.inject(Point::Effects, 1);
    client.send("count second").await;
    client.expect_failed(1011).await;
    until_facts(&host, &facts(0, 2)).await;
    assert_eq!(host.counters.panics.get(), 1);
}

#[tokio::test]
async fn in_what_stands_around_turns_an_object_s_sockets_are_told_and_it_goes_on() {
    let host = Host::with(WRECKER, one_place).await;
    let mut one = Client::connect(host.address, "/a?name=one").await;
    let mut other = Client::connect(host.address, "/a?name=other").await;
    one.ask("count first", "first").await;
    host.counters.inject(Point::Inbox, 1);
    // Its Close goes through the object's inbox.
    other.close(4000, "").await;
    assert_eq!(one.close_frame().await.0, 1011);
    one.expect_end().await;
    within("both ends to be told to the object", async {
        loop {
            let ends = get(host.address, "/a/ends").await;
            if ends.text() == "one: 1011 false\nother: 4000 true" {
                break;
            }
        }
    })
    .await;
    get(host.address, "/a/count/second")
        .await
        .expect(200, "second");
    assert_eq!(host.counters.panics.get(), 1);
}

#[tokio::test]
async fn in_a_hibernation_the_place_is_given_back_all_the_same() {
    let host = Host::with(WRECKER, |config| config.limits.hibernate_after_ms = 20).await;
    host.counters.inject(Point::Hibernate, 1);
    get(host.address, "/a/count/first")
        .await
        .expect(200, "first");
    nothing_is_left(&host, 1).await;
    get(host.address, "/a/facts")
        .await
        .expect(200, &facts(0, 1));
}

#[tokio::test]
async fn in_a_look_at_an_alarm_or_in_its_turn_the_alarm_still_goes_off() {
    for (point, times) in [
        (Point::Alarm, 2),
        (Point::Turn, 1),
        (Point::Commit, 1),
        (Point::Inbox, 1),
    ] {
        let host = Host::with(WRECKER, |config| config.limits.alarm_backoff_ms = 20).await;
        let mut client = Client::connect(host.address, "/a?name=one").await;
        client.ask("count first", "first").await;
        // The turn that sets it has none of the points before it behind it: it is armed from within.
        client.send("alarm 0").await;
        host.counters.inject(point, times);
        let mut heard = Vec::new();
        // Of the alarm, or of what the panic has cost.
        while !heard.iter().any(|text: &String| text.starts_with("alarm")) {
            match client.next().await {
                Some(Message::Text(text)) => heard.push(text.to_string()),
                Some(Message::Close(_)) | None => {
                    client = Client::connect(host.address, "/a?name=one").await;
                    client.send("alarm 0").await;
                }
                Some(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn in_a_connection_it_is_a_1011_and_the_worker_has_lost_it() {
    let host = Host::shared(COMMANDER).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("echo hello").await;
    raw.expect_text("hello").await;
    assert_eq!(observer.line().await, "message Open echo hello");
    host.counters.inject(Point::Connection, 1);
    raw.send("echo again").await;
    raw.expect_failed(1011).await;
    assert!(observer.line().await.starts_with("close 1006 false"));
    until("the socket to be gone", || {
        host.counters.sockets_live.get() == 1
    })
    .await;
    assert_eq!(host.counters.panics.get(), 1);
}

#[tokio::test]
async fn in_an_outbound_connection_the_worker_is_told() {
    let host = Host::with(OUTWARD, to_loopback).await;
    let upstream = Upstream::listen().await;
    let mut control = Client::connect(host.address, "/").await;
    host.counters.inject(Point::Outbound, 2);
    let connect = format!("connect {}", upstream.url("/"));
    control.ask(&connect, "connect 0 Connecting").await;
    let told = control.text().await;
    assert!(
        told.starts_with("error 0 ") && told.contains("the host failed"),
        "{told}"
    );
    assert!(control.text().await.starts_with("close 0 1006"));
    control
        .ask(
            &format!("fetch GET http://{}/", upstream.address),
            "fetch ok",
        )
        .await;
    let told = control.text().await;
    assert!(
        told.starts_with("failed ") && told.contains("the host failed"),
        "{told}"
    );
    // And it goes on.
    control.ask(&connect, "connect 1 Connecting").await;
    let mut server = upstream.accept().await;
    control.expect("open 1 Open").await;
    // The connection itself fails.
    host.counters.inject(Point::Connection, 1);
    server.send("hello").await;
    assert_eq!(server.close_frame().await.0, 1011);
    assert!(control.text().await.starts_with("close 1 1006"));
    drop((control, server));
    nothing_is_left(&host, 3).await;
}

#[tokio::test]
async fn on_the_way_to_an_object_the_one_that_asked_is_told() {
    let host = Host::start(WRECKER).await;
    host.counters.inject(Point::Object, 1);
    assert_eq!(get(host.address, "/a/count/lost").await.status, 500);
    get(host.address, "/a/count/kept").await.expect(200, "kept");
    until("the worker's instances to be gone", || {
        host.counters.instances_live.get() == host.counters.objects_awake_live.get()
    })
    .await;
    assert_eq!(host.counters.panics.get(), 1);
}

#[tokio::test]
async fn a_drain_comes_to_its_end_after_all_of_them() {
    let host = Host::with(WRECKER, one_place).await;
    for (point, panics) in [
        Point::Request,
        Point::Turn,
        Point::Import,
        Point::Commit,
        Point::Effects,
        Point::Inbox,
        Point::Object,
    ]
    .into_iter()
    .zip(1..)
    {
        host.counters.inject(point, 1);
        let request = Request::get("/a/count/lost").with("Connection", "close");
        assert_eq!(request.send(host.address).await.status, 500, "{point:?}");
        assert_eq!(host.counters.panics.get(), panics, "{point:?}");
    }
    let mut client = Client::connect(host.address, "/a?name=two").await;
    client.ask("count kept", "kept").await;
    host.stopped().await;
}

#[tokio::test]
async fn a_worker_that_waits_for_what_has_failed_does_not_wait_for_ever() {
    let host = Host::with(CALLER, to_loopback).await;
    host.counters.inject(Point::Outbound, 1);
    let answer = get(host.address, "/failing?url=ws://127.0.0.1:9/").await;
    assert!(
        answer.text().contains("the host failed"),
        "{}",
        answer.text()
    );
    nothing_is_left(&host, 1).await;
}
