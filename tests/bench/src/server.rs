//! Owns the servers under test: which there are, how each is started, and that none outlives the run.
//! It knows nothing of load.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::pinning::Pinning;
use crate::usage::{self, CpuTime};

const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long objects may take to hibernate, beyond the time that they are to wait.
const HIBERNATION_TIMEOUT: Duration = Duration::from_secs(30);
/// What the host's log says of each hibernation.
const HIBERNATES: &str = " hibernates ";

/// A server to compare. The first of a run is the baseline.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Where it does what is measured. `{}` stands for the number of the connection.
    pub(crate) path: &'static str,
    /// Whether its log has a line for each hibernation.
    pub(crate) tells_hibernations: bool,
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Hibernations so far.
    hibernations: watch::Receiver<usize>,
}

impl Server {
    /// Starts `variant` and waits until it says where it listens.
    pub(crate) async fn start(variant: &Variant, pinning: Pinning) -> Result<Self> {
        let mut command = Command::new(&variant.program);
        command
            .args(&variant.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if variant.tells_hibernations {
            command.stderr(Stdio::piped());
        }
        let child = pinning.on_server_cpu(|| command.spawn())?;
        let child = child.with_context(|| format!("start {}", variant.program.display()))?;
        let (count, hibernations) = watch::channel(0);
        // From here on a failure drops, and so kills, the child.
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self {
            child,
            address: unspecified,
            hibernations,
        };
        let stdout = server
            .child
            .stdout
            .take()
            .context("the child has no stdout")?;
        if let Some(stderr) = server.child.stderr.take() {
            std::thread::spawn(move || count_hibernations(BufReader::new(stderr), &count));
        }
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

    /// How often objects have hibernated, of a server that tells.
    pub(crate) fn hibernations(&self) -> usize {
        *self.hibernations.borrow()
    }

    /// Waits until objects have hibernated that often.
    pub(crate) async fn hibernated(&self, count: usize) -> Result<()> {
        let mut hibernations = self.hibernations.clone();
        let waiting = hibernations.wait_for(|so_far| *so_far >= count);
        match timeout(HIBERNATION_TIMEOUT, waiting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => bail!("the server's log has ended"),
            Err(_) => bail!("of {count} hibernations {} have come", self.hibernations()),
        }
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
    drop(io::copy(&mut stdout, &mut io::sink()));
}

/// Counts the lines that tell of a hibernation, and hands the others on.
fn count_hibernations(stderr: impl BufRead, count: &watch::Sender<usize>) {
    for line in stderr.lines().map_while(Result::ok) {
        if line.contains(HIBERNATES) {
            count.send_modify(|count| *count += 1);
        } else {
            // Without stderr there is nobody to hand it to.
            drop(writeln!(io::stderr(), "{line}"));
        }
    }
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
