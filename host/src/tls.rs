//! Owns TLS: the certificate that the server shows, whom it believes as a client, and what TLS errors mean in plain
//! words. rustls over ring, TLS 1.2 and 1.3, and only HTTP/1.1 above it. Knows nothing of what the streams carry.

mod client;
mod explain;
mod pem;
mod self_signed;
mod server;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

pub(crate) use self::client::client_config;
pub(crate) use self::explain::explain;
pub(crate) use self::self_signed::SelfSigned;
pub(crate) use self::server::{Acceptor, Certificate};

/// What is spoken over TLS, on both sides: WebSockets over HTTP/2 (RFC 8441) are not served.
const ALPN: &[u8] = b"http/1.1";

/// The cryptography. Always named: the process's default is whatever another crate has installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
