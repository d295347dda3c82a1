//! Owns the auto-response of a durable object: one text that the host answers by itself, for all of the object's
//! hibernatable sockets.

use std::sync::{Arc, PoisonError, RwLock};

use super::codec::{self, Format, Role};
use super::message::MessageRef;

/// A text and its answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AutoResponse {
    pub(crate) request: String,
    pub(crate) response: String,
    /// The response as it stands on the wire to a client.
    frame: Vec<u8>,
}

impl AutoResponse {
    pub(crate) fn new(request: String, response: String) -> Self {
        let mut frame = Vec::new();
        codec::message(Format::default(), MessageRef::Text(&response), &mut frame);
        Self {
            request,
            response,
            frame,
        }
    }

    /// Whether this text is the one that is answered: exactly, and as a whole.
    pub(crate) fn answers(&self, text: &str) -> bool {
        self.request == text
    }

    /// Append the response, as it stands on the wire.
    pub(crate) fn encode(&self, role: Role, out: &mut Vec<u8>) {
        match role {
            Role::Server => out.extend_from_slice(&self.frame),
            Role::Client => {
                let format = Format {
                    role,
                    deflate: None,
                };
                codec::message(format, MessageRef::Text(&self.response), out);
            }
        }
    }
}

/// The auto-response of an object, if it has one; its connections ask here.
#[derive(Debug, Default)]
pub(crate) struct AutoResponder(RwLock<Option<Arc<AutoResponse>>>);

impl AutoResponder {
    pub(crate) fn get(&self) -> Option<Arc<AutoResponse>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Set or remove it; gives the one before.
    pub(crate) fn set(&self, pair: Option<Arc<AutoResponse>>) -> Option<Arc<AutoResponse>> {
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut slot, pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_text_as_it_is_written_is_answered() {
        let pair = AutoResponse::new("ping".to_owned(), "pong".to_owned());
        assert!(pair.answers("ping"));
        for other in ["ping ", "PING", "pin", ""] {
            assert!(!pair.answers(other), "{other:?}");
        }
        let mut out = Vec::new();
        pair.encode(Role::Server, &mut out);
        assert_eq!(out, b"\x81\x04pong");
    }
}
