//! Owns [`Stream`], the byte stream under a connection: plain TCP, or TLS over it as server or client. Knows nothing of
//! what the bytes mean.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

/// Set a fresh connection up: small frames must not wait for the acknowledgement of the ones before, and a peer whose
/// machine is gone must be noticed, though nothing is sent to it.
///
/// # Errors
///
/// The system's, of either; the connection works without.
pub(crate) fn tune(stream: &TcpStream, keep_alive: Duration) -> io::Result<()> {
    /// Probes that go unanswered before the peer counts as gone.
    const PROBES: u32 = 4;
    stream.set_nodelay(true)?;
    // The system counts in seconds.
    let second = Duration::from_secs(1);
    let probes = TcpKeepalive::new()
        .with_time(keep_alive.max(second))
        .with_interval((keep_alive / PROBES).max(second))
        .with_retries(PROBES);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

/// A byte stream to a peer.
///
/// Written bytes can stay behind in a TLS stream: `poll_write` takes them, encrypts them, and leaves what the
/// operating system does not take at once in the stream. Only `poll_flush` and later writes move them on. So whoever
/// writes must flush until that is ready; for plain TCP it always is. For the same reason `poll_shutdown` of a TLS
/// stream waits for the peer to read, and needs a time limit.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    /// TLS, and the peer is the client.
    TlsServer(Box<server::TlsStream<TcpStream>>),
    /// TLS, and the peer is the server.
    TlsClient(Box<client::TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether what was written can be in the stream still, and has to be flushed out of it.
    pub(crate) fn holds_bytes(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::TlsServer(_) | Self::TlsClient(_) => true,
        }
    }

    /// Write at once what the operating system takes, without waiting and without being woken later.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes nothing now, and always for TLS, whose writing needs a task to wake.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::TlsServer(_) | Self::TlsClient(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The same call on whichever stream it is.
macro_rules! on_each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($inner) => $call,
            Stream::TlsServer($inner) => $call,
            Stream::TlsClient($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        on_each!(self, inner => inner.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(cx))
    }
}
