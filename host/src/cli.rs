//! Owns the command line: flags and environment become a [`Config`]. What the flags mean is the library's to know.

mod file;
mod log;
mod print;
mod signals;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use pairway_host::{Config, Descriptors, DurableObject, Limits, Server, Tls, Worker};

use self::file::{File, TlsFiles};
use self::log::{Form, Log};
use self::signals::Signals;

/// Where durable objects keep their storage unless something else is said.
const DATA_DIR: &str = ".pairway";

/// Runs WebSocket workers: WebAssembly components that serve WebSockets.
#[derive(Debug, Parser)]
#[command(name = "pairway", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a worker.
    Serve(Box<Serve>),
    /// List the limits with their defaults and what happens when they are reached.
    Limits,
}

#[derive(Debug, Args)]
struct Serve {
    /// The worker: a component, as `cargo build --target wasm32-wasip2` makes it. `main` of the
    /// configuration file unless given.
    worker: Option<PathBuf>,
    /// The configuration file. `pairway.toml` in this directory, if there is one, unless given.
    #[arg(long, env = "PAIRWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen. Port 0 takes a free one. 127.0.0.1:8787 unless given.
    #[arg(long, env = "PAIRWAY_ADDR", value_name = "HOST:PORT")]
    addr: Option<SocketAddr>,
    /// A variable in the worker's environment. May be given several times.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    vars: Vec<(String, String)>,
    /// How many connections one instance of the worker may serve at a time. 1 unless given: a fault takes
    /// down one connection.
    #[arg(long, env = "PAIRWAY_SOCKETS_PER_INSTANCE", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    sockets_per_instance: Option<u32>,
    /// Reach the durable objects of a class under a name, as `[[durable_objects.bindings]]` does. May be given
    /// several times. A class without one has its own name in capitals.
    #[arg(long = "durable-object", value_name = "NAME=CLASS", value_parser = pair)]
    durable_objects: Vec<(String, String)>,
    /// Where durable objects keep their storage. `.pairway` in this directory unless given; made when it is
    /// first needed.
    #[arg(long, env = "PAIRWAY_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Keep the storage of durable objects in memory: it ends with the process.
    #[arg(long, conflicts_with = "data_dir")]
    no_data_dir: bool,
    /// The server's certificate as PEM, followed by those between it and the authority. Read again at SIGHUP.
    #[arg(
        long,
        env = "PAIRWAY_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM.
    #[arg(
        long,
        env = "PAIRWAY_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// Serve with a certificate for localhost that is made at the start, for development; and leave it in FILE, so
    /// that clients can be told to believe it.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "tls_cert")]
    tls_self_signed: Option<Option<PathBuf>>,
    /// Let only web pages of this origin open WebSockets, as `https://example.com` or `https://*.example.com`. May be given
    /// several times. Pages of any origin may unless given.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allowed_origins: Vec<String>,
    /// Compress no messages (permessage-deflate), and ask nobody to. `[compression]` in the configuration file has more.
    #[arg(long, env = "PAIRWAY_NO_COMPRESSION")]
    no_compression: bool,
    /// Let the worker reach a host, as `wss://example.com` or `http://localhost:8080`. May be given several times; see
    /// `[outbound]` in the README. It reaches none unless given.
    #[arg(long = "allow-host", value_name = "SCHEME://HOST[:PORT]")]
    allowed_hosts: Vec<String>,
    /// Believe the certificate authorities in this PEM file when the worker connects, beside the system's. May be
    /// given several times.
    #[arg(long = "outbound-ca", value_name = "FILE")]
    outbound_ca_files: Vec<PathBuf>,
    /// Set a limit, such as message_bytes=1048576. May be given several times; see `pairway limits`.
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = limit)]
    limits: Vec<(String, u64)>,
    /// Threads that run connections and workers. As many as there are cores unless given.
    #[arg(long, env = "PAIRWAY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Where compiled components are kept between runs. In the user's cache directory unless given.
    #[arg(long, env = "PAIRWAY_CACHE_DIR", value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Compile the component at every start.
    #[arg(long, conflicts_with = "cache_dir")]
    no_cache: bool,
    /// What is logged, as a filter of `tracing`: `info`, `pairway_host=debug`, `pairway::worker=off`.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// The form of the log, on standard error.
    #[arg(long, env = "PAIRWAY_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// A line a record.
    Pretty,
    /// A JSON object a record.
    Json,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let (name, value) = pair(text)?;
    let value = value
        .replace('_', "")
        .parse()
        .map_err(|_| format!("`{value}` is not a whole number"))?;
    // A wrong name is refused here, where clap can say which flag it stood in.
    Limits::default()
        .set(&name, value)
        .map_err(|error| error.to_string())?;
    Ok((name, value))
}

