//! Owns the cells of objects at rest: what a socket takes whose object hibernates, and what waking it takes.

use std::slice;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{MIB, Plan, REST, names, order, rows};
use crate::cells;
use crate::load::{self, Site};
use crate::results::{Costs, Measure, Results};
use crate::server::Variant;
use crate::stats::{median, percentile_99};

/// No repetition begins later than this after the first of its kind.
const HIBERNATED_BUDGET: Duration = Duration::from_secs(45);
const WAKE_BUDGET: Duration = Duration::from_secs(12);
const WOKEN_BUDGET: Duration = Duration::from_secs(10);

/// One in so many of those that should be asleep is asked whether it was.
const ASKED: usize = 100;

/// What sockets at rest take.
struct Resting {
    /// Bytes for each,
    bytes: f64,
    /// and what is left of all of them once they are closed.
    kept_mib: f64,
}

impl Plan {
    pub(super) async fn rest_cells(&self, results: &mut Results) -> Result<()> {
        if self.selection.has(cells::HIBERNATED) {
            results.measures.extend(self.hibernated().await?);
        }
        if self.selection.has(cells::WAKE)
            && let Some(variant) = &self.variants.sleepy
        {
            results.measures.extend(self.wake(variant).await?);
        }
        if self.selection.has(cells::WOKEN)
            && let Some(variant) = &self.variants.crowded
        {
            results.costs.push(self.woken(variant).await?);
        }
        Ok(())
    }

    async fn hibernated(&self) -> Result<[Measure; 2]> {
        let variants = &self.variants.resting;
        let (mut bytes, mut kept) = (rows(variants), rows(variants));
        let turns = self.repetitions(HIBERNATED_BUDGET);
        for turn in turns.take(self.sizes.memory_repetitions) {
            for index in order(variants, turn) {
                let variant = &variants[index];
                let mut server = self.start(variant).await?;
                let site = variant.site(&server);
                let measured = if variant.tells_hibernations {
                    self.sockets_of_objects(site).await
                } else {
                    self.sockets(site).await
                };
                let resting = variant.explain(cells::HIBERNATED, &mut server, measured)?;
                bytes[index].push(resting.bytes);
                kept[index].push(resting.kept_mib);
            }
        }
        let measure = |what, decimals, values| Measure {
            what,
            decimals,
            servers: names(variants),
            values,
        };
        Ok([
            measure("bytes/socket at rest (PSS)", 0, bytes),
            measure("MiB kept when all are closed (PSS)", 1, kept),
        ])
    }

    /// The native server's sockets, which only idle.
    async fn sockets(&self, site: Site<'_>) -> Result<Resting> {
        let first = load::open_sleepers(site, 1).await?;
        tokio::time::sleep(REST).await;
        let base = site.server.pss_bytes()? as f64;
        let many = load::open_sleepers(site, self.sizes.resting).await?;
        tokio::time::sleep(REST).await;
        let bytes = (site.server.pss_bytes()? as f64 - base) / many.len() as f64;
        load::close_sleepers(many).await?;
        tokio::time::sleep(REST).await;
        let kept_mib = (site.server.pss_bytes()? as f64 - base) / MIB;
        load::close_sleepers(first).await?;
        Ok(Resting { bytes, kept_mib })
    }

    /// Sockets whose objects hibernate: one of all, or one each.
    async fn sockets_of_objects(&self, site: Site<'_>) -> Result<Resting> {
        let is_one_each = site.path.contains("{}");
        let asleep = async |before: usize, sockets: usize| {
            let objects = if is_one_each { sockets } else { 1 };
            site.server.hibernated(before + objects).await?;
            // For what hibernating leaves to other threads.
            tokio::time::sleep(REST).await;
            anyhow::Ok(site.server.pss_bytes()? as f64)
        };
        let first = load::open_sleepers(site, 1).await?;
        let base = asleep(0, 1).await?;
        // The first of these is a second socket of the same object.
        let before = site.server.hibernations();
        let mut many = load::open_sleepers(site, self.sizes.resting).await?;
        // One object may have slept while its sockets opened: the last time counts.
        let before = if is_one_each {
            before
        } else {
            site.server.hibernations()
        };
        let bytes = (asleep(before, many.len()).await? - base) / many.len() as f64;
        let before = site.server.hibernations();
        // All sockets of one object know alike whether it slept.
        let step = if is_one_each { ASKED } else { many.len() };
        let woken = load::wake_some(&mut many, step).await.context("asleep?")?;
        asleep(before, woken).await?;
        // A Close wakes as a message does.
        let before = site.server.hibernations();
        let closed = many.len();
        load::close_sleepers(many).await?;
        let before = if is_one_each {
            before
        } else {
            site.server.hibernations()
        };
        let kept_mib = (asleep(before, closed).await? - base) / MIB;
        load::close_sleepers(first).await?;
        Ok(Resting { bytes, kept_mib })
    }

    /// How long an answer takes of objects that sleep, and of the same ones awake.
    async fn wake(&self, variant: &Variant) -> Result<[Measure; 2]> {
        let mut server = self.start(variant).await?;
        let opened = load::open_sleepers(variant.site(&server), self.sizes.sleepers).await;
        let mut sleepers = variant.explain(cells::WAKE, &mut server, opened)?;
        let mut asleep = sleepers.len();
        let (mut medians, mut slowest) = (vec![Vec::new(); 2], vec![Vec::new(); 2]);
        for _ in self.repetitions(WAKE_BUDGET) {
            let measured = async {
                server.hibernated(asleep).await?;
                load::wake_and_ask(&mut sleepers).await
            };
            let measured = measured.await;
            let latencies = variant.explain(cells::WAKE, &mut server, measured)?;
            asleep += sleepers.len();
            for (index, times) in [latencies.awake, latencies.asleep].iter().enumerate() {
                let micros: Vec<_> = times.iter().map(micros).collect();
                medians[index].extend(median(&micros));
                slowest[index].extend(percentile_99(&micros));
            }
        }
        let measure = |what, values| Measure {
            what,
            decimals: 0,
            servers: vec!["awake", "hibernated"],
            values,
        };
        Ok([
            measure("us to the reply, median", medians),
            measure("us to the reply, 99th percentile", slowest),
        ])
    }

    /// What it costs to wake objects of which most must sleep.
    async fn woken(&self, variant: &Variant) -> Result<Costs> {
        let mut server = self.start(variant).await?;
        let opened = load::open_sleepers(variant.site(&server), self.sizes.crowd).await;
        let mut sleepers = variant.explain(cells::WOKEN, &mut server, opened)?;
        let mut samples = Vec::new();
        for _ in self.repetitions(WOKEN_BUDGET) {
            let woken = load::wake_all(variant.site(&server), sleepers).await;
            let sample;
            (sleepers, sample) = variant.explain(cells::WOKEN, &mut server, woken)?;
            samples.push(sample);
        }
        // A server that is there no more does not complain about clients that go.
        drop(server);
        Ok(Costs {
            unit: "wakes",
            servers: names(slice::from_ref(variant)),
            cells: vec![(cells::WOKEN, vec![samples])],
        })
    }
}

fn micros(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
