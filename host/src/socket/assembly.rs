//! Owns a message as it is put together: from fragments, and out of its compressed form.

use super::deflate::{InflateError, Inflater};
use super::violation::Violation;

/// A message that has not come to its end.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) text: bool,
    /// In compressed form: inflated once it is whole, so that one that comes slowly holds no inflater.
    pub(super) is_compressed: bool,
    pub(super) bytes: Vec<u8>,
    /// How much of a text has been checked; a character may be cut in two behind it.
    checked: usize,
}

impl Assembly {
    pub(super) fn new(text: bool, is_compressed: bool) -> Self {
        Self {
            text,
            is_compressed,
            bytes: Vec::new(),
            checked: 0,
        }
    }

    /// Take more of it in; with `ended` it is whole.
    pub(super) fn take(&mut self, bytes: &[u8], ended: bool) -> Result<(), Violation> {
        self.bytes.extend_from_slice(bytes);
        if self.text && !self.is_compressed {
            self.check_utf8(ended)?;
        }
        Ok(())
    }

    /// Check a text as it grows, so that a bad one is refused at its first bad byte.
    fn check_utf8(&mut self, ended: bool) -> Result<(), Violation> {
        match simdutf8::compat::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(error) if error.error_len().is_none() && !ended => {
                self.checked += error.valid_up_to();
            }
            Err(_) => return Err(Violation::utf8()),
        }
        Ok(())
    }
}

/// A whole message out of its compressed form, bounded as it grows. Text is checked.
pub(super) fn inflate(
    inflater: &mut Inflater,
    text: bool,
    compressed: &[u8],
    max: usize,
) -> Result<Vec<u8>, Violation> {
    let mut bytes = Vec::new();
    let inflated = inflater
        .feed(compressed, &mut bytes, max)
        .and_then(|()| inflater.finish(&mut bytes));
    match inflated {
        Ok(()) if text && simdutf8::basic::from_utf8(&bytes).is_err() => Err(Violation::utf8()),
        Ok(()) => Ok(bytes),
        Err(InflateError::Corrupt) => Err(Violation::corrupt()),
        Err(InflateError::TooBig) => Err(Violation::too_large(max, None)),
    }
}
