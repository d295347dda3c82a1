//! Owns the loads of objects that sleep: many of them, woken one by one or all at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{AT_A_TIME, Measuring, STALL, Sample, Site, all_within, in_groups};
use crate::client::Sleeper;

/// How long it may take to wake all.
const WAKING: Duration = Duration::from_secs(60);

pub(crate) async fn open_sleepers(site: Site<'_>, count: usize) -> Result<Vec<Sleeper>> {
    let opening = (0..count).map(|index| {
        let (address, path) = (site.address(), site.path(index));
        async move { Sleeper::open(address, &path).await }
    });
    in_groups(opening).await.context("open")
}

pub(crate) async fn close_sleepers(sleepers: Vec<Sleeper>) -> Result<()> {
    let closing = sleepers.into_iter().map(Sleeper::close);
    in_groups(closing).await.context("close")?;
    Ok(())
}

/// Wakes each `step`th, to see that they were asleep. Returns how many that were.
pub(crate) async fn wake_some(sleepers: &mut [Sleeper], step: usize) -> Result<usize> {
    let mut woken = 0;
    for sleeper in sleepers.iter_mut().step_by(step) {
        in_time(sleeper.wake()).await?;
        woken += 1;
    }
    Ok(woken)
}

/// How long the answer took: of objects that were awake, and of the same ones asleep.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    pub(crate) awake: Vec<Duration>,
    pub(crate) asleep: Vec<Duration>,
}

/// Wakes one after the other, and asks each again while it is awake.
pub(crate) async fn wake_and_ask(sleepers: &mut [Sleeper]) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    for sleeper in sleepers {
        latencies.asleep.push(in_time(sleeper.wake()).await?);
        let answer = in_time(sleeper.ask()).await?;
        ensure!(answer.heard == 2, "an object fell asleep at once");
        latencies.awake.push(answer.after);
    }
    Ok(latencies)
}

/// Wakes all, in about the order in which they are given, a few at a time. Returns them in that order.
pub(crate) async fn wake_all(
    site: Site<'_>,
    sleepers: Vec<Sleeper>,
) -> Result<(Vec<Sleeper>, Sample)> {
    let count = sleepers.len();
    let mut stripes: Vec<Vec<(usize, Sleeper)>> = Vec::new();
    stripes.resize_with(AT_A_TIME, Vec::new);
    for (index, sleeper) in sleepers.into_iter().enumerate() {
        stripes[index % AT_A_TIME].push((index, sleeper));
    }
    let measuring = Measuring::begin(site.server).await?;
    let mut waking = JoinSet::new();
    for mut stripe in stripes {
        waking.spawn(async move {
            for (_, sleeper) in &mut stripe {
                sleeper.wake().await?;
            }
            Ok(stripe)
        });
    }
    let woken = all_within(WAKING, waking).await.context("wake")?;
    let sample = measuring.end(count as u64).await?;
    let mut woken: Vec<_> = woken.into_iter().flatten().collect();
    woken.sort_by_key(|(index, _)| *index);
    let sleepers = woken.into_iter().map(|(_, sleeper)| sleeper).collect();
    Ok((sleepers, sample))
}

async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(STALL, answer).await.context("the server stalls")?
}
