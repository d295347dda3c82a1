//! Owns [`HttpStream`], the stream of one HTTP connection, and with it the patience with its client: how long it may take
//! for the head of a request, idle between requests, and take nothing of a response. What it carries it does not know; whose
//! turn it is, its service tells it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::bodies::{Bodies, Stalled};
use super::exchange::{Exchange, Turn};
use crate::config::{Limits, millis};
use crate::stream::Stream;

/// The system takes no more ahead of a client than this. So a client that reads is soon seen to, and one that does not
/// costs no more of the system's memory.
const UNSENT_BYTES: usize = 128 * 1024;

/// What is read at a time to be thrown away.
const DISCARD_BYTES: usize = 4096;

/// What is waited for while it is the client's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The first byte of the first request. Its head has its time already.
    First,
    /// The first byte of a further request.
    Further,
    /// The rest of a head.
    Head,
}

/// How long each may take.
#[derive(Debug, Clone, Copy)]
struct Times {
    head: Duration,
    idle: Duration,
    stall: Duration,
    linger: Duration,
}

/// A byte stream to an HTTP client that is not waited for without a bound.
#[derive(Debug)]
pub(crate) struct HttpStream {
    stream: Stream,
    exchange: Arc<Exchange>,
    bodies: Arc<Bodies>,
    times: Times,
    awaited: Option<(Awaited, Pin<Box<Sleep>>)>,
    /// The client has not taken what is to be written.
    stalled: Option<(Stalled, Pin<Box<Sleep>>)>,
    lingering: Option<Pin<Box<Sleep>>>,
    is_narrow: bool,
}

impl HttpStream {
    pub(crate) fn new(
        stream: Stream,
        exchange: Arc<Exchange>,
        bodies: Arc<Bodies>,
        limits: &Limits,
    ) -> Self {
        Self {
            stream,
            exchange,
            bodies,
            times: Times {
                head: millis(limits.request_head_ms),
                idle: millis(limits.http_idle_ms),
                stall: millis(limits.response_stall_ms),
                linger: millis(limits.linger_ms),
            },
            awaited: None,
            stalled: None,
            lingering: None,
            is_narrow: false,
        }
    }

    /// What is under it, for another protocol.
    pub(crate) fn into_inner(self) -> Stream {
        self.stream
    }

    fn wait(&mut self, awaited: Awaited) {
        let time = match awaited {
            Awaited::First | Awaited::Head => self.times.head,
            Awaited::Further => self.times.idle,
        };
        self.awaited = Some((awaited, Box::pin(sleep(time))));
    }

    /// Somebody wants to read: see what he waits for.
    fn note_reading(&mut self) {
        if self.exchange.is(Turn::Response) {
            // The response has left whole, or nobody would ask for more.
            self.exchange.set(Turn::Clients);
            self.exchange.release();
            self.wait(Awaited::Further);
        } else if !self.exchange.is(Turn::Clients) {
            // How long a body may take, the service sees to.
            self.awaited = None;
        } else if self.awaited.is_none() {
            self.wait(Awaited::First);
        }
    }

    fn note_read(&mut self) {
        match &mut self.awaited {
            Some((awaited @ Awaited::First, _)) => *awaited = Awaited::Head,
            Some((Awaited::Further, _)) => self.wait(Awaited::Head),
            Some((Awaited::Head, _)) | None => {}
        }
    }

    /// Fail a write that has been waiting for too long, or whose memory others need.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let (stalled, time) = self.stalled.get_or_insert_with(|| {
            let stalled = self.bodies.enter_stalled(&self.exchange);
            (stalled, Box::pin(sleep(self.times.stall)))
        });
        let is_over = time.as_mut().poll(cx).is_ready();
        if is_over || stalled.poll_given_up(cx).is_ready() {
            self.bodies.note_dropped();
            let what = "the client takes nothing of the response (limit response_stall_ms)";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)));
        }
        Poll::Pending
    }

    /// A large write is coming.
    fn narrow(&mut self, bytes: usize) {
        if bytes > UNSENT_BYTES && !self.is_narrow {
            self.is_narrow = true;
            if let Err(error) = self.stream.bound_unsent(UNSENT_BYTES) {
                tracing::debug!("options of the connection: {error}");
            }
        }
    }

    /// Whether the client may be sending something that nobody reads. A stream that is closed then is reset, and the reset
    /// would overtake the response. RFC 9112, 9.6.
    fn has_unread(&self) -> bool {
        self.exchange.is(Turn::Refusal) || matches!(self.awaited, Some((Awaited::Head, _)))
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.note_reading();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if read.is_ready() {
            if buf.filled().len() > before {
                this.note_read();
            }
            return read;
        }
        let Some((awaited, time)) = &mut this.awaited else {
            return Poll::Pending;
        };
        ready!(time.as_mut().poll(cx));
        Poll::Ready(match awaited {
            // As if the client had ended it: nothing is lost.
            Awaited::Further => Ok(()),
            Awaited::First | Awaited::Head => {
                let what = "no whole head of a request in time (limit request_head_ms)";
                Err(io::Error::new(io::ErrorKind::TimedOut, what))
            }
        })
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.narrow(buf.len());
        let wrote = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.watch(cx, wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.narrow(bufs.iter().map(|buf| buf.len()).sum());
        let wrote = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.watch(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.watch(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.watch(cx, shut))?;
            if !this.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let time = this.times.linger;
        let time = this.lingering.get_or_insert_with(|| Box::pin(sleep(time)));
        let mut discarded = [0; DISCARD_BYTES];
        while time.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut discarded);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
