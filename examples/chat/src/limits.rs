//! What the chat takes from its users. What it does not take it refuses with a sentence for the page to show.

/// How many lines of its history a room keeps.
pub(crate) const HISTORY: u64 = 100;

const NAME_CHARS: usize = 32;
const TEXT_CHARS: usize = 2_000;
const LINES_PER_WINDOW: u32 = 10;
const WINDOW_MS: u64 = 5_000;

/// Room names stand in URLs as they are, so that no two spellings name one room.
pub(crate) fn is_room(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(is_plain)
}

/// A name without the space around it.
pub(crate) fn name(given: &str) -> Result<&str, &'static str> {
    let name = given.trim();
    match name.chars().count() {
        0 => Err("Please give a name."),
        1..=NAME_CHARS if name.contains(char::is_control) => {
            Err("A name is one line of plain text.")
        }
        1..=NAME_CHARS => Ok(name),
        _ => Err("A name has at most 32 characters."),
    }
}

/// A text without the space around it.
pub(crate) fn text(given: &str) -> Result<&str, &'static str> {
    let text = given.trim();
    match text.chars().count() {
        0 => Err("A message without a text is none."),
        1..=TEXT_CHARS => Ok(text),
        _ => Err("A message has at most 2,000 characters."),
    }
}

/// How much one socket has said lately.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    since_ms: u64,
    lines: u32,
}

impl Pace {
    /// Whether it may say something now.
    pub(crate) fn allows(&mut self, now_ms: u64) -> Result<(), &'static str> {
        if now_ms.abs_diff(self.since_ms) >= WINDOW_MS {
            *self = Self {
                since_ms: now_ms,
                lines: 0,
            };
        }
        if self.lines >= LINES_PER_WINDOW {
            return Err("That was a lot at once. Please wait a few seconds.");
        }
        self.lines += 1;
        Ok(())
    }
}
