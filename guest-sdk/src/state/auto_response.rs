//! Owns [`WebSocketRequestResponsePair`]: a text that the host answers by itself, and the answer.

use crate::error::Result;

/// A text that the host answers by itself, and the answer. The text must match exactly and whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketRequestResponsePair {
    pub(super) request: String,
    pub(super) response: String,
}

impl WebSocketRequestResponsePair {
    /// Make a pair. The host checks its size when it is set.
    ///
    /// # Errors
    ///
    /// None; the shape is that of workers-rs.
    pub fn new(request: impl Into<String>, response: impl Into<String>) -> Result<Self> {
        Ok(Self {
            request: request.into(),
            response: response.into(),
        })
    }

    /// The text to match.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.request
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> &str {
        &self.response
    }
}
