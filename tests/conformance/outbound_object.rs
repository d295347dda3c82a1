//! Hibernatable sockets of an object to other servers: they outlive its instance.

use pairway_host::{Config, Hold};

use crate::SUBSCRIBER;
use crate::support::{Client, Host, Raw, Upstream, frames, get, to_loopback, until};

/// Objects that hibernate soon, or whatever is set.
async fn subscribers(set: impl FnOnce(&mut Config)) -> (Host, Upstream) {
    let host = Host::with(SUBSCRIBER, |config| {
        to_loopback(config);
        config.limits.hibernate_after_ms = 40;
        set(config);
    })
    .await;
    (host, Upstream::listen().await)
}

/// Have the object connect; gives the server's side.
async fn connect(host: &Host, upstream: &Upstream) -> Raw {
    let target = format!("/a/connect?url={}&tags=one,two", upstream.url("/feed"));
    let accepted = upstream.open_with("Sec-WebSocket-Protocol: feed\r\n");
    let (answer, (raw, _)) = tokio::join!(get(host.address, &target), accepted);
    answer.expect(200, "[one,two]  Open /feed feed");
    raw
}

/// A client that is told how sockets end, and the server's side of a socket of the object, which is asleep.
async fn sleeping() -> (Host, Client, Raw) {
    let (host, upstream) = subscribers(|_| ()).await;
    let client = Client::connect(host.address, "/a").await;
    let raw = connect(&host, &upstream).await;
    asleep(&host).await;
    (host, client, raw)
}

async fn asleep(host: &Host) {
    until("the object to hibernate", || {
        host.counters.hibernations.get() > 0 && host.counters.objects_awake_live.get() == 0
    })
    .await;
}

fn text(text: &str) -> Vec<u8> {
    frames::unmasked(frames::FIN | frames::TEXT, text.as_bytes())
}

async fn ask(raw: &mut Raw, question: &str, answer: &str) {
    raw.write(&text(question)).await;
    raw.expect_text(answer).await;
}

#[tokio::test]
async fn its_events_go_to_the_handlers_and_it_is_found_by_its_tags() {
    let (host, upstream) = subscribers(|config| config.limits.hibernate_after_ms = 60_000).await;
    let mut raw = connect(&host, &upstream).await;
    ask(&mut raw, "hello", "hello").await;
    ask(
        &mut raw,
        "log",
        "new 0, connect, message hello, message log",
    )
    .await;
    let answer = get(host.address, "/a/sockets").await;
    answer.expect(200, "[one,two]  Open /feed feed");
}

#[tokio::test]
async fn an_object_whose_only_sockets_are_hibernatable_hibernates() {
    let (host, _client, mut raw) = sleeping().await;
    let status = host.objects.list();
    assert_eq!((status[0].sockets, status[0].is_awake), (2, false));
    assert_eq!(
        (
            host.counters.instances_live.get(),
            host.counters.outbound_live.get()
        ),
        (0, 1)
    );
    // The host answers pings by itself.
    let wakes = host.counters.wakes.get();
    raw.write(&frames::unmasked(frames::FIN | frames::PING, b"?"))
        .await;
    assert_eq!(raw.frame().await.first, frames::FIN | frames::PONG);
    assert_eq!(host.counters.wakes.get(), wakes);
}

#[tokio::test]
async fn a_message_wakes_the_object_its_constructor_first() {
    let (host, _client, mut raw) = sleeping().await;
    for _ in 0..3 {
        asleep(&host).await;
        ask(&mut raw, "log", "new 2, message log").await;
    }
}

#[tokio::test]
async fn what_the_host_keeps_of_it_survives() {
    let (host, _client, mut raw) = sleeping().await;
    raw.write(&text("attach")).await;
    ask(&mut raw, "me", "[one,two] attached Open /feed feed").await;
    asleep(&host).await;
    ask(&mut raw, "me", "[one,two] attached Open /feed feed").await;
}

#[tokio::test]
async fn a_close_wakes_the_object() {
    let (_host, mut client, mut raw) = sleeping().await;
    raw.write(&frames::unmasked_close(4001, "bye")).await;
    raw.expect_close(4001, "bye").await;
    raw.expect_end().await;
    client
        .expect("close 4001 true; [one,two]  Closed /feed feed; new 2")
        .await;
}

#[tokio::test]
async fn a_lost_server_wakes_the_object() {
    let (_host, mut client, raw) = sleeping().await;
    raw.reset();
    client
        .expect("close 1006 false; [one,two]  Open /feed feed; new 2")
        .await;
}

