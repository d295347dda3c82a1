//! The program among what its system gives it: descriptors, standard output, signals. None of it ends what it serves.

use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Binary, Client, Raw, Upstream, get, within};
use crate::{ANSWERS, COMMANDER, OUTWARD};

/// A command that serves with so many descriptors: a shell lowers the bound, and becomes the program.
fn with_descriptors(count: u32, worker: &str) -> Command {
    let mut command = Binary::command("sh");
    let script = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(Binary::path());
    command.args(Binary::serve_arguments(worker));
    command
}

#[tokio::test]
async fn running_out_of_descriptors_pauses_accepting_and_ends_nothing() {
    let mut host = Binary::run(with_descriptors(256, COMMANDER)).await;
    // Whatever else the process may have opened: there are fewer now than the host has reckoned with.
    host.lower_descriptors(64);
    let mut client = Client::connect(host.address, "/").await;
    client.ask("echo hello", "hello").await;
    // The system accepts more on its behalf than it has descriptors for.
    let mut hoard = Vec::new();
    for _ in 0..100 {
        hoard.push(Raw::connect(host.address).await);
    }
    host.logs("cannot accept connections").await;
    client.ask("echo still here", "still here").await;
    drop(hoard);
    Client::connect(host.address, "/")
        .await
        .ask("echo a new one", "a new one")
        .await;
    client.ask("echo and still here", "and still here").await;
}

/// The number behind `name=` in a line of the log.
fn told(line: &str, name: &str) -> usize {
    let (_, rest) = line
        .split_once(&format!("{name}="))
        .unwrap_or_else(|| panic!("no {name}: {line}"));
    let number = rest.split(|char: char| !char.is_ascii_digit()).next();
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[tokio::test]
async fn outbound_connections_leave_descriptors_for_accepting() {
    let upstream = Upstream::listen().await;
    let mut command = with_descriptors(256, OUTWARD);
    command.args([
        "--allow-host",
        "ws://127.0.0.1:*",
        "--limit",
        "connect_ms=60000",
    ]);
    let mut host = Binary::run(command).await;
    let said = host.said("lowered (see `ulimit -n`)").await;
    let (outbound, inbound) = (
        told(&said, "outbound_connections"),
        told(&said, "connections"),
    );
    assert!(outbound + inbound < 256, "{said}");
    // A server that accepts and says nothing: each stays until its time is over.
    let mut control = Client::connect(host.address, "/").await;
    let connects = vec![format!("connect {}", upstream.url("/")); 500];
    control.send(connects.join("\n")).await;
    let mut refused = 0;
    for _ in 0..500 {
        assert!(control.text().await.starts_with("connect "));
    }
    while refused < 500 - outbound {
        let line = control.text().await;
        refused += usize::from(line.starts_with("error "));
        assert!(
            !line.starts_with("error ") || line.contains("limit outbound_connections"),
            "{line}"
        );
    }
    // As many as there may be at the same time are served all the while.
    let mut clients = Vec::new();
    for at in 0..inbound - 1 {
        let mut client = Client::connect(host.address, "/").await;
        client.send("connect nowhere").await;
        assert!(client.text().await.starts_with("connect InvalidUrl"));
        clients.push((at, client));
    }
    assert!(
        host.log_until_now()
            .iter()
            .all(|line| !line.contains("cannot accept"))
    );
}

#[tokio::test]
async fn the_bound_on_descriptors_is_raised_as_far_as_it_may_be() {
    let mut command = Binary::command("sh");
    let script = "ulimit -Sn 200 && exec \"$0\" \"$@\"";
    command.args(["-c", script]).arg(Binary::path());
    command.args(Binary::serve_arguments(ANSWERS));
    let mut host = Binary::run(command).await;
    let said = host.said("raised the bound on descriptors").await;
    assert_eq!(told(&said, "before"), 200);
    assert!(told(&said, "now") > 200, "{said}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", host.id())).expect("it runs");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    assert_eq!(soft, Some(told(&said, "now").to_string().as_str()));
}

#[tokio::test]
async fn limits_say_what_the_descriptors_leave_of_them() {
    let mut command = Binary::command("sh");
    command
        .args(["-c", "ulimit -n 300 && exec \"$0\" limits"])
        .arg(Binary::path());
    let output = within("the program to end", command.output())
        .await
        .expect("it starts");
    let out = String::from_utf8(output.stdout).expect("it writes UTF-8");
    for name in [
        "  connections ",
        "  outbound_connections ",
        "  objects_awake ",
    ] {
        let line = out
            .lines()
            .find(|line| line.starts_with(name))
            .expect("it is listed");
        assert!(
            line.contains("the process may open 300 descriptors"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn without_a_reader_of_its_output_the_program_ends_quietly() {
    for arguments in [
        &["limits"][..],
        &["--help"],
        &["serve", "--help"],
        &["--version"],
    ] {
        let (reader, writer) = std::io::pipe().expect("there are pipes");
        drop(reader);
        let mut command = Binary::command(Binary::path());
        command
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped());
        let child = command.spawn().expect("it starts");
        let output = within("the program to end", child.wait_with_output())
            .await
            .expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn output_that_cannot_be_written_is_an_error_that_says_so() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let mut command = Binary::command(Binary::path());
    command.arg("limits").stdout(full).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    let output = within("the program to end", child.wait_with_output())
        .await
        .expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("standard output") && !err.contains("panicked"),
        "{err}"
    );
}

#[tokio::test]
async fn an_error_that_nobody_can_read_is_an_exit_code_and_no_panic() {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    let mut command = Binary::command(Binary::path());
    command
        .args(["serve", "no/such/worker.wasm"])
        .stderr(writer);
    let status = within("the program to end", command.status())
        .await
        .expect("it starts");
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn serving_goes_on_where_nobody_reads_where_it_listens() {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    let free = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a free port");
    let address = free.local_addr().expect("it is bound");
    let mut command = Binary::command(Binary::path());
    command.args([
        "serve",
        ANSWERS,
        "--cache-dir",
        Binary::cache(),
        "--addr",
        &address.to_string(),
    ]);
    command.stdout(writer).stderr(Stdio::null());
    drop(free);
    let _child = command.spawn().expect("it starts");
    within("it to listen", async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(get(address, "/log").await.status, 200);
}

#[tokio::test]
async fn sighup_without_a_certificate_is_heard_and_ends_nothing() {
    let mut host = Binary::serve(COMMANDER, &[]).await;
    let mut client = Client::connect(host.address, "/").await;
    for _ in 0..2 {
        host.signal("HUP").await;
        host.logs("SIGHUP: there is nothing to read again").await;
    }
    client.ask("echo still here", "still here").await;
    host.signal("TERM").await;
    assert_eq!(client.close_frame().await.0, 1001);
    client.expect_end().await;
    drop(client);
    assert_eq!(host.ended().await, Some(0));
}
