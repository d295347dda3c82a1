//! The host in memory, `pairway::testing`, held against the real one: each script is run by both, and what it has seen must
//! be the same. So what a worker's own tests say of it holds where it runs.
//!
//! The worker is `tests/guests/scripts`. A script is written once, for any [`World`]; some of them are programs of the
//! worker's, which they only ask to run. Where the two are known to differ the script says why, and fails as soon as they
//! agree.

include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

#[path = "../conformance/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "the tools of the conformance tests, of which these need some"
)]
mod support;

mod alarms;
mod clients;
mod gates;
mod hibernation;
mod native;
mod programs;
mod real;
mod stage;
mod world;

use self::real::Real;
use self::world::{Area, Told};

/// Run the scripts of an area in both worlds, and compare. `--show-output` shows the differences that are known.
#[expect(clippy::print_stdout, reason = "for whoever asks to see it")]
async fn compare<A: Area>() {
    let real = Real::start().await;
    let mut wrong = Vec::new();
    for script in A::SCRIPTS {
        let name = script.name;
        let native = tokio::task::spawn_blocking(|| native::run::<A>(name)).await;
        let native = native.unwrap_or_else(|_| Told::panicked());
        let told = real.run::<A>(script).await;
        let difference = native.difference(&told);
        match (difference, script.differs) {
            (Some(difference), None) => wrong.push(format!("{name}: {difference}")),
            (None, Some(why)) => wrong.push(format!("{name} does not differ any more: {why}")),
            (Some(difference), Some(why)) => println!("{name}: {why}: {difference}"),
            (None, None) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn sockets_within_a_worker_are_the_same_in_memory() {
    compare::<programs::Sockets>().await;
}

#[tokio::test]
async fn time_names_and_answers_are_the_same_in_memory() {
    compare::<programs::Worker>().await;
}

#[tokio::test]
async fn other_servers_are_the_same_in_memory() {
    compare::<programs::Outbound>().await;
}

#[tokio::test]
async fn storage_is_the_same_in_memory() {
    compare::<programs::Storage>().await;
}

#[tokio::test]
async fn sql_is_the_same_in_memory() {
    compare::<programs::Sql>().await;
}

#[tokio::test]
async fn gates_are_the_same_in_memory() {
    compare::<gates::Gates>().await;
}

#[tokio::test]
async fn sockets_of_clients_are_the_same_in_memory() {
    compare::<clients::Clients>().await;
}

#[tokio::test]
async fn sockets_of_objects_are_the_same_in_memory() {
    compare::<stage::Stage>().await;
}

#[tokio::test]
async fn hibernation_is_the_same_in_memory() {
    compare::<hibernation::Hibernation>().await;
}

#[tokio::test]
async fn alarms_are_the_same_in_memory() {
    compare::<alarms::Alarms>().await;
}
