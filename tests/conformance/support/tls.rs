//! Certificates, and both sides of TLS by a foreign hand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pairway_host::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::{Client, Folder, within};

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM.
pub(crate) struct Certified {
    pub(crate) cert: String,
    pub(crate) key: String,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("there is randomness");
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("it can be signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for a name, or an address.
    pub(crate) fn certify(&self, name: &str) -> Certified {
        let key = KeyPair::generate().expect("there is randomness");
        let cert = params(name).signed_by(&key, &self.issuer);
        Certified {
            cert: cert.expect("it can be signed").pem(),
            key: key.serialize_pem(),
        }
    }

    /// The authority in a file.
    pub(crate) fn file(&self, folder: &Folder) -> PathBuf {
        let path = folder.path().join("authority.pem");
        std::fs::write(&path, &self.pem).expect("the folder is ours");
        path
    }

    /// Connect as a client that believes this authority alone, and wants the server to be `localhost`.
    pub(crate) async fn connect(&self, address: SocketAddr) -> client::TlsStream<TcpStream> {
        let stream = within("the connection", TcpStream::connect(address))
            .await
            .expect("the host listens");
        self.secure(stream).await
    }

    /// The same, with a receive buffer that is soon full.
    pub(crate) async fn connect_narrow(&self, address: SocketAddr) -> client::TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().expect("there are descriptors left");
        socket
            .set_recv_buffer_size(16 * 1024)
            .expect("a fresh socket takes options");
        let stream = within("the connection", socket.connect(address))
            .await
            .expect("the host listens");
        self.secure(stream).await
    }

    async fn secure(&self, stream: TcpStream) -> client::TlsStream<TcpStream> {
        believing(&self.pem, stream).await
    }

    /// A WebSocket over TLS.
    pub(crate) async fn open(&self, address: SocketAddr, target: &str) -> Client {
        let stream = self.connect(address).await;
        Client::over(Box::new(stream), &format!("wss://localhost{target}")).await
    }
}

/// Shake hands as a client that believes what is in this PEM.
pub(crate) async fn believing(pem: &str, stream: TcpStream) -> client::TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.expect("it is PEM");
        roots.add(certificate).expect("it is an authority");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    within("the TLS handshake", handshake)
        .await
        .expect("the host shows a certificate that is believed")
}

/// The certificate that a server has shown, in PEM's own words to compare with.
pub(crate) fn is_shown(stream: &client::TlsStream<TcpStream>, certified: &Certified) -> bool {
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    shown.first() == Some(&certified.der())
}

impl Certified {
    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("it is PEM")
    }

    /// Write, or replace, the files that a server shows.
    pub(crate) fn write(&self, folder: &Folder) -> Tls {
        let (cert, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        std::fs::write(&cert, &self.cert).expect("the folder is ours");
        std::fs::write(&key, &self.key).expect("the folder is ours");
        Tls::Files { cert, key }
    }

    /// Be a server that shows it.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("it is PEM");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![self.der()], key)
            .expect("they belong together");
        TlsAcceptor::from(Arc::new(config))
    }
}
