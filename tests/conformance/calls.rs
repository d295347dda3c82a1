//! Whatever a guest calls, in whatever order: the host answers the next client, keeps no more than it may, and keeps
//! nothing when the instance is gone. The programs are those of `tests/fuzz/seeds/calls`, and random ones: a fixed number of
//! them, or for as many seconds as `PAIRWAY_FUZZ_SECONDS` says.

use std::path::Path;
use std::time::{Duration, Instant};

use pairway_host::DurableObject;

use crate::CALLS;
use crate::support::{Host, Request, get, until};

/// Programs without `PAIRWAY_FUZZ_SECONDS`.
const PROGRAMS: usize = 100;

const HOST_TOTAL: u64 = 16 << 20;

/// What may be kept without being asked for: what is there already is charged in any case.
const SLACK: u64 = 1 << 20;

async fn host() -> Host {
    Host::with(CALLS, |config| {
        config.durable_objects.push(DurableObject {
            name: "CALLS".to_owned(),
            class_name: "Calls".to_owned(),
            hibernate_after_ms: Some(50),
        });
        config.outbound.allowed_hosts = vec!["*://127.0.0.1:9".to_owned()];
        let limits = &mut config.limits;
        limits.instance_host_bytes = 8 << 20;
        limits.host_total_bytes = HOST_TOTAL;
        limits.held_total_bytes = 16 << 20;
        limits.outbox_hard_bytes = 1 << 20;
        limits.outbox_soft_bytes = 1 << 16;
        limits.memory_bytes = 64 << 20;
        limits.turn_cpu_ms = 2_000;
        limits.sql_ms = 500;
        limits.gate_ms = 200;
        limits.connect_ms = 500;
        limits.fetch_ms = 500;
        limits.timer_ms = 100;
        limits.alarm_retries = 1;
        limits.alarm_backoff_ms = 10;
        limits.database_bytes = 16 << 20;
        limits.memory_database_bytes = 16 << 20;
    })
    .await
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn program(&mut self) -> Vec<u8> {
        let length = [20, 60, 200, 600][usize::try_from(self.next() % 4).unwrap_or(0)];
        let byte = |_| u8::try_from(self.next() & 0xff).unwrap_or(0);
        (0..length).map(byte).collect()
    }
}

/// Run a program as a stateless worker and as one of a few objects, and look at the host.
async fn run(host: &Host, program: &[u8]) {
    for target in ["/worker", &format!("/object/{}", program.len() % 4)] {
        let told = || format!("{target}: {program:02x?}");
        let request = Request::get(target).method("POST").body(program);
        let answer = request.send(host.address).await;
        assert!(
            (200..600).contains(&answer.status),
            "{}: {answer:?}",
            told()
        );
        if let Ok(longest) = answer.text().parse::<u64>() {
            // The turn has two seconds.
            assert!(longest < 4_000, "a call took {longest} ms. {}", told());
        }
        let kept = host.counters.host_bytes_live.get();
        assert!(
            kept <= HOST_TOTAL + SLACK,
            "{kept} bytes are kept. {}",
            told()
        );
        assert_eq!(get(host.address, "/worker").await.status, 200, "{}", told());
    }
}

#[tokio::test]
async fn whatever_a_guest_calls_the_host_goes_on_and_keeps_nothing_of_it() {
    let host = host().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/calls");
    for seed in std::fs::read_dir(folder).expect("the seeds are there") {
        let program = std::fs::read(seed.expect("a file").path()).expect("it can be read");
        run(&host, &program).await;
    }
    let seconds = std::env::var("PAIRWAY_FUZZ_SECONDS").map(|text| text.parse().expect("a number"));
    let (seed, until_then) = match seconds {
        Ok(seconds) => (
            u64::from(std::process::id()),
            Some(Instant::now() + Duration::from_secs(seconds)),
        ),
        Err(_) => (1, None),
    };
    let mut random = Random(seed);
    let mut programs = 0;
    while until_then.map_or(programs < PROGRAMS, |then| Instant::now() < then) {
        run(&host, &random.program()).await;
        programs += 1;
    }
    // What an object holds by its own word (a closed gate, handlers under way) ends with a reset.
    for object in 0..4 {
        let abort = Request::get(&format!("/object/{object}")).method("POST");
        drop(abort.body(&[33, 0]).send(host.address).await);
    }
    until("instances to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
    until("nothing to be kept", || {
        host.counters.host_bytes_live.get() == 0 && host.counters.held_bytes_live.get() == 0
    })
    .await;
    host.stopped().await;
}
