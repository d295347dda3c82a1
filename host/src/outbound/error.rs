//! Owns the two ways in which outbound work goes wrong: a [`Refusal`], which the worker gets from the call itself and
//! before anything has happened, and a [`Failed`], which comes later as an event.

/// Why the host does not even try. One variant for each case of the WIT `error` that `connect` and `fetch` name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// `invalid-url`
    #[error("{0}")]
    InvalidUrl(String),
    /// `invalid-protocol`
    #[error("{0}")]
    InvalidProtocol(String),
    /// `not-allowed`
    #[error("{0}")]
    NotAllowed(String),
    /// `other`: a method or a header that cannot be sent.
    #[error("{0}")]
    Other(String),
}

/// Why an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Failed {
    /// The status of the answer, if an answer was the reason.
    pub(crate) status: Option<u16>,
    /// The host's name leads to an address that the worker may not reach: `not-allowed`.
    pub(crate) is_not_allowed: bool,
    /// A sentence that says what failed.
    pub(crate) text: String,
}

impl Failed {
    pub(crate) fn new(text: String) -> Self {
        Self {
            status: None,
            is_not_allowed: false,
            text,
        }
    }

    pub(super) fn not_allowed(text: String) -> Self {
        Self {
            is_not_allowed: true,
            ..Self::new(text)
        }
    }

    pub(super) fn answered(status: http::StatusCode, text: String) -> Self {
        Self {
            status: Some(status.as_u16()),
            ..Self::new(text)
        }
    }
}
