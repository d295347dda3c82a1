//! Owns [`Error`], the one error of the SDK, and says what HTTP status it becomes. Knows nothing of where errors
//! come from.

use std::fmt;

/// What the SDK's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
///
/// Most cases are refusals of the host, and a refusal changes nothing: what was asked for has not happened. The text
/// inside a case is for logs, is not stable and is not to be matched on.
///
/// A handler that returns an error is logged, and its client gets the status that [`Error::status`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// This host does not serve the function. The text names it.
    Unsupported(String),
    /// Only a durable object may do this.
    NotAnObject,
    /// The end must be accepted first.
    NotAccepted,
    /// The end is accepted already, in a way that rules this out.
    AlreadyAccepted,
    /// This end, or the other end of its pair, has left in a response.
    AlreadyUsed,
    /// The handshake of this outbound socket is not over.
    Connecting,
    /// The socket takes no more messages: it was closed from here, or the peer's Close was answered.
    Closed,
    /// Not a status code that may be sent: 1000 to 4999 without 1004, 1005, 1006 and 1015.
    InvalidCloseCode(u16),
    /// The reason is over 123 bytes of UTF-8, or was given without a code.
    InvalidCloseReason(String),
    /// The peer reads too slowly and the socket's outbox is full; so many bytes wait in it.
    OutboxFull(u64),
    /// The message is over this limit in bytes.
    MessageTooLarge(u64),
    /// There are this many sockets, and no more are allowed.
    TooManySockets(u32),
    /// There are this many timers, and no more are allowed.
    TooManyTimers(u32),
    /// The request has been answered already, or never was.
    UnknownRequest(u64),
    /// No socket of that id is known here.
    UnknownSocket(u64),
    /// The response breaks a rule. The text says which.
    InvalidResponse(String),
    /// Not a URL that can be used. The text says why.
    InvalidUrl(String),
    /// Not a subprotocol token, or one that stands in the list twice.
    InvalidProtocol(String),
    /// The worker's configuration does not allow it to reach this host.
    NotAllowed(String),
    /// More tags than this limit.
    TooManyTags(u32),
    /// A tag is over this limit in bytes of UTF-8.
    TagTooLong(u32),
    /// The attachment is over this limit in bytes; the one before it stays.
    AttachmentTooLarge(u64),
    /// A side of the auto-response is over this limit in bytes of UTF-8.
    AutoResponseTooLarge(u64),
    /// The time is over this limit in milliseconds.
    TimeoutTooLong(u64),
    /// No namespace is bound to that name.
    UnknownNamespace(String),
    /// Not an object id of that namespace.
    InvalidObjectId(String),
    /// A key is over this limit in bytes.
    KeyTooLarge(u64),
    /// A value is over this limit in bytes.
    ValueTooLarge(u64),
    /// SQLite refused the statement. The text is its message.
    Sql(String),
    /// Storage failed. The text says how.
    Storage(String),
    /// The host has no instance to spare for an object. As a response: 503.
    Overloaded(String),
    /// The host refused for another reason.
    Other(String),

    /// The socket failed: the peer broke the protocol or a limit. The text says how.
    SocketFailed(String),
    /// The request is no WebSocket upgrade. As a response: 426.
    UpgradeRequired(&'static str),
    /// A request for a WebSocket was answered with this status, and not with 101.
    NotUpgraded(u16),
    /// Not a header name, or not a header value. The text is the name.
    InvalidHeader(String),
    /// The environment has no variable of this name.
    MissingVariable(String),
    /// A value could not be written as JSON, or read from it.
    Json(String),
    /// A row of SQL is not what was asked for. The text says why.
    Row(String),
    /// The bytes are not UTF-8.
    Utf8,
    /// A [`timeout`](crate::timeout) ran out.
    Elapsed,
    /// What the worker's own code says went wrong.
    RustError(String),
}

