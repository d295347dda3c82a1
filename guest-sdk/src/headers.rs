//! Owns [`Headers`]: the header fields of requests and responses, names without regard to case.

use crate::error::{Error, Result};
use std::borrow::Cow;

/// Header fields, in order. Names are kept in lower case and compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// What crosses the interface, so that nothing is converted on the way.
    entries: Vec<(String, Vec<u8>)>,
}

impl Headers {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the host gave. Its names are in lower case already.
    pub(crate) fn from_raw(entries: Vec<(String, Vec<u8>)>) -> Self {
        Self { entries }
    }

    /// What the host takes.
    pub(crate) fn into_raw(self) -> Vec<(String, Vec<u8>)> {
        self.entries
    }

    /// The value; those of several fields of that name are joined with `, `. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        let mut value = values.next()?.into_owned();
        for more in values {
            value.push_str(", ");
            value.push_str(&more);
        }
        Some(value)
    }

    /// The values of the fields of that name, one by one.
    pub fn values(&self, name: &str) -> impl Iterator<Item = Cow<'_, str>> {
        self.entries
            .iter()
            .filter(move |entry| entry.0.eq_ignore_ascii_case(name))
            .map(|entry| text(&entry.1))
    }

    /// Set a field, in place of all of that name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidHeader`] if the name is no token, or the value has a line break or another control character.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        check(name, value)?;
        self.delete(name);
        self.entries
            .push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
        Ok(())
    }

    /// Add a field behind those of its name.
    ///
    /// # Errors
    ///
    /// As [`Headers::set`].
    pub fn append(&mut self, name: &str, value: &str) -> Result<()> {
        check(name, value)?;
        self.entries
            .push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
        Ok(())
    }

    /// Remove all fields of that name.
    pub fn delete(&mut self, name: &str) {
        self.entries
            .retain(|entry| !entry.0.eq_ignore_ascii_case(name));
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.0.eq_ignore_ascii_case(name))
    }

    /// Whether the comma-separated list in the fields of that name has this token, without regard to case.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.items(name)
            .any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The items of the comma-separated list in the fields of that name.
    pub(crate) fn items(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let fields = self
            .entries
            .iter()
            .filter(move |entry| entry.0.eq_ignore_ascii_case(name));
        fields.flat_map(|entry| entry.1.split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
    }

    /// All fields in order: name and value.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), text(value)))
    }

    /// The fields in order, values as bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Set a field whose name is a lower-case constant and whose value is known to be one.
    pub(crate) fn set_known(&mut self, name: &'static str, value: &str) {
        debug_assert!(check(name, value).is_ok(), "{name}: {value}");
        self.delete(name);
        self.entries
            .push((name.to_owned(), value.as_bytes().to_vec()));
    }
}

fn text(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value)
}

/// RFC 9110, 5.1 and 5.5: a name is a token, and a value has no control characters, tabs aside.
fn check(name: &str, value: &str) -> Result<()> {
    let bad_value = value
        .bytes()
        .any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f);
    if bad_value || !is_token(name) {
        Err(Error::InvalidHeader(name.to_owned()))
    } else {
        Ok(())
    }
}

/// These bytes, if they are a token of RFC 9110, 5.6.2.
pub(crate) fn token(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| is_token(text))
}

/// Whether this is a token.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> Headers {
        let mut headers = Headers::new();
        headers.set("Content-Type", "text/plain").unwrap();
        headers.append("x-tag", "a").unwrap();
        headers.append("X-Tag", "b").unwrap();
        headers
    }

    #[test]
    fn names_have_no_case() {
        assert_eq!(headers().get("CONTENT-type").as_deref(), Some("text/plain"));
        assert!(headers().has("content-type"));
        assert_eq!(headers().entries().next().unwrap().0, "content-type");
    }

    #[test]
    fn set_replaces_append_adds_delete_removes() {
        let mut headers = headers();
        assert_eq!(headers.get("x-tag").as_deref(), Some("a, b"));
        headers.set("X-TAG", "c").unwrap();
        assert_eq!(headers.get("x-tag").as_deref(), Some("c"));
        headers.delete("x-tag");
        assert_eq!(headers.get("x-tag"), None);
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn nothing_can_smuggle_a_second_field() {
        for (name, value) in [
            ("a b", "x"),
            ("", "x"),
            ("a\r\nb", "x"),
            ("a", "x\r\ny: z"),
            ("a", "\0"),
        ] {
            assert_eq!(
                Headers::new().set(name, value),
                Err(Error::InvalidHeader(name.to_owned()))
            );
        }
        assert_eq!(Headers::new().set("a", "tab\tand é"), Ok(()));
    }

    #[test]
    fn tokens_are_found_in_lists() {
        let mut headers = Headers::new();
        headers.append("connection", "keep-alive, Upgrade").unwrap();
        assert!(headers.has_token("Connection", "upgrade"));
        assert!(!headers.has_token("Connection", "close"));
    }
}
