//! Owns what the kernel says about a process: processor time and memory, from `/proc`.
//! It knows nothing of servers; a process is its number.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Processor time of a whole process up to now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTime {
    /// Of the threads that live, to the nanosecond.
    living_threads: Duration,
    /// Of all threads there ever were, in clock ticks.
    process: Duration,
}

impl CpuTime {
    /// Exact for a process that sleeps; the kernel brings the sum of a running thread up to date now and then.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let mut living_threads = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{pid}/task")).context("the server is gone")? {
            // A thread may end between being listed and being read.
            if let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) {
                living_threads += Duration::from_nanos(number(&line, 0)?);
            }
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // proc(5): the second field, in parentheses, may hold anything; utime and stime are 14 and 15.
        let (_, after_name) = stat
            .rsplit_once(')')
            .context("/proc/PID/stat without a name")?;
        let ticks = number(after_name, 11)? + number(after_name, 12)?;
        Ok(Self {
            living_threads,
            process: tick() * u32::try_from(ticks)?,
        })
    }

    /// Time used since `earlier`: by the threads' clocks, unless threads ended and took theirs along.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let exact = self.living_threads.saturating_sub(earlier.living_threads);
        // Both of utime and stime are cut to ticks, so their sum may seem to have grown by two too many.
        let at_least = self
            .process
            .saturating_sub(earlier.process)
            .saturating_sub(tick() * 2);
        exact.max(at_least)
    }
}

fn tick() -> Duration {
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    Duration::from_secs(1) / per_second
}

fn number(line: &str, field: usize) -> Result<u64> {
    let text = line
        .split_whitespace()
        .nth(field)
        .context("a line of /proc is shorter than it was")?;
    text.parse()
        .with_context(|| format!("{text:?} in /proc is no number"))
}

/// Proportional set size: the process's own memory and its share of what others use too.
pub(crate) fn pss_bytes(pid: u32) -> Result<u64> {
    let rollup =
        fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the server is gone")?;
    let line = rollup
        .lines()
        .find(|line| line.starts_with("Pss:"))
        .context("no Pss in smaps_rollup")?;
    Ok(number(line, 1)? * 1024)
}

/// The load average of the last minute.
pub(crate) fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text
        .split_whitespace()
        .next()
        .context("/proc/loadavg is empty")?;
    Ok(first.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_processor_time_and_memory() {
        let pid = std::process::id();
        let before = CpuTime::of(pid).unwrap();
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        let used = CpuTime::of(pid).unwrap().since(before);
        assert!(used > Duration::from_millis(1), "{used:?}");
        assert!(pss_bytes(pid).unwrap() > 0);
    }
}
