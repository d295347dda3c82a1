//! Workers that ask for more than there is: heads of messages, and requests from object to object that go round in a circle.

use pairway_host::{Config, DurableObject};

use crate::EXCESS;
use crate::support::{Host, Request, get, to_loopback};

fn bound(config: &mut Config) {
    config.durable_objects.push(DurableObject {
        name: "EXCESS".to_owned(),
        class_name: "Excess".to_owned(),
        hibernate_after_ms: None,
    });
}

async fn excess() -> Host {
    Host::with(EXCESS, |config| {
        bound(config);
        to_loopback(config);
    })
    .await
}

/// The refusal of so many headers.
fn too_many(case: &str, count: usize) -> String {
    format!("{case}(\"{count} headers are more than 1000 (limit worker_headers)\")")
}

#[tokio::test]
async fn a_response_has_so_many_headers_and_a_worker_is_told_when_it_has_more() {
    let host = excess().await;
    for count in [0, 1, 1_000] {
        let answer = get(host.address, &format!("/headers/{count}/1")).await;
        answer.expect(200, "all of them");
        assert_eq!(
            answer
                .headers
                .iter()
                .filter(|(name, _)| name.starts_with("x-"))
                .count(),
            count
        );
    }
    // From 24,576 on a table of headers panics.
    for count in [1_001, 24_575, 24_576, 40_000] {
        let refusal = too_many("InvalidResponse", count);
        get(host.address, &format!("/headers/{count}/1"))
            .await
            .expect(200, &refusal);
        get(host.address, &format!("/same/{count}"))
            .await
            .expect(200, &refusal);
        let upgrade = Request::upgrade(&format!("/upgrade/{count}"));
        upgrade.send(host.address).await.expect(200, &refusal);
        let through_an_object = get(host.address, &format!("/to/a/headers/{count}/1")).await;
        through_an_object.expect(200, &refusal);
    }
    assert_eq!(
        get(host.address, "/same/1000").await.all("x-same").len(),
        1_000
    );
    assert_eq!(
        (host.counters.panics.get(), host.counters.faults.get()),
        (0, 0)
    );
}

#[tokio::test]
async fn the_head_of_a_response_has_so_many_bytes() {
    let host = excess().await;
    // Names of 3 bytes each, and values.
    get(host.address, "/headers/8/16381")
        .await
        .expect(200, "all of them");
    let refusal = "InvalidResponse(\"a head of 131080 bytes is larger than 131072 (limit worker_head_bytes)\")";
    get(host.address, "/headers/8/16382")
        .await
        .expect(200, refusal);
    assert_eq!(host.counters.panics.get(), 0);
}

#[tokio::test]
async fn a_request_that_a_worker_makes_has_the_same_bounds() {
    let host = excess().await;
    for how in ["ask", "fetch", "connect"] {
        let told = get(host.address, &format!("/{how}/100/1")).await;
        told.expect(200, "ok");
        for count in [1_001, 40_000] {
            let told = get(host.address, &format!("/{how}/{count}/1")).await;
            told.expect(200, &too_many("Other", count));
        }
        let told = get(host.address, &format!("/{how}/8/16384")).await;
        assert!(
            told.text().contains("limit worker_head_bytes"),
            "{how}: {}",
            told.text()
        );
    }
}

/// Go round between two objects, so often: what came of it.
async fn circle(host: &Host, how: &str, left: u32) -> String {
    let answer = get(host.address, &format!("/{how}/{left}")).await;
    assert_eq!(answer.status, 200);
    answer.text().to_owned()
}

#[tokio::test]
async fn requests_that_go_round_between_objects_end_at_their_bound_and_at_once() {
    let host = excess().await;
    for how in ["circle", "slowly"] {
        for left in [1, 2, 15, 16] {
            assert_eq!(circle(&host, how, left).await, "bottom");
        }
        let told = circle(&host, how, 10_000).await;
        assert!(
            told.starts_with("refused with 9984 left: Other(\"16 requests from object to object")
                && told.contains("limit object_depth"),
            "{told}"
        );
    }
    // Sixteen for each that was too deep, and an instance for each object: nobody waits for a place.
    let counters = &host.counters;
    assert_eq!(counters.object_requests.get(), 2 * (1 + 2 + 15 + 16 + 16));
    assert!(counters.instances.get() < 20);
    // Nothing of it sticks to the objects.
    assert_eq!(circle(&host, "circle", 16).await, "bottom");
}

#[tokio::test]
async fn the_depth_is_the_request_s_own_however_many_there_are_at_a_time() {
    let host = excess().await;
    let asking = (0..200).map(|at| {
        let address = host.address;
        tokio::spawn(async move { get(address, &format!("/slowly/{}", at % 17)).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked
            .await
            .expect("it does not panic")
            .expect(200, "bottom");
    }
}

#[tokio::test]
async fn the_bound_on_the_depth_can_be_set() {
    let host = Host::with(EXCESS, |config| {
        bound(config);
        config.limits.object_depth = 3;
    })
    .await;
    assert_eq!(circle(&host, "circle", 3).await, "bottom");
    let told = circle(&host, "circle", 4).await;
    assert!(told.contains("3 requests from object to object"), "{told}");
}
