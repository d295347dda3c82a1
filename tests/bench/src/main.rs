//! Owns the command line of the benchmark: what an echo through a sandboxed worker costs a server,
//! beside a native echo server, in processor time per message.
//!
//! ```sh
//! cargo build --release -p pairway-bench -p pairway-host   # this, the native server and the host
//! target/release/pairway-bench --pairway target/release/pairway --worker echo.wasm
//! ```
//!
//! Servers run on one processor, the load on another; the kernel says what the servers used, and
//! replies are checked bit for bit: a message lost or changed ends the run without a result. Compare
//! the ratios of one run: absolute figures differ from machine to machine and from minute to minute.
//! `--control` measures the baseline against itself, and so shows how far two equal servers may seem
//! to lie apart.

mod cells;
mod connection;
mod frame;
mod load;
mod messages;
mod pinning;
mod report;
mod run;
mod server;
mod stats;
mod usage;

use std::ffi::OsString;
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
use run::{Plan, Results};
use server::Variant;

/// Measures an echo through a sandboxed worker beside a native echo server.
#[derive(Debug, Parser)]
#[command(after_help = format!("Cells: {}", cells::list()))]
struct Arguments {
    /// The host: `pairway`.
    #[arg(long, requires = "worker", required_unless_present = "control")]
    pairway: Option<PathBuf>,
    /// The worker it runs: a component that echoes at `/echo`.
    #[arg(long, requires = "pairway")]
    worker: Option<PathBuf>,
    /// The baseline [default: `native-echo` beside this program].
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
    let names: Vec<_> = plan.variants.iter().map(|variant| variant.name).collect();
    report::write(&mut out, &names, &results)?;
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
    Ok(Plan {
        variants: variants(arguments)?,
        pinning: Pinning::divide()?,
        selection,
        repetitions: arguments.reps.unwrap_or(if quick { 3 } else { 11 }).max(1),
        memory_repetitions: if quick { 1 } else { 3 },
        idle_connections: if quick { 500 } else { 2000 },
        times: Times {
            warm_up: Duration::from_millis(warm_up),
            measured: Duration::from_millis(measured),
        },
    })
}

fn variants(arguments: &Arguments) -> Result<Vec<Variant>> {
    let beside = || Ok::<_, io::Error>(std::env::current_exe()?.with_file_name("native-echo"));
    let native = arguments
        .native
        .clone()
        .map_or_else(beside, Ok)
        .context("where native-echo is")?;
    let native = |name| Variant {
        name,
        program: native.clone(),
        arguments: Vec::new(),
        path: "/",
    };
    let mut variants = vec![native("native")];
    if let (Some(program), Some(worker)) = (&arguments.pairway, &arguments.worker) {
        let more = arguments.server_args.as_deref().unwrap_or_default();
        let pairway = |name, shared: &[&str]| {
            let mut all: Vec<OsString> = vec!["serve".into(), worker.into()];
            let fixed = ["--addr", "127.0.0.1:0", "--threads", "1"];
            all.extend(
                fixed
                    .into_iter()
                    .chain(shared.iter().copied())
                    .map(OsString::from),
            );
            all.extend(more.split_whitespace().map(OsString::from));
            Variant {
                name,
                program: program.clone(),
                arguments: all,
                path: "/echo",
            }
        };
        variants.push(pairway("pairway", &[]));
        variants.push(pairway(
            "pairway-shared",
            &["--sockets-per-instance", "10000"],
        ));
    }
    if arguments.control {
        variants.push(native("native-again"));
    }
    Ok(variants)
}
