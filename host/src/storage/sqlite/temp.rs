//! Owns the bound on SQLite's temporary files, which it makes for what it sorts and puts together. They have no name once
//! they are open: they are found among the process's descriptors, and looked for when a thread has written much.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes that a statement writes, to whatever file, between two looks at the temporary files.
const BYTES_PER_LOOK: u64 = 64 * 1024 * 1024;

/// Time between two looks at how much it has written.
const PAUSE: Duration = Duration::from_millis(2);

/// And between two looks at the temporary files, where the system does not say how much a thread has written.
const LONG_PAUSE: Duration = Duration::from_millis(100);

/// How the names of SQLite's temporary files begin, and those of files that never had one.
const NAMES: [&str; 2] = ["etilqs_", "#"];

/// What Linux puts behind the name of a file that has none any more.
const NAMELESS: &str = " (deleted)";

/// Watches over what one statement writes. Belongs to the thread that runs it.
#[derive(Debug)]
pub(super) struct Temp {
    most: u64,
    next: Instant,
    written: Option<u64>,
}

impl Temp {
    pub(super) fn watch(most: u64) -> Self {
        Self {
            most,
            next: Instant::now() + PAUSE,
            written: None,
        }
    }

    /// Whether there is too much in temporary files. Costs a look at the time, and now and then one at the system.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + PAUSE;
        match (written_by_thread(), self.written) {
            (Some(written), None) => self.written = Some(written),
            (Some(written), Some(before)) => {
                if written.saturating_sub(before) < BYTES_PER_LOOK.min(self.most) {
                    return false;
                }
                self.written = Some(written);
                return bytes_in_files() > self.most;
            }
            (None, _) => {
                self.next = now + LONG_PAUSE;
                return bytes_in_files() > self.most;
            }
        }
        false
    }
}

/// Bytes that this thread has written since it began.
fn written_by_thread() -> Option<u64> {
    let counters = fs::read_to_string("/proc/thread-self/io").ok()?;
    let line = counters
        .lines()
        .find_map(|line| line.strip_prefix("wchar: "))?;
    line.parse().ok()
}

/// Bytes of all of the process's temporary files.
pub(super) fn bytes_in_files() -> u64 {
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    let is_temporary = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| {
            name.ends_with(NAMELESS) && NAMES.iter().any(|start| name.starts_with(start))
        })
    };
    descriptors
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| fs::read_link(path).is_ok_and(|file| is_temporary(&file)))
        .filter_map(|path| fs::metadata(path).ok())
        .map(|file| file.len())
        .sum()
}
