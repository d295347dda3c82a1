//! Owns outbound sockets: from a URL to an open socket.

use super::WebSocket;
use super::shared::Shared;
use crate::error::Result;
use crate::headers::Headers;
use crate::sys;
use crate::task::LocalFuture;
use std::future::{IntoFuture, poll_fn};

impl WebSocket {
    /// Open a socket to another server: `WebSocket::connect("wss://example.org/").await?`. Which hosts a worker may
    /// reach, its configuration says.
    ///
    /// Dropping the future gives the handshake up.
    ///
    /// # Errors
    ///
    /// Of the future:
    ///
    /// - [`Error::InvalidUrl`](crate::Error::InvalidUrl) if the scheme is not `ws` or `wss`.
    /// - [`Error::NotAllowed`](crate::Error::NotAllowed) if the worker may not reach the host.
    /// - [`Error::SocketFailed`](crate::Error::SocketFailed) if the server cannot be reached or does not agree.
    pub fn connect(url: impl Into<String>) -> Connect {
        Connect {
            url: url.into(),
            protocols: Vec::new(),
            headers: Ok(Headers::new()),
        }
    }

    /// [`connect`](Self::connect) under its name in workers-rs.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with_protocols(
        url: impl Into<String>,
        protocols: Option<Vec<&str>>,
    ) -> Result<Self> {
        let protocols = protocols.into_iter().flatten();
        let connect = protocols.fold(Self::connect(url), Connect::protocol);
        connect.open().await
    }
}

/// Made by [`WebSocket::connect`]. Nothing happens before it is awaited.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct Connect {
    url: String,
    protocols: Vec<String>,
    /// What went wrong is told when it is awaited.
    headers: Result<Headers>,
}

impl Connect {
    /// Offer a subprotocol; may be repeated, in order of preference.
    pub fn protocol(mut self, name: impl Into<String>) -> Self {
        self.protocols.push(name.into());
        self
    }

    /// Add a header to the handshake.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers = self.headers.and_then(|mut headers| {
            headers.append(name, value)?;
            Ok(headers)
        });
        self
    }

    /// Wait until the socket is open. It is accepted then.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::connect`].
    pub async fn open(self) -> Result<WebSocket> {
        self.open_for(None).await
    }

    async fn open_for(self, durable: Option<(sys::Object, Vec<String>)>) -> Result<WebSocket> {
        let headers = self.headers?;
        let shared = {
            let headers: Vec<_> = headers.iter().collect();
            let protocols: Vec<_> = self.protocols.iter().map(String::as_str).collect();
            let (host, tags) = durable.unzip();
            let tags: Vec<_> = tags.iter().flatten().map(String::as_str).collect();
            Shared::connect(sys::Connect {
                url: &self.url,
                protocols: &protocols,
                headers: &headers,
                durable: host.map(|host| (host, tags.as_slice())),
            })?
        };
        poll_fn(|cx| shared.poll_open(cx)).await?;
        Ok(WebSocket {
            shared,
            told: false,
        })
    }
}

impl IntoFuture for Connect {
    type Output = Result<WebSocket>;
    type IntoFuture = LocalFuture<Result<WebSocket>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// Made by [`State::connect`](crate::State::connect). Nothing happens before it is awaited.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct ConnectDurable {
    connect: Connect,
    host: sys::Object,
    tags: Vec<String>,
}

impl ConnectDurable {
    pub(crate) fn new(host: sys::Object, url: String) -> Self {
        Self {
            connect: WebSocket::connect(url),
            host,
            tags: Vec::new(),
        }
    }

    /// A tag to find the socket by; may be repeated.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// As [`Connect::protocol`].
    pub fn protocol(mut self, name: impl Into<String>) -> Self {
        self.connect = self.connect.protocol(name);
        self
    }

    /// As [`Connect::header`].
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.connect = self.connect.header(name, value);
        self
    }

    /// Wait until the socket is open. It is the object's then, and a socket that does not open never was: no handler
    /// hears of it.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::connect`].
    pub async fn open(self) -> Result<WebSocket> {
        let durable = Some((self.host, self.tags));
        self.connect.open_for(durable).await
    }
}

impl IntoFuture for ConnectDurable {
    type Output = Result<WebSocket>;
    type IntoFuture = LocalFuture<Result<WebSocket>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
