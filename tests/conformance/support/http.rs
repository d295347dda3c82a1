//! HTTP/1.1 by hand: requests that a proper client would not send, and answers with nothing hidden.

use std::net::SocketAddr;

use super::Raw;

/// A request to be written out.
pub(crate) struct Request {
    method: &'static str,
    target: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(target: &str) -> Self {
        let headers = vec![("Host".to_owned(), "worker.test".to_owned())];
        Self {
            method: "GET",
            target: target.to_owned(),
            version: "HTTP/1.1",
            headers,
            body: Vec::new(),
        }
    }

    /// The handshake of RFC 6455, with the key from its section 1.3.
    pub(crate) fn upgrade(target: &str) -> Self {
        Self::get(target)
            .with("Upgrade", "websocket")
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .with("Sec-WebSocket-Version", "13")
    }

    pub(crate) fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// Add a header, in place of those of that name.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        let mut request = self.without(name);
        request.headers.push((name.to_owned(), value.to_owned()));
        request
    }

    /// Add a header beside those of that name.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn body(self, body: &[u8]) -> Self {
        let mut request = self.with("Content-Length", &body.len().to_string());
        request.body = body.to_vec();
        request
    }

    /// A body in chunks, its length not told beforehand.
    pub(crate) fn chunked(self, chunks: &[&[u8]]) -> Self {
        let mut request = self.with("Transfer-Encoding", "chunked");
        for chunk in chunks {
            request
                .body
                .extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            request.body.extend(*chunk);
            request.body.extend(b"\r\n");
        }
        request.body.extend(b"0\r\n\r\n");
        request
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        [head.as_bytes(), &self.body].concat()
    }

    /// Send it over a connection of its own.
    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        let mut raw = Raw::connect(address).await;
        raw.write(&self.to_bytes()).await;
        raw.answer().await
    }
}

/// The answer to a `GET` over a connection of its own.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Answer {
    Request::get(target).send(address).await
}

/// A response as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Read status line and headers; the body is still to come.
    pub(crate) fn from_head(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1."))
            .and_then(|rest| rest.get(2..5));
        let status = status
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {head:?}"));
        let header = |line: &str| {
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("not a header: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self {
            status,
            headers: lines.filter(|line| !line.is_empty()).map(header).collect(),
            body: Vec::new(),
        }
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value of a header that must not stand there twice.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} stands there twice: {self:?}");
        values.first().copied()
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// Status and body at once.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.text()), (status, body));
    }
}
