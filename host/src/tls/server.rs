//! Owns the server's side: the certificate it shows, how that is replaced while connections are open, and the handshake
//! of each.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::Ticketer;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error as TlsError, InconsistentKeys, ServerConfig};

use super::explain::tls;
use super::self_signed::SelfSigned;
use super::{ALPN, pem, provider};
use crate::error::Error;
use crate::stream::{Stream, Tcp};

/// Where the server's certificate comes from.
#[derive(Debug)]
pub(crate) enum Certificate {
    /// PEM files: the server's certificate, followed by those between it and the authority; and its key.
    Files { chain: PathBuf, key: PathBuf },
    /// One for development.
    SelfSigned(SelfSigned),
}

/// Makes TLS of accepted connections, with a certificate that can be replaced.
#[derive(Debug)]
pub(crate) struct Acceptor {
    certificate: Certificate,
    /// What new connections get; those that are open keep the one they have. Held only to copy or replace it.
    config: RwLock<Arc<ServerConfig>>,
    handshake_ms: u64,
}

impl Acceptor {
    /// Show this certificate, and give each client so many milliseconds for its handshake (`tls_handshake_ms`).
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names the file and says what is wrong with it.
    pub(crate) fn new(certificate: Certificate, handshake_ms: u64) -> Result<Self, Error> {
        let config = RwLock::new(config(&certificate)?);
        Ok(Self {
            certificate,
            config,
            handshake_ms,
        })
    }

    /// Read the files again, for the connections to come. Reads them at once: not for a task that must not block.
    ///
    /// # Errors
    ///
    /// As with [`Acceptor::new`]; the certificate stays the one it was.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let config = config(&self.certificate)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// The certificate for development in PEM, for clients to believe it.
    pub(crate) fn self_signed_pem(&self) -> Option<&str> {
        match &self.certificate {
            Certificate::SelfSigned(own) => Some(own.pem()),
            Certificate::Files { .. } => None,
        }
    }

    /// Shake hands with a client, within its time.
    ///
    /// # Errors
    ///
    /// Says what the client did. Its connection is gone.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let handshake = TlsAcceptor::from(config).accept(Tcp::new(stream));
        let time = Duration::from_millis(self.handshake_ms);
        match timeout(time, handshake).await {
            Ok(Ok(stream)) => Ok(Stream::TlsServer(Box::new(stream))),
            Ok(Err(error)) => Err(explained(error)),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "no TLS handshake within {} ms (limit tls_handshake_ms)",
                    self.handshake_ms
                ),
            )),
        }
    }
}

fn explained(error: io::Error) -> io::Error {
    match tls(&error) {
        Some(TlsError::InvalidMessage(_)) => io::Error::new(
            error.kind(),
            "the client does not speak TLS; is its URL http or ws?",
        ),
        _ => error,
    }
}

fn config(certificate: &Certificate) -> Result<Arc<ServerConfig>, Error> {
    let certified = match certificate {
        Certificate::Files { chain, key } => from_files(chain, key)?,
        Certificate::SelfSigned(own) => certify(vec![own.certificate.clone()], &own.key)
            .map_err(|error| Error::Config(format!("the certificate for development: {error}")))?,
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A client that comes back resumes its session without a lookup table here, which a wave of them would overrun.
    config.ticketer = Ticketer::new()
        .map_err(|error| Error::Config(format!("cannot set up TLS session tickets: {error}")))?;
    Ok(Arc::new(config))
}

fn from_files(chain: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let certificates = pem::certificates(chain)?;
    let private = pem::key(key)?;
    let unusable = |error| {
        let what = format!(
            "holds a certificate or {} a key that cannot be used: {error}",
            key.display()
        );
        pem::wrong(chain, &what)
    };
    let certified = certify(certificates, &private).or_else(unusable)?;
    match certified.keys_match() {
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(TlsError::InconsistentKeys(_)) => pem::wrong(
            key,
            &format!(
                "does not belong to the first certificate in {}, which must be the server's own",
                chain.display()
            ),
        ),
        Err(error) => pem::wrong(
            chain,
            &format!("holds a certificate that cannot be read: {error}"),
        ),
    }
}

fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsError> {
    let signer = provider().key_provider.load_private_key(key.clone_key())?;
    Ok(CertifiedKey::new(chain, signer))
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