#[tokio::test]
async fn a_server_that_breaks_the_protocol_wakes_the_object() {
    let (_host, mut client, mut raw) = sleeping().await;
    raw.write(&frames::text("masked")).await;
    raw.expect_failed(1002).await;
    client
        .expect("error; [one,two]  Closed /feed feed; new 2")
        .await;
}

#[tokio::test]
async fn it_is_closed_by_the_object_after_a_hibernation() {
    let (_host, mut client, mut raw) = sleeping().await;
    raw.write(&text("close")).await;
    raw.expect_close(4000, "by the object").await;
    raw.write(&frames::unmasked_close(4000, "")).await;
    raw.expect_end().await;
    client
        .expect("close 4000 true; [one,two]  Closed /feed feed; new 2, message close")
        .await;
}

#[tokio::test]
async fn a_silent_server_is_pinged_and_given_up_if_it_stays_silent() {
    let (host, mut client, mut raw) = sleeping().await;
    raw.write(&text("watch")).await;
    for _ in 0..3 {
        let ping = raw.frame().await;
        assert_eq!(
            (ping.first, ping.masked),
            (frames::FIN | frames::PING, true)
        );
        let pong = frames::unmasked(frames::FIN | frames::PONG, &ping.payload);
        raw.write(&pong).await;
    }
    let line = client.text().await;
    assert!(
        line.starts_with("close 1006 false; [one,two]  Open"),
        "{line}"
    );
    assert_eq!(host.counters.dead_peers.get(), 1);
}

#[tokio::test]
async fn a_crash_of_the_object_gives_up_what_it_was_about_to_open() {
    let (host, upstream) = subscribers(|config| config.limits.hibernate_after_ms = 60_000).await;
    let mut client = Client::connect(host.address, "/a").await;
    for how in ["die", "abort"] {
        let target = format!("/a/connect-later?url={}", upstream.url("/"));
        get(host.address, &target).await.expect(200, "");
        let (mut raw, _) = upstream.asked().await;
        if how == "die" {
            client.send("die").await;
            assert_eq!(client.close_frame().await.0, 1011);
        } else {
            get(host.address, "/a/abort").await;
        }
        raw.expect_end().await;
        until("the place to be free", || {
            host.counters.outbound_live.get() == 0
        })
        .await;
        get(host.address, "/a/sockets").await.expect(200, "");
    }
}

#[tokio::test]
async fn an_auto_response_is_masked_and_wakes_nobody() {
    let (host, _client, mut raw) = sleeping().await;
    get(host.address, "/a/auto").await;
    asleep(&host).await;
    let wakes = host.counters.wakes.get();
    for _ in 0..3 {
        raw.write(&text("?")).await;
        let frame = raw.frame().await;
        assert!(frame.masked);
        assert_eq!(frame.into_text(), "!");
    }
    assert_eq!(
        (
            host.counters.wakes.get(),
            host.counters.auto_responses.get()
        ),
        (wakes, 3)
    );
}

#[tokio::test]
async fn a_broadcast_reaches_clients_and_servers_each_as_its_direction_wants_it() {
    let (host, mut client, mut raw) = sleeping().await;
    get(host.address, "/a/broadcast").await.expect(200, "2");
    let frame = raw.frame().await;
    assert!(frame.masked);
    assert_eq!(frame.into_text(), "to all");
    client.expect("to all").await;
}

#[tokio::test]
async fn a_constructor_can_connect_behind_its_gate() {
    let upstream = Upstream::listen().await;
    let feed = upstream.url("/");
    let (host, _) = subscribers(|config| {
        config.vars.insert("FEED".to_owned(), feed);
    })
    .await;
    let (answer, mut raw) = tokio::join!(get(host.address, "/a/sockets"), upstream.open());
    // The request has waited for it.
    answer.expect(200, "[feed]  Open / ");
    asleep(&host).await;
    ask(&mut raw, "log", "new 1, message log").await;
}

#[tokio::test]
async fn a_constructor_hears_behind_its_gate_that_it_cannot_connect() {
    let feed = Upstream::listen().await.gone();
    let (host, _) = subscribers(|config| {
        config.vars.insert("FEED".to_owned(), feed);
    })
    .await;
    // Without an upstream the constructor fails, and the request with it; the gate's own time is longer than a test waits.
    assert_eq!(get(host.address, "/a/sockets").await.status, 500);
}

