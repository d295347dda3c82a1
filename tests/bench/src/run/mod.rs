//! Owns the run: which cell is measured on which server when, and what came out.
//! Servers take turns within every repetition, and every repetition begins with another one, so that
//! a machine that is slow for a while is slow for all. It knows nothing of frames or tables.

mod echo;
mod objects;
mod rest;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cells::Selection;
use crate::load::{Site, Times};
use crate::pinning::Pinning;
use crate::results::{PerServer, Results};
use crate::server::{Server, Variant};
use crate::variants::Variants;

/// Memory is counted once what the last messages left behind is gone.
const REST: Duration = Duration::from_millis(300);
const MIB: f64 = 1024.0 * 1024.0;

/// What to do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) variants: Variants,
    pub(crate) pinning: Pinning,
    pub(crate) selection: Selection,
    pub(crate) repetitions: usize,
    pub(crate) sizes: Sizes,
    pub(crate) times: Times,
}

/// How much of what is not measured by time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) memory_repetitions: usize,
    pub(crate) idle_connections: usize,
    /// Sockets that hibernate at a time.
    pub(crate) resting: usize,
    /// Objects that are woken one by one.
    pub(crate) sleepers: usize,
    /// Objects that are woken all at once.
    pub(crate) crowd: usize,
}

impl Plan {
    /// # Errors
    /// A server failed, or lost or changed a message: then no result counts.
    pub(crate) async fn run(&self) -> Result<Results> {
        let mut results = Results::default();
        self.echo_cells(&mut results).await?;
        self.object_cells(&mut results).await?;
        self.rest_cells(&mut results).await?;
        Ok(results)
    }

    /// The numbers of the repetitions, none of which begins after `budget`.
    fn repetitions(&self, budget: Duration) -> impl Iterator<Item = usize> + use<> {
        let begin = Instant::now();
        (0..self.repetitions).take_while(move |_| begin.elapsed() < budget)
    }

    async fn start(&self, variant: &Variant) -> Result<Server> {
        Server::start(variant, self.pinning).await
    }

    async fn start_all(&self, variants: &[Variant]) -> Result<Vec<Server>> {
        let mut servers = Vec::new();
        for variant in variants {
            servers.push(self.start(variant).await?);
        }
        Ok(servers)
    }
}

impl Variant {
    fn site<'a>(&'a self, server: &'a Server) -> Site<'a> {
        let path = self.path;
        Site { server, path }
    }

    fn explain<T>(&self, cell: &str, server: &mut Server, result: Result<T>) -> Result<T> {
        result.with_context(|| format!("{}, {cell} ({})", self.name, server.state()))
    }
}

fn rows<T: Clone>(variants: &[Variant]) -> PerServer<T> {
    vec![Vec::new(); variants.len()]
}

fn names(variants: &[Variant]) -> Vec<&'static str> {
    variants.iter().map(|variant| variant.name).collect()
}

/// All variants, beginning with another one each turn.
fn order(variants: &[Variant], turn: usize) -> impl Iterator<Item = usize> + use<> {
    let count = variants.len();
    (0..count).map(move |place| (place + turn) % count)
}
