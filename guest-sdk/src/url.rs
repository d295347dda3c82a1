//! Owns [`Url`]: an absolute URL taken apart. The rules are the URL Standard's, as in browsers, and the parser is the one
//! that the host connects with: a check of the worker's and the connection that follows read the same text alike.

use crate::error::{Error, Result};
use ::url::{ParseError, Url as Parsed};
use std::borrow::Cow;
use std::fmt;

/// An absolute URL in its normal form: scheme, host, path, query.
///
/// ```
/// use pairway::Url;
///
/// let url = Url::parse(r"HTTP://127.0.0.1:9003\@Example.org/a/../b?x=1").unwrap();
/// assert_eq!(url.host(), "127.0.0.1");
/// assert_eq!(url.as_str(), "http://127.0.0.1:9003/@Example.org/b?x=1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url(Parsed);

impl Url {
    /// Take a URL, by the rules of browsers: `\` is `/`, dots in the path are resolved, host and scheme are in lower case,
    /// a port that is the scheme's own is left out.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`] if it is not absolute or has no host, or if its host is none: one that is not ASCII has to be
    /// written in punycode (`xn--…`).
    pub fn parse(text: &str) -> Result<Self> {
        let url = Parsed::parse(text).map_err(invalid)?;
        match url.host_str() {
            None | Some("") => Err(Error::InvalidUrl("it has no host".to_owned())),
            Some(_) => Ok(Self(url)),
        }
    }

    /// The whole URL, in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The scheme, such as `http`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The host, without the port; an IPv6 address stands in brackets. It is what a request to this URL is sent to.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port, if it is not the scheme's own.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.0.port()
    }

    /// The path, at least `/`, with what is percent-encoded as it stands.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.0.path() {
            "" => "/",
            path => path,
        }
    }

    /// The query, without its `?`, with what is percent-encoded as it stands.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// The parameters of the query, decoded as forms are, in order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.0.query_pairs()
    }

    /// As the host connects to it: user and password are dropped, and the fragment of a request stays with its sender.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn for_the_wire(mut self) -> Self {
        let is_clean = self.0.set_username("").and(self.0.set_password(None));
        is_clean.expect("it has a host");
        self.0.set_fragment(None);
        self
    }

    /// Whether there is a fragment, if only an empty one.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn has_fragment(&self) -> bool {
        self.0.fragment().is_some()
    }
}

fn invalid(error: ParseError) -> Error {
    Error::InvalidUrl(if error == ParseError::IdnaError {
        format!("{error}: a host that is not ASCII is written in punycode (xn--…)")
    } else {
        error.to_string()
    })
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.0.into()
    }
}

impl std::str::FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
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
        let url = Url::parse("https://[::1]:443").unwrap();
        assert_eq!(
            (url.host(), url.port(), url.path(), url.query()),
            ("[::1]", None, "/", None)
        );
        let url = Url::parse("https://h?q").unwrap();
        assert_eq!((url.path(), url.query()), ("/", Some("q")));
        assert_eq!(Url::parse("other://h").unwrap().path(), "/");
    }

    #[test]
    fn what_is_no_absolute_url_is_refused() {
        for text in [
            "",
            "/path",
            "http://",
            "://host",
            "1a://host",
            "http://a b/",
            "http://h:99999/",
            "http://[fe80::1%25eth0]/",
            "mailto:me@example.org",
            "file:///etc/passwd",
        ] {
            assert!(
                matches!(Url::parse(text), Err(Error::InvalidUrl(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_host_that_is_not_ascii_is_refused_with_what_to_do() {
        for text in ["http://bücher.example/", "http://b%C3%BCcher.example/"] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(error.contains("punycode"), "{error}");
        }
        assert!(Url::parse("http://xn--bcher-kva.example/ü").is_ok());
    }

    #[test]
    fn queries_are_decoded() {
        let check = |query, expected: &[(&str, &str)]| {
            let url = Url::parse(&format!("http://h/?{query}")).unwrap();
            let found: Vec<_> = url
                .query_pairs()
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
