//! The log of the program: it holds nothing up, whoever reads it or does not, and nobody but the host writes its lines.

use std::io::Read;
use std::process::Stdio;
use std::time::Instant;

use crate::support::{Binary, Client, Raw, get, within};
use crate::{ANSWERS, COMMANDER, EXCESS};

const OBJECTS: [&str; 2] = ["--durable-object", "EXCESS=Excess"];

/// A host whose standard error goes there.
async fn serving(worker: &str, flags: &[&str], stderr: impl Into<Stdio>) -> Binary {
    let mut command = Binary::command(Binary::path());
    command
        .args(Binary::serve_arguments(worker))
        .args(flags)
        .arg("--no-data-dir");
    Binary::run_with(command, stderr.into()).await
}

/// Everything goes on, and the process ends as it should.
async fn goes_on(host: Binary) {
    for _ in 0..20 {
        get(host.address, "/log").await.expect(200, "logged");
        get(host.address, "/log-flood").await.expect(200, "logged");
    }
    host.signal("TERM").await;
    assert_eq!(host.ended().await, Some(0));
}

#[tokio::test]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let full = std::fs::File::options().write(true).open("/dev/full");
    goes_on(serving(ANSWERS, &[], full.expect("Linux has it")).await).await;
}

#[tokio::test]
async fn a_reader_that_is_gone_costs_lines_and_nothing_else() {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    goes_on(serving(ANSWERS, &[], writer).await).await;
}

#[tokio::test]
async fn a_reader_that_reads_nothing_holds_nobody_up_and_is_told_later_how_much_is_missing() {
    let (mut reader, writer) = std::io::pipe().expect("there are pipes");
    let flags = [
        &[
            "--limit",
            "log_bytes_per_second=100000000",
            "--threads",
            "2",
        ][..],
        &[
            "--limit",
            "log_queue_bytes=100000",
            "--limit",
            "log_flush_ms=20000",
        ],
        &OBJECTS,
    ]
    .concat();
    let host = serving(EXCESS, &flags, writer).await;
    // Many times what a pipe and the queue hold; and there are two threads to be blocked.
    for _ in 0..10 {
        get(host.address, "/print/100/1000")
            .await
            .expect(200, "printed");
    }
    get(host.address, "/print/0/0").await.expect(200, "printed");
    // Now it reads.
    let reading = tokio::task::spawn_blocking(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).map(|_| log)
    });
    host.signal("TERM").await;
    assert_eq!(host.ended().await, Some(0));
    let log = within("the log to end", reading)
        .await
        .expect("it does not panic");
    let log = log.expect("it is UTF-8");
    let printed = log.lines().filter(|line| line.contains("xxxx")).count();
    let told = log
        .lines()
        .find_map(|line| line.split_once("records of the log were lost"));
    let (_, rest) = told.expect("the loss is told");
    assert!((100..1_000).contains(&printed), "{printed}");
    let lost = log.lines().filter_map(|line| {
        line.split_once("lost=")?
            .1
            .split(' ')
            .next()?
            .parse::<usize>()
            .ok()
    });
    // A record of the host's own may be among them.
    let all = lost.sum::<usize>() + printed;
    assert!((1_000..1_005).contains(&all), "{all}: {rest}");
}

#[tokio::test]
async fn a_stalled_reader_delays_the_end_by_no_more_than_its_bound() {
    let (_reader, writer) = std::io::pipe().expect("there are pipes");
    let flags = [
        &[
            "--limit",
            "log_bytes_per_second=100000000",
            "--limit",
            "log_flush_ms=100",
        ][..],
        &OBJECTS,
    ]
    .concat();
    let host = serving(EXCESS, &flags, writer).await;
    get(host.address, "/print/500/1000")
        .await
        .expect(200, "printed");
    host.signal("TERM").await;
    assert_eq!(host.ended().await, Some(0));
}

