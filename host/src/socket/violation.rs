//! Owns what is told to a peer that broke the protocol or a limit.

use super::message::CloseCode;

/// How a peer broke the protocol or a limit: the Close frame it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Violation {
    pub(crate) fn protocol(reason: &str) -> Self {
        Self {
            code: CloseCode::PROTOCOL,
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn close_code() -> Self {
        Self::protocol("a Close code that must not be sent")
    }

    pub(crate) fn too_large(max: usize, len: Option<u64>) -> Self {
        let len = len.map_or("over".to_owned(), |len| format!("{len} >"));
        Self {
            code: CloseCode::TOO_LARGE,
            reason: format!("Message is too large: {len} {max}"),
        }
    }

    pub(crate) fn too_busy() -> Self {
        Self {
            code: CloseCode::TRY_AGAIN_LATER,
            reason: "the server holds as many messages as it may".to_owned(),
        }
    }

    pub(crate) fn corrupt() -> Self {
        Self {
            code: CloseCode::INVALID_PAYLOAD,
            reason: "a compressed message is corrupt".to_owned(),
        }
    }

    pub(crate) fn utf8() -> Self {
        Self {
            code: CloseCode::INVALID_PAYLOAD,
            reason: "text is not UTF-8".to_owned(),
        }
    }
}
