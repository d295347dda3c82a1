//! Slow readers and slow workers: every queue has a bound, and nobody pays for another's slowness.

use std::time::{Duration, Instant};

use crate::support::{Binary, Client, Host, Observer, Raw, frames, until};
use crate::{COMMANDER, LATE, OUTBOX};

#[tokio::test]
async fn a_flood_to_a_stalled_reader_arrives_in_order_and_others_stay_responsive() {
    let host = Host::shared(COMMANDER).await;
    let mut stalled = Raw::open_narrow(host.address, "/").await;
    stalled.send("flood 200000").await;
    let mut other = Client::connect(host.address, "/").await;
    for at in 0..100 {
        other.ask(&format!("echo {at}"), &at.to_string()).await;
    }
    for at in 0..200_000 {
        stalled.expect_text(&format!("f{at}")).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_and_nothing_is_lost() {
    let host = Host::with(COMMANDER, |config| {
        config.limits.outbox_soft_bytes = 64 * 1024;
    })
    .await;
    let mut raw = Raw::open_narrow(host.address, "/").await;
    let count = 4_000;
    let message = |at: u32| format!("{at:>10000}");
    let writing = raw.write_along(
        (0..count)
            .flat_map(|at| frames::text(&message(at)))
            .collect(),
    );
    until("the host to stop reading", || {
        host.counters.read_pauses.get() > 0
    })
    .await;
    assert!(
        !writing.is_finished(),
        "40 MB went where 64 KiB should have been the bound"
    );
    for at in 0..count {
        raw.expect_text(&message(at)).await;
    }
    writing.await.expect("everything was read in the end");
}

#[tokio::test]
async fn a_client_that_reads_no_pongs_is_not_read_either() {
    let host = Host::with(COMMANDER, |config| {
        config.limits.outbox_soft_bytes = 64 * 1024;
    })
    .await;
    let mut raw = Raw::open_narrow(host.address, "/").await;
    let writing = raw.write_along(frames::ping(&[b'p'; 125]).repeat(200_000));
    until("the host to stop reading", || {
        host.counters.read_pauses.get() > 0
    })
    .await;
    assert!(
        !writing.is_finished(),
        "26 MB went where 64 KiB should have been the bound"
    );
    for _ in 0..200_000 {
        assert_eq!(raw.frame().await.first, frames::FIN | frames::PONG);
    }
    writing.await.expect("everything was read in the end");
}

#[tokio::test]
async fn send_is_refused_when_the_outbox_is_full_and_drain_tells_when_there_is_room() {
    let host = Host::with(OUTBOX, |config| {
        config.sockets_per_instance = 2;
        config.limits.outbox_soft_bytes = 256 * 1024;
        config.limits.outbox_hard_bytes = 1024 * 1024;
    })
    .await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open_narrow(host.address, "/").await;
    raw.send("room").await;
    observer.expect("room 0 true").await;
    // And again when there is room.
    for _ in 0..2 {
        raw.send("fill 65536").await;
        let line = observer.line().await;
        let words: Vec<&str> = line.split(' ').collect();
        let ["full", taken, refusal, buffered, "false"] = words[..] else {
            panic!("{line}")
        };
        let (taken, buffered) = (
            taken.parse::<usize>().unwrap(),
            buffered.parse::<usize>().unwrap(),
        );
        assert!(refusal.starts_with("OutboxFull"), "{line}");
        assert!(
            (14..=16).contains(&taken),
            "{taken} messages of 64 KiB for an outbox of 1 MiB"
        );
        assert!(buffered >= taken * 65_536, "{line}");
        for _ in 0..taken {
            assert_eq!(raw.frame().await.payload.len(), 65_536);
        }
        let line = observer.line().await;
        let words: Vec<&str> = line.split(' ').collect();
        let ["drain", buffered, "true"] = words[..] else {
            panic!("{line}")
        };
        assert!(buffered.parse::<usize>().unwrap() <= 256 * 1024, "{line}");
    }
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_worker_that_waits_for_room_is_never_refused() {
    let host = Host::with(COMMANDER, |config| {
        config.limits.outbox_soft_bytes = 64 * 1024;
        config.limits.outbox_hard_bytes = 256 * 1024;
    })
    .await;
    let mut raw = Raw::open_narrow(host.address, "/").await;
    raw.send("patient 500 100000").await;
    for _ in 0..500 {
        assert_eq!(raw.frame().await.payload.len(), 100_000);
    }
}

#[tokio::test]
async fn a_socket_that_nobody_accepts_holds_so_much_and_no_more() {
    is_held_back(LATE, "/never", &[]).await;
}

#[tokio::test]
async fn a_worker_that_does_not_take_its_messages_is_sent_so_much_and_no_more() {
    is_held_back(COMMANDER, "/", &frames::text("stall 60000")).await;
}

/// A client that sends 100 MB to a worker that takes nothing must get stuck, while others do not.
async fn is_held_back(worker: &'static str, target: &str, first: &[u8]) {
    let host = Host::start(worker).await;
    let mut raw = Raw::open(host.address, target).await;
    raw.write(first).await;
    let writing = raw.write_along(frames::binary(&[0; 10_000]).repeat(10_000));
    // The other is served more often than it takes to read 100 MB.
    let mut other = Client::connect(host.address, "/observe").await;
    for _ in 0..2_000 {
        other.ask("hello", "hello").await;
    }
    assert!(!writing.is_finished(), "100 MB were read that nobody takes");
}

#[tokio::test]
async fn one_message_that_is_larger_than_an_outbox_is_taken_into_an_empty_one() {
    let host = Host::with(OUTBOX, |config| {
        config.sockets_per_instance = 2;
        config.limits.outbox_soft_bytes = 16 * 1024;
        config.limits.outbox_hard_bytes = 64 * 1024;
    })
    .await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("fill 1000000").await;
    assert!(observer.line().await.starts_with("full 1 OutboxFull"));
    assert_eq!(raw.frame().await.payload.len(), 1_000_000);
}

#[tokio::test]
async fn a_peer_that_goes_on_not_reading_is_given_up_with_1013() {
    let host = Host::with(OUTBOX, |config| {
        config.sockets_per_instance = 2;
        config.limits.outbox_soft_bytes = 64 * 1024;
        config.limits.outbox_stall_ms = 200;
    })
    .await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open_narrow(host.address, "/").await;
    raw.send("fill 65536").await;
    assert!(observer.line().await.starts_with("full"));
    observer.expect("close 1006 false ok").await;
    // If it reads at last, it gets what was sent before, and is told.
    let mut frame = raw.frame().await;
    while frame.first == frames::FIN | frames::BINARY {
        frame = raw.frame().await;
    }
    assert_eq!(frame.into_close().0, 1013);
    raw.expect_end().await;
    drop(raw);
    until("the socket to be gone", || {
        host.counters.sockets_live.get() == 1
    })
    .await;
    observer.expect_nothing().await;
}

#[tokio::test]
async fn a_paused_socket_delivers_nothing_until_it_resumes_and_then_everything_in_order() {
    let host = Host::with(OUTBOX, |config| config.limits.held_bytes = 16 * 1024).await;
    let mut raw = Raw::open(host.address, "/").await;
    // More than the host holds: the rest stays with the client.
    let message = |at: u32| format!("{at:>1000}");
    let mut bytes = frames::text("pause 100");
    bytes.extend((0..5_000).flat_map(|at| frames::text(&message(at))));
    let writing = raw.write_along(bytes);
    // A batch that is under way may still bring some.
    let mut at = 0;
    loop {
        let text = raw.frame().await.into_text();
        if text == "resumed" {
            break;
        }
        assert_eq!(text, message(at));
        at += 1;
    }
    assert!(at < 64, "{at} messages were delivered during the pause");
    for at in at..5_000 {
        raw.expect_text(&message(at)).await;
    }
    writing.await.expect("everything was read in the end");
}

#[tokio::test]
async fn the_close_of_a_paused_socket_waits_behind_its_messages() {
    let host = Host::with(OUTBOX, |config| config.sockets_per_instance = 2).await;
    let mut observer = Observer::connect(host.address).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("pause 100").await;
    raw.write(&[frames::text("room"), frames::close(4000, "bye")].concat())
        .await;
    observer.expect("room 0 true").await;
    observer.expect("close 4000 true Closed").await;
}

/// How many sockets the process of the next test serves.
const MANY: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sockets_of_one_instance_are_served_while_one_floods_and_never_reads() {
    let limit = format!("{}", MANY + 10);
    let host = Binary::serve(COMMANDER, &["--sockets-per-instance", &limit]).await;
    let mut clients = Vec::new();
    for _ in 0..MANY {
        clients.push(Client::connect(host.address, "/").await);
    }
    let mut flooder = Raw::open_narrow(host.address, "/").await;
    let writing = flooder.write_along(frames::text(&"x".repeat(16_000)).repeat(20_000));
    for round in 0..3 {
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(format!("echo {round} {at}")).await;
        }
        for (at, client) in clients.iter_mut().enumerate() {
            client.expect(&format!("{round} {at}")).await;
        }
    }
    assert!(
        !writing.is_finished(),
        "320 MB were read for a client that takes no answers"
    );
    let resident = host.resident_kib();
    assert!(
        resident < 300 * 1024,
        "{resident} KiB for {MANY} sockets and a client that does not read"
    );
}

#[tokio::test]
async fn a_peer_that_is_given_up_and_still_reads_nothing_is_dropped() {
    let host = Host::with(OUTBOX, |config| {
        config.limits.outbox_soft_bytes = 64 * 1024;
        config.limits.outbox_stall_ms = 100;
        config.limits.close_timeout_ms = 100;
    })
    .await;
    let mut raw = Raw::open_narrow(host.address, "/").await;
    raw.send("fill 65536").await;
    until("the socket to be gone", || {
        host.counters.sockets.get() == 1 && host.counters.sockets_live.get() == 0
    })
    .await;
    raw.until_end().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped_when_its_worker_has_died() {
    let host = Host::with(OUTBOX, |config| {
        config.sockets_per_instance = 2;
        config.limits.close_timeout_ms = 200;
    })
    .await;
    let mut stalled = Raw::open_narrow(host.address, "/").await;
    let mut other = Raw::open(host.address, "/observe").await;
    stalled.send("fill 65536").await;
    assert!(other.frame().await.into_text().starts_with("full"));
    other.send("die").await;
    other.expect_failed(1011).await;
    drop(other);
    until("the sockets to be gone", || {
        host.counters.sockets_live.get() == 0
    })
    .await;
    stalled.until_end().await;
}

#[tokio::test]
async fn a_slow_reader_is_not_cut_off_in_front_of_a_close_while_it_reads() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    const MESSAGES: u32 = 60;
    let host = Host::with(COMMANDER, |config| {
        config.limits.close_timeout_ms = 400;
    })
    .await;
    let mut raw = Raw::open_narrow(host.address, "/").await;
    for _ in 0..MESSAGES {
        raw.send("large 200000").await;
    }
    raw.send("close 4001 done").await;
    let begin = Instant::now();
    for _ in 0..MESSAGES {
        assert_eq!(raw.frame().await.payload.len(), 200_000);
        // Slower than the timeout as a whole, faster than it from one piece to the next.
        tokio::time::sleep(TIMEOUT / 20).await;
    }
    raw.expect_close(4001, "done").await;
    assert!(begin.elapsed() > 2 * TIMEOUT, "{:?}", begin.elapsed());
}
