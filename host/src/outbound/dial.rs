//! Owns the way to a byte stream: look the name up once, have every address checked, connect to one that was, and
//! speak TLS over it if the URL says so. Knows nothing of HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::allow::Target;
use super::error::Failed;
use super::resolve::Resolve;
use super::time::Time;
use crate::stream::{self, Stream, Tcp};
use crate::tls;

/// Addresses of one name that are tried. Some names have hundreds.
const ADDRESSES: usize = 8;

/// Makes connections to targets.
#[derive(Debug)]
pub(super) struct Dialer {
    resolver: Arc<dyn Resolve>,
    /// `None` if nothing that needs it is allowed.
    tls: Option<Arc<ClientConfig>>,
    keep_alive: Duration,
}

impl Dialer {
    pub(super) fn new(
        resolver: Arc<dyn Resolve>,
        tls: Option<Arc<ClientConfig>>,
        keep_alive: Duration,
    ) -> Self {
        Self {
            resolver,
            tls,
            keep_alive,
        }
    }

    /// Connect, within the time.
    pub(super) async fn dial(&self, target: &Target, time: Time) -> Result<Stream, Failed> {
        let addresses = self.addresses(target, time).await?;
        let stream = reach(target, &addresses, time).await?;
        if let Err(error) = stream::tune(&stream, self.keep_alive) {
            tracing::debug!(host = target.host(), "options of the connection: {error}");
        }
        if target.is_tls() {
            self.secure(target, stream, time).await
        } else {
            Ok(Stream::Tcp(Arc::new(stream)))
        }
    }

    /// The addresses of the target, all of which it may reach. They are what is connected to: a second lookup could
    /// give others.
    async fn addresses(&self, target: &Target, time: Time) -> Result<Vec<SocketAddr>, Failed> {
        if let Some(address) = target.address() {
            // Checked with the URL.
            return Ok(vec![address]);
        }
        let host = target.host();
        let lookup = async {
            let found = self.resolver.resolve(host.to_owned(), target.port()).await;
            found.map_err(|error| Failed::new(format!("cannot resolve {host}: {error}")))
        };
        let mut addresses = time.hold(|| format!("resolve {host}"), lookup).await?;
        if addresses.is_empty() {
            return Err(Failed::new(format!(
                "cannot resolve {host}: it has no addresses"
            )));
        }
        target.admit(&addresses)?;
        addresses.truncate(ADDRESSES);
        Ok(addresses)
    }

    async fn secure(
        &self,
        target: &Target,
        stream: TcpStream,
        time: Time,
    ) -> Result<Stream, Failed> {
        let host = target.host();
        let Some(config) = &self.tls else {
            return Err(Failed::new(format!(
                "cannot speak TLS with {host}: it is not set up"
            )));
        };
        let name = match target.address() {
            Some(address) => ServerName::from(address.ip()),
            None => ServerName::try_from(host.to_owned())
                .map_err(|error| Failed::new(format!("cannot speak TLS with {host}: {error}")))?,
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let handshake = async {
            let secured = connector.connect(name, Tcp::new(stream)).await;
            secured.map_err(|error| Failed::new(tls::explain(host, &error)))
        };
        let step = || format!("agree on TLS with {host}");
        let stream = time.hold(step, Box::pin(handshake)).await?;
        Ok(Stream::TlsClient(Box::new(stream)))
    }
}

/// Connect to the first address that answers. Each has an equal share of the time that is left, so that one which is
/// silent does not use it up.
async fn reach(target: &Target, addresses: &[SocketAddr], time: Time) -> Result<TcpStream, Failed> {
    let mut causes = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).expect("there are only a few");
        let share = time.left() / left;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => causes.push(format!("{address}: {error}")),
            Err(_) => causes.push(format!("{address}: no answer for {} ms", share.as_millis())),
        }
    }
    let causes = causes.join("; ");
    let host = target.host();
    Err(Failed::new(format!("cannot connect to {host}: {causes}")))
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
