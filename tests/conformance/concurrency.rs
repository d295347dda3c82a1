//! What happens to an object at the same time: handlers overlap where they await, storage lets nothing in between, and a
//! closed gate lets in nothing at all.

use std::collections::BTreeSet;

use crate::VAULT;
use crate::support::{Client, Host, Raw, Request, frames, get, until, within};

#[tokio::test]
async fn handlers_begin_in_the_order_of_the_wire_and_overlap_at_their_awaits() {
    let host = Host::start(VAULT).await;
    let mut client = Client::connect(host.address, "/a").await;
    let messages = ["sleep 300 A", "sleep 100 B", "plain"];
    client
        .send_all(messages.map(str::to_owned).into_iter())
        .await;
    for text in ["start A", "start B", "plain", "end B", "end A"] {
        client.expect(text).await;
    }
}

#[tokio::test]
async fn two_thousand_messages_in_one_go_are_handled_in_their_order() {
    let host = Host::start(VAULT).await;
    let mut client = Client::connect(host.address, "/a").await;
    let text = |at: u32| {
        format!(
            "sleep {} {at}",
            if at.is_multiple_of(2) { 0 } else { 100_000 }
        )
    };
    client.send_all((0..2_000).map(text)).await;
    let mut at = 0;
    while at < 2_000 {
        let told = client.text().await;
        if !told.starts_with("end ") {
            assert_eq!(told, format!("start {at}"));
            at += 1;
        }
    }
}

#[tokio::test]
async fn handlers_of_different_sockets_overlap_too() {
    let host = Host::start(VAULT).await;
    let mut first = Client::connect(host.address, "/a").await;
    let mut second = Client::connect(host.address, "/a").await;
    first.ask("hang", "hanging").await;
    second.ask("hang", "hanging").await;
    get(host.address, "/a/release").await.expect(200, "done");
    first.expect("released").await;
    second.expect("released").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_between_a_read_and_the_write_that_rests_on_it() {
    const CLIENTS: usize = 20;
    const EACH: usize = 100;
    let host = Host::start(VAULT).await;
    let mut counting = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Client::connect(host.address, "/a").await;
        counting.push(tokio::spawn(async move {
            client
                .send_all((0..EACH).map(|_| "increment key".to_owned()))
                .await;
            let mut counts = Vec::new();
            for _ in 0..EACH {
                counts.push(client.text().await.parse::<usize>().expect("a number"));
            }
            counts
        }));
    }
    let mut all = BTreeSet::new();
    for counting in counting {
        let counts = within("every answer", counting)
            .await
            .expect("each is a number");
        assert!(counts.is_sorted(), "{counts:?}");
        all.extend(counts);
    }
    // Each number once.
    assert!(all.iter().copied().eq(1..=CLIENTS * EACH));
}

/// A client of an object whose gate it has closed, and another, raw one.
async fn gated(host: &Host, command: &str) -> (Client, Raw) {
    let mut client = Client::connect(host.address, "/a").await;
    let raw = Raw::open(host.address, "/a").await;
    client.ask("auto ping pong", "done").await;
    client.ask(command, "closed").await;
    (client, raw)
}

#[tokio::test]
async fn a_closed_gate_holds_messages_back_but_not_the_timers_that_open_it() {
    let host = Host::start(VAULT).await;
    let (mut client, mut raw) = gated(&host, "gate 300").await;
    raw.send("behind the gate").await;
    client.send("behind the gate, too").await;
    raw.expect_text("opened").await;
    raw.expect_text("behind the gate").await;
    for text in ["opened", "through", "behind the gate, too"] {
        client.expect(text).await;
    }
}

#[tokio::test]
async fn a_closed_gate_holds_requests_back() {
    let host = Host::start(VAULT).await;
    let (_client, _raw) = gated(&host, "gate 300").await;
    let log = "new 0, message auto ping pong, message gate 300, opened, request log";
    get(host.address, "/a/log").await.expect(200, log);
}

#[tokio::test]
async fn a_closed_gate_holds_upgrades_and_close_events_back() {
    let host = Host::start(VAULT).await;
    let mut watch = Client::connect(host.address, "/a?tags=watch").await;
    let (_client, mut raw) = gated(&host, "gate 300").await;
    raw.write(&frames::close(1000, "")).await;
    // The host answers it; the handler waits.
    raw.expect_close(1000, "").await;
    raw.expect_end().await;
    let mut new = Client::connect(host.address, "/a").await;
    watch.expect("opened").await;
    let told = watch.text().await;
    assert!(
        told.starts_with("close 1000 true ;") && told.contains("opened, close"),
        "{told}"
    );
    new.ask("sockets", "[]  Open; []  Open; [watch]  Open")
        .await;
}

