//! Owns the loads of an echo server: connections that stay and talk, that come and go, or that idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Measuring, STALL, Sample, Site, Times, all, in_groups};
use crate::client::Echoer;
use crate::frame::Opcode;
use crate::messages::Messages;

const CONNECTORS: usize = 16;
const SMALL_BYTES: usize = 32;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) opcode: Opcode,
    pub(crate) bytes: usize,
    pub(crate) connections: usize,
    /// Messages under way on each connection.
    pub(crate) window: usize,
}

/// Messages there and back over connections that stay open.
pub(crate) async fn echo(site: Site<'_>, load: Echo, times: Times) -> Result<Sample> {
    let messages = |index| Messages::new(load.opcode, load.bytes, load.window, index);
    let echoers = open(site, load.connections, messages).await?;
    let (echoers, _) = talk(echoers, times.warm_up).await?;
    let measuring = Measuring::begin(site.server).await?;
    let (echoers, count) = talk(echoers, times.measured).await?;
    let sample = measuring.end(count).await?;
    close_echoers(echoers).await?;
    Ok(sample)
}

/// Connections that open, say one thing and close.
pub(crate) async fn connect(site: Site<'_>, times: Times) -> Result<Sample> {
    connect_for(site, times.warm_up).await?;
    let measuring = Measuring::begin(site.server).await?;
    let count = connect_for(site, times.measured).await?;
    measuring.end(count).await
}

/// One connection, one message.
pub(crate) async fn first_echo(site: Site<'_>) -> Result<Echoer> {
    let open = async {
        let messages = Messages::new(Opcode::Binary, SMALL_BYTES, 1, 0);
        let mut echoer = Echoer::open(site.address(), &site.path(0), messages).await?;
        echoer.echo_once().await?;
        Ok(echoer)
    };
    timeout(STALL, open).await.context("the server stalls")?
}

/// That many connections, each of which has said one thing.
pub(crate) async fn idle(site: Site<'_>, count: usize) -> Result<Vec<Echoer>> {
    let messages = |index| Messages::new(Opcode::Binary, SMALL_BYTES, 1, index);
    let mut echoers = open(site, count, messages).await?;
    for echoer in &mut echoers {
        timeout(STALL, echoer.echo_once())
            .await
            .context("the server stalls")??;
    }
    Ok(echoers)
}

pub(crate) async fn close_echoers(echoers: Vec<Echoer>) -> Result<()> {
    let closing = echoers.into_iter().map(Echoer::close);
    in_groups(closing).await.context("close")?;
    Ok(())
}

async fn open(
    site: Site<'_>,
    count: usize,
    messages: impl Fn(usize) -> Messages,
) -> Result<Vec<Echoer>> {
    let opening = (0..count).map(|index| {
        let (address, path, messages) = (site.address(), site.path(index), messages(index));
        async move { Echoer::open(address, &path, messages).await }
    });
    in_groups(opening).await.context("open")
}

/// Has all echo for `time`, until the last reply is there; returns them and the number of replies.
async fn talk(echoers: Vec<Echoer>, time: Duration) -> Result<(Vec<Echoer>, u64)> {
    let running = Arc::new(AtomicBool::new(true));
    let mut talking = JoinSet::new();
    for mut echoer in echoers {
        let running = Arc::clone(&running);
        talking.spawn(async move {
            let count = echoer.echo_while(&running).await?;
            Ok((echoer, count))
        });
    }
    // A generator that sleeps between replies has to be woken by the server's sends, the more often the slower the server
    // is: a microsecond a message that the server would be charged with.
    let awake = tokio::spawn({
        let running = Arc::clone(&running);
        async move {
            while running.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
        }
    });
    sleep(time).await;
    running.store(false, Ordering::Relaxed);
    awake.await.context("stay awake")?;
    let (echoers, counts): (_, Vec<u64>) = all(talking).await.context("echo")?.into_iter().unzip();
    ensure!(
        counts.iter().all(|count| *count > 0),
        "a connection got no reply in {time:?}"
    );
    Ok((echoers, counts.iter().sum()))
}

async fn connect_for(site: Site<'_>, time: Duration) -> Result<u64> {
    let running = Arc::new(AtomicBool::new(true));
    let mut connecting = JoinSet::new();
    for index in 0..CONNECTORS {
        let (running, address, path) = (Arc::clone(&running), site.address(), site.path(index));
        connecting.spawn(async move {
            let mut count = 0;
            while running.load(Ordering::Relaxed) {
                let messages = Messages::new(Opcode::Binary, SMALL_BYTES, 1, index);
                let mut echoer = Echoer::open(address, &path, messages).await?;
                echoer.echo_once().await?;
                echoer.close().await?;
                count += 1;
            }
            Ok(count)
        });
    }
    sleep(time).await;
    running.store(false, Ordering::Relaxed);
    Ok(all(connecting).await.context("connect")?.iter().sum())
}
