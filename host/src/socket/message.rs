//! Owns messages and Close: their shapes, and which codes and reasons are valid. RFC 6455, 7.4.

/// Names a socket; see `socket-id` in `wit/types.wit`.
pub(crate) type SocketId = u64;

/// A whole message that the host keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Text(String),
    Binary(Vec<u8>),
}

/// A whole message where it lies, in a read buffer or in a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageRef<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Message {
    pub(crate) fn as_ref(&self) -> MessageRef<'_> {
        match self {
            Self::Text(text) => MessageRef::Text(text),
            Self::Binary(bytes) => MessageRef::Binary(bytes),
        }
    }

    /// What keeping the message costs, so that empty ones are not free.
    pub(crate) fn cost(&self) -> usize {
        self.as_ref().bytes().len() + 64
    }
}

impl<'a> MessageRef<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    pub(crate) fn to_message(self) -> Message {
        match self {
            Self::Text(text) => Message::Text(text.to_owned()),
            Self::Binary(bytes) => Message::Binary(bytes.to_vec()),
        }
    }
}

/// How a socket ended, as its worker is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CloseInfo {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) was_clean: bool,
}

impl CloseInfo {
    /// What a worker is told of a connection that ended without a Close frame. The sentence is Cloudflare's.
    pub(crate) fn lost() -> Self {
        Self {
            code: CloseCode::ABNORMAL,
            reason: "WebSocket disconnected without sending Close frame.".to_owned(),
            was_clean: false,
        }
    }
}

/// The body of a Close frame: empty, or a code with a reason.
pub(crate) type CloseBody = Option<(u16, String)>;

impl From<CloseBody> for CloseInfo {
    /// An empty Close reads as 1005. RFC 6455, 7.1.5.
    fn from(body: CloseBody) -> Self {
        let (code, reason) = body.unwrap_or((CloseCode::NO_STATUS, String::new()));
        Self {
            code,
            reason,
            was_clean: true,
        }
    }
}

/// Status codes of RFC 6455, 7.4.1, that the host itself uses or tests for.
#[derive(Debug)]
pub(crate) struct CloseCode;

impl CloseCode {
    pub(crate) const GOING_AWAY: u16 = 1001;
    pub(crate) const PROTOCOL: u16 = 1002;
    pub(crate) const NO_STATUS: u16 = 1005;
    pub(crate) const ABNORMAL: u16 = 1006;
    pub(crate) const INVALID_PAYLOAD: u16 = 1007;
    pub(crate) const TOO_LARGE: u16 = 1009;
    pub(crate) const INTERNAL: u16 = 1011;
    pub(crate) const TRY_AGAIN_LATER: u16 = 1013;

    /// What a worker may send. Wider than what RFC 6455 gives applications, as in Cloudflare's system.
    pub(crate) fn may_be_sent(code: u16) -> bool {
        (1000..=4999).contains(&code) && !matches!(code, 1004..=1006 | 1015)
    }

    /// What a peer may send: the defined codes, and the ranges for libraries and applications.
    pub(crate) fn may_be_received(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// Why the arguments of a `close` are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadClose {
    Code(u16),
    Reason(String),
}

/// Check the arguments of a worker's `close`, which are checked even where the call does nothing.
pub(crate) fn check_close(
    code: Option<u16>,
    reason: Option<String>,
    reason_max: usize,
) -> Result<CloseBody, BadClose> {
    let Some(code) = code else {
        return match reason {
            Some(_) => Err(BadClose::Reason("a reason needs a code".to_owned())),
            None => Ok(None),
        };
    };
    if !CloseCode::may_be_sent(code) {
        return Err(BadClose::Code(code));
    }
    let reason = reason.unwrap_or_default();
    if reason.len() > reason_max {
        return Err(BadClose::Reason(format!(
            "{} bytes of UTF-8, at most {reason_max} fit",
            reason.len()
        )));
    }
    Ok(Some((code, reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_a_worker_may_send() {
        for code in [1000, 1001, 1002, 1011, 1016, 2999, 3000, 4999] {
            assert!(CloseCode::may_be_sent(code), "{code}");
        }
        for code in [0, 1, 999, 1004, 1005, 1006, 1015, 5000, u16::MAX] {
            assert!(!CloseCode::may_be_sent(code), "{code}");
        }
    }

    #[test]
    fn the_codes_a_peer_may_send() {
        for code in [1000, 1001, 1003, 1007, 1014, 3000, 4999] {
            assert!(CloseCode::may_be_received(code), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000] {
            assert!(!CloseCode::may_be_received(code), "{code}");
        }
    }

    #[test]
    fn a_reason_needs_a_code_and_at_most_123_bytes() {
        let long = |n: usize| Some("é".repeat(n));
        assert_eq!(check_close(None, None, 123), Ok(None));
        assert!(matches!(
            check_close(None, long(1), 123),
            Err(BadClose::Reason(_))
        ));
        assert!(check_close(Some(1000), long(61), 123).is_ok());
        assert!(matches!(
            check_close(Some(1000), long(62), 123),
            Err(BadClose::Reason(_))
        ));
        assert_eq!(
            check_close(Some(1005), None, 123),
            Err(BadClose::Code(1005))
        );
    }
}
