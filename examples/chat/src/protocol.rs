//! What page and room say to each other, as JSON. A field `type` names the variant.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// From the page.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Command {
    Say { text: String },
}

/// From the room.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Event<'a> {
    /// To who has joined: who is here, and what was said before.
    Welcome {
        you: &'a str,
        here: &'a BTreeSet<String>,
        history: &'a [Line],
    },
    Joined {
        name: &'a str,
    },
    Left {
        name: &'a str,
    },
    Said(&'a Line),
    /// To who has sent something that the room does not take.
    Refused {
        why: &'a str,
    },
}

/// What somebody said. The history is made of these.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
}
