//! Owns how a struct or a map becomes several values, each with its key.

use super::json::write;
use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeMap, SerializeStruct, Serializer};

type Result<T> = std::result::Result<T, serde_json::Error>;

/// Each field of a struct, or entry of a map, in its form.
pub(super) fn entries<T: Serialize + ?Sized>(values: &T) -> Result<Vec<(String, Vec<u8>)>> {
    values.serialize(Entries)
}

/// Takes a struct or a map apart.
struct Entries;

/// What has been taken out so far, and the key of the next.
struct Taken {
    entries: Vec<(String, Vec<u8>)>,
    key: String,
}

impl Taken {
    fn with_room(length: usize) -> Self {
        Self {
            entries: Vec::with_capacity(length),
            key: String::new(),
        }
    }
}

macro_rules! neither {
    ($($function:ident($($type:ty),*) -> $ok:ty;)*) => {$(
        fn $function(self, $(_: $type),*) -> Result<$ok> {
            Err(serde_json::Error::custom("expected a struct or a map"))
        }
    )*};
}

impl Serializer for Entries {
    type Ok = Vec<(String, Vec<u8>)>;
    type Error = serde_json::Error;
    type SerializeSeq = Impossible<Self::Ok, Self::Error>;
    type SerializeTuple = Impossible<Self::Ok, Self::Error>;
    type SerializeTupleStruct = Impossible<Self::Ok, Self::Error>;
    type SerializeTupleVariant = Impossible<Self::Ok, Self::Error>;
    type SerializeMap = Taken;
    type SerializeStruct = Taken;
    type SerializeStructVariant = Impossible<Self::Ok, Self::Error>;

    fn serialize_map(self, length: Option<usize>) -> Result<Taken> {
        Ok(Taken::with_room(length.unwrap_or_default()))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Taken> {
        Ok(Taken::with_room(length))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Self::Ok> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<Self::Ok> {
        self.serialize_unit_variant(name, index, variant)
    }

    neither! {
        serialize_bool(bool) -> Self::Ok;
        serialize_i8(i8) -> Self::Ok;
        serialize_i16(i16) -> Self::Ok;
        serialize_i32(i32) -> Self::Ok;
        serialize_i64(i64) -> Self::Ok;
        serialize_u8(u8) -> Self::Ok;
        serialize_u16(u16) -> Self::Ok;
        serialize_u32(u32) -> Self::Ok;
        serialize_u64(u64) -> Self::Ok;
        serialize_f32(f32) -> Self::Ok;
        serialize_f64(f64) -> Self::Ok;
        serialize_char(char) -> Self::Ok;
        serialize_str(&str) -> Self::Ok;
        serialize_bytes(&[u8]) -> Self::Ok;
        serialize_none() -> Self::Ok;
        serialize_unit() -> Self::Ok;
        serialize_unit_struct(&'static str) -> Self::Ok;
        serialize_unit_variant(&'static str, u32, &'static str) -> Self::Ok;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

impl SerializeMap for Taken {
    type Ok = Vec<(String, Vec<u8>)>;
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        use serde_json::Value;
        self.key = match serde_json::to_value(key)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(serde_json::Error::custom("a key is a text or a number"));
            }
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = std::mem::take(&mut self.key);
        self.entries.push((key, write(value)?));
        Ok(())
    }

    fn end(self) -> Result<Self::Ok> {
        Ok(self.entries)
    }
}

impl SerializeStruct for Taken {
    type Ok = Vec<(String, Vec<u8>)>;
    type Error = serde_json::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<()> {
        self.entries.push((key.to_owned(), write(value)?));
        Ok(())
    }

    fn end(self) -> Result<Self::Ok> {
        Ok(self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::read;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn entries_have_the_form_of_their_values() {
        #[derive(Serialize)]
        struct Several {
            f32: f32,
            big: i128,
            #[serde(with = "serde_bytes")]
            bytes: Vec<u8>,
        }
        let several = Several {
            f32: 0.1,
            big: i128::MIN,
            bytes: vec![0xff],
        };
        let found = entries(&Some(&several)).unwrap();
        for ((key, form), (own, same)) in found.iter().zip([
            ("f32", write(&0.1_f32).unwrap()),
            ("big", write(&i128::MIN).unwrap()),
            ("bytes", b"\"\xff\"".to_vec()),
        ]) {
            assert_eq!((key.as_str(), form), (own, &same));
        }
        assert_eq!(found[0].1, b"0.1");
        assert_eq!(read(&found[1].1), Ok(i128::MIN));
        let keys = |found: Vec<(String, Vec<u8>)>| -> Vec<_> {
            found.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(
            keys(entries(&BTreeMap::from([(7, ()), (8, ())])).unwrap()),
            ["7", "8"]
        );
        for wrong in [
            entries(&1),
            entries(&"a"),
            entries(&[("a", 1)]),
            entries(&None::<u8>),
        ] {
            assert_eq!(wrong.unwrap_err().to_string(), "expected a struct or a map");
        }
    }
}
