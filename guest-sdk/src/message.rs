//! Owns [`Message`]: one WebSocket message, and how it is made and read. Knows no socket.

use crate::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};

/// One WebSocket message, whole: text or binary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

impl Message {
    /// A text message with this value as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if the value has no form in JSON, for instance a map whose keys are no strings.
    pub fn from_json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self::Text(serde_json::to_string(value)?))
    }

    /// Read the message as JSON, be it text or binary.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if it is not JSON, or not of this type: what the peer sent is wrong, not the socket.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(self.as_bytes())?)
    }

    /// The text; `None` if the message is binary.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The bytes of a binary message; `None` if it is text.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Binary(bytes) => Some(bytes),
            Self::Text(_) => None,
        }
    }

    /// The bytes, those of the text if it is text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text, taken out; `Err` gives a binary message back as it was.
    ///
    /// # Errors
    ///
    /// The message itself, if it is binary.
    pub fn into_text(self) -> Result<String, Self> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(_) => Err(self),
        }
    }

    /// The bytes, taken out, those of the text if it is text.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has no bytes. Such a message is a message like any other.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Message {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&Self> for Message {
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Binary(bytes.to_vec())
    }
}

impl TryFrom<Message> for String {
    type Error = Error;

    fn try_from(message: Message) -> Result<Self> {
        Ok(Self::from_utf8(message.into_bytes())?)
    }
}

impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_it_was_made_from() {
        assert_eq!(Message::from("hi").text(), Some("hi"));
        assert_eq!(Message::from(b"hi").bytes(), Some(&b"hi"[..]));
        assert_eq!(Message::from("é").len(), 2);
        assert!(Message::from(Vec::new()).is_empty());
        assert_eq!(Message::from("hi").bytes(), None);
    }

    #[test]
    fn json_goes_out_as_text_and_is_read_from_both_kinds() {
        let message = Message::from_json(&[1, 2]).unwrap();
        assert_eq!(message, Message::from("[1,2]"));
        assert_eq!(message.json::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(Message::from(b"[1]").json::<Vec<u8>>().unwrap(), [1]);
        assert!(matches!(
            Message::from("{").json::<Vec<u8>>(),
            Err(Error::Json(_))
        ));
    }

    #[test]
    fn binary_becomes_a_string_only_if_it_is_one() {
        assert_eq!(String::try_from(Message::from(b"ok")), Ok("ok".to_owned()));
        assert_eq!(String::try_from(Message::from(&[0xff])), Err(Error::Utf8));
    }
}