#[tokio::test]
async fn a_crash_of_the_object_keeps_it() {
    let (host, mut client, mut raw) = sleeping().await;
    client.send("die").await;
    assert_eq!(client.close_frame().await.0, 1011);
    ask(&mut raw, "me", "[one,two]  Open /feed feed").await;
    assert_eq!(host.counters.faults.get(), 1);
    assert_eq!(host.counters.outbound_live.get(), 1);
}

#[tokio::test]
async fn a_message_of_the_server_that_crashes_the_object_ends_it_and_no_other() {
    let (host, mut client, mut raw) = sleeping().await;
    raw.write(&text("die")).await;
    raw.expect_failed(1011).await;
    assert!(
        client
            .text()
            .await
            .starts_with("close 1011 false; [one,two]")
    );
    client.ask("hello", "hello").await;
    drop(raw);
    until("the connection to be over", || {
        host.counters.outbound_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn one_that_does_not_open_never_was() {
    let (host, upstream) = subscribers(|_| ()).await;
    let mut client = Client::connect(host.address, "/a").await;
    let target = format!("/a/connect?url={}", upstream.url("/"));
    drop(upstream);
    let answer = get(host.address, &target).await;
    assert!(answer.text().starts_with("SocketFailed("), "{answer:?}");
    let sockets = get(host.address, "/a/sockets").await;
    sockets.expect(200, "[client]  Open / ");
    asleep(&host).await;
    // No handler has been told.
    client.ask("log", "new 1, message log").await;
}

#[tokio::test]
async fn a_turn_that_goes_wrong_has_not_connected() {
    let (host, upstream) = subscribers(|_| ()).await;
    let target = format!("/a/connect-and-die?url={}", upstream.url("/"));
    assert_eq!(get(host.address, &target).await.status, 500);
    get(host.address, "/a/sockets").await.expect(200, "");
    assert_eq!(host.counters.outbound.get(), 0);
}

#[tokio::test]
async fn tags_have_their_bounds() {
    let (host, upstream) = subscribers(|_| ()).await;
    let many = "a,b,c,d,e,f,g,h,i,j,k";
    let target = format!("/a/connect?url={}&tags={many}", upstream.url("/"));
    get(host.address, &target)
        .await
        .expect(200, "TooManyTags(10)");
    assert_eq!(host.counters.outbound.get(), 0);
}

/// What keeps the object awake, once it has been idle.
async fn holds(host: &Host) -> Vec<Hold> {
    let mut holds = Vec::new();
    until("its holds to be told", || {
        holds.clone_from(&host.objects.list()[0].holds);
        !holds.is_empty()
    })
    .await;
    holds
}

#[tokio::test]
async fn an_object_does_not_hibernate_while_it_connects() {
    let (host, upstream) = subscribers(|_| ()).await;
    let target = format!("/a/connect-later?url={}", upstream.url("/feed"));
    get(host.address, &target).await.expect(200, "");
    let (mut raw, asked) = upstream.asked().await;
    let holds = holds(&host).await;
    assert!(holds.contains(&Hold::StandardSocket), "{holds:?}");
    raw.write(asked.switching("").as_bytes()).await;
    asleep(&host).await;
    assert_eq!(host.counters.wakes.get(), 1);
    ask(&mut raw, "me", "[late]  Open /feed ").await;
}

#[tokio::test]
async fn a_standard_socket_keeps_the_object_awake() {
    let (host, upstream) = subscribers(|_| ()).await;
    let target = format!("/a/standard?url={}", upstream.url("/"));
    let (answer, mut raw) = tokio::join!(get(host.address, &target), upstream.open());
    answer.expect(200, "");
    let holds = holds(&host).await;
    assert!(holds.contains(&Hold::StandardSocket), "{holds:?}");
    raw.write(&frames::unmasked_close(1000, "")).await;
    raw.expect_close(1000, "").await;
    asleep(&host).await;
}

#[tokio::test]
async fn a_reset_of_the_object_ends_it() {
    let (host, _client, mut raw) = sleeping().await;
    get(host.address, "/a/abort").await;
    raw.until_end().await;
    drop(raw);
    until("the connection to be over", || {
        host.counters.outbound_live.get() == 0
    })
    .await;
    get(host.address, "/a/sockets").await.expect(200, "");
}

#[tokio::test]
async fn a_shutdown_closes_it_with_1001_while_the_object_sleeps() {
    let (mut host, client, mut raw) = sleeping().await;
    drop(client);
    host.shut_down();
    assert_eq!(raw.frame().await.into_close().0, 1001);
    raw.write(&frames::unmasked_close(1001, "")).await;
    raw.expect_end().await;
    drop(raw);
    host.stopped().await;
}
