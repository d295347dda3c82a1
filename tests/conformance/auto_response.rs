//! The text that the host answers by itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_tungstenite::tungstenite::Message;

use crate::ROOM;
use crate::hibernatable::{bare, observed};
use crate::support::{Client, Host, Observer, Raw, frames, get, until};

/// A host the lobby of which answers `ping` with `pong`, an observer of it, and a connection to it.
async fn ponging() -> (Host, Observer, Raw) {
    let (host, mut observer, mut raw) = observed().await;
    set(&mut raw).await;
    observer.expect("message Open auto ping pong").await;
    (host, observer, raw)
}

async fn set(raw: &mut Raw) {
    raw.send("auto ping pong").await;
    raw.expect_text("ok").await;
}

#[tokio::test]
async fn the_text_is_answered_and_no_handler_runs() {
    let (host, mut observer, mut raw) = ponging().await;
    let turns = host.counters.turns.get();
    for _ in 0..3 {
        raw.send("ping").await;
        raw.expect_text("pong").await;
    }
    // Also in several fragments: it is the message that counts.
    raw.write(&frames::frame(frames::TEXT, b"pi")).await;
    raw.write(&frames::frame(frames::FIN | frames::CONTINUATION, b"ng"))
        .await;
    raw.expect_text("pong").await;
    assert_eq!(host.counters.turns.get(), turns);
    assert_eq!(host.counters.auto_responses.get(), 4);
    observer.expect_nothing().await;
}

#[tokio::test]
async fn only_the_whole_text_is_answered_as_it_was_written() {
    let (host, mut observer, mut raw) = ponging().await;
    for other in [
        "ping ", " ping", "PING", "Ping", "pin", "pingping", "", "ping\0",
    ] {
        raw.send(other).await;
        raw.expect_text(other).await;
        observer.expect(&format!("message Open {other}")).await;
    }
    raw.write(&frames::binary(b"ping")).await;
    let frame = raw.frame().await;
    assert_eq!(
        (frame.first, &frame.payload[..]),
        (frames::FIN | frames::BINARY, &b"ping"[..])
    );
    observer.expect("binary Open [112, 105, 110, 103]").await;
    assert_eq!(host.counters.auto_responses.get(), 0);
}

#[tokio::test]
async fn a_removed_auto_response_answers_nothing_and_the_time_of_its_last_answer_stays() {
    let (host, mut observer, mut raw) = ponging().await;
    raw.send("ping").await;
    raw.expect_text("pong").await;
    raw.send("auto-time").await;
    let time = raw.frame().await.into_text();
    raw.send("auto-none").await;
    raw.expect_text("ok").await;
    raw.send("auto-pair").await;
    raw.expect_text("none").await;
    observer.lines().await;
    raw.send("ping").await;
    raw.expect_text("ping").await;
    observer.expect("message Open ping").await;
    raw.send("auto-time").await;
    raw.expect_text(&time).await;
    assert_eq!(host.counters.auto_responses.get(), 1);
}

