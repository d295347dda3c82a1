//! The real `pairway` program, as a process of its own: for the command line, and for what must be measured
//! or limited for a whole process.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::within;

/// A running `pairway serve`, killed when dropped.
pub(crate) struct Binary {
    pub(crate) address: SocketAddr,
    child: Child,
    /// What it writes, read at once lest it wait for us.
    log: mpsc::UnboundedReceiver<String>,
    /// What it said before it listened.
    said: Vec<String>,
}

impl Binary {
    /// Where the program stands: beside the folder of this test.
    pub(crate) fn path() -> PathBuf {
        let test = std::env::current_exe().expect("a running program has a path");
        let path = test
            .ancestors()
            .nth(2)
            .expect("it runs in `deps`")
            .join(format!("pairway{}", std::env::consts::EXE_SUFFIX));
        assert!(
            path.exists(),
            "{} is missing: build it first, `cargo build -p pairway-host` with this profile, or run `make test`",
            path.display()
        );
        path
    }

    /// A command in an environment that sets nothing of the program's.
    pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("PAIRWAY_") || name == "RUST_LOG")
        {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Serve a worker on a free port, with these flags.
    pub(crate) async fn serve(worker: &str, flags: &[&str]) -> Self {
        let mut command = Self::command(Self::path());
        command.args(Self::serve_arguments(worker)).args(flags);
        Self::run(command).await
    }

    /// The arguments with which any test serves a worker.
    pub(crate) fn serve_arguments(worker: &str) -> Vec<String> {
        [
            "serve",
            worker,
            "--addr",
            "127.0.0.1:0",
            "--cache-dir",
            Self::cache(),
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Where any test keeps compiled components.
    pub(crate) fn cache() -> &'static str {
        concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled")
    }

    /// Start a command that serves, and read from what it says where it listens.
    pub(crate) async fn run(command: Command) -> Self {
        Self::run_with(command, Stdio::piped()).await
    }

    /// The same with a standard error of the test's own.
    pub(crate) async fn run_with(mut command: Command, stderr: Stdio) -> Self {
        command.stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the program starts");
        // It holds the test's side of what the program was given.
        drop(command);
        let (lines, mut log) = mpsc::unbounded_channel();
        pass_on(child.stdout.take().expect("it is piped"), lines.clone());
        if let Some(stderr) = child.stderr.take() {
            pass_on(stderr, lines);
        }
        let mut said = Vec::new();
        let address = loop {
            let line = within("the program to say where it listens", log.recv()).await;
            let line =
                line.unwrap_or_else(|| panic!("the program ended instead of listening: {said:#?}"));
            said.push(line.clone());
            let found = line.split_once("http://");
            if let Some((_, rest)) = found.or_else(|| line.split_once("https://")) {
                let address = rest
                    .split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')
                    .next()
                    .unwrap_or_default();
                break address
                    .parse()
                    .unwrap_or_else(|_| panic!("no address: {line}"));
            }
        };
        Self {
            address,
            child,
            log,
            said,
        }
    }

    /// A line with these words, written before it listened or after.
    pub(crate) async fn said(&mut self, words: &str) -> String {
        match self.said.iter().find(|line| line.contains(words)) {
            Some(line) => line.clone(),
            None => self.logs(words).await,
        }
    }

    /// Every line that it has written up to now, but for those that were asked for.
    pub(crate) fn log_until_now(&mut self) -> Vec<String> {
        while let Ok(line) = self.log.try_recv() {
            self.said.push(line);
        }
        self.said.clone()
    }

    /// Have it live with fewer descriptors from now on.
    pub(crate) fn lower_descriptors(&self, count: u64) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let limit = Rlimit {
            current: Some(count),
            maximum: Some(count),
        };
        prlimit(Some(id.expect("an id")), Resource::Nofile, limit).expect("the process is ours");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// Memory in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most memory that was in use at a time, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))
            .expect("the process runs");
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .expect("Linux tells it");
        line.split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok())
            .expect("a number of KiB")
    }

    /// Read its log up to a line with these words.
    pub(crate) async fn logs(&mut self, words: &str) -> String {
        loop {
            let line = within("a line in the log", self.log.recv()).await;
            let line = line.unwrap_or_else(|| panic!("the program ended without saying {words:?}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Send a signal, such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(
            within("kill", kill)
                .await
                .expect("there is a `kill`")
                .success()
        );
    }

    /// Wait until it has ended by itself; gives its exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        within("the program to end", self.child.wait())
            .await
            .expect("it can be waited for")
            .code()
    }
}

fn pass_on(output: impl AsyncRead + Unpin + Send + 'static, lines: mpsc::UnboundedSender<String>) {
    tokio::spawn(async move {
        let mut output = BufReader::new(output).lines();
        while let Ok(Some(line)) = output.next_line().await {
            lines.send(line).unwrap_or_default();
        }
    });
}
