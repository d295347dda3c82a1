//! A foreign WebSocket client, which can be the server as well, and the observer that hears what the worker sees.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

use super::within;

/// TCP, or TLS over it.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A peer that keeps to the protocol, as tungstenite understands it.
pub(crate) struct Client {
    socket: WebSocketStream<Box<dyn Duplex>>,
}

/// No bound of the peer's is to stand in for one of the host's. It writes when it is told to.
fn unbounded() -> Option<WebSocketConfig> {
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .max_message_size(None)
        .max_frame_size(None);
    Some(config)
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, target: &str) -> Self {
        let stream = within("the connection", TcpStream::connect(address))
            .await
            .expect("the host listens");
        stream
            .set_nodelay(true)
            .expect("a fresh connection takes options");
        Self::over(Box::new(stream), &format!("ws://worker.test{target}")).await
    }

    /// Connect, offering these subprotocols; or the status that the host answers in place of 101.
    pub(crate) async fn try_connect(
        address: SocketAddr,
        target: &str,
        protocols: Option<&'static str>,
    ) -> Result<Self, u16> {
        let stream = within("the connection", TcpStream::connect(address))
            .await
            .expect("the host listens");
        let mut request = format!("ws://worker.test{target}")
            .into_client_request()
            .expect("it is a URL");
        if let Some(protocols) = protocols {
            let protocols = HeaderValue::from_static(protocols);
            request
                .headers_mut()
                .insert("sec-websocket-protocol", protocols);
        }
        let stream: Box<dyn Duplex> = Box::new(stream);
        let handshake = client_async_with_config(request, stream, unbounded());
        match within("the handshake", handshake).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("the handshake fails: {other}"),
        }
    }

    /// Shake hands over a connection that is there.
    pub(crate) async fn over(stream: Box<dyn Duplex>, url: &str) -> Self {
        let handshake = client_async_with_config(url, stream, unbounded());
        let (socket, _) = within("the handshake", handshake)
            .await
            .expect("the host upgrades");
        Self { socket }
    }

    /// Be the server, and shake hands with a host that is the client.
    pub(crate) async fn serve(stream: Box<dyn Duplex>) -> Self {
        let handshake = accept_async_with_config(stream, unbounded());
        let socket = within("the handshake", handshake)
            .await
            .expect("the host asks for a WebSocket");
        Self { socket }
    }

    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        within("the host to read", self.socket.send(message.into()))
            .await
            .expect("the host keeps the connection");
    }

    /// Send, where the host may be gone. False if it is.
    pub(crate) async fn try_send(&mut self, message: impl Into<Message>) -> bool {
        within("the host to read", self.socket.send(message.into()))
            .await
            .is_ok()
    }

    /// Write many messages with as few writes as it takes.
    pub(crate) async fn send_all(&mut self, messages: impl Iterator<Item = String>) {
        for message in messages {
            within("the host to read", self.socket.feed(message.into()))
                .await
                .expect("the host keeps the connection");
        }
        within("the host to read", self.socket.flush())
            .await
            .expect("the host keeps the connection");
    }

    /// The next message, a Close included; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        within("a message from the host", self.socket.next())
            .await
            .and_then(Result::ok)
    }

    pub(crate) async fn message(&mut self) -> Message {
        self.next()
            .await
            .expect("the host ended the connection instead of sending a message")
    }

    pub(crate) async fn text(&mut self) -> String {
        let message = self.message().await;
        let Message::Text(text) = message else {
            panic!("not a text message: {message:?}")
        };
        text.to_string()
    }

    pub(crate) async fn expect(&mut self, text: &str) {
        assert_eq!(self.text().await, text);
    }

    /// Send one text and expect another.
    pub(crate) async fn ask(&mut self, question: &str, answer: &str) {
        self.send(question).await;
        self.expect(answer).await;
    }

    /// The code and reason of the Close that must come next; 1005 for an empty one.
    pub(crate) async fn close_frame(&mut self) -> (u16, String) {
        let message = self.message().await;
        let Message::Close(frame) = message else {
            panic!("not a Close: {message:?}")
        };
        frame.map_or((1005, String::new()), |CloseFrame { code, reason }| {
            (code.into(), reason.to_string())
        })
    }

    pub(crate) async fn expect_close(&mut self, code: u16, reason: &str) {
        assert_eq!(self.close_frame().await, (code, reason.to_owned()));
    }

    /// Send a Close; the answer is still to come.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        within("the host to read", self.socket.close(Some(frame)))
            .await
            .expect("the host keeps the connection");
    }

    /// The connection must end, and nothing may come before.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.next().await, None);
    }
}

/// A socket on `/observe` of a worker: every text it gets is a line about another socket.
pub(crate) struct Observer {
    client: Client,
}

impl Observer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut observer = Self {
            client: Client::connect(address, "/observe").await,
        };
        // Whoever connects from now on is observed.
        assert_eq!(observer.lines().await, [""; 0]);
        observer
    }

    pub(crate) async fn line(&mut self) -> String {
        self.client.text().await
    }

    pub(crate) async fn expect(&mut self, line: &str) {
        assert_eq!(self.line().await, line);
    }

    /// What the worker has seen up to now, and not been asked for yet.
    pub(crate) async fn lines(&mut self) -> Vec<String> {
        self.client.send("mark").await;
        let mut lines = Vec::new();
        loop {
            match self.line().await {
                mark if mark == "mark" => return lines,
                line => lines.push(line),
            }
        }
    }

    pub(crate) async fn expect_nothing(&mut self) {
        assert_eq!(self.lines().await, [""; 0]);
    }
}
