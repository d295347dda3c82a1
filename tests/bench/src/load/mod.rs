//! Owns what all loads have in common: where they go, many clients at once, and what a stretch cost the server.
//! It knows neither what clients say nor how often a load will be asked for.

mod echo;
mod fanout;
mod sleepers;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::server::Server;
use crate::usage::CpuTime;

pub(crate) use echo::{Echo, close_echoers, connect, echo, first_echo, idle};
pub(crate) use fanout::{Fanout, fanout};
pub(crate) use sleepers::{close_sleepers, open_sleepers, wake_all, wake_and_ask, wake_some};

/// How long a server may take for what should take no time; then the run fails.
const STALL: Duration = Duration::from_secs(10);
/// For what a server has left to do once the last client has its answer, before its clock is read.
const SETTLE: Duration = Duration::from_millis(10);
/// Connections that open or close at a time: no more than a listener's backlog is sure to hold.
const AT_A_TIME: usize = 64;

/// Where a load goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) server: &'a Server,
    /// The path of each connection; `{}` stands for its number.
    pub(crate) path: &'a str,
}

impl Site<'_> {
    fn address(self) -> SocketAddr {
        self.server.address
    }

    fn path(self, connection: usize) -> String {
        self.path.replace("{}", &connection.to_string())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What a stretch of load came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    /// Server processor time for each of what was counted, in microseconds.
    pub(crate) cpu_micros: f64,
    /// Server processor time per time: 1 is a full core.
    pub(crate) busy: f64,
}

impl Sample {
    fn new(count: u64, elapsed: Duration, cpu: Duration) -> Result<Self> {
        ensure!(count > 0, "nothing came back");
        ensure!(
            !cpu.is_zero(),
            "the kernel counts no processor time for the server"
        );
        let count = count as f64;
        Ok(Self {
            per_second: count / elapsed.as_secs_f64(),
            cpu_micros: cpu.as_secs_f64() * 1e6 / count,
            busy: cpu.as_secs_f64() / elapsed.as_secs_f64(),
        })
    }
}

/// A stretch that is being measured.
struct Measuring<'a> {
    server: &'a Server,
    cpu: CpuTime,
    begin: Instant,
}

impl<'a> Measuring<'a> {
    async fn begin(server: &'a Server) -> Result<Self> {
        sleep(SETTLE).await;
        Ok(Self {
            server,
            cpu: server.cpu_time()?,
            begin: Instant::now(),
        })
    }

    /// The stretch is over: `count` things came of it.
    async fn end(self, count: u64) -> Result<Sample> {
        let elapsed = self.begin.elapsed();
        sleep(SETTLE).await;
        Sample::new(count, elapsed, self.server.cpu_time()?.since(self.cpu))
    }
}

/// What every one of many returned, a few at a time.
async fn in_groups<T: Send + 'static, F>(tasks: impl IntoIterator<Item = F>) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (mut tasks, mut results) = (tasks.into_iter(), Vec::new());
    loop {
        let group: JoinSet<_> = tasks.by_ref().take(AT_A_TIME).collect();
        if group.is_empty() {
            return Ok(results);
        }
        results.extend(all(group).await?);
    }
}

/// What every task returned; the first failure ends them all, and so does a stall.
async fn all<T: 'static>(tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
    all_within(STALL, tasks).await
}

async fn all_within<T: 'static>(time: Duration, mut tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let collect = async {
        let mut results = Vec::with_capacity(tasks.len());
        while let Some(result) = tasks.join_next().await {
            results.push(result.context("a client task")??);
        }
        Ok(results)
    };
    timeout(time, collect).await.context("the server stalls")?
}