impl Serve {
    /// The worker and the configuration: flags before the environment before the file before defaults.
    fn config(&self) -> Result<(PathBuf, Config)> {
        let file = File::read(self.config.as_deref())?;
        let worker = self
            .worker
            .clone()
            .or(file.main)
            .context("no worker: give its file, or `main` in pairway.toml")?;
        let mut config = Config::default();
        config.addr = self.addr.or(file.addr).unwrap_or(config.addr);
        config.vars.extend(file.vars);
        config.vars.extend(self.vars.iter().cloned());
        config.sockets_per_instance = self
            .sockets_per_instance
            .or(file.sockets_per_instance)
            .unwrap_or(config.sockets_per_instance);
        let flags = self.limits.iter().map(|(name, value)| (name, *value));
        for (name, value) in file
            .limits
            .iter()
            .map(|(name, value)| (name, *value))
            .chain(flags)
        {
            config.limits.set(name, value)?;
        }
        config.durable_objects = file
            .durable_objects
            .bindings
            .into_iter()
            .map(DurableObject::from)
            .collect();
        for (name, class_name) in &self.durable_objects {
            config.durable_objects.push(DurableObject {
                name: name.clone(),
                class_name: class_name.clone(),
                hibernate_after_ms: None,
            });
        }
        config.tls = match (&self.tls_cert, &self.tls_key, file.tls) {
            (Some(cert), Some(key), _) => Some(Tls::Files {
                cert: cert.clone(),
                key: key.clone(),
            }),
            _ if self.tls_self_signed.is_some() => Some(Tls::SelfSigned),
            (_, _, tls) => tls.map(|TlsFiles { cert, key }| Tls::Files { cert, key }),
        };
        config.allowed_origins = file.allowed_origins;
        config
            .allowed_origins
            .extend_from_slice(&self.allowed_origins);
        file.compression.set(&mut config.compression);
        if self.no_compression {
            config.compression.enabled = false;
        }
        config.outbound.allowed_hosts = file.outbound.allowed_hosts;
        config
            .outbound
            .allowed_hosts
            .extend_from_slice(&self.allowed_hosts);
        config.outbound.ca_files = file.outbound.ca_files;
        config
            .outbound
            .ca_files
            .extend_from_slice(&self.outbound_ca_files);
        if !self.no_data_dir {
            let directory = self.data_dir.clone().or(file.data_dir);
            config.data_dir = Some(directory.unwrap_or_else(|| PathBuf::from(DATA_DIR)));
        }
        config.cache_dir = self.cache_dir()?;
        Ok((worker, config))
    }

    /// The component cache, which is made if it is not there.
    fn cache_dir(&self) -> Result<Option<PathBuf>> {
        if self.no_cache {
            return Ok(None);
        }
        let Some(directory) = self.cache_dir.clone().or_else(default_cache_dir) else {
            return Ok(None);
        };
        std::fs::create_dir_all(&directory).with_context(|| {
            format!(
                "cannot make the component cache {} (choose another with --cache-dir, or --no-cache)",
                directory.display()
            )
        })?;
        // Wasmtime wants it absolute.
        Ok(Some(directory.canonicalize()?))
    }

    fn runtime(&self) -> Result<tokio::runtime::Runtime> {
        let mut builder = match self.threads {
            Some(1) => tokio::runtime::Builder::new_current_thread(),
            Some(threads) => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(threads.into());
                builder
            }
            None => tokio::runtime::Builder::new_multi_thread(),
        };
        Ok(builder.enable_all().build()?)
    }

    fn start_log(&self, limits: &Limits) -> Result<Log> {
        let has_color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let form = Form {
            format: self.log_format,
            has_color,
        };
        Log::start(&self.log, form, limits)
    }
}

/// `$XDG_CACHE_HOME/pairway`, or `~/.cache/pairway`; none for a user without a home.
fn default_cache_dir() -> Option<PathBuf> {
    let from = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("pairway"))
}

/// Do what the command line asks for.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Serve(serve) => {
            let (worker, config) = serve.config()?;
            // Dropped behind everything that may have something to say.
            let log = serve.start_log(&config.limits)?;
            let runtime = serve.runtime()?;
            let served = runtime.block_on(run_server(&serve, &worker, &config, &log));
            // Whatever is still running has had its time.
            runtime.shutdown_background();
            served
        }
        Command::Limits => {
            print::limits().context("cannot write to standard output")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn run_server(serve: &Serve, worker: &Path, config: &Config, log: &Log) -> Result<ExitCode> {
    // Caught from here on, so that one during a long compilation is not lost.
    let signals = Signals::catch()?;
    signals::outlive_full_files()?;
    raise_descriptors(&config.limits);
    let worker = Worker::load(worker, config)?;
    let name = worker.name().to_owned();
    let server = Server::bind(worker, config).await?;
    log.count_in(server.counters());
    if let (Some(pem), Some(Some(path))) = (server.self_signed_pem(), &serve.tls_self_signed) {
        std::fs::write(path, pem).with_context(|| format!("cannot write {}", path.display()))?;
    }
    signals::reload_at(signals.hangup, server.tls_reloader());
    print::announce(&name, server.local_addr(), config.tls.is_some());
    let serving = server.serve(async {
        drop(signals.first.await);
    });
    tokio::select! {
        served = serving => {
            served?;
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        _ = signals.second => {
            tracing::warn!("stopped before everything was closed");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Have as many descriptors as the limits ask for, if the process may. With fewer the server lowers its limits.
fn raise_descriptors(limits: &Limits) {
    let mut descriptors = Descriptors::of_process();
    let before = descriptors.soft;
    match descriptors.raise_for(limits) {
        Ok(()) if descriptors.soft > before => tracing::info!(
            before,
            now = descriptors.soft,
            "raised the bound on descriptors (`ulimit -n`) for the limits"
        ),
        Ok(()) => {}
        Err(error) => tracing::warn!("the bound on descriptors stays {before}: {error}"),
    }
}