impl Error {
    /// The status of the response that a client gets if a fetch handler returns this error.
    #[must_use]
    pub fn status(&self) -> u16 {
        if matches!(self, Self::UpgradeRequired(_)) {
            426
        } else if matches!(self, Self::Overloaded(_)) {
            503
        } else {
            500
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, detail): (&str, &dyn fmt::Display) = match self {
            Self::Unsupported(what) => ("the host does not serve ", what),
            Self::NotAnObject => ("only a durable object may do this", &""),
            Self::NotAccepted => ("the socket is not accepted", &""),
            Self::AlreadyAccepted => ("the socket is already accepted", &""),
            Self::AlreadyUsed => (
                "the socket, or the other end of its pair, has left in a response",
                &"",
            ),
            Self::Connecting => ("the socket is still connecting", &""),
            Self::Closed => ("the socket is closed", &""),
            Self::InvalidCloseCode(code) => ("not a close code that may be sent: ", code),
            Self::InvalidCloseReason(why) => ("invalid close reason: ", why),
            Self::OutboxFull(bytes) => ("the outbox is full; bytes that wait: ", bytes),
            Self::MessageTooLarge(limit) => ("the message is too large; limit: ", limit),
            Self::TooManySockets(limit) => ("too many sockets; limit: ", limit),
            Self::TooManyTimers(limit) => ("too many timers; limit: ", limit),
            Self::UnknownRequest(id) => ("no such request waits: ", id),
            Self::UnknownSocket(id) => ("no such socket: ", id),
            Self::InvalidResponse(why) => ("invalid response: ", why),
            Self::InvalidUrl(why) => ("invalid URL: ", why),
            Self::InvalidProtocol(which) => ("invalid subprotocol: ", which),
            Self::NotAllowed(host) => ("not allowed to reach ", host),
            Self::TooManyTags(limit) => ("too many tags; limit: ", limit),
            Self::TagTooLong(limit) => ("a tag is too long; limit: ", limit),
            Self::AttachmentTooLarge(limit) => ("the attachment is too large; limit: ", limit),
            Self::AutoResponseTooLarge(limit) => ("the auto-response is too large; limit: ", limit),
            Self::TimeoutTooLong(limit) => ("the time is too long; limit in ms: ", limit),
            Self::UnknownNamespace(name) => ("no such namespace: ", name),
            Self::InvalidObjectId(id) => ("not an object id: ", id),
            Self::KeyTooLarge(limit) => ("the key is too large; limit: ", limit),
            Self::ValueTooLarge(limit) => ("the value is too large; limit: ", limit),
            Self::Sql(message) => ("SQL: ", message),
            Self::Storage(message) => ("storage: ", message),
            Self::Overloaded(message) => ("overloaded: ", message),
            Self::Other(message) | Self::RustError(message) => ("", message),
            Self::SocketFailed(message) => ("the socket failed: ", message),
            Self::UpgradeRequired(why) => ("WebSocket upgrade required: ", why),
            Self::NotUpgraded(status) => ("no WebSocket; the answer is ", status),
            Self::InvalidHeader(name) => ("invalid header: ", name),
            Self::MissingVariable(name) => ("no such variable: ", name),
            Self::Json(message) => ("JSON: ", message),
            Self::Row(why) => ("not such a row: ", why),
            Self::Utf8 => ("not UTF-8", &""),
            Self::Elapsed => ("the time ran out", &""),
        };
        f.write_str(text)?;
        detail.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::RustError(message.to_owned())
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::RustError(message)
    }
}

impl From<Box<dyn std::error::Error>> for Error {
    fn from(error: Box<dyn std::error::Error>) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self::RustError(other.to_string()),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

impl From<std::str::Utf8Error> for Error {
    fn from(_: std::str::Utf8Error) -> Self {
        Self::Utf8
    }
}

impl From<std::string::FromUtf8Error> for Error {
    fn from(_: std::string::FromUtf8Error) -> Self {
        Self::Utf8
    }
}

impl From<std::num::ParseIntError> for Error {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::RustError(error.to_string())
    }
}

impl From<std::num::ParseFloatError> for Error {
    fn from(error: std::num::ParseFloatError) -> Self {
        Self::RustError(error.to_string())
    }
}

impl From<fmt::Error> for Error {
    fn from(error: fmt::Error) -> Self {
        Self::RustError(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_went_wrong_and_with_what() {
        assert_eq!(
            Error::InvalidCloseCode(1005).to_string(),
            "not a close code that may be sent: 1005"
        );
        assert_eq!(Error::Closed.to_string(), "the socket is closed");
        assert_eq!(Error::from("no seat left").to_string(), "no seat left");
    }

    #[test]
    fn only_a_missing_upgrade_has_a_status_of_its_own() {
        assert_eq!(Error::UpgradeRequired("no Upgrade header").status(), 426);
        assert_eq!(Error::Closed.status(), 500);
    }

    #[test]
    fn a_boxed_error_keeps_its_case() {
        let boxed: Box<dyn std::error::Error> = Box::new(Error::NotAccepted);
        assert_eq!(Error::from(boxed), Error::NotAccepted);
    }
}
