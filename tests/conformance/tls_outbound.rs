//! TLS on the way to other servers: whom the host believes, and what is said if it does not.

use pairway_host::Config;

use crate::outbound::outward_with;
use crate::support::{
    Authority, Binary, Certified, Client, Folder, Host, Upstream, pattern, to_loopback, within,
};
use crate::{CALLER, OUTWARD};

/// A folder with an authority in it, and a certificate of 127.0.0.1 that it has signed.
fn signed(name: &str) -> (Folder, Authority, Certified) {
    let folder = Folder::new(name);
    let authority = Authority::new("authority.test");
    let certified = authority.certify("127.0.0.1");
    (folder, authority, certified)
}

fn wss(upstream: &Upstream) -> String {
    format!("wss://{}/", upstream.address)
}

/// An outbox that takes all of it, so that no `drain` comes between.
fn roomy(config: &mut Config) {
    config.limits.outbox_hard_bytes = 32 * 1024 * 1024;
    config.limits.outbox_soft_bytes = 32 * 1024 * 1024;
}

/// The next connection of a server that shows this certificate.
async fn accept(upstream: &Upstream, certified: &Certified) -> Client {
    let stream = upstream.stream().await;
    let secured = within("the TLS handshake", certified.acceptor().accept(stream));
    Client::serve(Box::new(secured.await.expect("the host believes it"))).await
}

/// The reason why a socket to a server with this certificate does not open.
async fn failure(certified: &Certified, set: impl FnOnce(&mut Config)) -> String {
    let (_host, mut control, upstream) = outward_with(set).await;
    control
        .ask(
            &format!("connect {}", wss(&upstream)),
            "connect 0 Connecting",
        )
        .await;
    let stream = upstream.stream().await;
    let refused = within("the TLS handshake", certified.acceptor().accept(stream)).await;
    refused.expect_err("the host does not believe it");
    let line = control.text().await;
    assert!(control.text().await.starts_with("close 0 1006 false"));
    line
}

#[tokio::test]
async fn an_authority_of_the_configuration_is_believed() {
    let (folder, authority, certified) = signed("tls-out-believed");
    let file = authority.file(&folder);
    let (_host, mut control, upstream) = outward_with(|config| {
        config.outbound.ca_files = vec![file];
        roomy(config);
    })
    .await;
    let command = format!("connect {}\necho 0", wss(&upstream));
    control.ask(&command, "connect 0 Connecting").await;
    control.expect("echo ok").await;
    let mut server = accept(&upstream, &certified).await;
    control.expect("open 0 Open").await;
    server.ask("hello", "hello").await;
    for size in [0, 16_384, 16_385, 5_000_000] {
        server.send(pattern(size)).await;
        assert_eq!(server.message().await.into_data(), pattern(size));
    }
    server.close(4000, "bye").await;
    control.expect("close 0 4000 true Closed Closed bye").await;
    server.expect_close(4000, "bye").await;
    server.expect_end().await;
}

#[tokio::test]
async fn an_unknown_authority_is_told_with_what_to_do() {
    let (_folder, _authority, certified) = signed("tls-out-unknown");
    let line = failure(&certified, |_| ()).await;
    assert!(
        line.contains("the certificate of 127.0.0.1 is signed by no authority"),
        "{line}"
    );
    assert!(line.contains("outbound.ca_files"), "{line}");
}

#[tokio::test]
async fn another_authority_of_the_same_name_is_not_believed() {
    let (folder, _authority, certified) = signed("tls-out-other");
    let file = Authority::new("authority.test").file(&folder);
    let line = failure(&certified, |config| config.outbound.ca_files = vec![file]).await;
    assert!(
        line.contains("may be an old one (outbound.ca_files)"),
        "{line}"
    );
}

#[tokio::test]
async fn a_certificate_of_another_name_is_not_believed() {
    let (folder, authority, _certified) = signed("tls-out-name");
    let file = authority.file(&folder);
    let other = authority.certify("other.test");
    let line = failure(&other, |config| config.outbound.ca_files = vec![file]).await;
    assert!(
        line.contains("the certificate of 127.0.0.1 cannot be accepted"),
        "{line}"
    );
}

