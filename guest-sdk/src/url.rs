//! Owns [`Url`]: an absolute URI taken apart, and percent-decoding. Small on purpose: the host has checked what it
//! gives, and a full URL parser would be most of a worker's size.

use crate::error::{Error, Result};
use std::borrow::Cow;
use std::fmt;

/// An absolute URI: scheme, authority, path, query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    text: String,
}

impl Url {
    /// Take a URI.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`] if it has no scheme or no host, or contains a space or a control character.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Err(Error::InvalidUrl(why.to_owned()));
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return invalid("it has a space or a control character");
        }
        let Some((scheme, _)) = split_scheme(text) else {
            return invalid("it is not absolute");
        };
        let starts_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
        if !starts_well
            || !scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        {
            return invalid("it has no scheme");
        }
        let url = Self {
            text: text.to_owned(),
        };
        if url.host().is_empty() {
            invalid("it has no host")
        } else {
            Ok(url)
        }
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme, such as `http`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        split_scheme(&self.text).map_or("", |parts| parts.0)
    }

    /// The host, without the port; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(Parts::of(&self.text).authority).0
    }

    /// The port, if there is one in the text.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        split_port(Parts::of(&self.text).authority).1?.parse().ok()
    }

    /// The path as it stands, at least `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        Parts::of(&self.text).path
    }

    /// The query as it stands, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        Parts::of(&self.text).query
    }

    /// The parameters of the query, decoded, in order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        pairs(self.query().unwrap_or_default())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.text
    }
}

impl std::str::FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// The parts of an absolute URI that a worker asks for.
pub(crate) struct Parts<'a> {
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(uri: &'a str) -> Self {
        let rest = split_scheme(uri).map_or(uri, |parts| parts.1);
        let rest = rest.split_once('#').map_or(rest, |parts| parts.0);
        let (rest, query) = rest
            .split_once('?')
            .map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest
            .find('/')
            .and_then(|slash| rest.split_at_checked(slash))
            .unwrap_or((rest, ""));
        Self {
            authority,
            path: if path.is_empty() { "/" } else { path },
            query,
        }
    }
}

/// What stands before and behind `://`. By its first byte: a search for a text is a kilobyte of code.
fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    Some((scheme, rest.strip_prefix("//")?))
}

/// An authority as host and port; user information is left out.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |parts| parts.1);
    match host.rsplit_once(':') {
        // The last colon of `[::1]` is inside the brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    }
}

/// The parameters of a query, decoded as forms are: `+` is a space.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
}

/// Undo percent-encoding. A `%` that two hexadecimal digits do not follow stays as it is.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        decoded.push(match (first, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (other, _) => other,
        });
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_comes_apart() {
        let url = Url::parse("http://me@example.org:8080/a/b?x=1#top").unwrap();
        assert_eq!(
            (url.scheme(), url.host(), url.port()),
            ("http", "example.org", Some(8080))
        );
        assert_eq!((url.path(), url.query()), ("/a/b", Some("x=1")));
    }

    #[test]
    fn what_is_missing_has_a_default() {
        let url = Url::parse("https://[::1]").unwrap();
        assert_eq!(
            (url.host(), url.port(), url.path(), url.query()),
            ("[::1]", None, "/", None)
        );
        let url = Url::parse("https://h?q").unwrap();
        assert_eq!((url.path(), url.query()), ("/", Some("q")));
    }

    #[test]
    fn what_is_no_absolute_url_is_refused() {
        for text in [
            "",
            "/path",
            "http://",
            "http:///path",
            "://host",
            "1a://host",
            "http://a b/",
        ] {
            assert!(
                matches!(Url::parse(text), Err(Error::InvalidUrl(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn queries_are_decoded() {
        let check = |query, expected: &[(&str, &str)]| {
            let found: Vec<_> = pairs(query)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(found, expected, "{query}");
        };
        check("a=1&b=2", &[("a", "1"), ("b", "2")]);
        check(
            "name=J%C3%BCrgen+B%2b&&flag",
            &[("name", "Jürgen B+"), ("flag", "")],
        );
        check(
            "a=%zz%4&b=%ff&c=100%",
            &[("a", "%zz%4"), ("b", "\u{fffd}"), ("c", "100%")],
        );
        check("", &[]);
    }
}
