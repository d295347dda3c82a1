//! Workers that ask for much: each call is bounded in time, and what the host keeps for an instance has one account. The
//! rows of ARCHITECTURE's table of hostile guests.

use pairway_host::{Config, DurableObject};

use crate::GREEDY;
use crate::support::{Answer, Client, Host, Raw, get, until};

/// A host whose worker has one object, with settings of one's own.
async fn host(set: impl FnOnce(&mut Config)) -> Host {
    Host::with(GREEDY, |config| {
        config.durable_objects.push(DurableObject {
            name: "GREEDY".to_owned(),
            class_name: "Greedy".to_owned(),
            hibernate_after_ms: None,
        });
        set(config);
    })
    .await
}

async fn ask(host: &Host, target: &str) -> String {
    let answer: Answer = get(host.address, target).await;
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    answer.text().to_owned()
}

/// What the host keeps for instances goes back to nothing once they are gone.
async fn nothing_is_kept(host: &Host) {
    until("nothing to be kept", || {
        let counters = &host.counters;
        let kept = [
            &counters.host_bytes_live,
            &counters.held_bytes_live,
            &counters.outbox_bytes_live,
            &counters.guest_bytes_live,
        ];
        kept.iter().all(|kept| kept.get() == 0)
    })
    .await;
}

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn subprotocols_are_looked_at_only_for_hosts_that_may_be_reached_and_are_few() {
    let closed = host(|_| ()).await;
    let answer = ask(&closed, "/worker/protocols/200000").await;
    assert!(answer.contains("limit worker_head_bytes"), "{answer}");
    let answer = ask(&closed, "/worker/protocols/1000").await;
    assert!(answer.starts_with("NotAllowed"), "{answer}");
    let open = host(|config| {
        config.outbound.allowed_hosts = vec!["ws://127.0.0.1:9".to_owned()];
    })
    .await;
    let answer = ask(&open, "/worker/protocols/1000").await;
    assert!(
        answer.starts_with("InvalidProtocol") && answer.contains("limit protocols"),
        "{answer}"
    );
    assert_eq!(ask(&open, "/worker/protocols/100").await, "ok");
}

#[tokio::test]
async fn a_broadcast_leaves_out_as_many_as_an_object_may_have() {
    let host = host(|_| ()).await;
    assert_eq!(ask(&host, "/object/except/32768").await, "1000");
    let answer = ask(&host, "/object/except/5000000").await;
    assert_eq!(answer, "TooManySockets(32768)");
}

#[tokio::test]
async fn an_id_that_stands_in_a_broadcast_many_times_is_one_recipient() {
    let host = host(|_| ()).await;
    assert_eq!(ask(&host, "/worker/recipients/65536").await, "1");
    // More ids than there can be sockets end the instance: the call has no error.
    let answer = get(host.address, "/worker/recipients/1000000").await;
    assert_eq!(answer.status, 500);
    nothing_is_kept(&host).await;
}

#[tokio::test]
async fn broadcasts_of_a_turn_count_for_what_it_may_send() {
    let host = host(|config| {
        config.limits.turn_bytes = MIB;
        config.limits.outbox_hard_bytes = 64 * MIB;
    })
    .await;
    let reached: u64 = ask(&host, "/worker/broadcasts/10000")
        .await
        .parse()
        .unwrap();
    assert!(reached * 4096 <= MIB + 4096, "{reached}");
}

#[tokio::test]
async fn empty_messages_count_as_things_that_a_turn_asks_for() {
    let host = host(|config| config.limits.turn_effects = 1000).await;
    // To a socket that is not there.
    assert_eq!(ask(&host, "/worker/empty-messages/100000").await, "0");
}

#[tokio::test]
async fn the_name_of_an_object_has_so_many_bytes() {
    let host = host(|_| ()).await;
    let answer = ask(&host, "/worker/names/1/20000000").await;
    assert!(
        answer.starts_with("0 Other(") && answer.contains("limit object_name_bytes"),
        "{answer}"
    );
    // Names are remembered for a while only, and take no more than some megabytes.
    assert_eq!(ask(&host, "/worker/names/20000/2000").await, "20000 ok");
}

/// How often a call was taken before it was refused because the host keeps as much as it may.
fn taken(answer: &str) -> u64 {
    let (taken, refusal) = answer.split_once(' ').expect("a number and an outcome");
    assert!(
        refusal.contains("limits instance_host_bytes, host_total_bytes"),
        "{answer}"
    );
    taken.parse().expect("a number")
}

#[tokio::test]
async fn bodies_of_requests_to_objects_and_servers_are_charged_until_they_are_taken() {
    let host = host(|config| {
        config.limits.instance_host_bytes = 8 * MIB;
        config.outbound.allowed_hosts = vec!["http://127.0.0.1:9".to_owned()];
    })
    .await;
    assert_eq!(taken(&ask(&host, "/worker/fetches/400/1000000").await), 8);
    assert_eq!(taken(&ask(&host, "/worker/outside/400/1000000").await), 8);
    nothing_is_kept(&host).await;
}

#[tokio::test]
async fn what_instances_have_together_has_a_bound_too() {
    let host = host(|config| {
        config.limits.instance_host_bytes = 64 * MIB;
        config.limits.host_total_bytes = 4 * MIB;
    })
    .await;
    assert_eq!(taken(&ask(&host, "/worker/fetches/400/1000000").await), 4);
    nothing_is_kept(&host).await;
}

