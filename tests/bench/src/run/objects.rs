//! Owns the cells of objects at work: fan-out, and turns that write or read.

use std::slice;
use std::time::Duration;

use anyhow::Result;

use super::{Plan, names, order, rows};
use crate::cells;
use crate::load::{self, Site, Times};
use crate::results::{Costs, Results};

/// No repetition begins later than this after the first of its kind.
const FANOUT_BUDGET: Duration = Duration::from_secs(50);
const STORAGE_BUDGET: Duration = Duration::from_secs(40);

impl Plan {
    pub(super) async fn object_cells(&self, results: &mut Results) -> Result<()> {
        if cells::FANOUT
            .iter()
            .any(|(name, _)| self.selection.has(name))
        {
            results.costs.push(self.fanout().await?);
        }
        if cells::STORAGE
            .iter()
            .any(|(name, ..)| self.selection.has(name))
        {
            results.costs.extend(self.storage().await?);
        }
        Ok(())
    }

    async fn fanout(&self) -> Result<Costs> {
        let variants = &self.variants.fanout;
        let cells: Vec<_> = cells::FANOUT
            .iter()
            .filter(|(name, _)| self.selection.has(name))
            .collect();
        let mut costs: Vec<_> = cells
            .iter()
            .map(|(name, _)| (*name, rows(variants)))
            .collect();
        let mut servers = self.start_all(variants).await?;
        for turn in self.repetitions(FANOUT_BUDGET) {
            for (cell, (name, shape)) in cells.iter().enumerate() {
                for index in order(variants, turn + cell) {
                    let (variant, server) = (&variants[index], &mut servers[index]);
                    let sample = load::fanout(variant.site(server), *shape, self.times).await;
                    costs[cell].1[index].push(variant.explain(name, server, sample)?);
                }
            }
        }
        Ok(Costs {
            unit: "deliveries",
            servers: names(variants),
            cells: costs,
        })
    }

    /// Nothing without pairway.
    async fn storage(&self) -> Result<Option<Costs>> {
        let Some(variant) = &self.variants.storing else {
            return Ok(None);
        };
        let variants = slice::from_ref(variant);
        let cells: Vec<_> = cells::STORAGE
            .iter()
            .filter(|(name, ..)| self.selection.has(name))
            .collect();
        let mut costs: Vec<_> = cells
            .iter()
            .map(|(name, ..)| (*name, rows(variants)))
            .collect();
        let mut server = self.start(variant).await?;
        // A disk has longer moods than a processor.
        let times = Times {
            measured: self.times.measured * 2,
            ..self.times
        };
        for _ in self.repetitions(STORAGE_BUDGET) {
            for (cell, (name, path, shape)) in cells.iter().enumerate() {
                let server_now = &server;
                let site = Site {
                    server: server_now,
                    path,
                };
                let sample = load::echo(site, *shape, times).await;
                costs[cell].1[0].push(variant.explain(name, &mut server, sample)?);
            }
        }
        Ok(Some(Costs {
            unit: "turns",
            servers: names(variants),
            cells: costs,
        }))
    }
}
