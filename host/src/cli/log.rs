//! Owns the log of the program: records go through a queue to a thread that writes them to standard error, so that nothing of the
//! server waits for whoever reads them. What does not fit or cannot be written is lost, counted, and told once it can be.
//!
//! A record is a line: whatever is in it that would end the line, or command a terminal, is escaped here.

use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pairway_host::{Counters, Limits};
use rustix::event::{PollFd, PollFlags, poll};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;

/// The longest record. What the host has from others it has cut before, so that hardly any comes near this.
const RECORD_BYTES: usize = 64 * 1024;

/// Under which the log speaks of itself.
const OWN_TARGET: &str = "pairway::log";

/// The way into the log. When it is dropped, what is queued is written, within its time.
#[derive(Debug)]
pub(super) struct Log {
    shared: Arc<Shared>,
    flush: Duration,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    filled: Condvar,
    /// All is written that there was.
    written: Condvar,
    queue_bytes: usize,
    counters: OnceLock<Arc<Counters>>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Whole records, each of which is one line.
    records: Vec<u8>,
    is_writing: bool,
    /// Records that were lost, ever,
    lost: u64,
    /// and those of them that the log has not told.
    untold: u64,
}

/// How records are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) format: LogFormat,
    pub(super) has_color: bool,
}

impl Log {
    /// Start the log of this process, its panics included.
    pub(super) fn start(filter: &str, form: Form, limits: &Limits) -> Result<Self> {
        let filter = EnvFilter::try_new(filter)
            .with_context(|| format!("`{filter}` is no log filter (--log, RUST_LOG)"))?;
        let log = Self::to(io::stderr(), limits)?;
        let writer = Records {
            shared: Arc::clone(&log.shared),
            form,
        };
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(form.has_color)
            // It would tell them on standard error, and panic if it could not.
            .log_internal_errors(false)
            .with_writer(writer);
        match form.format {
            LogFormat::Pretty => subscriber.init(),
            LogFormat::Json => subscriber.json().init(),
        }
        std::panic::set_hook(Box::new(on_panic));
        Ok(log)
    }

    fn to(out: impl Out, limits: &Limits) -> Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
            queue_bytes: usize::try_from(limits.log_queue_bytes).unwrap_or(usize::MAX),
            counters: OnceLock::new(),
        });
        let writing = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writing.write(out))
            .context("cannot start the thread that writes the log")?;
        let flush = Duration::from_millis(limits.log_flush_ms);
        Ok(Self { shared, flush })
    }

    /// From now on these tell how many records are lost.
    pub(super) fn count_in(&self, counters: Arc<Counters>) {
        let queue = self.shared.queue();
        counters.log_records_lost.add(queue.lost);
        // There is one server in a process, and one log.
        self.shared.counters.get_or_init(|| counters);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let until = Instant::now() + self.flush;
        let mut queue = self.shared.queue();
        while queue.is_writing || !queue.records.is_empty() {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return;
            };
            let waited = self.shared.written.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, record: &[u8], is_own: bool) {
        let mut queue = self.queue();
        // What the log says of itself is seldom, and short.
        if !is_own && queue.records.len() + record.len() > self.queue_bytes {
            return self.lose(&mut queue, 1);
        }
        queue.records.extend_from_slice(record);
        drop(queue);
        self.filled.notify_one();
    }

    fn lose(&self, queue: &mut Queue, records: u64) {
        queue.lost += records;
        queue.untold += records;
        if let Some(counters) = self.counters.get() {
            counters.log_records_lost.add(records);
        }
    }

    /// Write what comes, for ever.
    fn write(&self, mut out: impl Out) {
        let mut records = Vec::new();
        // Lost records that the records under way tell of.
        let mut telling = 0;
        loop {
            {
                let mut queue = self.queue();
                queue.is_writing = false;
                if queue.records.is_empty() {
                    self.written.notify_all();
                }
                while queue.records.is_empty() {
                    queue = self
                        .filled
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                records.clear();
                std::mem::swap(&mut records, &mut queue.records);
                queue.is_writing = true;
            }
            let lost = write_all(&mut out, &records);
            let untold = {
                let mut queue = self.queue();
                if lost > 0 {
                    self.lose(&mut queue, lost);
                    queue.untold += std::mem::take(&mut telling);
                    continue;
                }
                std::mem::take(&mut queue.untold)
            };
            telling = untold;
            if untold > 0 {
                tracing::warn!(target: OWN_TARGET, lost = untold,
                    "records of the log were lost: they came faster than they could be written (limit \
                     log_queue_bytes), or not at all");
            }
        }
    }
}

