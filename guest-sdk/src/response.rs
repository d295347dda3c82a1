//! Owns [`Response`] and what a fetch handler may return. The host checks the whole when it leaves.

use crate::error::{Error, Result};
use crate::headers::Headers;
use crate::socket::WebSocketEnd;
use crate::sys;
use serde::{Serialize, de::DeserializeOwned};

/// An HTTP response, whole; or the 101 that turns the connection into a WebSocket.
///
/// ```
/// use pairway::{Response, Result};
///
/// fn not_here() -> Result<Response> {
///     Ok(Response::ok("nothing here")?.with_status(404).with_header("cache-control", "no-store")?)
/// }
/// # let response = not_here().unwrap();
/// # assert_eq!((response.status_code(), response.body()), (404, &b"nothing here"[..]));
/// ```
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
    socket: Option<WebSocketEnd>,
}

impl Response {
    fn new(status: u16, content_type: Option<&'static str>, body: Vec<u8>) -> Self {
        let mut headers = Headers::new();
        if let Some(content_type) = content_type {
            headers.set_known("content-type", content_type);
        }
        Self {
            status,
            headers,
            body,
            socket: None,
        }
    }

    /// 200 with this text.
    ///
    /// # Errors
    ///
    /// None; the shape is that of workers-rs, and of a handler's last line.
    pub fn ok(text: impl Into<String>) -> Result<Self> {
        Ok(Self::new(
            200,
            Some("text/plain; charset=utf-8"),
            text.into().into_bytes(),
        ))
    }

    /// 200 without a body.
    ///
    /// # Errors
    ///
    /// None, as for [`Response::ok`].
    pub fn empty() -> Result<Self> {
        Ok(Self::new(200, None, Vec::new()))
    }

    /// 200 with this page.
    ///
    /// # Errors
    ///
    /// None, as for [`Response::ok`].
    pub fn from_html(html: impl Into<String>) -> Result<Self> {
        Ok(Self::new(
            200,
            Some("text/html; charset=utf-8"),
            html.into().into_bytes(),
        ))
    }

    /// 200 with this value as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if the value has no form in JSON.
    pub fn from_json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self::new(
            200,
            Some("application/json"),
            serde_json::to_vec(value)?,
        ))
    }

    /// 200 with these bytes.
    ///
    /// # Errors
    ///
    /// None, as for [`Response::ok`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Ok(Self::new(200, Some("application/octet-stream"), bytes))
    }

    /// An error status with a text.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidResponse`] if the status is not one of 400 to 599.
    pub fn error(message: impl Into<String>, status: u16) -> Result<Self> {
        if !(400..=599).contains(&status) {
            return Err(Error::InvalidResponse(
                "an error has a status from 400 to 599".to_owned(),
            ));
        }
        Ok(Self::ok(message)?.with_status(status))
    }

    /// 302 to this URL; [`with_status`](Self::with_status) makes it another redirect.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidHeader`] if the URL has a control character.
    pub fn redirect(url: &str) -> Result<Self> {
        Self::new(302, None, Vec::new()).with_header("location", url)
    }

    /// 101: the client gets this end of a pair. The other end is the worker's.
    ///
    /// # Errors
    ///
    /// None, as for [`Response::ok`]. The host checks when the response leaves, and the client gets a 500 if the
    /// request was no upgrade.
    pub fn from_websocket(client: WebSocketEnd) -> Result<Self> {
        Ok(Self {
            status: 101,
            headers: Headers::new(),
            body: Vec::new(),
            socket: Some(client),
        })
    }

    /// The same response with this status: 200 to 599 without a socket, 101 with one.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same response with this header set.
    ///
    /// # Errors
    ///
    /// As [`Headers::set`].
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self> {
        self.headers.set(name, value)?;
        Ok(self)
    }

    /// The same response with these headers in place of its own.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The status.
    #[must_use]
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// [`Error::Utf8`] if it is none.
    pub fn text(&self) -> Result<&str> {
        Ok(std::str::from_utf8(&self.body)?)
    }

    /// The body read as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if it is not JSON, or not of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The end that came with a 101, to be accepted.
    #[must_use]
    pub fn websocket(self) -> Option<WebSocketEnd> {
        self.socket
    }

    /// What came over the interface.
    pub(crate) fn from_raw(raw: sys::Response) -> Self {
        Self {
            status: raw.status,
            headers: Headers::from_raw(raw.headers),
            body: raw.body,
            socket: raw.socket.map(WebSocketEnd),
        }
    }

    /// What goes over it.
    pub(crate) fn into_raw(self) -> sys::Response {
        sys::Response {
            status: self.status,
            headers: self.headers.into_raw(),
            body: self.body,
            socket: self.socket.map(|end| end.0),
        }
    }

    /// What the client gets if a handler fails. What went wrong is for the log, and not for clients.
    pub(crate) fn of_error(error: &Error) -> Self {
        let Error::UpgradeRequired(why) = error else {
            let status = error.status();
            let text = if status == 503 {
                "Service Unavailable"
            } else {
                "Internal Server Error"
            };
            return Self::new(
                status,
                Some("text/plain; charset=utf-8"),
                text.as_bytes().to_vec(),
            );
        };
        let mut response = Self::new(
            426,
            Some("text/plain; charset=utf-8"),
            why.as_bytes().to_vec(),
        );
        // RFC 9110, 15.5.22 and RFC 6455, 4.4: a 426 says what to upgrade to.
        response.headers.set_known("upgrade", "websocket");
        response.headers.set_known("sec-websocket-version", "13");
        response
    }
}

/// What a fetch handler may return: a [`Response`], or a `Result` of one whose error becomes an [`Error`].
#[diagnostic::on_unimplemented(
    message = "a fetch handler returns `Response` or `Result<Response, E>` where `E: Into<pairway::Error>`",
    label = "this is neither"
)]
pub trait IntoResponse {
    /// The response.
    ///
    /// # Errors
    ///
    /// What the handler returned.
    fn into_response(self) -> Result<Response>;
}

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response> {
        Ok(self)
    }
}

impl<E: Into<Error>> IntoResponse for Result<Response, E> {
    fn into_response(self) -> Result<Response> {
        self.map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_constructor_says_what_it_sends() {
        let content_type = |response: Response| response.headers().get("content-type");
        assert_eq!(
            content_type(Response::ok("x").unwrap()).as_deref(),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(
            content_type(Response::from_json(&1).unwrap()).as_deref(),
            Some("application/json")
        );
        assert_eq!(content_type(Response::empty().unwrap()), None);
        let redirect = Response::redirect("/there").unwrap();
        assert_eq!(
            (
                redirect.status_code(),
                redirect.headers().get("location").as_deref()
            ),
            (302, Some("/there"))
        );
    }

    #[test]
    fn an_error_response_has_an_error_status() {
        assert_eq!(Response::error("gone", 410).unwrap().status_code(), 410);
        assert!(matches!(
            Response::error("fine", 200),
            Err(Error::InvalidResponse(_))
        ));
    }

    #[test]
    fn a_failed_handler_tells_clients_nothing_but_the_upgrade() {
        let response = Response::of_error(&"the password is 1234".into());
        assert_eq!(
            (response.status_code(), response.text().unwrap()),
            (500, "Internal Server Error")
        );
        let response = Response::of_error(&Error::UpgradeRequired("Expected Upgrade: websocket"));
        assert_eq!(
            (response.status_code(), response.text().unwrap()),
            (426, "Expected Upgrade: websocket")
        );
    }
}
