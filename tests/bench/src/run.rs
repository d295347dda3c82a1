//! Owns the run: which cell is measured on which server when, and what came out.
//! Servers take turns within every repetition, and every repetition begins with another one, so that
//! a machine that is slow for a while is slow for all. It knows nothing of frames or tables.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cells::{self, Selection};
use crate::load::{self, Sample, Times};
use crate::pinning::Pinning;
use crate::server::{Server, Variant};

/// No repetition begins later than this, so that the whole run ends within three minutes.
const LAST_BEGINNING: Duration = Duration::from_secs(155);
/// Memory is counted once what the last messages left behind is gone.
const REST: Duration = Duration::from_millis(300);
const MIB: f64 = 1024.0 * 1024.0;

/// What to do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The baseline first.
    pub(crate) variants: Vec<Variant>,
    pub(crate) pinning: Pinning,
    pub(crate) selection: Selection,
    pub(crate) repetitions: usize,
    pub(crate) memory_repetitions: usize,
    pub(crate) idle_connections: usize,
    pub(crate) times: Times,
}

/// One row for each variant: a value for each repetition.
pub(crate) type PerVariant<T> = Vec<Vec<T>>;

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) echo: Vec<(&'static str, PerVariant<Sample>)>,
    pub(crate) connect: PerVariant<Sample>,
    pub(crate) idle_bytes: PerVariant<f64>,
    pub(crate) first_mib: PerVariant<f64>,
    pub(crate) start_millis: PerVariant<f64>,
}

impl Plan {
    /// # Errors
    /// A server failed, or lost or changed a message: then no result counts.
    pub(crate) async fn run(&self) -> Result<Results> {
        let begin = Instant::now();
        let mut results = Results::default();
        if self.selection.has(cells::START) {
            results.start_millis = self.starts().await?;
        }
        if self.selection.has(cells::IDLE) {
            (results.idle_bytes, results.first_mib) = self.memory().await?;
        }
        if cells::ECHO.iter().any(|(name, _)| self.selection.has(name))
            || self.selection.has(cells::CONNECT)
        {
            self.throughput(begin, &mut results).await?;
        }
        Ok(results)
    }

    async fn starts(&self) -> Result<PerVariant<f64>> {
        let mut millis = self.rows();
        // One more than counts: the first start may compile the worker and fill the cache.
        for turn in 0..=self.repetitions {
            for index in self.order(turn) {
                let begin = Instant::now();
                let mut server = self.start(index).await?;
                let first = load::first_echo(&server).await;
                let elapsed = begin.elapsed();
                self.explain(index, cells::START, &mut server, first)?;
                if turn > 0 {
                    millis[index].push(elapsed.as_secs_f64() * 1e3);
                }
            }
        }
        Ok(millis)
    }

    async fn memory(&self) -> Result<(PerVariant<f64>, PerVariant<f64>)> {
        let (mut bytes, mut first) = (self.rows(), self.rows());
        for turn in 0..self.memory_repetitions {
            for index in self.order(turn) {
                let mut server = self.start(index).await?;
                let measured = self.idle(&server).await;
                let (each, base) = self.explain(index, cells::IDLE, &mut server, measured)?;
                bytes[index].push(each);
                first[index].push(base / MIB);
            }
        }
        Ok((bytes, first))
    }

    /// Bytes for each idle connection, and bytes with just one.
    async fn idle(&self, server: &Server) -> Result<(f64, f64)> {
        let one = load::first_echo(server).await?;
        tokio::time::sleep(REST).await;
        let base = server.pss_bytes()? as f64;
        let many = load::idle(server, self.idle_connections).await?;
        tokio::time::sleep(REST).await;
        let grown = server.pss_bytes()? as f64 - base;
        let each = grown / many.len() as f64;
        // Ended in order: a server that is killed first would only complain about lost clients.
        load::close(many).await?;
        one.close().await?;
        Ok((each, base))
    }

    async fn throughput(&self, begin: Instant, results: &mut Results) -> Result<()> {
        let echo: Vec<_> = cells::ECHO
            .iter()
            .filter(|(name, _)| self.selection.has(name))
            .collect();
        let connect = self.selection.has(cells::CONNECT);
        results.echo = echo.iter().map(|(name, _)| (*name, self.rows())).collect();
        results.connect = self.rows();
        let mut servers = Vec::new();
        for index in 0..self.variants.len() {
            servers.push(self.start(index).await?);
        }
        for turn in 0..self.repetitions {
            if begin.elapsed() > LAST_BEGINNING {
                break;
            }
            for (cell, (name, shape)) in echo.iter().enumerate() {
                for index in self.order(turn + cell) {
                    let server = &mut servers[index];
                    let sample = load::echo(server, *shape, self.times).await;
                    results.echo[cell].1[index].push(self.explain(index, name, server, sample)?);
                }
            }
            for index in self.order(turn).filter(|_| connect) {
                let server = &mut servers[index];
                let sample = load::connect(server, self.times).await;
                results.connect[index].push(self.explain(index, cells::CONNECT, server, sample)?);
            }
        }
        Ok(())
    }

    async fn start(&self, index: usize) -> Result<Server> {
        Server::start(&self.variants[index], self.pinning).await
    }

    fn explain<T>(
        &self,
        index: usize,
        cell: &str,
        server: &mut Server,
        result: Result<T>,
    ) -> Result<T> {
        result
            .with_context(|| format!("{}, {cell} ({})", self.variants[index].name, server.state()))
    }

    fn rows<T: Clone>(&self) -> PerVariant<T> {
        vec![Vec::new(); self.variants.len()]
    }

    /// All variants, beginning with another one each turn.
    fn order(&self, turn: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.variants.len();
        (0..count).map(move |place| (place + turn) % count)
    }
}