#[tokio::test]
async fn there_is_one_pair_and_a_new_one_takes_its_place() {
    let (_host, _observer, mut raw) = ponging().await;
    raw.send("auto-pair").await;
    raw.expect_text(r#""ping" "pong""#).await;
    raw.send("auto marco polo").await;
    raw.expect_text("ok").await;
    for (text, answer) in [("ping", "ping"), ("marco", "polo"), ("polo", "polo")] {
        raw.send(text).await;
        raw.expect_text(answer).await;
    }
    // Setting it to what it is changes nothing.
    raw.send("auto marco polo").await;
    raw.expect_text("ok").await;
    raw.send("auto-pair").await;
    raw.expect_text(r#""marco" "polo""#).await;
}

#[tokio::test]
async fn it_is_for_all_sockets_that_the_object_has_and_will_have_and_for_no_other_object() {
    let host = Host::start(ROOM).await;
    let mut before = Client::connect(host.address, "/").await;
    let mut setter = Client::connect(host.address, "/").await;
    let mut elsewhere = Client::connect(host.address, "/room/elsewhere").await;
    setter.ask("auto ping pong", "ok").await;
    let mut after = Client::connect(host.address, "/").await;
    for client in [&mut before, &mut setter, &mut after] {
        client.ask("ping", "pong").await;
    }
    elsewhere.ask("ping", "ping").await;
    // It belongs to the object and not to the socket that had it set.
    setter.close(1000, "").await;
    setter.expect_close(1000, "").await;
    before.ask("ping", "pong").await;
}

#[tokio::test]
async fn either_side_may_be_empty() {
    let (_host, mut observer, mut raw) = ponging().await;
    raw.send("auto  pong").await;
    raw.expect_text("ok").await;
    observer.lines().await;
    raw.send("").await;
    raw.expect_text("pong").await;
    observer.expect_nothing().await;
    raw.send("auto ping ").await;
    raw.expect_text("ok").await;
    raw.send("ping").await;
    raw.expect_text("").await;
    raw.send("").await;
    raw.expect_text("").await;
    observer.expect("message Open auto ping ").await;
    observer.expect("message Open ").await;
}

#[tokio::test]
async fn either_side_has_2_048_bytes_and_a_refusal_leaves_the_pair_before() {
    let too_large = "AutoResponseTooLarge(2048)";
    let expected = [
        "Ok(None)",
        "ok",
        too_large,
        too_large,
        too_large,
        "2048 2048",
        "ok",
        "0 0",
        "ok",
        "Ok(None)",
    ];
    assert_eq!(bare("/auto-response").await, expected);
    let (_host, _observer, mut raw) = ponging().await;
    for (command, answer) in [
        ("auto-size 2049 1", "AutoResponseTooLarge"),
        ("auto-size 2050 1", "AutoResponseTooLarge"),
        ("auto-size 1 2050", "AutoResponseTooLarge"),
        ("ping", "pong"),
        ("auto-size 2048 2048", "ok"),
        ("auto-pair", "2048 2048"),
    ] {
        raw.send(command).await;
        raw.expect_text(answer).await;
    }
    let longest = "é".repeat(1024);
    raw.send(&longest).await;
    raw.expect_text(&longest).await;
}

#[tokio::test]
async fn the_bound_on_it_is_the_operators() {
    let host = Host::with(ROOM, |config| config.limits.auto_response_bytes = 10).await;
    let mut client = Client::connect(host.address, "/").await;
    client.ask("auto-size 10 10", "ok").await;
    client.ask("auto-size 11 10", "AutoResponseTooLarge").await;
    client.ask("auto-size 10 11", "AutoResponseTooLarge").await;
    client.ask("ééééé", "ééééé").await;
    assert_eq!(host.counters.auto_responses.get(), 1);
}

#[tokio::test]
async fn the_time_of_the_last_answer_is_each_sockets_own() {
    let (host, _observer, mut raw) = ponging().await;
    let mut other = Client::connect(host.address, "/").await;
    raw.send("auto-time").await;
    raw.expect_text("none").await;
    let mut last = 0;
    for _ in 0..3 {
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.expect("it is after 1970").as_millis()
        };
        let before = now();
        raw.send("ping").await;
        raw.expect_text("pong").await;
        let after = now();
        raw.send("auto-time").await;
        let time = raw.frame().await.into_text().parse().expect("a number");
        assert!((before..=after).contains(&time), "{before} {time} {after}");
        assert!(time >= last);
        last = time;
    }
    other.ask("auto-time", "none").await;
}

#[tokio::test]
async fn a_standard_socket_of_the_object_does_not_get_it() {
    let (host, _observer, _raw) = ponging().await;
    let mut standard = Client::connect(host.address, "/room/lobby/standard").await;
    standard.ask("ping", "standard ping").await;
    assert_eq!(host.counters.auto_responses.get(), 0);
}

#[tokio::test]
async fn it_outlives_the_instance_and_wakes_nobody() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 100).await;
    let mut raw = Raw::open(host.address, "/").await;
    set(&mut raw).await;
    until("the object to hibernate", || {
        host.counters.hibernations.get() == 1
    })
    .await;
    for _ in 0..5 {
        raw.send("ping").await;
        raw.expect_text("pong").await;
        raw.write(&frames::ping(b"p")).await;
        assert_eq!(raw.frame().await.payload, b"p");
    }
    assert_eq!(host.counters.auto_responses.get(), 5);
    assert_eq!(host.counters.wakes.get(), 1);
    // What it did meanwhile is known to whoever wakes.
    raw.send("auto-time").await;
    let time = raw.frame().await.into_text();
    assert!(time.parse::<u64>().is_ok(), "{time}");
    raw.send("auto-pair").await;
    raw.expect_text(r#""ping" "pong""#).await;
    assert_eq!(host.counters.wakes.get(), 2);
}

