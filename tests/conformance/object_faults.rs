//! Objects that go wrong: the turn is undone in whole, whoever sent the event that does the harm is told, and nobody else
//! notices.

use std::time::Duration;

use pairway_host::Config;

use crate::WRECKER;
use crate::support::{Client, Host, Raw, Request, frames, get, until, within};

/// What `facts` says of an object in which nothing has been changed.
fn facts(sockets: usize) -> String {
    format!("sockets {sockets} stored [] table false alarm false auto false timeout false")
}

/// Three sockets of one object: of one that is to go wrong, and two others.
async fn three(host: &Host) -> (Raw, Client, Client) {
    (
        Raw::open(host.address, "/a?name=guilty").await,
        Client::connect(host.address, "/a?name=first").await,
        Client::connect(host.address, "/a?name=second").await,
    )
}

/// The two others must be as they were, and nothing changed.
async fn untouched(host: &Host, mut others: [Client; 2]) {
    let [first, second] = &mut others;
    first.ask("me", "first first Open").await;
    second.ask("me", "second second Open").await;
    until_ended(host, "guilty: 1011 false").await;
    get(host.address, "/a/facts").await.expect(200, &facts(2));
    first.ask("me", "first first Open").await;
}

/// The object must have been told how these sockets ended.
async fn until_ended(host: &Host, ends: &str) {
    within("the close event", async {
        while get(host.address, "/a/ends").await.text() != ends {}
    })
    .await;
}

/// A message that makes the object go wrong closes the socket it came over, and does nothing else.
async fn goes_wrong(how: &str, set: impl FnOnce(&mut Config)) {
    let host = Host::with(WRECKER, set).await;
    let (mut guilty, first, second) = three(&host).await;
    guilty.send(&format!("wreck {how}")).await;
    guilty.expect_failed(1011).await;
    untouched(&host, [first, second]).await;
    assert_eq!(host.counters.faults.get(), 1);
}

#[tokio::test]
async fn a_panic_undoes_its_turn_and_closes_its_own_socket_alone() {
    goes_wrong("panic", |_| ()).await;
}

#[tokio::test]
async fn an_endless_loop_undoes_its_turn_and_closes_its_own_socket_alone() {
    goes_wrong("loop", |config| config.limits.turn_cpu_ms = 300).await;
}

#[tokio::test]
async fn a_blocking_call_undoes_its_turn_and_closes_its_own_socket_alone() {
    goes_wrong("nap", |config| config.limits.turn_wall_ms = 300).await;
}

#[tokio::test]
async fn too_much_memory_undoes_its_turn_and_closes_its_own_socket_alone() {
    goes_wrong("memory", |config| config.limits.memory_bytes = 16 << 20).await;
}

#[tokio::test]
async fn a_stack_overflow_undoes_its_turn_and_closes_its_own_socket_alone() {
    goes_wrong("stack", |_| ()).await;
}

#[tokio::test]
async fn a_request_that_goes_wrong_is_a_500_and_closes_no_socket() {
    let host = Host::start(WRECKER).await;
    let (mut neighbour, mut first, _second) = three(&host).await;
    assert_eq!(get(host.address, "/a/wreck/panic").await.status, 500);
    assert_eq!(host.counters.faults.get(), 1);
    get(host.address, "/a/facts").await.expect(200, &facts(3));
    first.ask("me", "first first Open").await;
    neighbour.send("me").await;
    neighbour.expect_text("guilty guilty Open").await;
}

#[tokio::test]
async fn a_socket_whose_upgrade_goes_wrong_is_a_500_and_leaves_no_trace() {
    let host = Host::start(WRECKER).await;
    let (_guilty, _first, _second) = three(&host).await;
    let answer = Request::upgrade("/a/panic?name=never")
        .send(host.address)
        .await;
    assert_eq!(answer.status, 500);
    get(host.address, "/a/facts").await.expect(200, &facts(3));
    get(host.address, "/a/ends").await.expect(200, "");
}

