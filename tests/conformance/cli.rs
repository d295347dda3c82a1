//! The program as its user meets it. What it serves is tested elsewhere; here is what it says, and what only a
//! whole process can show.

use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;

use crate::support::{Binary, Client, Raw, Request, get, within};
use crate::{ANSWERS, COMMANDER, NOTHING};

/// Run the program to its end.
async fn pairway(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Binary::command(Binary::path());
    command.args(arguments);
    let Output {
        status,
        stdout,
        stderr,
    } = within("the program to end", command.output())
        .await
        .expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn help_names_the_commands_and_their_flags() {
    let (code, out, _) = pairway(&["--help"]).await;
    assert_eq!(code, Some(0));
    assert!(out.contains("serve") && out.contains("limits"), "{out}");
    let (code, out, _) = pairway(&["serve", "--help"]).await;
    assert_eq!(code, Some(0));
    assert!(
        out.contains("--addr") && out.contains("--sockets-per-instance"),
        "{out}"
    );
    let (code, out, _) = pairway(&["--version"]).await;
    assert_eq!(
        (code, out.trim()),
        (Some(0), concat!("pairway ", env!("CARGO_PKG_VERSION")))
    );
}

#[tokio::test]
async fn limits_are_listed_with_values_and_reasons() {
    let (code, out, _) = pairway(&["limits"]).await;
    assert_eq!(code, Some(0));
    for words in [
        "message_bytes",
        "33554432",
        "close_timeout_ms",
        "Close 1009",
        "\nStorage\n",
        "total",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
}

#[tokio::test]
async fn a_worker_that_cannot_be_loaded_is_an_error_with_its_path_and_no_backtrace() {
    for path in ["no/such/worker.wasm", NOTHING] {
        let (code, _, err) = pairway(&["serve", path, "--addr", "127.0.0.1:0"]).await;
        assert!(
            code.is_some_and(|code| code != 0 && code != 101),
            "{code:?}"
        );
        assert!(err.contains(path) && !err.contains("panicked"), "{err}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let host = Binary::serve(ANSWERS, &[]).await;
    let taken = host.address.to_string();
    let (code, _, err) = pairway(&["serve", ANSWERS, "--addr", &taken]).await;
    assert!(
        code.is_some_and(|code| code != 0 && code != 101),
        "{code:?}"
    );
    assert!(err.contains(&taken), "{err}");
}

#[tokio::test]
async fn an_unknown_limit_is_an_error_that_names_near_ones() {
    let (code, _, err) = pairway(&["serve", ANSWERS, "--limit", "outbox_bytes=5"]).await;
    assert!(
        code.is_some_and(|code| code != 0 && code != 101),
        "{code:?}"
    );
    assert!(err.contains("outbox_hard_bytes"), "{err}");
}

#[tokio::test]
async fn flags_set_variables_and_limits() {
    let host = Binary::serve(
        ANSWERS,
        &[
            "--var",
            "GREETING=hello",
            "--limit",
            "request_body_bytes=1000",
        ],
    )
    .await;
    get(host.address, "/var").await.expect(200, "hello");
    let large = Request::get("/echo").method("POST").body(&[b'x'; 1_001]);
    assert_eq!(large.send(host.address).await.status, 413);
}

/// A configuration file in a folder of its own.
fn configuration(folder: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).expect("the folder is ours");
    std::fs::copy(ANSWERS, folder.join("worker.wasm")).expect("it was built");
    let path = folder.join("pairway.toml");
    std::fs::write(&path, text).expect("the folder is ours");
    path
}

/// A command that serves what a configuration file says, in its folder.
fn configured(file: &Path) -> Command {
    let mut command = Binary::command(Binary::path());
    command
        .arg("serve")
        .current_dir(file.parent().expect("it stands in a folder"));
    command.env("PAIRWAY_CACHE_DIR", Binary::cache());
    command
}

#[tokio::test]
async fn the_configuration_file_of_the_folder_says_what_to_serve_and_how() {
    let text = "main = \"worker.wasm\"\naddr = \"127.0.0.1:0\"\n[vars]\nGREETING = \"from the file\"\n\
                [limits]\nrequest_body_bytes = 1000\n";
    let file = configuration("configured", text);
    let host = Binary::run(configured(&file)).await;
    get(host.address, "/var").await.expect(200, "from the file");
    let large = Request::get("/echo").method("POST").body(&[b'x'; 1_001]);
    assert_eq!(large.send(host.address).await.status, 413);
}

#[tokio::test]
async fn flags_overrule_the_environment_and_that_the_configuration_file() {
    let text = "main = \"worker.wasm\"\naddr = \"no address of ours\"\n";
    let file = configuration("refused", text);
    let output = within("the program to end", configured(&file).output())
        .await
        .expect("it starts");
    assert!(!output.status.success());
    let text =
        "main = \"worker.wasm\"\naddr = \"192.0.2.1:1\"\n[vars]\nGREETING = \"from the file\"\n";
    let file = configuration("overruled", text);
    let mut command = configured(&file);
    command.current_dir("/").arg("--config").arg(&file);
    command
        .args(["--var", "GREETING=from the flag"])
        .env("PAIRWAY_ADDR", "127.0.0.1:0");
    let host = Binary::run(command).await;
    get(host.address, "/var").await.expect(200, "from the flag");
}

#[tokio::test]
async fn a_mistake_in_the_configuration_file_is_an_error_that_names_it() {
    for (folder, text, word) in [
        (
            "unknown-key",
            "main = \"worker.wasm\"\nport = 8787\n",
            "port",
        ),
        (
            "unknown-limit",
            "main = \"worker.wasm\"\n[limits]\nmessage_size = 1\n",
            "message_size",
        ),
        ("no-toml", "main: worker.wasm\n", "pairway.toml"),
        ("no-main", "addr = \"127.0.0.1:0\"\n", "main"),
    ] {
        let file = configuration(folder, text);
        let output = within("the program to end", configured(&file).output())
            .await
            .expect("it starts");
        let err = String::from_utf8(output.stderr).expect("it writes UTF-8");
        assert!(!output.status.success(), "{folder}");
        assert!(
            err.contains(word) && !err.contains("panicked"),
            "{folder}: {err}"
        );
    }
}

#[tokio::test]
async fn what_the_worker_prints_is_in_the_log() {
    let mut host = Binary::serve(ANSWERS, &[]).await;
    get(host.address, "/log").await.expect(200, "logged");
    host.logs("a line on stdout").await;
    host.logs("a line on stderr").await;
    get(host.address, "/fail")
        .await
        .expect(500, "Internal Server Error");
    host.logs("the handler failed").await;
}

#[tokio::test]
async fn what_the_worker_prints_over_its_rate_is_dropped_and_counted() {
    let mut host = Binary::serve(ANSWERS, &["--limit", "log_bytes_per_second=1000"]).await;
    get(host.address, "/log-flood").await.expect(200, "logged");
    host.logs("bytes of the worker's output were dropped").await;
}

#[tokio::test]
async fn a_signal_to_end_drains_and_ends_well() {
    for signal in ["TERM", "INT"] {
        let host = Binary::serve(COMMANDER, &[]).await;
        let mut client = Client::connect(host.address, "/").await;
        client.ask("echo hello", "hello").await;
        host.signal(signal).await;
        assert_eq!(client.close_frame().await.0, 1001);
        client.expect_end().await;
        drop(client);
        assert_eq!(host.ended().await, Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut host = Binary::serve(COMMANDER, &[]).await;
    // It answers no Close.
    let _silent = Raw::open(host.address, "/").await;
    host.signal("TERM").await;
    host.logs("shutting down").await;
    host.signal("TERM").await;
    assert_eq!(host.ended().await, Some(1));
}

#[tokio::test]
async fn the_log_can_be_json() {
    let mut host = Binary::serve(ANSWERS, &["--log-format", "json"]).await;
    get(host.address, "/log").await.expect(200, "logged");
    let line = host.logs("a line on stdout").await;
    assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
}
