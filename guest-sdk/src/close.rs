//! Owns how a socket ends: [`CloseCode`], [`CloseEvent`], [`ReadyState`]. Knows no socket.

/// The status code of a Close.
///
/// [`CloseCode::NoStatus`] and [`CloseCode::Abnormal`] are only ever received; the host refuses to send them, and
/// everything outside 1000 to 4999, with [`Error::InvalidCloseCode`](crate::Error::InvalidCloseCode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1000: done.
    Normal,
    /// 1001: the server goes down, or the browser leaves the page.
    GoingAway,
    /// 1002: the peer broke the protocol.
    ProtocolError,
    /// 1003: a kind of data that cannot be taken.
    Unsupported,
    /// 1005: the peer's Close had no code. Never sent.
    NoStatus,
    /// 1006: the connection was lost without a Close. Never sent.
    Abnormal,
    /// 1007: text that is not UTF-8.
    InvalidPayload,
    /// 1008: against the rules of this server.
    PolicyViolation,
    /// 1009: a message that is too large.
    TooLarge,
    /// 1010: the server left out an extension that the client needs.
    MandatoryExtension,
    /// 1011: the server failed.
    InternalError,
    /// 1012: the server starts anew.
    ServiceRestart,
    /// 1013: the server has too much to do.
    TryAgainLater,
    /// Any other code; 3000 to 4999 are free for applications.
    Other(u16),
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        match code {
            1000 => Self::Normal,
            1001 => Self::GoingAway,
            1002 => Self::ProtocolError,
            1003 => Self::Unsupported,
            1005 => Self::NoStatus,
            1006 => Self::Abnormal,
            1007 => Self::InvalidPayload,
            1008 => Self::PolicyViolation,
            1009 => Self::TooLarge,
            1010 => Self::MandatoryExtension,
            1011 => Self::InternalError,
            1012 => Self::ServiceRestart,
            1013 => Self::TryAgainLater,
            other => Self::Other(other),
        }
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::Normal => 1000,
            CloseCode::GoingAway => 1001,
            CloseCode::ProtocolError => 1002,
            CloseCode::Unsupported => 1003,
            CloseCode::NoStatus => 1005,
            CloseCode::Abnormal => 1006,
            CloseCode::InvalidPayload => 1007,
            CloseCode::PolicyViolation => 1008,
            CloseCode::TooLarge => 1009,
            CloseCode::MandatoryExtension => 1010,
            CloseCode::InternalError => 1011,
            CloseCode::ServiceRestart => 1012,
            CloseCode::TryAgainLater => 1013,
            CloseCode::Other(other) => other,
        }
    }
}

/// Whether a Close frame may carry this code.
pub(crate) fn is_sendable(code: u16) -> bool {
    (1000..=4999).contains(&code) && !matches!(code, 1004 | 1005 | 1006 | 1015)
}

/// How a socket ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseEvent {
    /// The code of the peer's Close; 1005 if it had none, 1006 if no Close came.
    pub code: u16,
    /// The reason in the peer's Close, or a sentence of the host's with 1006.
    pub reason: String,
    /// Whether the peer sent a Close.
    pub was_clean: bool,
}

impl CloseEvent {
    /// The code under its name.
    #[must_use]
    pub fn close_code(&self) -> CloseCode {
        self.code.into()
    }
}

/// Where a socket stands. Names and order are those of the WebSocket API in browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadyState {
    /// An outbound socket whose handshake is not over.
    Connecting,
    /// Messages go both ways. An end of a pair is open from birth.
    Open,
    /// One side has sent its Close and the other has not.
    Closing,
    /// Both Closes are through, or the connection failed.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_its_name() {
        for code in 0..=5000 {
            assert_eq!(u16::from(CloseCode::from(code)), code);
        }
    }

    #[test]
    fn only_these_codes_may_be_sent() {
        for code in [1000, 1001, 1003, 1011, 1016, 2999, 3000, 4999] {
            assert!(is_sendable(code), "{code}");
        }
        for code in [0, 1, 999, 1004, 1005, 1006, 1015, 5000, u16::MAX] {
            assert!(!is_sendable(code), "{code}");
        }
    }
}
