//! Owns the host's refusals in the words of the SDK.

use crate::bindings::pairway::worker::types::Error as WitError;
use crate::error::Error;

/// Out of line: on the way of a message this is a branch that is not taken.
#[cold]
pub(super) fn error(error: WitError) -> Error {
    match error {
        WitError::Unsupported(what) => Error::Unsupported(what),
        WitError::NotAnObject => Error::NotAnObject,
        WitError::NotAccepted => Error::NotAccepted,
        WitError::AlreadyAccepted => Error::AlreadyAccepted,
        WitError::AlreadyUsed => Error::AlreadyUsed,
        WitError::Connecting => Error::Connecting,
        WitError::Closed => Error::Closed,
        WitError::InvalidCloseCode(code) => Error::InvalidCloseCode(code),
        WitError::InvalidCloseReason(why) => Error::InvalidCloseReason(why),
        WitError::OutboxFull(bytes) => Error::OutboxFull(bytes),
        WitError::MessageTooLarge(limit) => Error::MessageTooLarge(limit),
        WitError::TooManySockets(limit) => Error::TooManySockets(limit),
        WitError::TooManyTimers(limit) => Error::TooManyTimers(limit),
        WitError::UnknownRequest(id) => Error::UnknownRequest(id),
        WitError::UnknownSocket(id) => Error::UnknownSocket(id),
        WitError::InvalidResponse(why) => Error::InvalidResponse(why),
        WitError::InvalidUrl(why) => Error::InvalidUrl(why),
        WitError::InvalidProtocol(which) => Error::InvalidProtocol(which),
        WitError::NotAllowed(host) => Error::NotAllowed(host),
        WitError::TooManyTags(limit) => Error::TooManyTags(limit),
        WitError::TagTooLong(limit) => Error::TagTooLong(limit),
        WitError::AttachmentTooLarge(limit) => Error::AttachmentTooLarge(limit),
        WitError::AutoResponseTooLarge(limit) => Error::AutoResponseTooLarge(limit),
        WitError::TimeoutTooLong(limit) => Error::TimeoutTooLong(limit),
        WitError::UnknownNamespace(name) => Error::UnknownNamespace(name),
        WitError::InvalidObjectId(id) => Error::InvalidObjectId(id),
        WitError::KeyTooLarge(limit) => Error::KeyTooLarge(limit),
        WitError::ValueTooLarge(limit) => Error::ValueTooLarge(limit),
        WitError::Sql(message) => Error::Sql(message),
        WitError::Storage(message) => Error::Storage(message),
        WitError::Overloaded(message) => Error::Overloaded(message),
        WitError::Other(message) => Error::Other(message),
    }
}