#[tokio::test]
async fn a_name_is_asked_for_by_name() {
    let (folder, authority, _certified) = signed("tls-out-sni");
    let file = authority.file(&folder);
    let certified = authority.certify("localhost");
    let (_host, mut control, upstream) = outward_with(|config| {
        config.outbound.ca_files = vec![file];
        config.outbound.allowed_hosts = vec!["wss://localhost:*".to_owned()];
    })
    .await;
    let url = format!("wss://localhost:{}/", upstream.address.port());
    control
        .ask(&format!("connect {url}"), "connect 0 Connecting")
        .await;
    let stream = upstream.stream().await;
    let secured = within("the TLS handshake", certified.acceptor().accept(stream)).await;
    let secured = secured.expect("the host believes it");
    assert_eq!(secured.get_ref().1.server_name(), Some("localhost"));
    let _server = Client::serve(Box::new(secured)).await;
    control.expect("open 0 Open").await;
}

#[tokio::test]
async fn a_server_that_reads_slowly_gets_everything() {
    let (folder, authority, certified) = signed("tls-out-slow");
    let file = authority.file(&folder);
    let (_host, mut control, upstream) = outward_with(|config| {
        config.outbound.ca_files = vec![file];
        roomy(config);
    })
    .await;
    control
        .ask(
            &format!("connect {}", wss(&upstream)),
            "connect 0 Connecting",
        )
        .await;
    let mut server = accept(&upstream, &certified).await;
    control.expect("open 0 Open").await;
    control
        .send("bytes 0 4000000\nsend 0 between\nbytes 0 4000000\nsend 0 last\nclose 0")
        .await;
    for line in ["bytes ok", "send ok", "bytes ok", "send ok", "close ok"] {
        control.expect(line).await;
    }
    for text in ["between", "last"] {
        assert_eq!(server.message().await.into_data(), pattern(4_000_000));
        server.expect(text).await;
    }
    server.expect_close(1005, "").await;
    server.expect_end().await;
    control.expect("close 0 1005 true Closed Closed ").await;
}

#[tokio::test]
async fn a_relay_has_tls_on_both_sides() {
    let (folder, authority, certified) = signed("tls-relay");
    let file = authority.file(&folder);
    let files = authority.certify("localhost").write(&folder);
    let host = Host::with(CALLER, |config| {
        to_loopback(config);
        config.outbound.ca_files = vec![file];
        config.tls = Some(files);
    })
    .await;
    let upstream = Upstream::listen().await;
    let target = format!("/relay?url=https://{}/", upstream.address);
    let (mut client, mut server) = tokio::join!(
        authority.open(host.address, &target),
        accept(&upstream, &certified)
    );
    for size in [1, 16_385, 5_000_000] {
        let (_, message) = tokio::join!(client.send(pattern(size)), server.message());
        assert_eq!(message.into_data(), pattern(size));
        let (_, message) = tokio::join!(server.send(pattern(size)), client.message());
        assert_eq!(message.into_data(), pattern(size));
    }
    client.close(4000, "bye").await;
    server.expect_close(4000, "bye").await;
    server.expect_end().await;
    client.expect_close(4000, "bye").await;
    client.expect_end().await;
}

#[tokio::test]
async fn the_program_takes_hosts_and_authorities_as_flags() {
    let (folder, authority, certified) = signed("tls-out-flags");
    let file = authority.file(&folder);
    let upstream = Upstream::listen().await;
    let allowed = format!("wss://{}", upstream.address);
    let file = file.to_str().expect("a path of ours");
    let flags = ["--allow-host", &allowed, "--outbound-ca", file];
    let program = Binary::serve(OUTWARD, &flags).await;
    let mut control = Client::connect(program.address, "/").await;
    control
        .ask(
            &format!("connect {}", wss(&upstream)),
            "connect 0 Connecting",
        )
        .await;
    let mut server = accept(&upstream, &certified).await;
    control.expect("open 0 Open").await;
    server.send("hello").await;
    control.expect("text 0 hello").await;
    control.send(format!("connect {}", upstream.url("/"))).await;
    assert!(control.text().await.starts_with("connect NotAllowed("));
}
