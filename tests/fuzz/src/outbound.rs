//! Mirrors `host/src/outbound`: the client's half of the opening handshake. Gives the checks what is private there.

#[path = "../../../host/src/outbound/bounds.rs"]
mod bounds;
#[path = "../../../host/src/outbound/error.rs"]
mod error;
#[path = "../../../host/src/outbound/handshake.rs"]
mod handshake;
#[path = "../../../host/src/outbound/headers.rs"]
mod headers;

use http::header::{HeaderMap, HeaderValue};

/// A handshake under way, and the headers of its request. `None` if the subprotocols are refused.
#[derive(Debug)]
pub(crate) struct Client {
    handshake: handshake::Handshake,
    pub(crate) request: HeaderMap,
}

impl Client {
    pub(crate) fn new(protocols: &[String], extensions: HeaderValue) -> Option<Self> {
        headers::check_protocols(protocols, &bounds::Bounds::default()).ok()?;
        let handshake = handshake::Handshake::new(protocols.to_vec(), Some(extensions));
        let mut request = HeaderMap::new();
        handshake.write(&mut request);
        Some(Self { handshake, request })
    }

    /// The subprotocol and the extensions that an answer settles.
    pub(crate) fn check(
        &self,
        answer: &HeaderMap,
    ) -> Result<(String, Option<HeaderValue>), String> {
        let agreed = self.handshake.check(answer)?;
        Ok((agreed.protocol, agreed.extensions))
    }
}
