//! The alarm of an object: one, at its time, at least once; again when it failed, less and less often.

use std::time::Duration;

use pairway_host::Config;

use crate::SLEEPER;
use crate::support::{Binary, Client, Folder, Host, get, until, within};

/// One time that an alarm went off, as its handler has noted it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fired {
    unix_ms: u64,
    /// Handlers of the alarm that were under way, this one among them.
    handlers: u32,
    retry_count: u32,
    was_early: bool,
    /// Whether `get_alarm` said that there is one.
    has_alarm: bool,
}

impl Fired {
    fn parse(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let [time, handlers, retries, early, alarm] = words[..] else {
            panic!("not a line of the sleeper: {line:?}");
        };
        Self {
            unix_ms: time.parse().expect("a time"),
            handlers: handlers.parse().expect("a number"),
            retry_count: retries.parse().expect("a number"),
            was_early: early == "early",
            has_alarm: alarm != "none",
        }
    }
}

async fn tell(host: &Host, target: &str) {
    get(host.address, target).await.expect(200, "done");
}

async fn fired(address: std::net::SocketAddr, name: &str) -> Vec<Fired> {
    let answer = get(address, &format!("/{name}/fired")).await;
    answer.text().lines().map(Fired::parse).collect()
}

/// Wait until so many alarms have been given to objects, and the handler of the last is done.
async fn alarms(host: &Host, count: u64) {
    until("the alarm", || host.counters.alarms.get() == count).await;
    until("its handler to be done", || {
        host.objects
            .list()
            .iter()
            .all(|status| status.holds.is_empty())
    })
    .await;
}

fn drowsy(config: &mut Config) {
    config.limits.hibernate_after_ms = 30;
    config.limits.alarm_backoff_ms = 40;
}

#[tokio::test]
async fn an_alarm_goes_off_once_at_its_time_and_is_gone() {
    let host = Host::start(SLEEPER).await;
    get(host.address, "/a/get").await.expect(200, "none");
    tell(&host, "/a/set/200").await;
    alarms(&host, 1).await;
    let fired = fired(host.address, "a").await;
    let [once] = &fired[..] else {
        panic!("not once: {fired:?}")
    };
    assert!(
        !once.was_early && !once.has_alarm && once.retry_count == 0,
        "{once:?}"
    );
    get(host.address, "/a/get").await.expect(200, "none");
    assert_eq!(host.counters.alarms.get(), 1);
}

#[tokio::test]
async fn a_time_that_has_passed_means_at_once() {
    let host = Host::start(SLEEPER).await;
    for (at, target) in ["/a/set/0", "/a/set/-5000", "/a/set-past"]
        .into_iter()
        .enumerate()
    {
        tell(&host, target).await;
        alarms(&host, at as u64 + 1).await;
        assert_eq!(fired(host.address, "a").await.len(), at + 1);
    }
}

#[tokio::test]
async fn an_alarm_wakes_an_object_that_has_no_sockets_and_is_not_known_any_more() {
    let host = Host::with(SLEEPER, drowsy).await;
    tell(&host, "/a/set/300").await;
    until("the object to be forgotten", || {
        host.objects.list().is_empty()
    })
    .await;
    alarms(&host, 1).await;
    assert_eq!(fired(host.address, "a").await.len(), 1);
}

#[tokio::test]
async fn an_alarm_wakes_an_object_with_its_sockets() {
    let host = Host::with(SLEEPER, drowsy).await;
    let mut client = Client::connect(host.address, "/a").await;
    client.ask("set 300", "done").await;
    until("the object to hibernate", || {
        host.counters.hibernations.get() > 0
    })
    .await;
    client.expect("alarm 1").await;
}

#[tokio::test]
async fn there_is_one_alarm_and_the_last_word_counts() {
    let host = Host::start(SLEEPER).await;
    tell(&host, "/a/set/3600000").await;
    get(host.address, "/a/get").await.expect(200, "3600");
    tell(&host, "/a/set/100").await;
    alarms(&host, 1).await;
    tell(&host, "/a/set/100").await;
    tell(&host, "/a/set/7200000").await;
    get(host.address, "/a/get").await.expect(200, "7200");
    // Another object's alarm goes off long after the one that was replaced would have.
    tell(&host, "/b/set/400").await;
    until("the other alarm", || host.counters.alarms.get() == 2).await;
    assert_eq!(fired(host.address, "a").await.len(), 1);
    assert_eq!(fired(host.address, "b").await.len(), 1);
}

