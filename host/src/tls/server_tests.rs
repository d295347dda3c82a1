//! Which certificates a server takes, what it shows, and what it does with clients that speak something else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::error::Error;
use crate::tls::server::{Acceptor, Certificate};
use crate::tls::testing::{Dir, Signed, said, shake_hands, shown, write_files};
use crate::tls::{SelfSigned, client_config, explain};

const HANDSHAKE_MS: u64 = 10_000;

/// A server that shows these files, or why it does not.
fn acceptor(dir: &Dir, chain: &str, key: &str) -> Result<Acceptor, Error> {
    let (chain, key) = write_files(dir, chain, key);
    Acceptor::new(Certificate::Files { chain, key }, HANDSHAKE_MS)
}

fn refusal(dir: &Dir, chain: &str, key: &str) -> String {
    match acceptor(dir, chain, key) {
        Err(Error::Config(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// The certificate that a client gets to see which believes in these.
async fn seen(acceptor: &Acceptor, believed: &[&Signed]) -> CertificateDer<'static> {
    let dir = Dir::new();
    let authorities: String = believed.iter().map(|signed| signed.cert.as_str()).collect();
    let client = client_config(&[dir.file("ca.pem", &authorities)]).unwrap();
    let (_, stream) = shake_hands(acceptor, client, "worker.test").await;
    shown(&stream.unwrap())
}

#[tokio::test]
async fn the_first_certificate_of_the_file_is_shown_and_a_client_that_knows_it_believes_it() {
    let (dir, signed) = (Dir::new(), Signed::new("worker.test"));
    let acceptor = acceptor(&dir, &signed.cert, &signed.key).unwrap();
    assert_eq!(seen(&acceptor, &[&signed]).await, signed.der);
    assert_eq!(acceptor.self_signed_pem(), None);
}

#[tokio::test]
async fn a_client_that_does_not_know_the_certificate_says_so_in_words() {
    let (dir, signed) = (Dir::new(), Signed::new("worker.test"));
    let acceptor = acceptor(&dir, &signed.cert, &signed.key).unwrap();
    for (authority, expected) in [
        ("other.test", "is signed by no authority that is known here"),
        // One of the same name, as the certificate for development has at each start.
        (
            "worker.test",
            "the one that is known here may be an old one",
        ),
    ] {
        let authority = dir.file("ca.pem", &Signed::new(authority).cert);
        let client = client_config(&[authority]).unwrap();
        let (accepted, connected) = shake_hands(&acceptor, client, "worker.test").await;
        let text = explain("worker.test", &connected.unwrap_err());
        assert!(
            text.contains(expected) && text.contains("outbound.ca_files"),
            "{text}"
        );
        accepted.unwrap_err();
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_accepted() {
    let (dir, signed) = (Dir::new(), Signed::new("worker.test"));
    let acceptor = acceptor(&dir, &signed.cert, &signed.key).unwrap();
    let client = client_config(&[dir.file("ca.pem", &signed.cert)]).unwrap();
    let (_, connected) = shake_hands(&acceptor, client, "other.test").await;
    let text = explain("other.test", &connected.unwrap_err());
    assert!(
        text.contains("the certificate of other.test cannot be accepted"),
        "{text}"
    );
}

#[test]
fn a_key_of_another_certificate_is_refused_and_both_files_are_named() {
    let (dir, signed, other) = (
        Dir::new(),
        Signed::new("worker.test"),
        Signed::new("worker.test"),
    );
    let text = refusal(&dir, &signed.cert, &other.key);
    assert!(text.starts_with(said(&dir.path("key.pem"))), "{text}");
    assert!(
        text.contains("does not belong to the first certificate in"),
        "{text}"
    );
    assert!(text.contains(said(&dir.path("chain.pem"))), "{text}");
    // The order of the chain matters: the server's own stands first.
    let text = refusal(&dir, &format!("{}{}", other.cert, signed.cert), &signed.key);
    assert!(text.contains("which must be the server's own"), "{text}");
    acceptor(&dir, &format!("{}{}", signed.cert, other.cert), &signed.key).unwrap();
}

#[test]
fn files_that_cannot_be_read_are_refused() {
    let (dir, signed) = (Dir::new(), Signed::new("worker.test"));
    let text = refusal(&dir, "", &signed.key);
    assert!(text.contains("chain.pem holds no certificate"), "{text}");
    let text = refusal(&dir, &signed.cert, "");
    assert!(text.contains("key.pem holds no private key"), "{text}");
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let text = refusal(&dir, wrong, &signed.key);
    assert!(text.contains("holds a certificate"), "{text}");
    let wrong = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let text = refusal(&dir, &signed.cert, wrong);
    assert!(text.contains("a key that cannot be used"), "{text}");
}

#[tokio::test]
async fn a_reload_changes_what_new_clients_are_shown() {
    let (dir, old, new) = (
        Dir::new(),
        Signed::new("worker.test"),
        Signed::new("worker.test"),
    );
    let acceptor = acceptor(&dir, &old.cert, &old.key).unwrap();
    write_files(&dir, &new.cert, &new.key);
    assert_eq!(seen(&acceptor, &[&old, &new]).await, old.der);
    acceptor.reload().unwrap();
    assert_eq!(seen(&acceptor, &[&old, &new]).await, new.der);
}

#[tokio::test]
async fn a_reload_that_fails_keeps_the_old_certificate() {
    let (dir, old, new) = (
        Dir::new(),
        Signed::new("worker.test"),
        Signed::new("worker.test"),
    );
    let acceptor = acceptor(&dir, &old.cert, &old.key).unwrap();
    for (chain, key) in [
        (&new.cert, &old.key),
        (&old.key, &old.key),
        (&new.cert, &new.cert),
    ] {
        write_files(&dir, chain, key);
        assert!(matches!(acceptor.reload(), Err(Error::Config(_))));
        assert_eq!(seen(&acceptor, &[&old, &new]).await, old.der);
    }
    write_files(&dir, &new.cert, &new.key);
    acceptor.reload().unwrap();
    assert_eq!(seen(&acceptor, &[&old, &new]).await, new.der);
}

#[tokio::test]
async fn the_certificate_for_development_is_for_this_machine_and_survives_a_reload() {
    let certificate = Certificate::SelfSigned(SelfSigned::new().unwrap());
    let acceptor = Acceptor::new(certificate, HANDSHAKE_MS).unwrap();
    let dir = Dir::new();
    let pem = acceptor.self_signed_pem().unwrap();
    assert!(!pem.contains("KEY"));
    let client = client_config(&[dir.file("ca.pem", pem)]).unwrap();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let (_, stream) = shake_hands(&acceptor, client.clone(), name).await;
        stream.unwrap();
        acceptor.reload().unwrap();
    }
    let (_, stream) = shake_hands(&acceptor, client, "worker.test").await;
    stream.unwrap_err();
}

/// A client that says this instead of a handshake, and what the server says of it.
async fn said_of(acceptor: &Acceptor, bytes: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    client.write_all(bytes).await.unwrap();
    let error = acceptor.accept(accepted).await.unwrap_err();
    // Its connection is over.
    client
        .read_to_end(&mut Vec::new())
        .await
        .unwrap_or_default();
    error.to_string()
}

#[tokio::test]
async fn a_client_that_does_not_speak_tls_is_told_apart() {
    let certificate = Certificate::SelfSigned(SelfSigned::new().unwrap());
    let acceptor = Acceptor::new(certificate, HANDSHAKE_MS).unwrap();
    let text = said_of(&acceptor, b"GET / HTTP/1.1\r\nHost: worker.test\r\n\r\n").await;
    assert!(text.contains("does not speak TLS"), "{text}");
}

#[tokio::test]
async fn a_client_that_says_nothing_has_tls_handshake_ms() {
    let certificate = Certificate::SelfSigned(SelfSigned::new().unwrap());
    let acceptor = Acceptor::new(certificate, 50).unwrap();
    let text = said_of(&acceptor, b"").await;
    assert_eq!(
        text,
        "no TLS handshake within 50 ms (limit tls_handshake_ms)"
    );
}

#[test]
fn authorities_that_cannot_be_used_are_refused() {
    let dir = Dir::new();
    for (path, expected) in [
        (dir.path("missing.pem"), "cannot read"),
        (dir.file("empty.pem", ""), "holds no certificate"),
        (
            dir.file(
                "wrong.pem",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            "holds a certificate that cannot be an authority",
        ),
    ] {
        let Err(Error::Config(text)) = client_config(&[path]) else {
            panic!("{expected}");
        };
        assert!(text.contains(expected), "{text}");
    }
}
