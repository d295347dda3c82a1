//! Owns what the tests of outbound work share: a DNS of our own, and a server that reads one request and answers with
//! bytes that were written beforehand. Knows nothing of any rule.

use std::collections::BTreeMap;
use std::future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::resolve::{Addresses, Resolve};
use super::{AllowList, Bounds, ConnectOptions, Failed, Opened, Outbound};

/// How long anything may take that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Wait for something that must happen.
pub(super) async fn within<T>(happens: impl Future<Output = T>) -> T {
    timeout(PATIENCE, happens).await.expect("it must happen")
}

/// Names and what they lead to, each time anew: the last answer is given again and again.
#[derive(Debug, Default)]
pub(super) struct Dns {
    names: BTreeMap<String, Mutex<Vec<Vec<SocketAddr>>>>,
    lookups: AtomicUsize,
}

impl Dns {
    /// A DNS that knows one name, with one answer after the other.
    pub(super) fn with(name: &str, answers: &[&[SocketAddr]]) -> Arc<Self> {
        let answers = answers.iter().rev().map(|answer| answer.to_vec()).collect();
        let names = BTreeMap::from([(name.to_owned(), Mutex::new(answers))]);
        let lookups = AtomicUsize::new(0);
        Arc::new(Self { names, lookups })
    }

    pub(super) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }
}

impl Resolve for Dns {
    fn resolve(&self, name: String, _port: u16) -> Addresses<'_> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let found = match self.names.get(&name) {
            None => Err(io::Error::other("no such name")),
            Some(answers) => {
                let mut answers = answers.lock().unwrap();
                let answer = answers.last().cloned().unwrap_or_default();
                if answers.len() > 1 {
                    answers.pop();
                }
                Ok(answer)
            }
        };
        Box::pin(future::ready(found))
    }
}

/// A DNS that never answers.
#[derive(Debug)]
pub(super) struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _name: String, _port: u16) -> Addresses<'_> {
        Box::pin(future::pending())
    }
}

/// What a worker may do that may reach these hosts. Without TLS.
pub(super) fn outbound(entries: &[&str], dns: Arc<dyn Resolve>, bounds: Bounds) -> Outbound {
    Outbound::with(AllowList::parse(entries).unwrap(), dns, None, bounds)
}

/// The same for 127.0.0.1 at every port, and no names.
pub(super) fn to_loopback(bounds: Bounds) -> Outbound {
    outbound(&["*://127.0.0.1:*"], Arc::<Dns>::default(), bounds)
}

/// Open a socket without more ado.
pub(super) async fn open(outbound: &Outbound, url: &str) -> Result<Opened, Failed> {
    let plan = outbound.connect(url, ConnectOptions::default()).unwrap();
    within(outbound.open(plan)).await
}

/// Bounds that leave little time for a connection.
pub(super) fn quick() -> Bounds {
    Bounds {
        connect_ms: 50,
        ..Bounds::default()
    }
}

/// A server that answers one request.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The request, and the connection to be kept open.
    serving: JoinHandle<(String, TcpStream)>,
}

impl Server {
    /// Answer with what `answer` makes of the request.
    pub(super) async fn with(answer: impl FnOnce(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            stream.write_all(&answer(&request)).await.unwrap();
            (request, stream)
        });
        Self { address, serving }
    }

    /// Answer with these bytes.
    pub(super) async fn answers(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::with(|_| bytes).await
    }

    /// Answer a handshake rightly, with these bytes before the empty line and behind it.
    pub(super) async fn upgrades(headers: &'static str, behind: &'static [u8]) -> Self {
        Self::with(move |request| [switching(request, headers).as_bytes(), behind].concat()).await
    }

    /// A URL of the server.
    pub(super) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }

    /// What the request was, and the connection it came on.
    pub(super) async fn finish(self) -> (String, TcpStream) {
        within(self.serving).await.unwrap()
    }

    /// What the request was; the connection ends.
    pub(super) async fn request(self) -> String {
        self.finish().await.0
    }
}

/// The 101 to a request.
pub(super) fn switching(request: &str, headers: &str) -> String {
    use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
    let key = header(request, "sec-websocket-key").unwrap();
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    )
}

/// The value of a header of a request.
pub(super) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(own, _)| own.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value)
}

/// A listener on a free port of this machine.
pub(super) async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// An address at which nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    listen().await.local_addr().unwrap()
}

/// Whether nobody has connected. A connection over loopback is there as soon as `connect` has returned.
pub(super) fn is_untouched(listener: TcpListener) -> bool {
    let listener = listener.into_std().unwrap();
    matches!(listener.accept(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// A port for an address.
pub(super) fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port)
}

/// Head and body of a request.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let length = within(stream.read_buf(&mut read)).await.unwrap();
        assert!(length > 0, "the request breaks off: {text:?}");
    }
}
