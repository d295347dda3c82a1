//! Owns the list of what is measured, by name.
//! It knows the shape of each cell, not how it is run.

use crate::frame::Opcode;
use crate::load::{Echo, Fanout};

const KIB: usize = 1024;

/// The cells whose result is a cost per message.
pub(crate) const ECHO: [(&str, Echo); 6] = [
    ("echo-32", ping_pong(Opcode::Binary, 32, 64)),
    ("echo-1k", ping_pong(Opcode::Binary, KIB, 64)),
    ("echo-16k", ping_pong(Opcode::Binary, 16 * KIB, 64)),
    ("echo-64k", ping_pong(Opcode::Binary, 64 * KIB, 64)),
    ("text-1k", ping_pong(Opcode::Text, KIB, 64)),
    (
        "pipelined-32",
        Echo {
            opcode: Opcode::Binary,
            bytes: 32,
            connections: 16,
            window: 32,
        },
    ),
];
/// Handshake, one echo, closing handshake; 16 at once.
pub(crate) const CONNECT: &str = "connect";
/// Memory of connections that each echoed once.
pub(crate) const IDLE: &str = "idle";
/// Process start to first echo.
pub(crate) const START: &str = "start";

/// The cells whose result is a cost per delivery.
pub(crate) const FANOUT: [(&str, Fanout); 2] =
    [("fanout-100", room(100)), ("fanout-1000", room(1000))];

/// Messages that each have an object write or read one value: the paths of the objects and their number, in `Echo`.
pub(crate) const STORAGE: [(&str, &str, Echo); 4] = [
    (
        "storage-turns-1",
        "/writer/{}",
        ping_pong(Opcode::Text, 32, 1),
    ),
    (
        "storage-turns-64",
        "/writer/{}",
        ping_pong(Opcode::Text, 32, 64),
    ),
    (
        "storage-reads-1",
        "/reader/{}",
        ping_pong(Opcode::Text, 32, 1),
    ),
    (
        "storage-reads-64",
        "/reader/{}",
        ping_pong(Opcode::Text, 32, 64),
    ),
];

/// Memory of sockets whose objects hibernate.
pub(crate) const HIBERNATED: &str = "hibernated";
/// A message to an object that hibernates, up to its reply.
pub(crate) const WAKE: &str = "wake";
/// All of many hibernating objects woken, more than may be awake at a time.
pub(crate) const WOKEN: &str = "woken-per-second";

const fn ping_pong(opcode: Opcode, bytes: usize, connections: usize) -> Echo {
    Echo {
        opcode,
        bytes,
        connections,
        window: 1,
    }
}

const fn room(subscribers: usize) -> Fanout {
    Fanout {
        subscribers,
        publishers: 8,
    }
}

/// The cells whose names begin with one of `prefixes`; all of them without any.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    prefixes: Vec<String>,
}

impl Selection {
    /// # Errors
    /// A prefix that selects nothing is returned.
    pub(crate) fn new(prefixes: Vec<String>) -> Result<Self, String> {
        let fits = |prefix: &String| names().any(|name| name.starts_with(prefix.as_str()));
        match prefixes.iter().find(|prefix| !fits(prefix)) {
            Some(unknown) => Err(unknown.clone()),
            None => Ok(Self { prefixes }),
        }
    }

    pub(crate) fn has(&self, cell: &str) -> bool {
        self.prefixes.is_empty()
            || self
                .prefixes
                .iter()
                .any(|prefix| cell.starts_with(prefix.as_str()))
    }
}

/// All cells, for a message.
pub(crate) fn list() -> String {
    names().collect::<Vec<_>>().join(", ")
}

fn names() -> impl Iterator<Item = &'static str> {
    let echo = ECHO.iter().map(|(name, _)| *name);
    let fanout = FANOUT.iter().map(|(name, _)| *name);
    let storage = STORAGE.iter().map(|(name, _, _)| *name);
    echo.chain([CONNECT, IDLE, START])
        .chain(fanout)
        .chain([HIBERNATED, WAKE, WOKEN])
        .chain(storage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_selected_by_how_their_names_begin() {
        let selects = |prefixes: &[&str], cell| {
            let prefixes = prefixes.iter().copied().map(String::from).collect();
            Selection::new(prefixes).map(|selection| selection.has(cell))
        };
        assert_eq!(selects(&[], "idle"), Ok(true));
        assert_eq!(selects(&["echo-1", "start"], "echo-16k"), Ok(true));
        assert_eq!(selects(&["echo-1", "start"], "echo-32"), Ok(false));
        assert_eq!(selects(&["wake"], WOKEN), Ok(false));
        assert_eq!(selects(&["start", "stop"], "start"), Err("stop".into()));
    }
}
