//! Owns what the tests of TLS share: certificates, files of them that are gone afterwards, and handshakes. Knows nothing
//! of any rule.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{CertificateParams, DnType, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use super::Acceptor;
use crate::stream::Stream;

/// A directory that is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Dir(PathBuf);

impl Dir {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pairway-tls-{}-{next}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        self.bytes(name, text.as_bytes())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// A certificate that is its own authority, and its key.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) cert: String,
    pub(super) der: CertificateDer<'static>,
    pub(super) key: String,
    pub(super) key_der: Vec<u8>,
}

impl Signed {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.self_signed(&key).unwrap();
        Self {
            cert: cert.pem(),
            der: cert.der().clone(),
            key: key.serialize_pem(),
            key_der: key.serialize_der(),
        }
    }
}

/// What comes of a handshake with this server as seen from either side, for a client that wants it to be `name`.
pub(super) async fn shake_hands(
    acceptor: &Acceptor,
    client: Arc<ClientConfig>,
    name: &str,
) -> (io::Result<Stream>, io::Result<TlsStream<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio::join!(
        acceptor.accept(accepted),
        TlsConnector::from(client).connect(name, stream),
    )
}

/// The certificate that a server has shown.
pub(super) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].clone().into_owned()
}

/// Two files for a server to show.
pub(super) fn write_files(dir: &Dir, chain: &str, key: &str) -> (PathBuf, PathBuf) {
    (dir.file("chain.pem", chain), dir.file("key.pem", key))
}

/// The path as it stands in texts.
pub(super) fn said(path: &Path) -> &str {
    path.to_str().unwrap()
}
