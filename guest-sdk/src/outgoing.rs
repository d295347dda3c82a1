//! Owns [`Outgoing`]: what can be sent. Knows no socket.

use crate::message::Message;
use crate::sys::Payload;

/// A message to be sent, where it lies: from a [`Message`], a text or bytes, borrowed or not.
#[derive(Debug)]
pub struct Outgoing<'a>(Content<'a>);

#[derive(Debug)]
enum Content<'a> {
    Borrowed(Payload<'a>),
    Owned(Message),
}

impl<'a> From<&'a Message> for Outgoing<'a> {
    fn from(message: &'a Message) -> Self {
        Self(Content::Borrowed(message.into()))
    }
}

impl<'a> From<&'a str> for Outgoing<'a> {
    fn from(text: &'a str) -> Self {
        Self(Content::Borrowed(Payload::Text(text)))
    }
}

impl<'a> From<&'a String> for Outgoing<'a> {
    fn from(text: &'a String) -> Self {
        Self(Content::Borrowed(Payload::Text(text)))
    }
}

impl<'a> From<&'a [u8]> for Outgoing<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Content::Borrowed(Payload::Binary(bytes)))
    }
}

impl From<Message> for Outgoing<'_> {
    fn from(message: Message) -> Self {
        Self(Content::Owned(message))
    }
}

impl From<String> for Outgoing<'_> {
    fn from(text: String) -> Self {
        Self(Content::Owned(text.into()))
    }
}

impl From<Vec<u8>> for Outgoing<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Content::Owned(bytes.into()))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Outgoing<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self(Content::Borrowed(Payload::Binary(bytes)))
    }
}

impl<'a> From<&'a Vec<u8>> for Outgoing<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self(Content::Borrowed(Payload::Binary(bytes)))
    }
}

impl Outgoing<'_> {
    pub(crate) fn payload(&self) -> Payload<'_> {
        match &self.0 {
            Content::Borrowed(payload) => *payload,
            Content::Owned(message) => message.into(),
        }
    }
}
