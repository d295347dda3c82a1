//! Owns the grammar of `Sec-WebSocket-Extensions`. Knows no extension. RFC 6455, 9.1.

use std::borrow::Cow;

use http::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

/// One element of the list: an extension that is offered, or that was accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a str,
    pub(super) params: Vec<Param<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Param<'a> {
    pub(super) name: &'a str,
    /// Unquoted.
    pub(super) value: Option<Cow<'a, str>>,
}

/// The header does not follow the grammar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Read all headers of this name as the one list that they are, in order.
pub(super) fn parse(headers: &HeaderMap) -> Result<Vec<Extension<'_>>, Malformed> {
    let mut extensions = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        let text = value.to_str().map_err(|_| Malformed)?;
        let mut rest = Rest(text);
        loop {
            // A list may have empty elements. RFC 9110, 5.6.1.2.
            while rest.take(',') {}
            if rest.0.is_empty() {
                break;
            }
            extensions.push(rest.extension()?);
            if !rest.0.is_empty() && !rest.take(',') {
                return Err(Malformed);
            }
        }
    }
    Ok(extensions)
}

/// What is left to read of a header.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Take a delimiter and the space around it, if it comes next.
    fn take(&mut self, delimiter: char) -> bool {
        self.0 = self.0.trim_ascii_start();
        let Some(after) = self.0.strip_prefix(delimiter) else {
            return false;
        };
        self.0 = after.trim_ascii_start();
        true
    }

    fn extension(&mut self) -> Result<Extension<'a>, Malformed> {
        let name = self.token()?;
        let mut params = Vec::new();
        while self.take(';') {
            let name = self.token()?;
            let value = match self.take('=') {
                true => Some(self.value()?),
                false => None,
            };
            params.push(Param { name, value });
        }
        Ok(Extension { name, params })
    }

    fn token(&mut self) -> Result<&'a str, Malformed> {
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, after) = self.0.split_at(end);
        self.0 = after;
        if token.is_empty() {
            return Err(Malformed);
        }
        Ok(token)
    }

    fn value(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let Some(mut quoted) = self.0.strip_prefix('"') else {
            return self.token().map(Cow::Borrowed);
        };
        let mut value = String::new();
        loop {
            let mut chars = quoted.chars();
            let mut next = || chars.next().ok_or(Malformed);
            let c = match next()? {
                '"' => break,
                '\\' => next()?,
                c => c,
            };
            // "The value after quoted-string unescaping MUST conform to the 'token' ABNF."
            if !is_token(c) {
                return Err(Malformed);
            }
            value.push(c);
            quoted = chars.as_str();
        }
        self.0 = &quoted[1..];
        if value.is_empty() {
            return Err(Malformed);
        }
        Ok(Cow::Owned(value))
    }
}

/// RFC 9110, 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
#[path = "extensions_tests.rs"]
mod tests;
