//! Owns the list of what is measured, by name.
//! It knows the shape of each cell, not how it is run.

use crate::frame::Opcode;
use crate::load::Echo;

const KIB: usize = 1024;

/// The cells whose result is a cost per message.
pub(crate) const ECHO: [(&str, Echo); 6] = [
    ("echo-32", ping_pong(Opcode::Binary, 32)),
    ("echo-1k", ping_pong(Opcode::Binary, KIB)),
    ("echo-16k", ping_pong(Opcode::Binary, 16 * KIB)),
    ("echo-64k", ping_pong(Opcode::Binary, 64 * KIB)),
    ("text-1k", ping_pong(Opcode::Text, KIB)),
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

const fn ping_pong(opcode: Opcode, bytes: usize) -> Echo {
    Echo {
        opcode,
        bytes,
        connections: 64,
        window: 1,
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
    ECHO.iter()
        .map(|(name, _)| *name)
        .chain([CONNECT, IDLE, START])
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
        assert_eq!(selects(&["start", "stop"], "start"), Err("stop".into()));
    }
}
