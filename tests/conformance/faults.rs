//! Workers that go wrong: the turn is undone, its instance is gone, its sockets are told, and the host goes on.

use std::path::{Path, PathBuf};

use pairway_host::{Config, Error, Server};

use crate::support::{Client, Host, Raw, Request, config, frames, get, load, until, within};
use crate::{COMMAND, COMMANDER, FAULTY, NOTHING, STRANGER};

/// Send a command that makes the worker go wrong: its client must see Close 1011, and the end.
async fn goes_wrong(how: &str, set: impl FnOnce(&mut Config)) {
    let host = Host::with(FAULTY, set).await;
    let mut neighbour = Client::connect(host.address, "/").await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send(how).await;
    // Others are served while it happens, and after it.
    within("the fault", async {
        while host.counters.faults.get() == 0 {
            neighbour.ask("still here", "still here").await;
        }
    })
    .await;
    // The echo of the command was sent in the turn that went wrong.
    raw.expect_failed(1011).await;
    neighbour.ask("still here", "still here").await;
    Client::connect(host.address, "/")
        .await
        .ask("a new one", "a new one")
        .await;
    assert_eq!(host.counters.faults.get(), 1);
}

#[tokio::test]
async fn a_panic_takes_its_own_socket_down_and_no_other() {
    goes_wrong("panic", |_| ()).await;
}

#[tokio::test]
async fn an_endless_loop_is_stopped_and_holds_up_nobody() {
    goes_wrong("loop", |config| config.limits.turn_cpu_ms = 300).await;
}

#[tokio::test]
async fn a_blocking_call_is_stopped_and_holds_up_nobody() {
    goes_wrong("nap", |config| config.limits.turn_wall_ms = 300).await;
}

#[tokio::test]
async fn a_worker_that_wants_too_much_memory_is_stopped() {
    goes_wrong("memory", |config| config.limits.memory_bytes = 16 << 20).await;
}

#[tokio::test]
async fn a_stack_overflow_is_stopped() {
    goes_wrong("stack", |_| ()).await;
}

#[tokio::test]
async fn sockets_that_share_the_instance_go_down_together_and_the_next_gets_a_new_one() {
    let host = Host::shared(FAULTY).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Client::connect(host.address, "/").await;
        client.ask("fine", "fine").await;
        clients.push(client);
    }
    clients[3].send("panic").await;
    for client in &mut clients {
        assert_eq!(client.close_frame().await.0, 1011);
        client.expect_end().await;
    }
    Client::connect(host.address, "/")
        .await
        .ask("a new one", "a new one")
        .await;
    assert_eq!(
        (host.counters.instances.get(), host.counters.faults.get()),
        (2, 1)
    );
}

#[tokio::test]
async fn a_request_that_was_not_answered_is_a_500() {
    let host = Host::start(FAULTY).await;
    for target in ["/panic", "/stack"] {
        assert_eq!(get(host.address, target).await.status, 500);
    }
    get(host.address, "/").await.expect(200, "alive");
}

#[tokio::test]
async fn other_requests_of_the_instance_are_a_500_too() {
    let host = Host::shared(FAULTY).await;
    let mut waiting = Raw::connect(host.address).await;
    waiting.write(&Request::get("/wait").to_bytes()).await;
    until("the request to be under way", || {
        host.counters.requests.get() == 1
    })
    .await;
    assert_eq!(get(host.address, "/panic").await.status, 500);
    assert_eq!(waiting.answer().await.status, 500);
}