#[tokio::test]
async fn it_does_not_keep_the_object_awake() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 500).await;
    let mut raw = Raw::open(host.address, "/").await;
    set(&mut raw).await;
    let pause = Duration::from_millis(20);
    let both = [frames::text("ping"), frames::ping(b"p")].concat();
    let pings = raw.write_again_and_again(both, pause);
    until("the object to hibernate", || {
        host.counters.hibernations.get() == 1
    })
    .await;
    pings.abort();
    assert!(host.counters.auto_responses.get() > 5);
    assert_eq!(host.counters.wakes.get(), 1);
}

#[tokio::test]
async fn it_goes_out_behind_what_the_object_has_sent() {
    let (_host, _observer, mut raw) = ponging().await;
    let commands = ["flood 5", "ping", "flood 3", "ping", "hello", "ping"];
    let frames: Vec<u8> = commands
        .iter()
        .flat_map(|command| frames::text(command))
        .collect();
    raw.write(&frames).await;
    let expected = [
        "f0", "f1", "f2", "f3", "f4", "pong", "f0", "f1", "f2", "pong", "hello", "pong",
    ];
    for word in expected {
        raw.expect_text(word).await;
    }
}

#[tokio::test]
async fn it_keeps_its_place_among_many_answers() {
    let (host, _observer, _raw) = ponging().await;
    let mut client = Client::connect(host.address, "/").await;
    let words = || {
        (0..1000).map(|at| {
            if at % 3 == 1 {
                "ping".to_owned()
            } else {
                format!("m{at}")
            }
        })
    };
    client.send_all(words()).await;
    for word in words() {
        client
            .expect(if word == "ping" { "pong" } else { &word })
            .await;
    }
}

#[tokio::test]
async fn it_is_not_sent_once_the_object_has_closed() {
    let (host, _observer, mut raw) = ponging().await;
    raw.send("close 4001 kick").await;
    raw.expect_close(4001, "kick").await;
    raw.send("ping").await;
    raw.write(&frames::close(4001, "kick")).await;
    raw.expect_end().await;
    assert_eq!(host.counters.auto_responses.get(), 0);
}

#[tokio::test]
async fn it_is_sent_while_a_handler_waits() {
    let (host, _observer, mut raw) = ponging().await;
    raw.send("wait").await;
    raw.expect_text("waiting").await;
    raw.send("ping").await;
    raw.expect_text("pong").await;
    get(host.address, "/room/lobby/release").await;
    raw.expect_text("released").await;
}

#[tokio::test]
async fn it_is_sent_while_the_gate_is_closed() {
    let (host, mut observer, mut raw) = ponging().await;
    let mut other = Client::connect(host.address, "/").await;
    raw.send("gate").await;
    raw.expect_text("gate closed").await;
    raw.send("ping").await;
    raw.expect_text("pong").await;
    // Behind the gate this one waits, and what its socket gets meanwhile does not.
    other.send("hello").await;
    other.ask("ping", "pong").await;
    assert_eq!(host.counters.auto_responses.get(), 2);
    observer.expect("message Open gate").await;
    get(host.address, "/room/latch/release").await;
    raw.expect_text("gate open").await;
    assert_eq!(other.message().await, Message::text("hello"));
    observer.expect("message Open hello").await;
}
