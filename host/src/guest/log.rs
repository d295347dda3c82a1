//! Owns the way of a guest's stdout and stderr into the log: line by line, attributed, and bounded in rate.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest line; a longer one is cut into several.
const LINE_BYTES: usize = 8 * 1024;

/// One of the two output streams of an instance.
#[derive(Debug, Clone)]
pub(crate) struct GuestLog {
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug)]
struct Lines {
    worker: Arc<str>,
    is_stderr: bool,
    open: Vec<u8>,
    bytes_per_second: u64,
    /// Bytes that may be written before `since` is a second ago.
    left: u64,
    since: Instant,
    dropped: u64,
}

impl GuestLog {
    pub(crate) fn new(worker: Arc<str>, is_stderr: bool, bytes_per_second: u64) -> Self {
        Self {
            lines: Arc::new(Mutex::new(Lines {
                worker,
                is_stderr,
                open: Vec::new(),
                bytes_per_second,
                left: bytes_per_second,
                since: Instant::now(),
                dropped: 0,
            })),
        }
    }

    fn take(&self, bytes: &[u8]) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(bytes);
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            for part in text.chunks(LINE_BYTES) {
                if self.open.len() + part.len() > LINE_BYTES {
                    self.emit();
                }
                self.open.extend_from_slice(part);
            }
            if is_whole {
                self.emit();
            }
        }
    }

    fn emit(&mut self) {
        let line = std::mem::take(&mut self.open);
        if self.since.elapsed().as_secs() >= 1 {
            self.since = Instant::now();
            self.left = self.bytes_per_second;
            self.tell_dropped();
        }
        let cost = line.len() as u64 + 1;
        if cost > self.left {
            self.dropped += cost;
            return;
        }
        self.left -= cost;
        let text = String::from_utf8_lossy(&line);
        if self.is_stderr {
            tracing::warn!(target: "pairway::worker", worker = &*self.worker, stream = "stderr", "{text}");
        } else {
            tracing::info!(target: "pairway::worker", worker = &*self.worker, stream = "stdout", "{text}");
        }
    }
}

impl Lines {
    fn tell_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            tracing::warn!(target: "pairway::worker", worker = &*self.worker, dropped,
                "bytes of the worker's output were dropped (limit log_bytes_per_second)");
        }
    }
}

impl Drop for Lines {
    /// A panic message that does not end its line must not get lost, nor what was dropped go untold.
    fn drop(&mut self) {
        if !self.open.is_empty() {
            self.emit();
        }
        self.tell_dropped();
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
