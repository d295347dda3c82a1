//! Owns the cells of echo servers: start, idle connections, messages, connections that come and go.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{MIB, Plan, REST, names, order, rows};
use crate::cells;
use crate::load::{self, Site};
use crate::results::{Costs, Measure, PerServer, Results};

/// No repetition of messages begins later than this after the first.
const BUDGET: Duration = Duration::from_secs(125);

impl Plan {
    pub(super) async fn echo_cells(&self, results: &mut Results) -> Result<()> {
        let servers = names(&self.variants.echo);
        let measure = |what, decimals, values| Measure {
            what,
            decimals,
            servers: servers.clone(),
            values,
        };
        let mut measures = Vec::new();
        if self.selection.has(cells::START) {
            let millis = self.starts().await?;
            measures.push(measure("ms from start to first echo", 1, millis));
        }
        if self.selection.has(cells::IDLE) {
            let (bytes, first) = self.memory().await?;
            measures.push(measure("bytes/idle connection (PSS)", 0, bytes));
            measures.push(measure("MiB with one connection (PSS)", 1, first));
        }
        if cells::ECHO.iter().any(|(name, _)| self.selection.has(name))
            || self.selection.has(cells::CONNECT)
        {
            results.costs.extend(self.throughput().await?);
        }
        results.measures.extend(measures);
        Ok(())
    }

    async fn starts(&self) -> Result<PerServer<f64>> {
        let variants = &self.variants.echo;
        let mut millis = rows(variants);
        // One more than counts: the first start may compile the worker and fill the cache.
        for turn in 0..=self.repetitions {
            for index in order(variants, turn) {
                let variant = &variants[index];
                let begin = Instant::now();
                let mut server = self.start(variant).await?;
                let first = load::first_echo(variant.site(&server)).await;
                let elapsed = begin.elapsed();
                variant.explain(cells::START, &mut server, first)?;
                if turn > 0 {
                    millis[index].push(elapsed.as_secs_f64() * 1e3);
                }
            }
        }
        Ok(millis)
    }

    async fn memory(&self) -> Result<(PerServer<f64>, PerServer<f64>)> {
        let variants = &self.variants.echo;
        let (mut bytes, mut first) = (rows(variants), rows(variants));
        for turn in 0..self.sizes.memory_repetitions {
            for index in order(variants, turn) {
                let variant = &variants[index];
                let mut server = self.start(variant).await?;
                let measured = self.idle(variant.site(&server)).await;
                let (each, base) = variant.explain(cells::IDLE, &mut server, measured)?;
                bytes[index].push(each);
                first[index].push(base / MIB);
            }
        }
        Ok((bytes, first))
    }

    /// Bytes for each idle connection, and bytes with just one.
    async fn idle(&self, site: Site<'_>) -> Result<(f64, f64)> {
        let one = load::first_echo(site).await?;
        tokio::time::sleep(REST).await;
        let base = site.server.pss_bytes()? as f64;
        let many = load::idle(site, self.sizes.idle_connections).await?;
        tokio::time::sleep(REST).await;
        let grown = site.server.pss_bytes()? as f64 - base;
        let each = grown / many.len() as f64;
        // Ended in order: a server that is killed first would only complain about lost clients.
        load::close_echoers(many).await?;
        one.close().await?;
        Ok((each, base))
    }

    /// Costs of messages and of connections.
    async fn throughput(&self) -> Result<Vec<Costs>> {
        let variants = &self.variants.echo;
        let cells: Vec<_> = cells::ECHO
            .iter()
            .filter(|(name, _)| self.selection.has(name))
            .collect();
        let mut messages: Vec<_> = cells
            .iter()
            .map(|(name, _)| (*name, rows(variants)))
            .collect();
        let mut connections = rows(variants);
        let mut servers = self.start_all(variants).await?;
        for turn in self.repetitions(BUDGET) {
            for (cell, (name, shape)) in cells.iter().enumerate() {
                for index in order(variants, turn + cell) {
                    let (variant, server) = (&variants[index], &mut servers[index]);
                    let sample = load::echo(variant.site(server), *shape, self.times).await;
                    messages[cell].1[index].push(variant.explain(name, server, sample)?);
                }
            }
            let connects = self.selection.has(cells::CONNECT);
            for index in order(variants, turn).filter(|_| connects) {
                let (variant, server) = (&variants[index], &mut servers[index]);
                let sample = load::connect(variant.site(server), self.times).await;
                connections[index].push(variant.explain(cells::CONNECT, server, sample)?);
            }
        }
        let costs = |unit, cells| Costs {
            unit,
            servers: names(variants),
            cells,
        };
        let all = [
            costs("messages", messages),
            costs("connections", vec![(cells::CONNECT, connections)]),
        ];
        let is_measured = |costs: &Costs| costs.cells.iter().any(|(_, rows)| !rows[0].is_empty());
        Ok(all.into_iter().filter(is_measured).collect())
    }
}
