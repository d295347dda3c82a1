//! An object that nothing happens to loses its instance; its sockets, and what the host keeps of it, stay.

use std::time::{Duration, Instant};

use pairway_host::DurableObject;

use crate::VAULT;
use crate::support::{Client, Host, Raw, frames, get, until, within};

/// Objects that hibernate soon.
async fn drowsy() -> Host {
    Host::with(VAULT, |config| config.limits.hibernate_after_ms = 40).await
}

/// Wait until every object has lost its instance.
async fn asleep(host: &Host) {
    until("the objects to hibernate", || {
        host.counters.hibernations.get() > 0 && host.counters.objects_awake_live.get() == 0
    })
    .await;
}

/// A socket that is told what becomes of others, and one other.
async fn watched(host: &Host) -> (Client, Raw) {
    let watch = Client::connect(host.address, "/a?tags=watch").await;
    let mut raw = Raw::open(host.address, "/a?tags=one,two").await;
    raw.send("attach x").await;
    raw.expect_text("done").await;
    asleep(host).await;
    (watch, raw)
}

#[tokio::test]
async fn an_idle_object_loses_its_instance_and_a_message_makes_another_its_constructor_first() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a").await;
    for _ in 0..3 {
        asleep(&host).await;
        assert_eq!(host.counters.instances_live.get(), 0);
        // All sockets are there when the constructor runs; what the instance before has heard is not.
        client.ask("log", "new 1, message log").await;
    }
    assert!(host.counters.hibernations.get() >= 3);
}

#[tokio::test]
async fn a_close_wakes_the_object_which_still_knows_tags_and_attachment() {
    let host = drowsy().await;
    let (mut watch, mut raw) = watched(&host).await;
    raw.write(&frames::close(3999, "bye")).await;
    raw.expect_close(3999, "bye").await;
    raw.expect_end().await;
    watch
        .expect("close 3999 true bye; [one,two] x Closed; new 2, close")
        .await;
    watch.ask("sockets", "[watch]  Open").await;
}

#[tokio::test]
async fn a_lost_connection_wakes_the_object_which_still_knows_tags_and_attachment() {
    let host = drowsy().await;
    let (mut watch, raw) = watched(&host).await;
    raw.reset();
    let reason = "WebSocket disconnected without sending Close frame.";
    watch
        .expect(&format!(
            "close 1006 false {reason}; [one,two] x Open; new 2, close"
        ))
        .await;
    watch.ask("sockets", "[watch]  Open").await;
}

#[tokio::test]
async fn a_request_wakes_the_object() {
    let host = drowsy().await;
    let _sockets = watched(&host).await;
    get(host.address, "/a/log")
        .await
        .expect(200, "new 2, request log");
}

#[tokio::test]
async fn an_alarm_wakes_the_object_and_reaches_its_sockets() {
    let host = drowsy().await;
    let (mut watch, mut raw) = watched(&host).await;
    raw.send("alarm 300").await;
    raw.expect_text("done").await;
    asleep(&host).await;
    watch.expect("new 2, alarm").await;
}

#[tokio::test]
async fn what_the_host_keeps_of_a_socket_survives() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a?tags=one,two").await;
    client.ask("attach first", "done").await;
    client.ask("attach last", "done").await;
    client.send("id").await;
    let id = client.text().await;
    asleep(&host).await;
    client.ask("me", "[one,two] last Open").await;
    client.ask("id", &id).await;
    client.ask("tag two three", "done").await;
    asleep(&host).await;
    client.ask("me", "[two,three] last Open").await;
    asleep(&host).await;
    client.ask("uri", "http://worker.test/a?tags=one,two").await;
}

#[tokio::test]
async fn what_the_host_keeps_of_an_object_survives() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("when", "never").await;
    client.ask("auto ping pong", "done").await;
    client.ask("timeout 1234", "done").await;
    client.ask("ping", "pong").await;
    asleep(&host).await;
    client.ask("auto", "ping pong").await;
    client.ask("timeout", "Some(1.234s)").await;
    client.ask("when", "just now").await;
    asleep(&host).await;
    client.ask("ping", "pong").await;
    // It is the object's, and not that of the sockets it had.
    client.close(1000, "").await;
    client.expect_close(1000, "").await;
    let mut another = Client::connect(host.address, "/a").await;
    another.ask("ping", "pong").await;
}

#[tokio::test]
async fn a_socket_that_was_closing_is_closing_still() {
    let host = drowsy().await;
    let (mut watch, mut raw) = watched(&host).await;
    raw.send("close 4001 kick").await;
    raw.expect_close(4001, "kick").await;
    asleep(&host).await;
    watch.ask("try one more", "Err(Closed)").await;
    watch
        .ask("sockets", "[one,two] x Closing; [watch]  Open")
        .await;
    asleep(&host).await;
    raw.write(&frames::close(4001, "kick")).await;
    raw.expect_end().await;
    watch
        .expect("close 4001 true kick; [one,two] x Closed; new 2, close")
        .await;
}

