//! Time, as the worker sees it.

use crate::CLOCKS;
use crate::support::{Host, get};

async fn answer(target: &str) -> String {
    let host = Host::start(CLOCKS).await;
    let answer = get(host.address, target).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().to_owned()
}

#[tokio::test]
async fn a_timer_goes_off_after_its_time_and_not_before() {
    for milliseconds in [0, 1, 30, 200] {
        let elapsed: u64 = answer(&format!("/elapsed?ms={milliseconds}"))
            .await
            .parse()
            .unwrap();
        assert!(
            (milliseconds..milliseconds + 10_000).contains(&elapsed),
            "{elapsed} ms instead of {milliseconds}"
        );
    }
}

#[tokio::test]
async fn timers_go_off_in_the_order_of_their_times() {
    assert_eq!(answer("/order").await, "first second third");
}

#[tokio::test]
async fn an_interval_goes_off_again_and_again() {
    let elapsed: u64 = answer("/interval").await.parse().unwrap();
    assert!(
        (40..10_000).contains(&elapsed),
        "{elapsed} ms for three times 20"
    );
}

#[tokio::test]
async fn a_timeout_ends_what_takes_too_long() {
    assert_eq!(answer("/timeout").await, "elapsed");
}

#[tokio::test]
async fn a_thousand_timers_at_once_all_go_off() {
    assert_eq!(answer("/many").await, "1000");
}

#[tokio::test]
async fn a_timer_that_was_cancelled_keeps_no_instance() {
    let host = Host::start(CLOCKS).await;
    get(host.address, "/timeout").await.expect(200, "elapsed");
    crate::support::until("the instance to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_timer_keeps_its_instance_after_the_response() {
    let host = Host::start(CLOCKS).await;
    // The work that goes on ends with a request of its own, counted by nobody but the instance: its turns.
    get(host.address, "/wait-until")
        .await
        .expect(200, "answered");
    crate::support::until("the work to be done", || host.counters.events.get() >= 3).await;
    crate::support::until("the instance to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}
