//! Owns the servers under test: which there are, how each is started, and that none outlives the run.
//! It knows nothing of load.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::pinning::Pinning;
use crate::usage::{self, CpuTime};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A server to compare. The first of a run is the baseline.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) path: &'static str,
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
}

impl Server {
    /// Starts `variant` and waits until it says where it listens.
    pub(crate) async fn start(variant: &Variant, pinning: Pinning) -> Result<Self> {
        let mut command = Command::new(&variant.program);
        command
            .args(&variant.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let child = pinning.on_server_cpu(|| command.spawn())?;
        let child = child.with_context(|| format!("start {}", variant.program.display()))?;
        // From here on a failure drops, and so kills, the child.
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self {
            child,
            address: unspecified,
            path: variant.path,
        };
        let stdout = server
            .child
            .stdout
            .take()
            .context("the child has no stdout")?;
        let (announce, announced) = oneshot::channel();
        std::thread::spawn(move || watch(BufReader::new(stdout), announce));
        server.address = timeout(START_TIMEOUT, announced)
            .await
            .with_context(|| format!("{} did not say where it listens", variant.name))?
            .with_context(|| format!("{} ended without saying where it listens", variant.name))?;
        Ok(server)
    }

    pub(crate) fn cpu_time(&self) -> Result<CpuTime> {
        CpuTime::of(self.child.id())
    }

    pub(crate) fn pss_bytes(&self) -> Result<u64> {
        usage::pss_bytes(self.child.id())
    }

    /// What became of the process, for an error message.
    pub(crate) fn state(&mut self) -> String {
        match self.child.try_wait() {
            Ok(Some(status)) => format!("the server has ended: {status}"),
            Ok(None) => "the server still runs".into(),
            Err(error) => format!("the server's state is unknown: {error}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Finds the address, then keeps reading so that the server never waits for its stdout.
fn watch(mut stdout: impl BufRead, announce: oneshot::Sender<SocketAddr>) {
    let mut line = String::new();
    let found = loop {
        line.clear();
        match stdout.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if let Some(address) = announced_address(&line) {
            break address;
        }
    };
    // Nobody waits when the start timed out; the server is being killed then.
    if announce.send(found).is_err() {
        return;
    }
    drop(std::io::copy(&mut stdout, &mut std::io::sink()));
}

/// The first `http://ADDRESS:PORT` in a line, whatever stands around it.
fn announced_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find(|char: char| !(char.is_ascii_hexdigit() || ".:[]".contains(char)));
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_any_dress() {
        let port = |line| announced_address(line).map(|address| address.port());
        assert_eq!(port("listening on http://127.0.0.1:8080\n"), Some(8080));
        assert_eq!(
            port("INFO serve{url=\"http://127.0.0.1:81/\"} ready"),
            Some(81)
        );
        assert_eq!(port("http://[::1]:82"), Some(82));
        assert_eq!(port("loading echo.wasm"), None);
        assert_eq!(port("see http://example.com"), None);
    }
}
