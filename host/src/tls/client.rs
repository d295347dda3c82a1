//! Owns whom the host believes when it is the client.

use std::path::PathBuf;
use std::sync::Arc;

use rustls_native_certs::load_native_certs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{ALPN, pem, provider};
use crate::error::Error;

/// Believe the certificate authorities of the system, and those in the files, which are PEM. A self-signed certificate
/// in a file is believed as well.
///
/// Where the system keeps its authorities can be overruled by the environment (`SSL_CERT_FILE`, `SSL_CERT_DIR`), as with
/// OpenSSL.
///
/// # Errors
///
/// [`Error::Config`] names the file that cannot be used. A system without authorities is only logged: files may do.
pub(crate) fn client_config(ca_files: &[PathBuf]) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    let system = load_native_certs();
    for error in &system.errors {
        tracing::debug!("the system's certificate authorities: {error}");
    }
    let (_, unreadable) = roots.add_parsable_certificates(system.certs);
    if unreadable > 0 {
        tracing::debug!(
            unreadable,
            "the system has certificate authorities that cannot be read"
        );
    }
    for path in ca_files {
        for certificate in pem::certificates(path)? {
            if let Err(error) = roots.add(certificate) {
                let what = format!("holds a certificate that cannot be an authority: {error}");
                return pem::wrong(path, &what);
            }
        }
    }
    if roots.is_empty() {
        tracing::warn!(
            "no certificate authority is known, so that TLS to other servers will fail: install the system's \
             (package ca-certificates), or name files in outbound.ca_files"
        );
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}
