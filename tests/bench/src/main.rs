//! Owns the command line of the benchmark: what messages through a sandboxed worker cost a server, beside a native
//! one, in processor time per message; what objects cost that fan out, store, sleep and wake. `make bench` builds
//! what it needs and runs it.
//!
//! Servers run on one processor, the load on another; the kernel says what the servers used, and
//! replies are checked bit for bit: a message lost or changed ends the run without a result. Compare
//! the ratios of one run: absolute figures differ from machine to machine and from minute to minute.
//! `--control` measures the baseline against itself, and so shows how far two equal servers may seem
//! to lie apart.

mod cells;
mod client;
mod connection;
mod frame;
mod load;
mod messages;
mod pinning;
mod report;
mod results;
mod run;
mod server;
mod stats;
mod usage;
mod variants;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use cells::Selection;
use load::Times;
use pinning::Pinning;
use results::Results;
use run::{Plan, Sizes};
use variants::{CROWD_INSTANCES, Pairway, Programs, Variants};

/// Measures sandboxed workers beside native servers.
#[derive(Debug, Parser)]
#[command(after_help = format!("Cells: {}", cells::list()))]
struct Arguments {
    /// The host: `pairway`.
    #[arg(long, requires_all = ["worker", "objects"], required_unless_present = "control")]
    pairway: Option<PathBuf>,
    /// A worker it runs: a component that echoes at `/echo`.
    #[arg(long, requires = "pairway")]
    worker: Option<PathBuf>,
    /// Another: that of `tests/bench/worker`.
    #[arg(long, requires = "pairway")]
    objects: Option<PathBuf>,
    /// The baseline of echo cells [default: `native-echo` beside this program].
    #[arg(long)]
    native: Option<PathBuf>,
    /// More arguments for `pairway serve`, separated by spaces.
    #[arg(long, allow_hyphen_values = true)]
    server_args: Option<String>,
    /// Measures the baseline a second time, as if it were another server.
    #[arg(long)]
    control: bool,
    /// Only cells whose names begin so, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How often each cell is measured on each server [default: 11, or 3 when quick].
    #[arg(long)]
    reps: Option<usize>,
    /// For how long, in milliseconds [default: 400, or 150 when quick]: longer for a look with a profiler.
    #[arg(long)]
    millis: Option<u64>,
    /// Fewer and shorter repetitions: to see that it works, not how fast.
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr the exit code has to do.
            drop(writeln!(io::stderr(), "no result: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    pinning::raise_descriptor_limit()?;
    let plan = plan(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (begin, load_before) = (Instant::now(), usage::load_average()?);
    let results = runtime.block_on(unless_stopped(&plan))?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Medians of n repetitions; a ratio is the median of those between servers in the same repetition. \
         {:.0} s; load average {load_before:.1} before, {:.1} after.",
        begin.elapsed().as_secs_f64(),
        usage::load_average()?,
    )?;
    report::write(&mut out, &results)?;
    Ok(())
}

/// Runs the plan; a signal drops it half-way, and with it every server.
async fn unless_stopped(plan: &Plan) -> Result<Results> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        results = Box::pin(plan.run()) => results,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
        _ = hang_up.recv() => bail!("the terminal is gone"),
    }
}

fn plan(arguments: &Arguments) -> Result<Plan> {
    let selection = Selection::new(arguments.only.clone()).map_err(|unknown| {
        anyhow!(
            "no cell begins with {unknown:?}; there are {}",
            cells::list()
        )
    })?;
    let quick = arguments.quick;
    let (warm_up, measured) = if quick { (30, 150) } else { (80, 400) };
    let sizes = if quick {
        Sizes {
            memory_repetitions: 1,
            idle_connections: 500,
            resting: 500,
            sleepers: 50,
            crowd: 2 * CROWD_INSTANCES,
        }
    } else {
        Sizes {
            memory_repetitions: 3,
            idle_connections: 2000,
            resting: 9900,
            sleepers: 200,
            crowd: 9900,
        }
    };
    Ok(Plan {
        variants: Variants::of(&programs(arguments)?)?,
        pinning: Pinning::divide()?,
        selection,
        repetitions: arguments.reps.unwrap_or(if quick { 3 } else { 11 }).max(1),
        sizes,
        times: Times {
            warm_up: Duration::from_millis(warm_up),
            measured: Duration::from_millis(arguments.millis.unwrap_or(measured)),
        },
    })
}

fn programs(arguments: &Arguments) -> Result<Programs> {
    let this = std::env::current_exe().context("where this program is")?;
    let more = arguments.server_args.as_deref().unwrap_or_default();
    let pairway = |((program, worker), objects)| Pairway {
        program,
        worker,
        objects,
        more_arguments: more.split_whitespace().map(Into::into).collect(),
    };
    let (program, worker) = (arguments.pairway.clone(), arguments.worker.clone());
    Ok(Programs {
        native_echo: arguments
            .native
            .clone()
            .unwrap_or_else(|| this.with_file_name("native-echo")),
        native_broadcast: this.with_file_name("native-broadcast"),
        pairway: program
            .zip(worker)
            .zip(arguments.objects.clone())
            .map(pairway),
        control: arguments.control,
    })
}