/// One of the thousand: three messages in one write, the second of which may be the object's end.
async fn one_of_many(mut raw: Raw, number: usize, is_guilty: bool) -> Option<Raw> {
    let second = if is_guilty { "wreck panic" } else { "count 1" };
    let messages = ["count 0", second, "count 2"].map(frames::text).concat();
    raw.write(&messages).await;
    raw.expect_text("0").await;
    if is_guilty {
        raw.expect_failed(1011).await;
        return None;
    }
    raw.expect_text("1").await;
    raw.expect_text("2").await;
    raw.send("me").await;
    raw.expect_text(&format!("{number} {number} Open")).await;
    Some(raw)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_sockets_only_those_end_whose_messages_do_the_harm() {
    const SOCKETS: usize = 1_000;
    let host = Host::start(WRECKER).await;
    let is_guilty = |number: usize| number % 100 == 50;
    let mut open = Vec::new();
    for number in 0..SOCKETS {
        open.push(Raw::open(host.address, &format!("/a?name={number}")).await);
    }
    let talking: Vec<_> = open
        .into_iter()
        .enumerate()
        .map(|(number, raw)| tokio::spawn(one_of_many(raw, number, is_guilty(number))))
        .collect();
    let mut open = Vec::new();
    for talking in talking {
        open.extend(
            within("everybody to be answered", talking)
                .await
                .expect("each is right"),
        );
    }
    assert_eq!(open.len(), SOCKETS - 10);
    let guilty = (0..SOCKETS).filter(|number| is_guilty(*number));
    let mut ends: Vec<String> = guilty
        .map(|number| format!("{number}: 1011 false"))
        .collect();
    ends.sort();
    until_ended(&host, &ends.join("\n")).await;
    // Each message that was answered was handled once: what failed turns had counted is undone.
    let counted = 3 * (SOCKETS - 10) + 10;
    let stored = format!("stored [(\"count\", {counted})]");
    let told = facts(SOCKETS - 10).replace("stored []", &stored);
    get(host.address, "/a/facts").await.expect(200, &told);
    assert!(host.counters.faults.get() >= 10);
}

#[tokio::test]
async fn the_rest_of_a_batch_is_delivered_again_once() {
    let host = Host::start(WRECKER).await;
    let (mut guilty, first, second) = three(&host).await;
    let before = (0..10).map(|at| format!("count {at}"));
    let after = (10..20).map(|at| format!("count {at}"));
    let messages = before.chain(["wreck panic".to_owned()]).chain(after);
    let messages: Vec<_> = messages.map(|text| frames::text(&text)).collect();
    guilty.write(&messages.concat()).await;
    for at in 0..10 {
        guilty.expect_text(&at.to_string()).await;
    }
    // What stood behind it came over a socket that is closed.
    guilty.expect_failed(1011).await;
    until_ended(&host, "guilty: 1011 false").await;
    let told = facts(2).replace("stored []", "stored [(\"count\", 10)]");
    get(host.address, "/a/facts").await.expect(200, &told);
    drop((first, second));
}

#[tokio::test]
async fn of_requests_in_one_batch_only_those_fail_that_do_the_harm() {
    let host = Host::start(WRECKER).await;
    let mut asking = Vec::new();
    // While the object is at work on the first, the others come together.
    for at in 0..20 {
        let target = match at {
            0 => "/a/slowly/0".to_owned(),
            7 | 13 => "/a/wreck/panic".to_owned(),
            _ => format!("/a/count/{at}"),
        };
        let mut raw = Raw::connect(host.address).await;
        raw.write(&Request::get(&target).to_bytes()).await;
        until("the request to be under way", || {
            host.counters.object_requests.get() > at
        })
        .await;
        asking.push(raw);
    }
    for (at, mut raw) in (0..20).zip(asking) {
        let answer = raw.answer().await;
        if [7, 13].contains(&at) {
            assert_eq!(answer.status, 500);
        } else {
            answer.expect(200, &at.to_string());
        }
    }
    let told = facts(0).replace("stored []", "stored [(\"count\", 17)]");
    get(host.address, "/a/facts").await.expect(200, &told);
}

#[tokio::test]
async fn requests_and_standard_sockets_of_an_instance_end_with_it() {
    let host = Host::start(WRECKER).await;
    let (mut guilty, first, second) = three(&host).await;
    let mut standard = Raw::open(host.address, "/a/standard").await;
    standard.send("hello").await;
    standard.expect_text("hello").await;
    let mut waiting = Raw::connect(host.address).await;
    waiting.write(&Request::get("/a/wait").to_bytes()).await;
    until("the request to be under way", || {
        host.counters.object_requests.get() == 5
    })
    .await;
    guilty.send("wreck panic").await;
    guilty.expect_failed(1011).await;
    assert_eq!(waiting.answer().await.status, 500);
    standard.expect_failed(1011).await;
    untouched(&host, [first, second]).await;
}

#[tokio::test]
async fn what_goes_wrong_behind_an_await_closes_no_socket_and_is_undone() {
    let host = Host::start(WRECKER).await;
    let (mut guilty, first, second) = three(&host).await;
    guilty.send("later panic").await;
    guilty.expect_text("soon").await;
    until("the fault", || host.counters.faults.get() == 1).await;
    get(host.address, "/a/facts").await.expect(200, &facts(3));
    guilty.send("me").await;
    guilty.expect_text("guilty guilty Open").await;
    drop((first, second));
    assert_eq!(host.counters.faults.get(), 1);
}

#[tokio::test]
async fn an_alarm_that_goes_wrong_is_undone_and_tried_again() {
    let host = Host::with(WRECKER, |config| config.limits.alarm_backoff_ms = 10).await;
    let mut client = Client::connect(host.address, "/a?name=x").await;
    client.ask("alarm 2", "done").await;
    client.expect("alarm 2").await;
    assert_eq!(
        (host.counters.alarms.get(), host.counters.faults.get()),
        (3, 2)
    );
    client.ask("me", "x x Open").await;
    get(host.address, "/a/facts").await.expect(200, &facts(1));
}

#[tokio::test]
async fn a_close_handler_that_goes_wrong_is_called_once_and_its_socket_is_gone() {
    let host = Host::start(WRECKER).await;
    let (mut guilty, mut first, mut second) = three(&host).await;
    guilty.write(&frames::close(1000, "panic")).await;
    guilty.expect_close(1000, "panic").await;
    guilty.expect_end().await;
    until("the fault", || host.counters.faults.get() == 1).await;
    first.ask("me", "first first Open").await;
    second.ask("me", "second second Open").await;
    get(host.address, "/a/facts").await.expect(200, &facts(2));
    get(host.address, "/a/ends").await.expect(200, "");
    assert_eq!(host.counters.faults.get(), 1);
}

#[tokio::test]
async fn a_constructor_that_goes_wrong_fails_the_event_that_called_it_until_it_goes_well() {
    let host = Host::with(WRECKER, |config| config.limits.hibernate_after_ms = 30).await;
    let (mut guilty, mut first, mut second) = three(&host).await;
    first.ask("doom 1000", "done").await;
    until("it to hibernate", || {
        host.counters.objects_awake_live.get() == 0
    })
    .await;
    guilty.send("me").await;
    guilty.expect_failed(1011).await;
    assert_eq!(get(host.address, "/a/facts").await.status, 500);
    assert_eq!(
        Request::upgrade("/a?name=new")
            .send(host.address)
            .await
            .status,
        500
    );
    within("the constructor to go well", async {
        while get(host.address, "/a/facts").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // These had nothing for it in the meantime.
    first.ask("me", "first first Open").await;
    second.ask("me", "second second Open").await;
    get(host.address, "/a/facts").await.expect(200, &facts(2));
}

#[tokio::test]
async fn a_thousand_faults_leave_nothing_behind() {
    let host = Host::start(WRECKER).await;
    let mut client = Client::connect(host.address, "/a?name=x").await;
    for _ in 0..1_000 {
        assert_eq!(get(host.address, "/a/wreck/panic").await.status, 500);
    }
    client.ask("me", "x x Open").await;
    assert_eq!(host.counters.faults.get(), 1_000);
    until("the other instances to be gone", || {
        host.counters.instances_live.get() == 1
    })
    .await;
}
