//! Owns [`Stream`], the byte stream under a connection: plain TCP, or TLS over it as server or client. Knows nothing of
//! what the bytes mean.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use crate::socket::outbox::Wire;

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
    /// Shared with whoever may write to it when its connection has nothing to write.
    Tcp(Arc<TcpStream>),
    /// TLS, and the peer is the client.
    TlsServer(Box<server::TlsStream<Tcp>>),
    /// TLS, and the peer is the server.
    TlsClient(Box<client::TlsStream<Tcp>>),
}

/// The TCP stream under TLS, also for whoever watches over it.
#[derive(Debug)]
pub(crate) struct Tcp(Arc<TcpStream>);

impl Tcp {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }
}

/// Wait until the peer has reset the connection, or its machine does not answer any more. That it sends no more (FIN) is no
/// reason: it may go on reading.
pub(crate) async fn broken(stream: &TcpStream) {
    // Either there is an error, or the runtime is ending and nobody can wait any longer.
    drop(stream.ready(Interest::ERROR).await);
}

impl Stream {
    /// The TCP stream at the bottom.
    pub(crate) fn tcp(&self) -> &Arc<TcpStream> {
        match self {
            Self::Tcp(stream) => stream,
            Self::TlsServer(stream) => &stream.get_ref().0.0,
            Self::TlsClient(stream) => &stream.get_ref().0.0,
        }
    }

    /// Have the system take only so many bytes ahead of what it can send.
    ///
    /// # Errors
    ///
    /// The system's; it takes some megabytes then.
    pub(crate) fn bound_unsent(&self, bytes: usize) -> io::Result<()> {
        #[cfg(any(target_os = "android", target_os = "linux"))]
        SockRef::from(&**self.tcp())
            .set_tcp_notsent_lowat(u32::try_from(bytes).unwrap_or(u32::MAX))?;
        #[cfg(not(any(target_os = "android", target_os = "linux")))]
        let _ = bytes;
        Ok(())
    }

    /// Whether what was written can be in the stream still, and has to be flushed out of it.
    pub(crate) fn holds_bytes(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::TlsServer(_) | Self::TlsClient(_) => true,
        }
    }

    /// The way to the operating system, if nothing but the bytes goes over it.
    pub(crate) fn wire(&self) -> Option<Arc<dyn Wire>> {
        match self {
            Self::Tcp(stream) => Some(Arc::<TcpStream>::clone(stream)),
            Self::TlsServer(_) | Self::TlsClient(_) => None,
        }
    }

    /// Have the task woken when there is something to read. Ready if there is, or if only reading tells.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Self::TlsServer(_) | Self::TlsClient(_) => Poll::Ready(()),
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

/// Read from a TCP stream as `TcpStream::poll_read` does, but with the system call itself: the C library's makes every
/// call a point where its thread may be cancelled, which costs as much as taking the message apart.
fn poll_recv(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        let mut short = None;
        let space = buf.initialize_unfilled();
        let read = stream.try_io(Interest::READABLE, || {
            let (bytes, _) = retry_on_intr(|| recv(stream, &mut *space, RecvFlags::empty()))?;
            if bytes == 0 || bytes == space.len() {
                return Ok(bytes);
            }
            // There is no more: said in the words that have the runtime wait for the next bytes, and not try.
            short = Some(bytes);
            Err(io::ErrorKind::WouldBlock.into())
        });
        match (read, short) {
            (Ok(bytes), _) | (Err(_), Some(bytes)) => {
                buf.advance(bytes);
                return Poll::Ready(Ok(()));
            }
            (Err(error), None) if error.kind() == io::ErrorKind::WouldBlock => {}
            (Err(error), None) => return Poll::Ready(Err(error)),
        }
    }
}

/// Write to a TCP stream as `TcpStream::poll_write` does, with the system call itself.
fn poll_send(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, &mut write) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| {
        rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)
    })?)
}

fn send_all(stream: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::writev(stream, bufs))?)
}

fn end_of_writing(stream: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::shutdown(stream, Shutdown::Write)?)
}

impl Wire for TcpStream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || send(self, bytes))
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_recv(&self.0, cx, buf)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_send(&self.0, cx, || send(&self.0, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_send(&self.0, cx, || send_all(&self.0, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(end_of_writing(&self.0))
    }
}

/// The same call on whichever TLS stream it is.
macro_rules! on_each {
    ($stream:expr, $tcp:pat => $plain:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($tcp) => $plain,
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
        match self.get_mut() {
            Self::Tcp(stream) => poll_recv(stream, cx, buf),
            Self::TlsServer(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::TlsClient(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => poll_send(stream, cx, || send(stream, buf)),
            Self::TlsServer(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::TlsClient(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match (self.get_mut(), bufs) {
            // The cheaper call, and most often there is one.
            (Self::Tcp(stream), [buf]) => poll_send(stream, cx, || send(stream, buf)),
            (Self::Tcp(stream), bufs) => poll_send(stream, cx, || send_all(stream, bufs)),
            (Self::TlsServer(stream), bufs) => Pin::new(stream).poll_write_vectored(cx, bufs),
            (Self::TlsClient(stream), bufs) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        on_each!(self, _ => true, inner => inner.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self.get_mut(), _ => Poll::Ready(Ok(())), inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(
            self.get_mut(),
            stream => Poll::Ready(end_of_writing(stream)),
            inner => Pin::new(inner).poll_shutdown(cx)
        )
    }
}
