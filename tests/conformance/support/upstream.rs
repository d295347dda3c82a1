//! A server for the worker to connect to, in the test itself: a foreign one, or bytes written by hand.

use std::net::SocketAddr;

use pairway_host::Config;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Client, Raw, within};

/// Let the worker reach whatever listens on 127.0.0.1.
pub(crate) fn to_loopback(config: &mut Config) {
    config.outbound.allowed_hosts = vec!["*://127.0.0.1:*".to_owned()];
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

/// A request of the host's.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Method, target and version.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The value of a header, names in lower case; it must not stand there twice.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut of_name = self.headers.iter().filter(|(own, _)| own == name);
        let value = of_name.next().map(|(_, value)| value.as_str());
        assert!(
            of_name.next().is_none(),
            "{name} stands there twice: {self:?}"
        );
        value
    }

    /// The 101 to this handshake, with these further lines, each with its end.
    pub(crate) fn switching(&self, lines: &str) -> String {
        let key = self
            .header("sec-websocket-key")
            .expect("a handshake has a key");
        let accept = derive_accept_key(key.as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
        )
    }
}

impl Upstream {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        Self { address, listener }
    }

    /// `ws://127.0.0.1:PORT/path`
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// `http://127.0.0.1:PORT/path`
    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn stream(&self) -> TcpStream {
        let (stream, _) = within("the host to connect", self.listener.accept())
            .await
            .expect("the port is ours");
        stream
    }

    /// The next connection, by a foreign server.
    pub(crate) async fn accept(&self) -> Client {
        Client::serve(Box::new(self.stream().await)).await
    }

    /// The next connection, of which nothing has been read.
    pub(crate) async fn raw(&self) -> Raw {
        Raw::from_stream(self.stream().await)
    }

    /// The next connection and the request on it, which is not answered.
    pub(crate) async fn asked(&self) -> (Raw, Asked) {
        let mut raw = self.raw().await;
        let head = raw.upto("\r\n\r\n").await;
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line
                .split_once(": ")
                .unwrap_or_else(|| panic!("not a header: {line:?}"));
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let mut asked = Asked {
            line,
            headers: lines.map(header).collect(),
            body: Vec::new(),
        };
        if let Some(length) = asked.header("content-length") {
            let length = length.parse().expect("a length is a number");
            asked.body = raw.bytes(length).await.expect("the body is whole");
        }
        (raw, asked)
    }

    /// The next connection, its handshake answered with these further lines.
    pub(crate) async fn open_with(&self, lines: &str) -> (Raw, Asked) {
        let (mut raw, asked) = self.asked().await;
        raw.write(asked.switching(lines).as_bytes()).await;
        (raw, asked)
    }

    /// The next connection, its handshake answered.
    pub(crate) async fn open(&self) -> Raw {
        self.open_with("").await.0
    }

    /// The next connection and its request, answered with these bytes.
    pub(crate) async fn answer(&self, bytes: impl AsRef<[u8]>) -> (Raw, Asked) {
        let (mut raw, asked) = self.asked().await;
        raw.write(bytes.as_ref()).await;
        (raw, asked)
    }

    /// Nobody listens any more.
    pub(crate) fn gone(self) -> String {
        self.url("/")
    }
}