#[tokio::test]
async fn an_alarm_that_was_deleted_does_not_go_off() {
    let host = Host::start(SLEEPER).await;
    for target in ["/a/delete", "/c/wipe"] {
        let name = &target[1..2];
        tell(&host, &format!("/{name}/set/100")).await;
        tell(&host, target).await;
        get(host.address, &format!("/{name}/get"))
            .await
            .expect(200, "none");
    }
    tell(&host, "/b/set/400").await;
    until("the other alarm", || host.counters.alarms.get() == 1).await;
    assert_eq!(fired(host.address, "a").await, []);
    assert_eq!(fired(host.address, "c").await, []);
}

#[tokio::test]
async fn each_object_has_an_alarm_of_its_own() {
    let host = Host::with(SLEEPER, drowsy).await;
    for name in 0..50 {
        tell(&host, &format!("/{name}/set/{}", 50 + name * 5)).await;
    }
    alarms(&host, 50).await;
    let mut times = Vec::new();
    for name in 0..50 {
        let fired = fired(host.address, &name.to_string()).await;
        let [once] = &fired[..] else {
            panic!("not once: {fired:?}")
        };
        assert!(!once.was_early);
        times.push(once.unix_ms);
    }
    assert_eq!(host.counters.alarms.get(), 50);
}

#[tokio::test]
async fn an_alarm_that_failed_is_tried_again_with_growing_pauses() {
    let host = Host::with(SLEEPER, drowsy).await;
    tell(&host, "/a/script/fail/4").await;
    tell(&host, "/a/set/0").await;
    alarms(&host, 5).await;
    let fired = fired(host.address, "a").await;
    let retries: Vec<u32> = fired.iter().map(|fired| fired.retry_count).collect();
    assert_eq!(retries, [0, 1, 2, 3, 4]);
    for (at, pair) in fired.windows(2).enumerate() {
        let pause = pair[1].unix_ms - pair[0].unix_ms;
        assert!(pause >= 40 << at, "{pause} ms before retry {}", at + 1);
    }
    assert!(
        fired
            .iter()
            .all(|fired| !fired.has_alarm && !fired.was_early),
        "{fired:?}"
    );
    get(host.address, "/a/get").await.expect(200, "none");
    assert_eq!(host.counters.faults.get(), 0, "an error is no fault");
}

#[tokio::test]
async fn an_alarm_that_always_fails_is_given_up() {
    let host = Host::with(SLEEPER, |config| {
        drowsy(config);
        config.limits.alarm_backoff_ms = 5;
        config.limits.alarm_retries = 3;
    })
    .await;
    tell(&host, "/a/script/fail/100").await;
    tell(&host, "/a/set/0").await;
    alarms(&host, 4).await;
    until("the object to be forgotten", || {
        host.objects.list().is_empty()
    })
    .await;
    get(host.address, "/a/get").await.expect(200, "none");
    assert_eq!(fired(host.address, "a").await.len(), 4);
    // A new one begins anew.
    tell(&host, "/a/script/nothing").await;
    tell(&host, "/a/set/0").await;
    alarms(&host, 5).await;
    let last = fired(host.address, "a").await.pop().expect("it went off");
    assert_eq!(last.retry_count, 0);
}

#[tokio::test]
async fn a_retry_that_is_due_can_be_seen_and_deleted() {
    let host = Host::with(SLEEPER, |config| config.limits.alarm_backoff_ms = 3_600_000).await;
    tell(&host, "/a/script/fail/100").await;
    tell(&host, "/a/set/0").await;
    alarms(&host, 1).await;
    get(host.address, "/a/get").await.expect(200, "3600");
    tell(&host, "/a/delete").await;
    get(host.address, "/a/get").await.expect(200, "none");
}

