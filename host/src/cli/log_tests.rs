//! The log's queue, its writer and its lines, with an output that fails and stalls as it is told.

use std::collections::VecDeque;
use std::sync::mpsc;

use super::*;

const PLAIN: Form = Form {
    format: LogFormat::Pretty,
    has_color: false,
};

/// An output of which each write does what the test says next; without a word it takes everything.
#[derive(Clone, Default)]
struct Script {
    told: Arc<Mutex<Told>>,
}

/// What the writes are still to do, and what they have taken.
type Told = (VecDeque<io::Result<usize>>, Vec<u8>);

impl Script {
    fn of(results: impl IntoIterator<Item = io::Result<usize>>) -> Self {
        let script = Self::default();
        script.told.lock().unwrap().0.extend(results);
        script
    }

    fn text(&self) -> String {
        String::from_utf8(self.told.lock().unwrap().1.clone()).unwrap()
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut told = self.told.lock().unwrap();
        let taken = told
            .0
            .pop_front()
            .unwrap_or(Ok(bytes.len()))?
            .min(bytes.len());
        told.1.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Script {
    fn wait(&self) {}
}

/// An output that takes nothing until it is let go.
struct Stalled(Script, mpsc::Receiver<()>);

impl Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Once the sender is gone it takes all.
        self.1.recv().unwrap_or_default();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Stalled {
    fn wait(&self) {}
}

fn fails(kind: io::ErrorKind) -> io::Result<usize> {
    Err(kind.into())
}

#[test]
fn a_record_that_cannot_be_written_is_lost_alone() {
    let mut out = Script::of([Ok(4), fails(io::ErrorKind::StorageFull)]);
    assert_eq!(write_all(&mut out, b"one\ntwo\nthree\n"), 1);
    assert_eq!(out.text(), "one\nthree\n");
}

#[test]
fn a_record_that_was_cut_off_does_not_run_into_the_next() {
    let mut out = Script::of([Ok(6), fails(io::ErrorKind::StorageFull)]);
    assert_eq!(write_all(&mut out, b"one\ntwo\nthree\n"), 1);
    assert_eq!(out.text(), "one\ntw\nthree\n");
}

#[test]
fn what_is_only_interrupted_or_not_ready_is_written() {
    let mut out = Script::of([
        fails(io::ErrorKind::Interrupted),
        Ok(2),
        fails(io::ErrorKind::WouldBlock),
    ]);
    assert_eq!(write_all(&mut out, b"one\ntwo\n"), 0);
    assert_eq!(out.text(), "one\ntwo\n");
}

#[test]
fn a_reader_that_is_gone_costs_every_record_and_nothing_else() {
    let mut out = Script::of((0..3).map(|_| fails(io::ErrorKind::BrokenPipe)));
    assert_eq!(write_all(&mut out, b"one\ntwo\nthree\n"), 3);
}

#[test]
fn records_beyond_the_queue_are_dropped_and_counted_and_the_others_are_written_at_the_end() {
    let mut limits = Limits::default();
    limits.log_queue_bytes = 1_000;
    let (script, (go, stalled)) = (Script::default(), mpsc::channel());
    let log = Log::to(Stalled(script.clone(), stalled), &limits).unwrap();
    let counters = Arc::new(Counters::default());
    log.shared.put(b"first\n", false);
    // The writer has taken it, and waits with it.
    while !log.shared.queue().is_writing {
        thread::yield_now();
    }
    for _ in 0..250 {
        log.shared.put(b"10 bytes.\n", false);
    }
    log.count_in(Arc::clone(&counters));
    log.shared.put(b"one more.\n", false);
    assert_eq!(counters.log_records_lost.get(), 151);
    assert_eq!(log.shared.queue().untold, 151);
    drop(go);
    drop(log);
    assert_eq!(
        script.text(),
        format!("first\n{}", "10 bytes.\n".repeat(100))
    );
}

#[test]
fn the_end_does_not_wait_for_ever_for_a_reader_that_stalls() {
    let mut limits = Limits::default();
    limits.log_flush_ms = 10;
    let (_go, stalled) = mpsc::channel();
    let log = Log::to(Stalled(Script::default(), stalled), &limits).unwrap();
    log.shared.put(b"never\n", false);
    drop(log);
}

#[test]
fn how_many_were_lost_is_told_as_soon_as_something_can_be_written() {
    let script = Script::of([
        fails(io::ErrorKind::StorageFull),
        fails(io::ErrorKind::StorageFull),
    ]);
    let log = Log::to(script.clone(), &Limits::default()).unwrap();
    let records = Records {
        shared: Arc::clone(&log.shared),
        form: PLAIN,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(records)
        .finish();
    // The thread of the log speaks as any other thread does: through the default of the process, which tests share.
    tracing::subscriber::set_global_default(subscriber).expect("no other test sets it");
    for text in ["lost", "lost, too", "written"] {
        tracing::info!("{text}");
        let mut queue = log.shared.queue();
        while queue.is_writing || !queue.records.is_empty() {
            queue = log.shared.written.wait(queue).unwrap();
        }
    }
    drop(log);
    let text = script.text();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().ends_with(": written"), "{text}");
    // Logs of other tests, which run meanwhile, tell of theirs here as well.
    let told = lines.filter(|line| line.contains("WARN pairway::log") && line.ends_with("lost=2"));
    assert_eq!(told.count(), 1, "{text}");
}

#[test]
fn a_record_stays_one_line_whatever_is_in_it() {
    let line =
        |text: &str, form| String::from_utf8(one_line(text.as_bytes(), form).unwrap()).unwrap();
    let record = "a\nb\rc\u{85}d\u{2028}e\u{2029}f\u{1b}[31m\n";
    assert_eq!(
        line(record, PLAIN),
        "a\\nb\\rc\\u{85}d\\u{2028}e\\u{2029}f\\u{1b}[31m\n"
    );
    let colored = Form {
        has_color: true,
        ..PLAIN
    };
    assert_eq!(
        line("\u{1b}[31mred\u{1b}[0m\n", colored),
        "\u{1b}[31mred\u{1b}[0m\n"
    );
    let json = Form {
        format: LogFormat::Json,
        ..PLAIN
    };
    assert_eq!(
        line("{\"a\":\"b\u{85}c\u{2028}d\u{7f}\"}\n", json),
        "{\"a\":\"b\\u0085c\\u2028d\\u007f\"}\n"
    );
}

#[test]
fn a_record_has_its_longest_length() {
    let long = format!("{}\n", "x".repeat(10 * RECORD_BYTES));
    let line = one_line(long.as_bytes(), PLAIN).unwrap();
    assert!(line.len() < RECORD_BYTES + 10 && line.ends_with("…\n".as_bytes()));
    let json = Form {
        format: LogFormat::Json,
        ..PLAIN
    };
    assert_eq!(one_line(long.as_bytes(), json), None);
}
