//! Owns [`Request`] and [`Method`]: an HTTP request, whole. Knows nothing of how it arrived.

use crate::error::Result;
use crate::headers::Headers;
use crate::url::Url;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::OnceLock;

/// An HTTP method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    #[default]
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// CONNECT
    Connect,
    /// TRACE
    Trace,
    /// Any other.
    Other(String),
}

impl Method {
    /// The name, as it stands in a request.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for Method {
    fn from(name: String) -> Self {
        match name.as_str() {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "CONNECT" => Self::Connect,
            "TRACE" => Self::Trace,
            _ => Self::Other(name),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An HTTP request, whole: the host has read its body before the worker sees it.
///
/// ```
/// use pairway::{Method, Request};
///
/// let request = Request::new("http://example.org/chat?name=J%C3%BCrgen", Method::Get);
/// assert_eq!(request.path(), "/chat");
/// assert_eq!(request.query("name").as_deref(), Some("Jürgen"));
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) peer: Option<String>,
}

/// A URI as it came, taken apart when somebody asks.
#[derive(Clone, Debug)]
pub(crate) struct Uri {
    text: String,
    url: OnceLock<Result<Url>>,
}

impl Uri {
    pub(crate) fn new(text: String) -> Self {
        Self {
            text,
            url: OnceLock::new(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn url(&self) -> &Result<Url> {
        self.url.get_or_init(|| Url::parse(&self.text))
    }
}

impl Request {
    /// A request without headers and body. The URI is absolute.
    #[must_use]
    pub fn new(uri: impl Into<String>, method: Method) -> Self {
        Self {
            method,
            uri: Uri::new(uri.into()),
            headers: Headers::new(),
            body: Vec::new(),
            peer: None,
        }
    }

    /// The same request with this header set.
    ///
    /// # Errors
    ///
    /// As [`Headers::set`].
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self> {
        self.headers.set(name, value)?;
        Ok(self)
    }

    /// The same request with these headers in place of its own.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The same request with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method.clone()
    }

    /// The absolute URI as it came: scheme, authority (from the `Host` header), path and query. [`url`](Self::url) takes it
    /// apart.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.uri.as_str()
    }

    /// The URI, taken apart, in its normal form: dots in the path are resolved.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`](crate::Error::InvalidUrl) if it is not absolute. What the host gives always is.
    pub fn url(&self) -> Result<Url> {
        self.uri.url().clone()
    }

    /// The path, as [`Url::path`] has it: at least `/`, which it also is if the URI is not absolute.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.url().as_ref().map_or("/", Url::path)
    }

    /// The first parameter of that name in the query, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let url = self.uri.url().as_ref().ok()?;
        url.query_pairs()
            .find(|pair| pair.0 == name)
            .map(|pair| pair.1.into_owned())
    }

    /// All parameters of that name in the query, in order, decoded.
    #[must_use]
    pub fn query_all(&self, name: &str) -> Vec<String> {
        let url = self.uri.url().as_ref().ok();
        let pairs = url.into_iter().flat_map(Url::query_pairs);
        pairs
            .filter(|pair| pair.0 == name)
            .map(|pair| pair.1.into_owned())
            .collect()
    }

    /// The headers. Nothing is left out: `upgrade`, `connection`, `host` and `sec-websocket-*` are there.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Address and port of the client, as `192.0.2.1:40000`; `None` where no connection stands behind the request.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// The body, in place; empty if there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// A copy of the body; see [`Request::body`].
    ///
    /// # Errors
    ///
    /// None today: the body is whole. The shape is that of workers-rs.
    #[expect(
        clippy::unused_async,
        reason = "async in workers-rs; code ports by changing a `use`"
    )]
    pub async fn bytes(&mut self) -> Result<Vec<u8>> {
        Ok(self.body.clone())
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// [`Error::Utf8`](crate::Error::Utf8) if it is none.
    #[expect(
        clippy::unused_async,
        reason = "async in workers-rs; code ports by changing a `use`"
    )]
    pub async fn text(&mut self) -> Result<String> {
        Ok(std::str::from_utf8(&self.body)?.to_owned())
    }

    /// The body read as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Json`](crate::Error::Json) if it is not JSON, or not of this type.
    #[expect(
        clippy::unused_async,
        reason = "async in workers-rs; code ports by changing a `use`"
    )]
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// Whether the client asks for a WebSocket. [`Request::upgrade`] checks the rest.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.headers.has_token("upgrade", "websocket")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_survive_their_names() {
        for name in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PURGE",
        ] {
            assert_eq!(Method::from(name.to_owned()).as_str(), name);
        }
        assert_eq!(
            Method::from("PURGE".to_owned()),
            Method::Other("PURGE".to_owned())
        );
    }

    #[test]
    fn the_first_parameter_of_a_name_counts() {
        let request = Request::new("http://h/p?a=1&a=2&b", Method::Get);
        assert_eq!(request.query("a").as_deref(), Some("1"));
        assert_eq!(request.query("b").as_deref(), Some(""));
        assert_eq!(request.query("c"), None);
        assert_eq!(request.query_all("a"), ["1", "2"]);
        assert_eq!(request.query_all("b"), [""]);
        assert_eq!(request.query_all("c"), [""; 0]);
        assert_eq!(
            Request::new("http://h/p", Method::Get).query_all("a"),
            [""; 0]
        );
    }

    #[test]
    fn a_copy_is_changed_by_itself() {
        let request = Request::new("http://h/", Method::Post).with_body("x");
        let mut headers = Headers::new();
        headers.set("a", "1").unwrap();
        let copy = request.clone().with_headers(headers);
        assert_eq!(
            (copy.headers().get("a").as_deref(), copy.body()),
            (Some("1"), &b"x"[..])
        );
        assert_eq!(request.headers().get("a"), None);
    }

    #[test]
    fn path_and_query_are_those_of_the_url() {
        let request = Request::new(r"http://h/a/./b\..\c?x=1#/d?x=2", Method::Get);
        assert_eq!(request.path(), "/a/c");
        assert_eq!(request.path(), request.url().unwrap().path());
        assert_eq!(request.query("x").as_deref(), Some("1"));
        let none = Request::new("//h/a?x=1", Method::Get);
        assert!(none.url().is_err());
        assert_eq!((none.path(), none.query("x")), ("/", None));
    }

    #[test]
    fn an_upgrade_is_asked_for_without_regard_to_case() {
        let request = Request::new("http://h/", Method::Get);
        assert!(!request.is_upgrade());
        assert!(
            request
                .with_header("Upgrade", "WebSocket")
                .unwrap()
                .is_upgrade()
        );
    }
}
