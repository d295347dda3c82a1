//! Owns the division of the machine: one processor for the servers, another for the load.
//! It knows nothing of what runs there.

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where servers run, and where this process does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinning {
    server_cpu: usize,
    load_cpu: usize,
}

impl Pinning {
    /// Takes the first two processors this process may use, and moves it to the second.
    ///
    /// # Errors
    /// There are not two: server and load would measure each other.
    pub(crate) fn divide() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("which processors may be used")?;
        let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let (server, load) = (cpus.next(), cpus.next());
        ensure!(load.is_some(), "the benchmark needs two processors");
        let pinning = Self {
            server_cpu: server.unwrap_or_default(),
            load_cpu: load.unwrap_or_default(),
        };
        move_to(pinning.load_cpu)?;
        Ok(pinning)
    }

    /// Runs `spawn` on the servers' processor: what it starts inherits the place.
    pub(crate) fn on_server_cpu<T>(self, spawn: impl FnOnce() -> T) -> Result<T> {
        move_to(self.server_cpu)?;
        let spawned = spawn();
        move_to(self.load_cpu)?;
        Ok(spawned)
    }
}

/// Moves the calling thread.
fn move_to(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("move to processor {cpu}"))
}

/// Allows this process and its children as many descriptors as the system does.
pub(crate) fn raise_descriptor_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raise the limit of open files")
}
