//! Owns `instr`, `replace`, `trim`, `ltrim` and `rtrim` in linear time.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memmem;
use rusqlite::functions::Context;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error};

use super::{Bytes, ask, flags, too_big};

/// Bytes of the longest character in UTF-8.
const CHAR_BYTES: usize = 4;

pub(super) fn install(connection: &Connection, most: usize) -> rusqlite::Result<()> {
    connection.create_scalar_function("instr", 2, flags(), instr)?;
    connection
        .create_scalar_function("replace", 3, flags(), move |context| replace(context, most))?;
    for (name, ends) in [
        (
            "trim",
            Ends {
                left: true,
                right: true,
            },
        ),
        (
            "ltrim",
            Ends {
                left: true,
                right: false,
            },
        ),
        (
            "rtrim",
            Ends {
                left: false,
                right: true,
            },
        ),
    ] {
        for arguments in [1, 2] {
            connection.create_scalar_function(name, arguments, flags(), move |context| {
                trim(context, ends)
            })?;
        }
    }
    Ok(())
}

/// An argument as SQLite reads it where it wants a text; `None` for NULL.
fn text<'c>(context: &'c Context<'_>, index: usize) -> rusqlite::Result<Option<Cow<'c, [u8]>>> {
    Ok(match context.get_raw(index) {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
        ValueRef::Integer(integer) => Some(Cow::Owned(integer.to_string().into_bytes())),
        ValueRef::Real(real) => match ask("SELECT CAST(?1 AS TEXT)", [real])? {
            Value::Text(text) => Some(Cow::Owned(text.into_bytes())),
            // A number that is none.
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => None,
        },
    })
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The place of the first occurrence, from one on: in bytes for two blobs, else in characters. Zero if there is none.
fn instr(context: &mut Context<'_>) -> rusqlite::Result<Option<i64>> {
    let is_blob = |index| matches!(context.get_raw(index), ValueRef::Blob(_));
    let counts_bytes = is_blob(0) && is_blob(1);
    let (Some(hay), Some(needle)) = (text(context, 0)?, text(context, 1)?) else {
        return Ok(None);
    };
    let Some(first) = needle.first() else {
        return Ok(Some(1));
    };
    let found = if counts_bytes || !is_continuation(*first) {
        memmem::find(&hay, &needle)
    } else {
        // It begins within a character, where SQLite does not look, but for the very beginning.
        hay.starts_with(&needle).then_some(0)
    };
    Ok(Some(match found {
        None => 0,
        Some(at) if counts_bytes => count(at) + 1,
        Some(at) => {
            let between = hay[..=at].iter().skip(1);
            count(between.filter(|byte| !is_continuation(**byte)).count()) + 1
        }
    }))
}

fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn replace(context: &mut Context<'_>, most: usize) -> rusqlite::Result<Bytes> {
    let (Some(hay), Some(needle)) = (text(context, 0)?, text(context, 1)?) else {
        return Ok(Bytes::Null);
    };
    if matches!(needle.first(), None | Some(0)) {
        return Ok(Bytes::Text(hay.into_owned()));
    }
    let Some(with) = text(context, 2)? else {
        return Ok(Bytes::Null);
    };
    let finder = memmem::Finder::new(&*needle);
    let mut result = Vec::with_capacity(hay.len());
    let mut from = 0;
    for at in finder.find_iter(&hay) {
        result.extend_from_slice(&hay[from..at]);
        result.extend_from_slice(&with);
        from = at + needle.len();
        if result.len() > most {
            return Err(too_big());
        }
    }
    result.extend_from_slice(&hay[from..]);
    Ok(Bytes::Text(result))
}

#[derive(Clone, Copy)]
struct Ends {
    left: bool,
    right: bool,
}

fn trim(context: &mut Context<'_>, ends: Ends) -> rusqlite::Result<Bytes> {
    let Some(bytes) = text(context, 0)? else {
        return Ok(Bytes::Null);
    };
    let set = match context.len() {
        1 => Set::of(b" ")?,
        _ => match text(context, 1)? {
            Some(characters) => Set::of(&characters)?,
            None => return Ok(Bytes::Null),
        },
    };
    let mut rest = &bytes[..];
    while ends.left
        && let Some(len) = set.matching(|len| rest.get(..len))
    {
        rest = &rest[len..];
    }
    while ends.right
        && let Some(len) = set.matching(|len| rest.get(rest.len().checked_sub(len)?..))
    {
        rest = &rest[..rest.len() - len];
    }
    Ok(Bytes::Text(rest.to_vec()))
}

/// Characters, each with its place among them.
struct Set(HashMap<Character, usize>);

/// The bytes of a character, filled up with zeros, and how many they are.
type Character = ([u8; CHAR_BYTES], usize);

impl Set {
    /// The characters up to the first zero byte, divided as SQLite divides them: a byte that begins a character of several
    /// takes with it all that go on with it.
    fn of(mut bytes: &[u8]) -> rusqlite::Result<Self> {
        let mut set = HashMap::new();
        while let Some(first) = bytes.first().filter(|byte| **byte != 0) {
            let more = match first {
                0xc0.. => bytes[1..]
                    .iter()
                    .take_while(|byte| is_continuation(**byte))
                    .count(),
                _ => 0,
            };
            let (character, rest) = bytes.split_at(1 + more);
            let key = key(character).ok_or_else(|| {
                let text = "trim: the characters to be removed are not UTF-8".to_owned();
                Error::UserFunctionError(text.into())
            })?;
            let place = set.len();
            set.entry(key).or_insert(place);
            bytes = rest;
        }
        Ok(Self(set))
    }

    /// Bytes of the character that stands at an end, the first in the set if there are several.
    fn matching<'b>(&self, end: impl Fn(usize) -> Option<&'b [u8]>) -> Option<usize> {
        (1..=CHAR_BYTES)
            .filter_map(|len| Some((self.0.get(&key(end(len)?)?)?, len)))
            .min()
            .map(|(_, len)| len)
    }
}

/// None is longer than one of UTF-8.
fn key(character: &[u8]) -> Option<Character> {
    let mut bytes = [0; CHAR_BYTES];
    bytes.get_mut(..character.len())?.copy_from_slice(character);
    Some((bytes, character.len()))
}