#[tokio::test]
async fn pings_and_auto_responses_are_answered_without_an_instance() {
    let host = drowsy().await;
    let (mut watch, mut raw) = watched(&host).await;
    watch.ask("auto ping pong", "done").await;
    asleep(&host).await;
    let wakes = host.counters.wakes.get();
    for _ in 0..5 {
        raw.write(&frames::ping(b"still there?")).await;
        assert_eq!(raw.frame().await.payload, b"still there?");
        raw.send("ping").await;
        raw.expect_text("pong").await;
        watch.ask("ping", "pong").await;
    }
    assert_eq!(host.counters.wakes.get(), wakes);
    assert_eq!(host.counters.auto_responses.get(), 10);
}

#[tokio::test]
async fn pings_and_auto_responses_do_not_keep_the_object_awake() {
    let host = Host::with(VAULT, |config| config.limits.hibernate_after_ms = 300).await;
    let mut raw = Raw::open(host.address, "/a").await;
    raw.send("auto ping pong").await;
    raw.expect_text("done").await;
    let both = [frames::ping(b"x"), frames::text("ping")].concat();
    let pause = Duration::from_millis(10);
    let beating = raw.write_again_and_again(both, pause);
    asleep(&host).await;
    assert!(host.counters.auto_responses.get() > 5);
    assert_eq!(host.counters.wakes.get(), 1);
    beating.abort();
}

#[tokio::test]
async fn events_keep_the_object_awake() {
    const AFTER: Duration = Duration::from_millis(500);
    let host = Host::with(VAULT, |config| config.limits.hibernate_after_ms = 500).await;
    let mut client = Client::connect(host.address, "/a").await;
    let (begin, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    while begin.elapsed() < 3 * AFTER {
        client.ask("note", "note").await;
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    // A machine that stood still for so long says nothing.
    if longest < AFTER / 2 {
        assert_eq!(host.counters.wakes.get(), 1);
    }
}

#[tokio::test]
async fn each_class_may_have_a_time_of_its_own() {
    let host = Host::with(VAULT, |config| {
        let binding = |name: &str, class_name: &str, hibernate_after_ms| DurableObject {
            name: name.to_owned(),
            class_name: class_name.to_owned(),
            hibernate_after_ms,
        };
        config.durable_objects = vec![
            binding("VAULT", "Vault", Some(30)),
            binding("ATTIC", "Attic", None),
        ];
    })
    .await;
    get(host.address, "/attic").await.expect(200, "attic");
    for _ in 0..3 {
        get(host.address, "/a/log")
            .await
            .expect(200, "new 0, request log");
        until("the vault to hibernate", || {
            host.counters.objects_awake_live.get() == 1
        })
        .await;
    }
    let awake: Vec<_> = host
        .objects
        .list()
        .into_iter()
        .filter(|status| status.is_awake)
        .collect();
    assert_eq!(awake.len(), 1);
    assert_eq!(awake[0].class, "Attic");
}

#[tokio::test]
async fn the_constructors_gate_holds_back_the_event_that_wakes_the_object() {
    let host = Host::with(VAULT, |config| {
        config.limits.hibernate_after_ms = 40;
        config.vars.insert("BEGIN".to_owned(), "slowly".to_owned());
    })
    .await;
    let mut client = Client::connect(host.address, "/a").await;
    asleep(&host).await;
    client.ask("log", "new 1, ready, message log").await;
    asleep(&host).await;
    get(host.address, "/a/log")
        .await
        .expect(200, "new 1, ready, request log");
}

#[tokio::test]
async fn an_object_hibernates_when_its_timer_has_gone_off() {
    let host = drowsy().await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("timer 200", "done").await;
    asleep(&host).await;
    client.ask("log", "new 1, message log").await;
}

/// Send bursts with pauses about as long as the object waits before it hibernates; each answer must come once, in
/// order.
async fn burst(mut client: Client, number: u64) {
    for burst in 0..100 {
        let texts: Vec<String> = (0..1 + (burst * 7 + number) % 5)
            .map(|at| format!("{number}.{burst}.{at}"))
            .collect();
        client.send_all(texts.iter().cloned()).await;
        for text in &texts {
            client.expect(text).await;
        }
        let pause = 500 + (number * 37 + burst * 131) % 2_000;
        tokio::time::sleep(Duration::from_micros(pause)).await;
    }
    client.close(1000, "").await;
    client.expect_close(1000, "").await;
    client.expect_end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_meet_an_object_on_its_way_to_sleep_are_answered_once_and_in_order() {
    let host = Host::with(VAULT, |config| config.limits.hibernate_after_ms = 1).await;
    let mut bursts = Vec::new();
    for number in 0..40 {
        let client = Client::connect(host.address, &format!("/{}", number % 20)).await;
        bursts.push(tokio::spawn(burst(client, number)));
    }
    for burst in bursts {
        within("every answer", burst)
            .await
            .expect("each is as it should be");
    }
    let counters = &host.counters;
    assert!(counters.hibernations.get() > 100, "{counters:?}");
    assert_eq!(counters.faults.get(), 0);
    // The last to go leaves nothing behind.
    until("the objects to be forgotten", || {
        host.objects.list().is_empty()
    })
    .await;
    assert_eq!(
        (counters.instances_live.get(), counters.sockets_live.get()),
        (0, 0)
    );
}
