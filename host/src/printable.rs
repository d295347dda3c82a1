//! Owns how text of others is written where people and programs read lines: bounded, and without a character that ends a
//! line or commands a terminal. Whatever a guest, a client or another server has said goes into the log through here.

use std::fmt::{self, Display, Write};

/// The longest text, as it is written.
pub(crate) const PRINTED_BYTES: usize = 8 * 1024;

/// Bytes of the longest escape.
const ESCAPE_BYTES: usize = 10;

/// A text of others, in a form that stays on its line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printable<T>(pub(crate) T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escape = Escape {
            out: f,
            left: PRINTED_BYTES,
            cut: 0,
        };
        write!(escape, "{}", self.0)?;
        match escape.cut {
            0 => Ok(()),
            cut => write!(f, "… ({cut} bytes more)"),
        }
    }
}

/// The beginning of a text that is to be kept.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > PRINTED_BYTES {
        text.truncate(text.floor_char_boundary(PRINTED_BYTES));
        text.shrink_to_fit();
    }
    text
}

/// Whether a character would end a line, or be obeyed by a terminal: the control characters of Unicode, its separators of
/// lines and paragraphs, and what turns the direction of writing.
pub(crate) fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Write a character so that it can be read on its line.
fn escape(char: char, out: &mut impl Write) -> fmt::Result {
    match char {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        char if is_control(char) => write!(out, "\\u{{{:x}}}", u32::from(char)),
        char => out.write_char(char),
    }
}

struct Escape<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    left: usize,
    cut: usize,
}

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, char) in text.char_indices() {
            let cost = if is_control(char) {
                ESCAPE_BYTES
            } else {
                char.len_utf8()
            };
            if self.cut > 0 || cost > self.left {
                self.cut += text.len() - at;
                return Ok(());
            }
            self.left -= cost;
            escape(char, self.out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_or_commands_a_terminal_is_escaped() {
        for (text, printed) in [
            ("plain ü – 字", "plain ü – 字"),
            ("a\nb\r\nc", "a\\nb\\r\\nc"),
            (
                "a\u{85}b\u{2028}c\u{2029}d",
                "a\\u{85}b\\u{2028}c\\u{2029}d",
            ),
            (
                "\u{1b}[31mred\u{9b}0m\u{7}",
                "\\u{1b}[31mred\\u{9b}0m\\u{7}",
            ),
            ("\0\t\u{7f}\u{b}\u{c}", "\\u{0}\\t\\u{7f}\\u{b}\\u{c}"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(Printable(text).to_string(), printed);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_says_by_how_much() {
        let text = Printable("x".repeat(100_000_000)).to_string();
        assert_eq!(&text[..PRINTED_BYTES], "x".repeat(PRINTED_BYTES));
        assert_eq!(&text[PRINTED_BYTES..], "… (99991808 bytes more)");
        let text = Printable("\n".repeat(1_000_000)).to_string();
        assert!(
            text.len() < PRINTED_BYTES && !text.contains('\n'),
            "{}",
            text.len()
        );
    }
}