#[tokio::test]
async fn a_closed_gate_holds_other_handlers_timers_back_no_more_than_its_own() {
    let host = Host::start(VAULT).await;
    let mut other = Client::connect(host.address, "/a").await;
    other.ask("sleep 100 A", "start A").await;
    let (mut client, _raw) = gated(&host, "gate 500").await;
    // Completions are what a gate lets through.
    other.expect("end A").await;
    other.expect("opened").await;
    client.expect("opened").await;
}

#[tokio::test]
async fn pings_and_auto_responses_are_answered_while_the_gate_is_closed() {
    let host = Host::start(VAULT).await;
    let (_client, mut raw) = gated(&host, "gate 500").await;
    raw.write(&frames::ping(b"still there?")).await;
    assert_eq!(raw.frame().await.payload, b"still there?");
    raw.send("ping").await;
    raw.expect_text("pong").await;
    raw.expect_text("opened").await;
}

#[tokio::test]
async fn a_gate_waits_for_the_one_before_it() {
    let host = Host::start(VAULT).await;
    let mut client = Client::connect(host.address, "/a").await;
    // In one batch: the second is held back by the first, and the last by both.
    let messages = ["gate 100", "gate 200", "last"].map(frames::text).concat();
    let mut raw = Raw::open(host.address, "/a").await;
    raw.write(&messages).await;
    for text in [
        "closed", "opened", "through", "closed", "opened", "through", "last",
    ] {
        raw.expect_text(text).await;
    }
    for _ in 0..2 {
        client.expect("opened").await;
    }
}

#[tokio::test]
async fn the_constructors_gate_holds_the_first_request_back() {
    let host = Host::with(VAULT, |config| {
        config.vars.insert("BEGIN".to_owned(), "slowly".to_owned());
    })
    .await;
    get(host.address, "/a/log")
        .await
        .expect(200, "new 0, ready, request log");
}

#[tokio::test]
async fn the_event_timeout_ends_the_handler_that_takes_too_long_and_nothing_else() {
    let host = Host::with(VAULT, |config| config.limits.hibernate_after_ms = 300).await;
    let mut client = Client::connect(host.address, "/a").await;
    let mut other = Client::connect(host.address, "/a").await;
    client.ask("timeout 100", "done").await;
    client.ask("sleep 60000 A", "start A").await;
    client.ask("hang", "hanging").await;
    other.ask("sleep 50 B", "start B").await;
    other.expect("end B").await;
    client.ask("still here", "still here").await;
    // Neither handler holds the object any more, nor do their timers.
    until("the object to hibernate", || {
        host.counters.objects_awake_live.get() == 0
    })
    .await;
    client.ask("log", "new 2, message log").await;
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn the_event_timeout_is_not_for_requests() {
    let host = Host::start(VAULT).await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("timeout 50", "done").await;
    get(host.address, "/a/sleep/200/A")
        .await
        .expect(200, "end A");
}

#[tokio::test]
async fn the_same_instance_goes_on_after_an_event_timeout() {
    let host = Host::start(VAULT).await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("timeout 20", "done").await;
    client.ask("hang", "hanging").await;
    until("the handler to be given up", || {
        host.objects
            .list()
            .iter()
            .all(|status| status.holds.is_empty())
    })
    .await;
    client
        .ask(
            "log",
            "new 0, message timeout 20, message hang, message log",
        )
        .await;
}

#[tokio::test]
async fn what_wait_until_was_given_goes_on_after_the_response() {
    let host = Host::with(VAULT, |config| config.limits.hibernate_after_ms = 30).await;
    let mut watch = Client::connect(host.address, "/a?tags=watch").await;
    get(host.address, "/a/later/300/hello")
        .await
        .expect(200, "done");
    watch.expect("hello").await;
}

#[tokio::test]
async fn a_response_may_come_after_an_await_and_after_later_ones() {
    let host = Host::start(VAULT).await;
    let mut slow = Raw::connect(host.address).await;
    slow.write(&Request::get("/a/hang").to_bytes()).await;
    until("the request to be under way", || {
        host.counters.object_requests.get() == 1
    })
    .await;
    get(host.address, "/a/sleep/10/A")
        .await
        .expect(200, "end A");
    get(host.address, "/a/release").await.expect(200, "done");
    slow.answer().await.expect(200, "released");
}

#[tokio::test]
async fn an_object_that_asks_itself_is_answered() {
    let host = Host::start(VAULT).await;
    let mut client = Client::connect(host.address, "/a").await;
    client
        .ask("ask a log", "new 0, message ask a log, request log")
        .await;
}

#[tokio::test]
async fn a_response_leaves_when_its_turn_ends_though_the_gate_is_closed_in_it() {
    let host = Host::start(VAULT).await;
    let mut client = Client::connect(host.address, "/a").await;
    // The message was answered in the turn in which the gate closed.
    let both = ["first", "gate never"].map(str::to_owned);
    client.send_all(both.into_iter()).await;
    client.expect("first").await;
    client.expect("closed").await;
}
