//! Owns the certificate for development: made on the spot, signed by nobody, for this machine's own names.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::Error;

/// The names it is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How long it is valid: browsers refuse much more, and it is made anew with every start.
const VALID: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Against clocks that are behind.
const EARLIER: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate for `localhost`, 127.0.0.1 and ::1, with its key. A client must be told to believe it, for example
/// `curl --cacert` with [`SelfSigned::pem`] in a file.
#[derive(Debug)]
pub(crate) struct SelfSigned {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
    pem: String,
}

impl SelfSigned {
    /// Make one.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the system gives no randomness.
    pub(crate) fn new() -> Result<Self, Error> {
        Self::make().map_err(|error| {
            Error::Config(format!(
                "cannot make a certificate for development: {error}"
            ))
        })
    }

    fn make() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        params
            .distinguished_name
            .push(DnType::CommonName, "pairway (development)");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = date_time_ymd(1970, 1, 1) + since_1970.unwrap_or_default();
        params.not_before = now - EARLIER;
        params.not_after = now + VALID;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// The certificate in PEM, without its key: to be printed or saved for clients.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }
}
