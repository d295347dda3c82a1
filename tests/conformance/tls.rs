//! TLS on the way to the worker: what it carries, which certificate is shown, and who is turned away.

use std::time::Instant;

use pairway_host::{Config, Error, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    Authority, Binary, Certified, Client, Folder, Host, Raw, Request, believing, config, frames,
    is_shown, load, pattern, until, within,
};
use crate::{ANSWERS, COMMANDER};

/// A host that shows a certificate for localhost; the authority and the files to go with it.
struct Shown {
    host: Host,
    authority: Authority,
    certified: Certified,
    folder: Folder,
}

async fn shown_with(name: &str, worker: &'static str, set: impl FnOnce(&mut Config)) -> Shown {
    let folder = Folder::new(name);
    let authority = Authority::new("authority.test");
    let certified = authority.certify("localhost");
    let files = certified.write(&folder);
    let host = Host::with(worker, |config| {
        config.tls = Some(files);
        set(config);
    })
    .await;
    Shown {
        host,
        authority,
        certified,
        folder,
    }
}

async fn shown(name: &str) -> Shown {
    shown_with(name, COMMANDER, |_| ()).await
}

#[tokio::test]
async fn messages_of_every_size_come_back_as_they_were() {
    let Shown {
        host, authority, ..
    } = shown("tls-messages").await;
    let mut client = authority.open(host.address, "/").await;
    client.ask("echo hello", "hello").await;
    for size in [0, 1, 16_384, 16_385, 1024 * 1024, 5_000_000] {
        client.send(pattern(size)).await;
        assert_eq!(client.message().await.into_data(), pattern(size));
    }
    client
        .send_all((0..2_000).map(|at| format!("echo {at}")))
        .await;
    for at in 0..2_000 {
        client.expect(&at.to_string()).await;
    }
}

#[tokio::test]
async fn the_worker_sees_the_scheme() {
    let Shown {
        host, authority, ..
    } = shown("tls-scheme").await;
    let mut client = authority.open(host.address, "/path").await;
    client.ask("uri", "https://localhost/path").await;
}

#[tokio::test]
async fn ordinary_requests_are_answered() {
    let Shown {
        host, authority, ..
    } = shown_with("tls-requests", ANSWERS, |_| ()).await;
    let mut stream = authority.connect(host.address).await;
    let request = Request::get("/forbidden").with("Connection", "close");
    stream
        .write_all(&request.to_bytes())
        .await
        .expect("the host reads");
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer))
        .await
        .expect("the host says goodbye before it hangs up");
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("no"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_close_handshake_is_followed_by_that_of_tls() {
    let Shown {
        host, authority, ..
    } = shown("tls-close").await;
    let mut stream = authority.connect(host.address).await;
    let all = [Request::upgrade("/").to_bytes(), frames::close(4000, "bye")].concat();
    stream.write_all(&all).await.expect("the host reads");
    let mut answer = Vec::new();
    within("the end", stream.read_to_end(&mut answer))
        .await
        .expect("the host says goodbye before it hangs up");
    let close = frames::unmasked_close(4000, "bye");
    assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(&close));
}