#[tokio::test]
async fn an_alarm_that_is_set_by_its_handler_stands() {
    for script in ["again/50", "again/50/and/fail"] {
        let host = Host::with(SLEEPER, drowsy).await;
        tell(&host, &format!("/a/script/{script}")).await;
        tell(&host, "/a/set/0").await;
        alarms(&host, 2).await;
        let fired = fired(host.address, "a").await;
        let retries: Vec<u32> = fired.iter().map(|fired| fired.retry_count).collect();
        assert_eq!(retries, [0, 0], "{script}");
        get(host.address, "/a/get").await.expect(200, "none");
        assert_eq!(host.counters.alarms.get(), 2);
    }
}

#[tokio::test]
async fn an_alarm_does_not_overlap_with_itself() {
    let host = Host::start(SLEEPER).await;
    // The handler sets the alarm for at once, and goes on for a while.
    tell(&host, "/a/script/slowly/300").await;
    tell(&host, "/a/set/0").await;
    alarms(&host, 2).await;
    let fired = fired(host.address, "a").await;
    assert_eq!(
        fired.iter().map(|fired| fired.handlers).collect::<Vec<_>>(),
        [1, 1]
    );
    assert!(fired[1].unix_ms - fired[0].unix_ms >= 300, "{fired:?}");
}

#[tokio::test]
async fn a_handler_that_deletes_everything_ends_well() {
    let host = Host::start(SLEEPER).await;
    tell(&host, "/a/script/delete/all").await;
    tell(&host, "/a/set/0").await;
    alarms(&host, 1).await;
    get(host.address, "/a/get").await.expect(200, "none");
    assert_eq!(fired(host.address, "a").await, []);
}

/// The handler of an object's alarm must have run, before the object is asked for anything but that.
async fn until_fired(address: std::net::SocketAddr, name: &str, count: usize) {
    within("the alarm", async {
        while fired(address, name).await.len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_alarm_survives_the_host_and_goes_off_though_nobody_asks_for_the_object() {
    let folder = Folder::new("alarm-restart");
    let on = |config: &mut Config| config.data_dir = Some(folder.path().to_owned());
    let host = Host::with(SLEEPER, on).await;
    tell(&host, "/past/set/300").await;
    tell(&host, "/future/set/3600000").await;
    tell(&host, "/deleted/set/200").await;
    tell(&host, "/deleted/delete").await;
    host.stopped().await;
    let host = Host::with(SLEEPER, on).await;
    alarms(&host, 1).await;
    assert_eq!(fired(host.address, "past").await.len(), 1);
    get(host.address, "/future/get").await.expect(200, "3600");
    get(host.address, "/deleted/get").await.expect(200, "none");
    assert_eq!(fired(host.address, "deleted").await, []);
    assert_eq!(host.counters.alarms.get(), 1);
}

#[tokio::test]
async fn an_alarm_survives_a_crash() {
    let folder = Folder::new("alarm-crash");
    let flags = [
        "--data-dir",
        folder.text(),
        "--limit",
        "alarm_backoff_ms=50",
    ];
    for round in 0..5 {
        let host = Binary::serve(SLEEPER, &flags).await;
        let mut client = Client::connect(host.address, &format!("/{round}")).await;
        // The one with an answer has been stored.
        client.ask(&format!("set {}", round * 30), "done").await;
        host.signal("KILL").await;
        host.ended().await;
        let host = Binary::serve(SLEEPER, &flags).await;
        until_fired(host.address, &round.to_string(), 1).await;
        host.signal("KILL").await;
        host.ended().await;
    }
}

#[tokio::test]
async fn a_retry_survives_a_crash_with_its_count() {
    let folder = Folder::new("retry-crash");
    let flags = [
        "--data-dir",
        folder.text(),
        "--limit",
        "alarm_backoff_ms=200",
    ];
    let host = Binary::serve(SLEEPER, &flags).await;
    get(host.address, "/a/script/fail/2")
        .await
        .expect(200, "done");
    get(host.address, "/a/set/0").await.expect(200, "done");
    until_fired(host.address, "a", 1).await;
    host.signal("KILL").await;
    host.ended().await;
    let host = Binary::serve(SLEEPER, &flags).await;
    until_fired(host.address, "a", 3).await;
    let retries = fired(host.address, "a")
        .await
        .into_iter()
        .map(|fired| fired.retry_count);
    // At least once each, and never from the beginning.
    assert!(retries.is_sorted());
}