#[tokio::test]
async fn a_worker_that_cannot_start_is_a_500_each_time_and_leaves_nothing() {
    let host = Host::with(FAULTY, |config| {
        config.vars.insert("WHEN".to_owned(), "start".to_owned());
    })
    .await;
    assert_eq!(get(host.address, "/").await.status, 500);
    assert_eq!(Request::upgrade("/").send(host.address).await.status, 500);
    until("the instances to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_thousand_faults_leave_nothing_behind() {
    let host = Host::start(FAULTY).await;
    for _ in 0..1_000 {
        assert_eq!(get(host.address, "/panic").await.status, 500);
    }
    until("the instances to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
    get(host.address, "/").await.expect(200, "alive");
}

/// What an embedder is told when a file cannot be loaded.
async fn refusal(path: &Path) -> (Error, String) {
    let error = load(path.to_str().expect("a path of ours"), &config())
        .await
        .map(|_| ())
        .expect_err("it must not load");
    let text = error.to_string();
    assert!(
        text.contains(path.to_str().expect("a path of ours")),
        "the file is not named: {text}"
    );
    (error, text)
}

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the folder is ours");
    path
}

#[tokio::test]
async fn a_missing_file_is_said_to_be_missing() {
    let (error, text) = refusal(Path::new("no/such/worker.wasm")).await;
    assert!(matches!(error, Error::Read { .. }), "{text}");
}

#[tokio::test]
async fn what_is_no_component_is_said_to_be_none() {
    for path in [
        file("text.wasm", b"this is no WebAssembly"),
        file("empty.wasm", b""),
        file("module.wasm", b"\0asm\x01\0\0\0"),
        file(
            "cut-off.wasm",
            &std::fs::read(COMMANDER).expect("it was built")[..1000],
        ),
    ] {
        let (error, text) = refusal(&path).await;
        assert!(matches!(error, Error::NotAComponent { .. }), "{text}");
    }
}

#[tokio::test]
async fn a_component_of_another_world_is_told_what_is_missing_or_unknown() {
    for (path, name) in [
        (NOTHING, "pairway:worker/events"),
        (COMMAND, "pairway:worker/events"),
        (STRANGER, "test:strange/oracle"),
    ] {
        let (error, text) = refusal(Path::new(path)).await;
        assert!(matches!(error, Error::WrongWorld { .. }), "{text}");
        assert!(text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_a_way_out() {
    let host = Host::start(COMMANDER).await;
    let mut config = config();
    config.addr = host.address;
    let worker = load(COMMANDER, &config).await.expect("the worker loads");
    let error = Server::bind(worker, &config)
        .await
        .map(|_| ())
        .expect_err("the port is taken")
        .to_string();
    assert!(
        error.contains(&host.address.to_string()) && error.contains("--addr"),
        "{error}"
    );
}

#[tokio::test]
async fn limits_that_cannot_be_kept_are_refused() {
    let mut config = config();
    config.limits.outbox_soft_bytes = config.limits.outbox_hard_bytes + 1;
    let refused = match load(COMMANDER, &config).await {
        Ok(worker) => Server::bind(worker, &config).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
}

#[tokio::test]
async fn a_response_of_a_turn_that_goes_wrong_never_leaves() {
    let host = Host::start(FAULTY).await;
    assert_eq!(get(host.address, "/answer-then-panic").await.status, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_amid_the_traffic_of_many_leaves_nobody_hanging() {
    let host = Host::shared(FAULTY).await;
    for round in 1..=5 {
        let mut clients = Vec::new();
        for _ in 0..50 {
            clients.push(Raw::open(host.address, "/").await);
        }
        let talking: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(at, raw)| tokio::spawn(talk(raw, at == 25)))
            .collect();
        for talking in talking {
            within("everybody to be told", talking)
                .await
                .expect("each gets Close 1011, then the end");
        }
        assert_eq!(host.counters.faults.get(), round);
    }
}

/// Send and receive until the worker has gone wrong, for which one of the clients asks.
async fn talk(mut raw: Raw, asks: bool) {
    for said in 0.. {
        let word = if asks && said == 20 { "panic" } else { "hello" };
        raw.send(word).await;
        let frame = raw.frame().await;
        if frame.first == frames::FIN | frames::CLOSE {
            assert_eq!(frame.into_close().0, 1011);
            return raw.expect_end().await;
        }
        assert_eq!(frame.into_text(), "hello");
    }
}

#[tokio::test]
async fn the_bound_on_cpu_time_is_for_each_turn() {
    let host = Host::with(FAULTY, |config| config.limits.turn_cpu_ms = 400).await;
    let mut client = Client::connect(host.address, "/").await;
    for _ in 0..10 {
        client.ask("burn", "burn").await;
    }
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn an_allocation_that_fails_is_no_fault() {
    let host = Host::start(FAULTY).await;
    let mut client = Client::connect(host.address, "/").await;
    client.ask("too much at once", "too much at once").await;
    client.ask("still here", "still here").await;
}
