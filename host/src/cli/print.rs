//! Owns what the command says on standard output, whose reader may be gone: that is no mistake, and ends nothing.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;

use pairway_host::{Descriptors, Limits};

/// Say something. Nobody need be there to hear it.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

/// Where the server listens, for people and scripts.
pub(super) fn announce(name: &str, addr: SocketAddr, is_tls: bool) {
    let scheme = if is_tls { "https" } else { "http" };
    if let Err(error) = say(&format!("pairway: serving {name} on {scheme}://{addr}\n")) {
        tracing::warn!(
            "serving {name} on {scheme}://{addr}; standard output cannot be written: {error}"
        );
    }
}

/// The limits, group by group, and which of them are lower here.
pub(super) fn limits() -> io::Result<()> {
    let limits = Limits::default();
    let mut here = limits.clone();
    let mut descriptors = Descriptors::of_process();
    // Where it cannot be raised, it stays what it is.
    descriptors.raise_for(&limits).unwrap_or_default();
    descriptors.fit(&mut here);
    let mut text = String::new();
    let mut group = "";
    for (limit, here) in limits.describe().into_iter().zip(here.describe()) {
        if limit.group != group {
            let gap = if group.is_empty() { "" } else { "\n" };
            group = limit.group;
            text += &format!("{gap}{group}\n");
        }
        let total = if limit.is_total { "total" } else { "" };
        let lower = match here.value < limit.value {
            true => format!(
                " Here {}: the process may open {} descriptors (`ulimit -n`).",
                here.value, descriptors.soft
            ),
            false => String::new(),
        };
        let line = writeln!(
            text,
            "  {:<24} {:>14} {total:<5}  {}{lower}",
            limit.name, limit.value, limit.doc
        );
        line.expect("a string takes everything");
    }
    say(&text)
}
