//! What is said of files that do not hold what they should.

use crate::error::Error;
use crate::tls::pem::{certificates, key};
use crate::tls::testing::{Dir, Signed};

fn text<T>(read: Result<T, Error>) -> String {
    match read {
        Err(Error::Config(text)) => text,
        Err(other) => panic!("not about the configuration: {other}"),
        Ok(_) => panic!("it was read"),
    }
}

#[test]
fn every_certificate_of_a_file_is_read_and_the_first_key() {
    let dir = Dir::new();
    let (one, other) = (Signed::new("one.test"), Signed::new("other.test"));
    let path = dir.file(
        "all.pem",
        &[&one.cert, &other.key, &other.cert, &one.key]
            .map(String::as_str)
            .concat(),
    );
    let found = certificates(&path).unwrap();
    assert_eq!(found, [one.der, other.der]);
    assert_eq!(key(&path).unwrap().secret_der(), other.key_der);
}

#[test]
fn a_file_that_is_missing_is_named() {
    let path = Dir::new().path("missing.pem");
    for said in [text(certificates(&path)), text(key(&path))] {
        assert!(
            said.starts_with("cannot read") && said.contains("missing.pem"),
            "{said}"
        );
    }
}

#[test]
fn a_file_without_the_right_section_is_told_what_is_missing() {
    let dir = Dir::new();
    let signed = Signed::new("one.test");
    let empty = dir.file("empty.pem", "");
    let swapped = dir.file("cert.pem", &signed.cert);
    let only_key = dir.file("key.pem", &signed.key);
    for path in [&empty, &only_key] {
        let said = text(certificates(path));
        assert!(
            said.contains("there is no `-----BEGIN CERTIFICATE-----` in it"),
            "{said}"
        );
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
    for path in [&empty, &swapped] {
        let said = text(key(path));
        assert!(
            said.contains("there is no `-----BEGIN PRIVATE KEY-----` in it"),
            "{said}"
        );
    }
}

#[test]
fn der_is_told_how_to_become_pem() {
    let dir = Dir::new();
    let signed = Signed::new("one.test");
    let said = text(certificates(&dir.bytes("cert.der", &signed.der)));
    assert!(said.contains("openssl x509 -inform der"), "{said}");
    let said = text(key(&dir.bytes("key.der", &signed.key_der)));
    assert!(said.contains("openssl pkey -inform der"), "{said}");
}

#[test]
fn an_encrypted_key_is_told_how_to_be_decrypted() {
    let encrypted = Signed::new("one.test")
        .key
        .replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let said = text(key(&Dir::new().file("key.pem", &encrypted)));
    assert!(
        said.contains("it is encrypted: decrypt it with `openssl pkey`"),
        "{said}"
    );
}

#[test]
fn broken_pem_is_told_as_such() {
    let dir = Dir::new();
    let signed = Signed::new("one.test");
    let cut = |text: &str| text[..text.len() / 2].to_owned();
    let said = text(certificates(&dir.file("cert.pem", &cut(&signed.cert))));
    assert!(said.contains("is broken PEM"), "{said}");
    let said = text(key(&dir.file("key.pem", &cut(&signed.key))));
    assert!(said.contains("is broken PEM"), "{said}");
    let garbled = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let said = text(certificates(&dir.file("garbled.pem", garbled)));
    assert!(said.contains("is broken PEM"), "{said}");
}