/// Where the log is written to.
trait Out: Write + Send + 'static {
    /// Wait until it takes something again.
    fn wait(&self);
}

impl Out for io::Stderr {
    fn wait(&self) {
        // Whoever shares it may have said that it must not block. Should waiting fail, writing tells why.
        poll(&mut [PollFd::new(self, PollFlags::OUT)], None).unwrap_or_default();
    }
}

/// Write records, as many as can be. Gives how many could not.
fn write_all(out: &mut impl Out, records: &[u8]) -> u64 {
    let mut lost = 0;
    let mut is_torn = false;
    let mut rest = records;
    while !rest.is_empty() {
        if is_torn {
            // What there is of the record before stands on a line of its own.
            is_torn = !matches!(out.write(b"\n"), Ok(1));
        }
        match out.write(rest) {
            Ok(written) if written > 0 => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => out.wait(),
            Ok(_) | Err(_) => {
                let at = records.len() - rest.len();
                is_torn |= at > 0 && records[at - 1] != b'\n';
                let end = rest.iter().position(|byte| *byte == b'\n');
                rest = end.map_or(&[], |end| &rest[end + 1..]);
                lost += 1;
            }
        }
    }
    lost
}

/// Makes the writer of each record.
#[derive(Debug)]
struct Records {
    shared: Arc<Shared>,
    form: Form,
}

impl<'a> MakeWriter<'a> for Records {
    type Writer = Record<'a>;

    fn make_writer(&'a self) -> Record<'a> {
        Record {
            records: self,
            is_own: false,
        }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Record<'a> {
        Record {
            records: self,
            is_own: meta.target() == OWN_TARGET,
        }
    }
}

/// The writer of one record, which comes in one piece. It never fails.
#[derive(Debug)]
struct Record<'a> {
    records: &'a Records,
    is_own: bool,
}

impl Write for Record<'_> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let shared = &self.records.shared;
        match one_line(record, self.records.form) {
            Some(line) => shared.put(&line, self.is_own),
            None => shared.lose(&mut shared.queue(), 1),
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A record as one line. A record that is too long is cut; of JSON nothing would be left then that can be read.
fn one_line(record: &[u8], form: Form) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(record);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let is_json = matches!(form.format, LogFormat::Json);
    if is_json && text.len() > RECORD_BYTES {
        return None;
    }
    let mut line = String::with_capacity(text.len() + 1);
    for char in text.chars() {
        if line.len() > RECORD_BYTES && !is_json {
            line.push('…');
            break;
        }
        let ends_line = matches!(char, '\u{2028}' | '\u{2029}');
        // The colours are the formatter's, which escapes those of others.
        let is_color = form.has_color && char == '\u{1b}';
        match char {
            char if !char.is_control() && !ends_line || is_color => line.push(char),
            // Beyond ASCII there is nothing but strings in JSON.
            char if is_json => line.push_str(&format!("\\u{:04x}", u32::from(char))),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            char => line.push_str(&format!("\\u{{{:x}}}", u32::from(char))),
        }
    }
    line.push('\n');
    Some(line.into_bytes())
}

/// A panic: what it says, and where. Whoever caught it says what it was at.
fn on_panic(info: &PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("a panic without a message");
    let text = text
        .get(..text.floor_char_boundary(RECORD_BYTES / 8))
        .unwrap_or_default();
    let thread = thread::current();
    let thread = thread.name().unwrap_or_default();
    match info.location() {
        Some(at) => {
            tracing::error!(target: "pairway_host::panic", %at, thread, "panic: {text}");
        }
        None => tracing::error!(target: "pairway_host::panic", thread, "panic: {text}"),
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