#[tokio::test]
async fn the_last_words_are_written_before_the_end() {
    let (mut reader, writer) = std::io::pipe().expect("there are pipes");
    let host = serving(ANSWERS, &[], writer).await;
    get(host.address, "/log").await.expect(200, "logged");
    host.signal("TERM").await;
    assert_eq!(host.ended().await, Some(0));
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("it is UTF-8");
    assert!(
        log.contains("a line on stdout") && log.trim_end().ends_with("stopped"),
        "{log}"
    );
}

/// What a host has written once it has ended.
async fn written(flags: &[&str], act: impl AsyncFnOnce(&Binary)) -> String {
    let (mut reader, writer) = std::io::pipe().expect("there are pipes");
    let host = serving(EXCESS, &[&OBJECTS, flags].concat(), writer).await;
    let reading = tokio::task::spawn_blocking(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).map(|_| log)
    });
    act(&host).await;
    host.signal("TERM").await;
    assert_eq!(host.ended().await, Some(0));
    let log = within("the log to end", reading)
        .await
        .expect("it does not panic");
    log.expect("it is UTF-8")
}

/// Each line is a record of the host's, and nothing in it would end a line or command a terminal.
#[track_caller]
fn expect_records(log: &str) {
    for line in log.lines() {
        let begins = line.starts_with("20") && line.as_bytes().get(10) == Some(&b'T');
        assert!(
            begins || line.starts_with('{') && line.ends_with('}'),
            "forged: {line:?}"
        );
        let stays = |char: char| !char.is_control() && !matches!(char, '\u{2028}' | '\u{2029}');
        assert!(line.chars().all(stays), "{line:?}");
    }
}

#[tokio::test]
async fn a_reason_of_100_mb_with_line_feeds_is_a_bounded_line() {
    for form in ["pretty", "json"] {
        let log = written(&["--log-format", form], async |host| {
            assert_eq!(get(host.address, "/to/a/abort/100000000").await.status, 200);
            assert_eq!(get(host.address, "/trap").await.status, 500);
            get(host.address, "/print-forged")
                .await
                .expect(200, "printed");
        })
        .await;
        expect_records(&log);
        assert!(log.len() < 64 * 1024, "{}", log.len());
        assert!(log.contains("the object was reset: forged"), "{log}");
        assert!(log.contains("bytes more)"), "{log}");
        // A line of output is a record of its own.
        let one = log
            .lines()
            .find(|line| line.contains(" one") || line.contains("\"one\""));
        assert!(one.is_some_and(|line| !line.contains("two")), "{log}");
        assert!(log.contains("two") && log.contains("three"), "{log}");
    }
}

#[tokio::test]
async fn all_instances_of_a_worker_share_its_budget_for_the_log() {
    let begun = Instant::now();
    let log = written(&["--limit", "log_bytes_per_second=20000"], async |host| {
        for _ in 0..50 {
            // A fresh instance each.
            get(host.address, "/print/200/100")
                .await
                .expect(200, "printed");
            assert_eq!(get(host.address, "/trap").await.status, 500);
            assert_eq!(get(host.address, "/to/a/abort/10000").await.status, 200);
        }
    })
    .await;
    expect_records(&log);
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("a few") + 2;
    // What was printed alone is a megabyte. Beside the budget there are the host's own few lines.
    assert!(
        log.len() < seconds * 22_000 + 4_000,
        "{} in {seconds} s",
        log.len()
    );
    assert!(log.contains("bytes of the worker's output were dropped (limit log_bytes_per_second)"));
}

#[tokio::test]
async fn sockets_are_served_while_the_log_stalls() {
    let (_reader, writer) = std::io::pipe().expect("there are pipes");
    let flags = [
        "--log",
        "trace",
        "--threads",
        "1",
        "--limit",
        "log_flush_ms=100",
    ];
    let host = serving(COMMANDER, &flags, writer).await;
    let mut client = Client::connect(host.address, "/").await;
    // The host itself has more to say with each connection than the pipe holds in the end.
    for at in 0..500 {
        client.ask(&format!("echo {at}"), &at.to_string()).await;
        drop(Raw::open(host.address, "/").await);
    }
    client.ask("echo still here", "still here").await;
}