#[tokio::test]
async fn of_what_a_turn_changes_again_and_again_one_value_is_kept() {
    let host = host(|config| config.limits.instance_host_bytes = MIB).await;
    assert_eq!(ask(&host, "/object/attachments/20000").await, "20000 ok");
    assert_eq!(ask(&host, "/object/tags/20000").await, "20000 ok");
    assert_eq!(
        ask(&host, "/object/event-timeouts/100000").await,
        "100000 ok"
    );
    assert!(host.counters.host_bytes_live.get() < MIB);
}

#[tokio::test]
async fn attachments_count_for_what_the_process_keeps() {
    let host = host(|config| config.limits.host_total_bytes = MIB / 8).await;
    let answer = ask(&host, "/object/attachments/2").await;
    assert_eq!(answer, "2 ok", "one replaces the other");
    let small = self::host(|config| config.limits.host_total_bytes = MIB / 64).await;
    taken(&ask(&small, "/object/attachments/2").await);
}

#[tokio::test]
async fn what_waits_between_sockets_of_an_instance_is_charged_to_it() {
    let host = host(|config| {
        config.sockets_per_instance = 10_000;
        config.limits.instance_host_bytes = 32 * MIB;
        config.limits.outbox_hard_bytes = 16 * MIB;
    })
    .await;
    // Kept alive by a socket, so that the queues of one turn are there in the next.
    let _socket = Client::connect(host.address, "/worker/socket").await;
    let mut sum = 0;
    for _ in 0..12 {
        sum += ask(&host, "/worker/pairs/15").await.parse::<u64>().unwrap();
    }
    assert!((16 * MIB..=32 * MIB).contains(&sum), "{sum}");
    assert!(host.counters.host_bytes_live.get() <= 33 * MIB);
}

#[tokio::test]
async fn handles_and_timers_are_charged_with_what_they_take() {
    let host = host(|config| config.limits.instance_host_bytes = MIB).await;
    assert!(taken(&ask(&host, "/worker/handles/10000").await) < 1000);
    assert!(taken(&ask(&host, "/worker/timers/9999").await) < 2000);
    nothing_is_kept(&host).await;
}

#[tokio::test]
async fn what_cannot_be_refused_ends_the_instance() {
    let host = host(|config| config.limits.instance_host_bytes = MIB).await;
    assert_eq!(ask(&host, "/worker/pauses/1000").await, "done");
    assert_eq!(get(host.address, "/worker/pauses/100000").await.status, 500);
    nothing_is_kept(&host).await;
}

#[tokio::test]
async fn a_response_too_large_for_the_account_is_refused_to_the_worker() {
    let host = host(|config| config.limits.instance_host_bytes = MIB).await;
    assert_eq!(ask(&host, "/worker/body/100000").await.len(), 100_000);
    let answer = get(host.address, "/worker/body/2000000").await;
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("instance_host_bytes"), "{answer:?}");
}

#[tokio::test]
async fn memory_of_all_instances_has_a_bound_and_who_has_more_than_a_share_is_refused() {
    let host = host(|config| config.limits.guests_total_bytes = 64 * MIB).await;
    let mut hoarders = Vec::new();
    for _ in 0..3 {
        // A socket keeps its instance.
        hoarders.push(Client::connect(host.address, "/worker/socket").await);
    }
    // More than a share, and more than there is.
    let answer = get(host.address, "/worker/hoard/100").await;
    assert_eq!(answer.status, 503);
    assert!(host.counters.guest_bytes_live.get() <= 64 * MIB);
    assert_eq!(ask(&host, "/worker/hoard/10").await, "kept");
    until("the memory to be given back", || {
        host.counters.guest_bytes_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn idle_objects_make_room_in_the_memory_of_all() {
    let host = host(|config| config.limits.guests_total_bytes = 64 * MIB).await;
    assert_eq!(ask(&host, "/object/hoard/50").await, "kept");
    assert!(host.counters.guest_bytes_live.get() > 40 * MIB);
    assert_eq!(host.counters.evictions.get(), 0);
    // Seven eighths are passed: the object, which is idle, hibernates; its memory is gone.
    assert_eq!(ask(&host, "/worker/hoard/20").await, "kept");
    until("the object to hibernate", || {
        host.counters.hibernations.get() == 1
    })
    .await;
    assert_eq!(ask(&host, "/object/page").await, "well");
}

#[tokio::test]
async fn an_idle_instance_with_more_than_its_share_ends_when_others_need_room() {
    let host = host(|config| {
        config.sockets_per_instance = 2;
        config.limits.guests_total_bytes = 64 * MIB;
    })
    .await;
    let mut raw = Raw::open(host.address, "/worker/socket").await;
    assert_eq!(ask(&host, "/worker/hoard/50").await, "kept");
    // The instance is full; this is another, which wants more than is left.
    assert_eq!(host.counters.instances_live.get(), 1);
    let mut refused = 0;
    while get(host.address, "/worker/hoard/20").await.status != 200 {
        refused += 1;
        assert!(refused < 1000, "there is never room");
    }
    raw.expect_close(1011, "the worker failed").await;
}
