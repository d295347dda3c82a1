//! Owns what a failed TLS handshake means, for whoever has to do something about it.

use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// Why the handshake with a server failed.
pub(crate) fn explain(host: &str, error: &io::Error) -> String {
    let Some(cause) = tls(error) else {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return format!("{host} closed the connection during the TLS handshake");
        }
        return format!("the TLS handshake with {host} broke off: {error}");
    };
    if let Error::InvalidCertificate(why) = cause {
        return if *why == CertificateError::UnknownIssuer {
            format!(
                "the certificate of {host} is signed by no authority that is known here: neither the system's nor one \
                 in outbound.ca_files"
            )
        } else if *why == CertificateError::BadSignature {
            // The names match and the keys do not, as with the certificate for development after another start.
            format!(
                "the certificate of {host} is signed by another authority of the same name: the one that is known \
                 here may be an old one (outbound.ca_files)"
            )
        } else {
            format!("the certificate of {host} cannot be accepted: {why}")
        };
    }
    if let Error::InvalidMessage(_) = cause {
        return format!("{host} does not speak TLS on this port");
    }
    if let Error::AlertReceived(AlertDescription::NoApplicationProtocol) = cause {
        return format!("{host} does not speak HTTP/1.1 over TLS");
    }
    format!("the TLS handshake with {host} failed: {cause}")
}

/// The TLS error inside, if it is none of the network.
pub(super) fn tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
