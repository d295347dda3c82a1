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

/// A message on its way out of its compressed form, bounded as it grows.
#[derive(Debug)]
pub(crate) struct Inflation<'a> {
    /// What has not been taken in.
    rest: &'a [u8],
    bytes: Vec<u8>,
}

impl<'a> Inflation<'a> {
    pub(crate) fn new(compressed: &'a [u8]) -> Self {
        Self {
            rest: compressed,
            bytes: Vec::new(),
        }
    }

    /// What it takes so far.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Let it grow by so many bytes. True if it is whole.
    pub(crate) fn go_on(
        &mut self,
        inflater: &mut Inflater,
        step: usize,
        max: usize,
    ) -> Result<bool, Violation> {
        let gone_on = inflater
            .feed(&mut self.rest, &mut self.bytes, step, max)
            .and_then(|()| match self.rest.is_empty() && !inflater.has_more() {
                true => inflater.finish(&mut self.bytes).map(|()| true),
                false => Ok(false),
            });
        gone_on.map_err(|error| match error {
            InflateError::Corrupt => Violation::corrupt(),
            InflateError::TooBig => Violation::too_large(max, None),
        })
    }

    /// The whole message. Text is still to be checked.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