#[tokio::test]
async fn a_client_that_is_lost_is_a_close_with_1006() {
    let Shown {
        host, authority, ..
    } = shown("tls-lost").await;
    let client = authority.open(host.address, "/").await;
    until("the socket to be there", || {
        host.counters.sockets_live.get() == 1
    })
    .await;
    drop(client);
    until("the socket to be gone", || {
        host.counters.sockets_live.get() == 0 && host.counters.instances_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_order_while_it_sends() {
    let Shown {
        host, authority, ..
    } = shown("tls-slow").await;
    let stream = authority.connect_narrow(host.address).await;
    let mut client = Client::over(Box::new(stream), "wss://localhost/").await;
    for _ in 0..3 {
        client.send("large 4000000").await;
        client.send("echo between").await;
    }
    client.send(pattern(300_000)).await;
    for _ in 0..3 {
        let message = client.message().await;
        assert_eq!(message.into_data(), vec![b'x'; 4_000_000]);
        client.expect("between").await;
    }
    assert_eq!(client.message().await.into_data(), pattern(300_000));
    client.ask("echo done", "done").await;
}

#[tokio::test]
async fn a_reader_that_stalls_is_not_cut_off_in_front_of_a_close() {
    let Shown {
        host, authority, ..
    } = shown("tls-stall").await;
    let stream = authority.connect_narrow(host.address).await;
    let mut client = Client::over(Box::new(stream), "wss://localhost/").await;
    client.send("large 8000000").await;
    client.send("close 4001 done").await;
    assert_eq!(client.message().await.len(), 8_000_000);
    client.expect_close(4001, "done").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_client_without_tls_is_turned_away_at_once() {
    let Shown { host, .. } = shown("tls-plain").await;
    let mut raw = Raw::connect(host.address).await;
    let begin = Instant::now();
    raw.write(&Request::upgrade("/").to_bytes()).await;
    raw.until_end().await;
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    drop(raw);
    until("nothing to be left", || {
        host.counters.connections_live.get() == 0
    })
    .await;
    assert_eq!(host.counters.requests.get(), 0);
}

#[tokio::test]
async fn a_client_has_so_long_for_its_handshake() {
    let Shown { host, .. } = shown_with("tls-silent", COMMANDER, |config| {
        config.limits.tls_handshake_ms = 100;
    })
    .await;
    let mut raw = Raw::connect(host.address).await;
    let begin = Instant::now();
    raw.expect_end().await;
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_shutdown_closes_sockets_with_1001() {
    let Shown {
        mut host,
        authority,
        ..
    } = shown("tls-drain").await;
    let mut client = authority.open(host.address, "/").await;
    client.ask("echo hello", "hello").await;
    host.shut_down();
    assert_eq!(client.close_frame().await.0, 1001);
    client.expect_end().await;
    drop(client);
    host.stopped().await;
}

#[tokio::test]
async fn a_reload_is_for_new_connections_and_open_ones_go_on() {
    let Shown {
        host,
        authority,
        certified,
        folder,
    } = shown("tls-reload").await;
    let mut open = authority.open(host.address, "/").await;
    let new = authority.certify("localhost");
    new.write(&folder);
    assert!(is_shown(&authority.connect(host.address).await, &certified));
    host.certificate
        .as_ref()
        .expect("it has one")
        .reload()
        .expect("the files are fine");
    assert!(is_shown(&authority.connect(host.address).await, &new));
    open.ask("echo still here", "still here").await;
    // One that fails changes nothing.
    certified.write(&folder);
    std::fs::write(folder.path().join("key.pem"), &new.key).expect("the folder is ours");
    let reloaded = host.certificate.as_ref().expect("it has one").reload();
    assert!(matches!(reloaded, Err(Error::Config(_))), "{reloaded:?}");
    assert!(is_shown(&authority.connect(host.address).await, &new));
    open.ask("echo still here", "still here").await;
}

#[tokio::test]
async fn files_that_do_not_belong_together_keep_a_server_from_starting() {
    let folder = Folder::new("tls-mismatch");
    let authority = Authority::new("authority.test");
    let mut config = config();
    config.tls = Some(authority.certify("localhost").write(&folder));
    std::fs::write(
        folder.path().join("key.pem"),
        authority.certify("localhost").key,
    )
    .expect("the folder is ours");
    let worker = load(COMMANDER, &config).await.expect("the worker loads");
    let error = Server::bind(worker, &config)
        .await
        .expect_err("the key is another's");
    assert!(
        error
            .to_string()
            .contains("does not belong to the first certificate"),
        "{error}"
    );
}

#[tokio::test]
async fn a_signal_has_the_program_read_its_certificate_again() {
    let folder = Folder::new("tls-signal");
    let authority = Authority::new("authority.test");
    let (old, new) = (
        authority.certify("localhost"),
        authority.certify("localhost"),
    );
    old.write(&folder);
    let path = |name: &str| format!("{}/{name}", folder.text());
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let flags = ["--tls-cert", &cert, "--tls-key", &key];
    let mut program = Binary::serve(COMMANDER, &flags).await;
    let mut open = authority.open(program.address, "/").await;
    new.write(&folder);
    program.signal("HUP").await;
    program.logs("the certificate was read again").await;
    assert!(is_shown(&authority.connect(program.address).await, &new));
    std::fs::write(&cert, "nothing").expect("the folder is ours");
    program.signal("HUP").await;
    let line = program.logs("the certificate stays as it was").await;
    assert!(line.contains("cert.pem holds no certificate"), "{line}");
    assert!(is_shown(&authority.connect(program.address).await, &new));
    open.ask("echo still here", "still here").await;
}

#[tokio::test]
async fn the_program_makes_a_certificate_for_development_and_leaves_it_in_a_file() {
    let folder = Folder::new("tls-self-signed");
    let path = format!("{}/own.pem", folder.text());
    let program = Binary::serve(COMMANDER, &[&format!("--tls-self-signed={path}")]).await;
    let pem = std::fs::read_to_string(&path).expect("it is there before the program listens");
    let stream = within("the connection", TcpStream::connect(program.address))
        .await
        .expect("the host listens");
    let stream = believing(&pem, stream).await;
    let mut client = Client::over(Box::new(stream), "wss://localhost/").await;
    client.ask("echo hello", "hello").await;
}
