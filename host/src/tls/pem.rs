//! Owns reading certificates and keys from PEM files, and what to do about one that cannot be read.

use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::Error;

/// The certificates of a file, one at least.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| broken(path, &error))?;
    if found.is_empty() {
        let hint = if text.starts_with(b"\x30") {
            "it looks like DER: convert it with `openssl x509 -inform der`"
        } else {
            "there is no `-----BEGIN CERTIFICATE-----` in it"
        };
        return wrong(path, &format!("holds no certificate: {hint}"));
    }
    Ok(found)
}

/// The first private key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = read(path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            let is_encrypted = String::from_utf8_lossy(&text).contains("ENCRYPTED PRIVATE KEY");
            let hint = if is_encrypted {
                "it is encrypted: decrypt it with `openssl pkey`"
            } else if text.starts_with(b"\x30") {
                "it looks like DER: convert it with `openssl pkey -inform der`"
            } else {
                "there is no `-----BEGIN PRIVATE KEY-----` in it"
            };
            wrong(path, &format!("holds no private key: {hint}"))
        }
        Err(error) => Err(broken(path, &error)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|error| Error::Config(format!("cannot read {}: {error}", path.display())))
}

fn broken(path: &Path, error: &pem::Error) -> Error {
    Error::Config(format!("{} is broken PEM: {error}", path.display()))
}

/// The error that a file has something wrong with it.
pub(super) fn wrong<T>(path: &Path, what: &str) -> Result<T, Error> {
    Err(Error::Config(format!("{} {what}", path.display())))
}

#[cfg(test)]
#[path = "pem_tests.rs"]
mod tests;
