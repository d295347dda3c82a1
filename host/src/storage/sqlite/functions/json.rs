//! Owns `json_group_array`, `json_group_object` and their forms that give JSONB, with a bound on what they keep.

use std::collections::VecDeque;
use std::ffi::c_uint;

use rusqlite::functions::{Aggregate, Context, FunctionFlags, SubType, WindowAggregate};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error};

use super::{ask, flags, too_big};

/// SQLite's mark for a text that is JSON already.
const JSON: c_uint = b'J' as c_uint;

pub(super) fn install(connection: &Connection, most: usize) -> rusqlite::Result<()> {
    let flags = flags() | FunctionFlags::SQLITE_SUBTYPE | FunctionFlags::SQLITE_RESULT_SUBTYPE;
    for (name, is_object, is_blob) in [
        ("json_group_array", false, false),
        ("json_group_object", true, false),
        ("jsonb_group_array", false, true),
        ("jsonb_group_object", true, true),
    ] {
        let group = Group {
            is_object,
            is_blob,
            most,
        };
        connection.create_window_function(name, 1 + i32::from(is_object), flags, group)?;
    }
    Ok(())
}

/// One of the functions.
struct Group {
    is_object: bool,
    is_blob: bool,
    most: usize,
}

/// What has been put together so far.
#[derive(Default)]
struct Elements {
    /// Each followed by a comma.
    text: Vec<u8>,
    /// Bytes at its beginning that have left the window.
    gone: usize,
    /// Bytes of each element, zero for one that is left out.
    lengths: VecDeque<u32>,
}

impl Group {
    fn result(&self, elements: Option<&Elements>) -> rusqlite::Result<(Value, SubType)> {
        let inner = elements.map_or(&[][..], |elements| &elements.text[elements.gone..]);
        let inner = inner.strip_suffix(b",").unwrap_or(inner);
        let (open, close) = if self.is_object {
            (b'{', b'}')
        } else {
            (b'[', b']')
        };
        let mut json = Vec::with_capacity(inner.len() + 2);
        json.push(open);
        json.extend_from_slice(inner);
        json.push(close);
        let json = String::from_utf8_lossy(&json).into_owned();
        if self.is_blob {
            return Ok((ask("SELECT jsonb(?1)", [json])?, None));
        }
        Ok((Value::Text(json), Some(JSON)))
    }
}

impl Aggregate<Elements, (Value, SubType)> for Group {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Elements> {
        Ok(Elements::default())
    }

    fn step(&self, context: &mut Context<'_>, elements: &mut Elements) -> rusqlite::Result<()> {
        let before = elements.text.len();
        if self.is_object {
            let name = match context.get_raw(0) {
                // A name that is NULL has no entry.
                ValueRef::Null => {
                    elements.lengths.push_back(0);
                    return Ok(());
                }
                ValueRef::Text(name) | ValueRef::Blob(name) => name.to_vec(),
                number @ (ValueRef::Integer(_) | ValueRef::Real(_)) => rendered(number)?,
            };
            // SQLite takes a zero byte in a name for its end.
            quote(
                name.split(|byte| *byte == 0).next().unwrap_or_default(),
                &mut elements.text,
            );
            elements.text.push(b':');
        }
        let index = usize::from(self.is_object);
        match context.get_raw(index) {
            ValueRef::Null => elements.text.extend_from_slice(b"null"),
            ValueRef::Text(json) if context.get_subtype(index) == JSON => {
                elements.text.extend_from_slice(json);
            }
            ValueRef::Text(text) => quote(text, &mut elements.text),
            other @ (ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_)) => {
                elements.text.extend(rendered(other)?);
            }
        }
        elements.text.push(b',');
        if elements.text.len() - elements.gone > self.most {
            return Err(too_big());
        }
        let length = elements.text.len() - before;
        elements
            .lengths
            .push_back(u32::try_from(length).map_err(|_| too_big())?);
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        elements: Option<Elements>,
    ) -> rusqlite::Result<(Value, SubType)> {
        self.result(elements.as_ref())
    }
}

impl WindowAggregate<Elements, (Value, SubType)> for Group {
    fn value(&self, elements: Option<&mut Elements>) -> rusqlite::Result<(Value, SubType)> {
        self.result(elements.as_deref())
    }

    fn inverse(&self, _: &mut Context<'_>, elements: &mut Elements) -> rusqlite::Result<()> {
        elements.gone += elements.lengths.pop_front().unwrap_or(0) as usize;
        // Moved up now and then, so that each byte is moved once.
        if elements.gone > elements.text.len() / 2 {
            elements.text.drain(..elements.gone);
            elements.gone = 0;
        }
        Ok(())
    }
}

/// A number, or a blob that is JSONB, as JSON.
fn rendered(value: ValueRef<'_>) -> rusqlite::Result<Vec<u8>> {
    if let ValueRef::Integer(integer) = value {
        return Ok(integer.to_string().into_bytes());
    }
    let json = ask("SELECT json_array(?1)", [Value::try_from(value)?])?;
    match json {
        Value::Text(json) => Ok(json.as_bytes()[1..json.len() - 1].to_vec()),
        Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => Err(
            Error::UserFunctionError("JSON cannot hold this value".into()),
        ),
    }
}

/// Put a text behind others as a string of JSON.
fn quote(text: &[u8], json: &mut Vec<u8>) {
    json.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => json.extend([b'\\', *byte]),
            0x08 => json.extend(b"\\b"),
            0x09 => json.extend(b"\\t"),
            0x0a => json.extend(b"\\n"),
            0x0c => json.extend(b"\\f"),
            0x0d => json.extend(b"\\r"),
            0..=0x1f => json.extend(format!("\\u{byte:04x}").bytes()),
            _ => json.push(*byte),
        }
    }
    json.push(b'"');
}
