//! Owns the load: many connections at once, and what one stretch of it cost the server.
//! It knows neither which server answers nor how often it will be asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::frame::Opcode;
use crate::messages::Messages;
use crate::server::Server;

/// How long a server may take for what should take no time; then the run fails.
const STALL: Duration = Duration::from_secs(10);
/// For what a server has left to do once the last client has its answer, before its clock is read.
const SETTLE: Duration = Duration::from_millis(10);
const CONNECTORS: usize = 16;
const OPENERS: usize = 64;
const SMALL_BYTES: usize = 32;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) opcode: Opcode,
    pub(crate) bytes: usize,
    pub(crate) connections: usize,
    /// Messages under way on each connection.
    pub(crate) window: usize,
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
    /// Server processor time per message (or connection), in microseconds.
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

/// Messages there and back over connections that stay open.
pub(crate) async fn echo(server: &Server, load: Echo, times: Times) -> Result<Sample> {
    let messages = |index| Messages::new(load.opcode, load.bytes, load.window, index);
    let connections = open(server, load.connections, messages).await?;
    let (connections, _) = talk(connections, times.warm_up).await?;
    sleep(SETTLE).await;
    let (cpu, start) = (server.cpu_time()?, Instant::now());
    let (connections, count) = talk(connections, times.measured).await?;
    let elapsed = start.elapsed();
    sleep(SETTLE).await;
    let sample = Sample::new(count, elapsed, server.cpu_time()?.since(cpu))?;
    close(connections).await?;
    Ok(sample)
}

/// Connections that open, say one thing and close.
pub(crate) async fn connect(server: &Server, times: Times) -> Result<Sample> {
    connect_for(server, times.warm_up).await?;
    sleep(SETTLE).await;
    let (cpu, start) = (server.cpu_time()?, Instant::now());
    let count = connect_for(server, times.measured).await?;
    let elapsed = start.elapsed();
    sleep(SETTLE).await;
    Sample::new(count, elapsed, server.cpu_time()?.since(cpu))
}

/// One connection, one message.
pub(crate) async fn first_echo(server: &Server) -> Result<Connection> {
    let messages = Messages::new(Opcode::Binary, SMALL_BYTES, 1, 0);
    let open = async {
        let mut connection = Connection::open(server.address, server.path, messages).await?;
        connection.echo_once().await?;
        Ok(connection)
    };
    timeout(STALL, open).await.context("the server stalls")?
}

/// That many connections, each of which has said one thing.
pub(crate) async fn idle(server: &Server, count: usize) -> Result<Vec<Connection>> {
    let messages = |index| Messages::new(Opcode::Binary, SMALL_BYTES, 1, index);
    let mut connections = open(server, count, messages).await?;
    for connection in &mut connections {
        timeout(STALL, connection.echo_once())
            .await
            .context("the server stalls")??;
    }
    Ok(connections)
}

/// Opens connections, not more at a time than a listener's backlog is sure to hold.
async fn open(
    server: &Server,
    count: usize,
    messages: impl Fn(usize) -> Messages,
) -> Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    while connections.len() < count {
        let mut opening = JoinSet::new();
        for index in connections.len()..count.min(connections.len() + OPENERS) {
            opening.spawn(Connection::open(
                server.address,
                server.path,
                messages(index),
            ));
        }
        connections.extend(all(opening).await.context("open")?);
    }
    Ok(connections)
}

pub(crate) async fn close(connections: Vec<Connection>) -> Result<()> {
    let closing: JoinSet<_> = connections.into_iter().map(Connection::close).collect();
    all(closing).await.context("close")?;
    Ok(())
}

/// Has all connections echo for `time`, until the last reply is there; returns them and the number of replies.
async fn talk(connections: Vec<Connection>, time: Duration) -> Result<(Vec<Connection>, u64)> {
    let running = Arc::new(AtomicBool::new(true));
    let mut talking = JoinSet::new();
    for mut connection in connections {
        let running = Arc::clone(&running);
        talking.spawn(async move {
            let count = connection.echo_while(&running).await?;
            Ok((connection, count))
        });
    }
    sleep(time).await;
    running.store(false, Ordering::Relaxed);
    let (connections, counts): (_, Vec<u64>) =
        all(talking).await.context("echo")?.into_iter().unzip();
    ensure!(
        counts.iter().all(|count| *count > 0),
        "a connection got no reply in {time:?}"
    );
    Ok((connections, counts.iter().sum()))
}

async fn connect_for(server: &Server, time: Duration) -> Result<u64> {
    let running = Arc::new(AtomicBool::new(true));
    let mut connecting = JoinSet::new();
    for index in 0..CONNECTORS {
        let (running, address, path) = (Arc::clone(&running), server.address, server.path);
        connecting.spawn(async move {
            let mut count = 0;
            while running.load(Ordering::Relaxed) {
                let messages = Messages::new(Opcode::Binary, SMALL_BYTES, 1, index);
                let mut connection = Connection::open(address, path, messages).await?;
                connection.echo_once().await?;
                connection.close().await?;
                count += 1;
            }
            Ok(count)
        });
    }
    sleep(time).await;
    running.store(false, Ordering::Relaxed);
    Ok(all(connecting).await.context("connect")?.iter().sum())
}

/// What every task returned; the first failure ends them all, and so does a stall.
async fn all<T: 'static>(mut tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let collect = async {
        let mut results = Vec::with_capacity(tasks.len());
        while let Some(result) = tasks.join_next().await {
            results.push(result.context("a client task")??);
        }
        Ok(results)
    };
    timeout(STALL, collect).await.context("the server stalls")?
}
