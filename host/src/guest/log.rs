//! Owns what of a worker gets into the log: its output, line by line, and what becomes of its instances. All of it has one budget,
//! whichever instance it is about, so that no worker fills a disk.

use std::fmt::Display;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::counters::Counters;
use crate::printable::{PRINTED_BYTES, Printable};

/// The longest line; a longer one is cut into several.
const LINE_BYTES: usize = PRINTED_BYTES;

/// What a record costs beside its text: the time, the level, the names.
const RECORD_BYTES: usize = 128;

/// The time for which the budget is.
const SECOND: Duration = Duration::from_secs(1);

/// What a worker may have written into the log.
#[derive(Debug)]
pub(crate) struct WorkerLog {
    me: Weak<Self>,
    worker: Arc<str>,
    bytes_per_second: u64,
    counters: Arc<Counters>,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    /// Bytes that may be written before `since` is a second ago.
    left: u64,
    since: Instant,
    /// Bytes that were not written, and of which the log does not know yet.
    dropped: u64,
    /// A task is on its way to tell that.
    is_told_soon: bool,
}

impl WorkerLog {
    pub(crate) fn new(
        worker: Arc<str>,
        bytes_per_second: u64,
        counters: Arc<Counters>,
    ) -> Arc<Self> {
        let spent = Spent {
            left: bytes_per_second,
            since: Instant::now(),
            dropped: 0,
            is_told_soon: false,
        };
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            worker,
            bytes_per_second,
            counters,
            spent: Mutex::new(spent),
        })
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of a record about the worker, in a form for the log; `None` if its budget is used up.
    pub(crate) fn admit(&self, text: impl Display) -> Option<String> {
        let text = Printable(text).to_string();
        let cost = (text.len() + RECORD_BYTES) as u64;
        let mut spent = self.spent();
        if spent.since.elapsed() >= SECOND {
            spent.since = Instant::now();
            spent.left = self.bytes_per_second;
        }
        if let Some(left) = spent.left.checked_sub(cost) {
            spent.left = left;
            return Some(text);
        }
        spent.dropped += cost;
        self.counters.worker_log_bytes_dropped.add(cost);
        if !std::mem::replace(&mut spent.is_told_soon, true) {
            let at = spent.since + SECOND;
            drop(spent);
            self.tell_at(at);
        }
        None
    }

    /// Tell then what was dropped, whether the worker says anything more or not.
    fn tell_at(&self, at: Instant) {
        let (Some(me), Ok(runtime)) = (self.me.upgrade(), tokio::runtime::Handle::try_current())
        else {
            return self.tell();
        };
        runtime.spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            me.tell();
        });
    }

    /// Tell what was dropped.
    pub(crate) fn tell(&self) {
        let dropped = {
            let mut spent = self.spent();
            spent.is_told_soon = false;
            std::mem::take(&mut spent.dropped)
        };
        if dropped > 0 {
            tracing::warn!(target: "pairway::worker", worker = &*self.worker, dropped,
                "bytes of the worker's output were dropped (limit log_bytes_per_second)");
        }
    }
}

/// One of the two output streams of an instance.
#[derive(Debug, Clone)]
pub(crate) struct GuestLog {
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug)]
struct Lines {
    log: Arc<WorkerLog>,
    is_stderr: bool,
    open: Vec<u8>,
}

impl GuestLog {
    pub(crate) fn new(log: &Arc<WorkerLog>, is_stderr: bool) -> Self {
        Self {
            lines: Arc::new(Mutex::new(Lines {
                log: Arc::clone(log),
                is_stderr,
                open: Vec::new(),
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
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let Some(text) = self.log.admit(String::from_utf8_lossy(line)) else {
            return;
        };
        let worker = &*self.log.worker;
        if self.is_stderr {
            tracing::warn!(target: "pairway::worker", worker, stream = "stderr", "{text}");
        } else {
            tracing::info!(target: "pairway::worker", worker, stream = "stdout", "{text}");
        }
    }
}

impl Drop for Lines {
    /// A panic message that does not end its line must not get lost.
    fn drop(&mut self) {
        if !self.open.is_empty() {
            self.emit();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes_per_second: u64) -> (Arc<WorkerLog>, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let log = WorkerLog::new("w".into(), bytes_per_second, Arc::clone(&counters));
        (log, counters)
    }

    #[test]
    fn all_instances_share_one_budget_which_counts_what_a_record_costs_beside_its_text() {
        let (log, counters) = log(1_000);
        let admitted = (0..2_000).filter(|_| log.admit("").is_some()).count();
        assert_eq!(admitted, 1_000 / RECORD_BYTES);
        // Every instance has streams of its own, and none a budget of its own.
        for _ in 0..100 {
            GuestLog::new(&log, true).take(b"one more\n");
        }
        let dropped = counters.worker_log_bytes_dropped.get();
        assert!(dropped > 100 * RECORD_BYTES as u64, "{dropped}");
    }

    #[test]
    fn a_record_is_charged_as_it_is_written() {
        let (log, _) = log(100_000);
        let text = log.admit("a\nb\u{2028}".repeat(10)).unwrap();
        assert!(!text.contains(['\n', '\u{2028}']), "{text}");
        assert_eq!(
            log.spent().left,
            100_000 - (text.len() + RECORD_BYTES) as u64
        );
        let text = log.admit("x".repeat(100_000_000)).unwrap();
        assert!(text.len() < 2 * PRINTED_BYTES);
    }
}
