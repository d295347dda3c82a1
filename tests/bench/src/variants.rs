//! Owns how each server under test is started for which cells: programs and arguments.
//! It knows the command line of `pairway serve`, and nothing of load.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::server::Variant;

/// More objects than this may not be awake at a time, so that waking one has another hibernate.
pub(crate) const CROWD_INSTANCES: usize = 1000;

/// Without an event an object hibernates after this time, where that is what is waited for.
const HIBERNATE_AFTER_MS: u64 = 1000;
/// Where no object is to hibernate but to make room for another.
const NEVER_MS: u64 = 3_600_000;

/// The servers for each kind of cell; a baseline comes first.
#[derive(Debug)]
pub(crate) struct Variants {
    pub(crate) echo: Vec<Variant>,
    pub(crate) fanout: Vec<Variant>,
    /// Many sockets at rest: native, of one object, of an object each.
    pub(crate) resting: Vec<Variant>,
    /// The following are pairway's alone, and not there without it.
    pub(crate) sleepy: Option<Variant>,
    pub(crate) crowded: Option<Variant>,
    pub(crate) storing: Option<Variant>,
    /// Where objects keep their storage; removed with this.
    _scratch: Scratch,
}

/// The programs to compare.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) native_echo: PathBuf,
    pub(crate) native_broadcast: PathBuf,
    /// Not there when the baseline is measured against itself alone.
    pub(crate) pairway: Option<Pairway>,
    /// Measure the baseline a second time, as if it were another server.
    pub(crate) control: bool,
}

/// The host, and what it runs.
#[derive(Debug)]
pub(crate) struct Pairway {
    pub(crate) program: PathBuf,
    /// Echoes at `/echo`.
    pub(crate) worker: PathBuf,
    /// The worker in `tests/bench/worker`.
    pub(crate) objects: PathBuf,
    pub(crate) more_arguments: Vec<OsString>,
}

impl Variants {
    pub(crate) fn of(programs: &Programs) -> Result<Self> {
        let scratch = Scratch::make()?;
        let native = |name, program: &PathBuf| Variant {
            name,
            program: program.clone(),
            arguments: Vec::new(),
            path: "/",
            tells_hibernations: false,
        };
        let both = |program| {
            let again = programs.control.then(|| native("native-again", program));
            (native("native", program), again)
        };
        let (echo, echo_again) = both(&programs.native_echo);
        let (broadcast, broadcast_again) = both(&programs.native_broadcast);
        let mut variants = Self {
            echo: vec![echo],
            fanout: vec![broadcast.clone()],
            resting: vec![broadcast],
            sleepy: None,
            crowded: None,
            storing: None,
            _scratch: scratch,
        };
        if let Some(pairway) = &programs.pairway {
            variants.add(pairway);
        }
        variants.echo.extend(echo_again);
        variants.fanout.extend(broadcast_again);
        Ok(variants)
    }

    fn add(&mut self, pairway: &Pairway) {
        let shared = ["--sockets-per-instance", "10000"];
        self.echo.push(pairway.echo("pairway", &[]));
        self.echo.push(pairway.echo("pairway-shared", &shared));
        let data = &self._scratch.0;
        let objects = |name, path| pairway.objects(name, path, data);
        self.echo.push(objects("pairway-object", "/echo/one"));
        self.fanout.push(objects("pairway", "/fanout/room"));
        let one = objects("pairway-one-object", "/sleeper/one");
        let each = objects("pairway-object-each", "/sleeper/{}");
        let rests = |variant: Variant| variant.telling_hibernations();
        self.resting.extend([rests(one), rests(each.clone())]);
        self.sleepy = Some(rests(each.clone()));
        self.crowded = Some(
            each.with_limit("instances", CROWD_INSTANCES as u64)
                .with_limit("hibernate_after_ms", NEVER_MS),
        );
        self.storing = Some(objects("pairway", ""));
    }
}

impl Pairway {
    fn serve(&self, name: &'static str, worker: &Path, path: &'static str) -> Variant {
        let mut arguments: Vec<OsString> = vec!["serve".into(), worker.into()];
        arguments.extend(["--addr", "127.0.0.1:0", "--threads", "1"].map(OsString::from));
        arguments.extend(self.more_arguments.iter().cloned());
        Variant {
            name,
            program: self.program.clone(),
            arguments,
            path,
            tells_hibernations: false,
        }
    }

    fn echo(&self, name: &'static str, arguments: &[&str]) -> Variant {
        let mut variant = self.serve(name, &self.worker, "/echo");
        variant
            .arguments
            .extend(arguments.iter().map(OsString::from));
        variant
    }

    fn objects(&self, name: &'static str, path: &'static str, data: &Path) -> Variant {
        let mut variant = self.serve(name, &self.objects, path);
        variant.arguments.extend(["--data-dir".into(), data.into()]);
        variant
    }
}

impl Variant {
    fn with_limit(mut self, name: &str, value: u64) -> Self {
        let limit = format!("{name}={value}");
        self.arguments.extend(["--limit".into(), limit.into()]);
        self
    }

    /// The host has no other way to say that an object hibernates than its log.
    fn telling_hibernations(mut self) -> Self {
        let filter = "info,pairway_host::session::hibernate=debug";
        self.arguments.extend(["--log", filter].map(OsString::from));
        self.tells_hibernations = true;
        self.with_limit("hibernate_after_ms", HIBERNATE_AFTER_MS)
    }
}

/// A directory of this run, on a disk: beside the program, since a system's directory for such things may be memory.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let make = || -> io::Result<PathBuf> {
            let name = format!("bench-data-{}", std::process::id());
            let path = std::env::current_exe()?.with_file_name(name);
            fs::create_dir_all(&path)?;
            Ok(path)
        };
        make().map(Self).context("make a directory for storage")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is small, and stands among what `make clean` removes.
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}
