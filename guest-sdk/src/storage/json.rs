//! Owns the form in which values are kept, in the storage and in attachments: JSON, but for bytes, which stand in it as
//! they are. What could not be read back is refused before it is written.

use crate::error::Error;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::ser::Formatter;
use std::io::{Result as IoResult, Write};

type Result<T> = std::result::Result<T, serde_json::Error>;

/// The form of a value.
///
/// # Errors
///
/// [`Error::Json`] if it has none.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    value.serialize(Finite)?;
    let mut out = Vec::with_capacity(64);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, BytesAsTheyAre);
    value.serialize(&mut serializer)?;
    Ok(out)
}

/// The value of a form.
///
/// # Errors
///
/// [`Error::Json`] if it is not of this type.
pub(crate) fn read<T: DeserializeOwned>(form: &[u8]) -> std::result::Result<T, Error> {
    // `serde_json` gives to whoever asks for bytes what stands between the quotes, be it UTF-8 or not; and to whoever asks for
    // bytes and finds an array, the array: so values were kept once.
    Ok(serde_json::from_slice(form)?)
}

/// Bytes are a string that need not be UTF-8: an array of numbers would take four times as much.
struct BytesAsTheyAre;

impl Formatter for BytesAsTheyAre {
    fn write_byte_array<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        bytes: &[u8],
    ) -> IoResult<()> {
        writer.write_all(b"\"")?;
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            writer.write_all(&rest[..at])?;
            writer.write_all(&[b'\\', rest[at]])?;
            rest = &rest[at + 1..];
        }
        writer.write_all(rest)?;
        writer.write_all(b"\"")
    }
}

/// Goes through a value and writes nothing: JSON would have `null` for a number that is none, which cannot be read back.
struct Finite;

impl Finite {
    fn check(is_finite: bool) -> Result<()> {
        if is_finite {
            Ok(())
        } else {
            Err(serde_json::Error::custom(
                "NaN and infinite numbers have no form in JSON; an `Option` may stand for them",
            ))
        }
    }
}

macro_rules! nothing_to_check {
    ($($function:ident($($type:ty),*);)*) => {$(
        fn $function(self, $(_: $type),*) -> Result<()> {
            Ok(())
        }
    )*};
}

macro_rules! goes_on {
    ($($function:ident($($type:ty),*) -> $going:ident;)*) => {$(
        fn $function(self, $(_: $type),*) -> Result<Self::$going> {
            Ok(self)
        }
    )*};
}

impl Serializer for Finite {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn serialize_f32(self, value: f32) -> Result<()> {
        Self::check(value.is_finite())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        Self::check(value.is_finite())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    nothing_to_check! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    goes_on! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }
}

/// Each part is looked at by itself.
macro_rules! each_part {
    ($($trait:ident { $($function:ident($($name:ty)?);)* })*) => {$(
        impl $trait for Finite {
            type Ok = ();
            type Error = serde_json::Error;

            $(fn $function<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Result<()> {
                value.serialize(Self)
            })*

            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

each_part! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(&'static str); }
    SerializeStructVariant { serialize_field(&'static str); }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_bytes::ByteBuf;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Picture {
        name: String,
        #[serde(with = "serde_bytes")]
        pixels: Vec<u8>,
        parts: Vec<ByteBuf>,
    }

    #[test]
    fn bytes_take_their_own_room_and_come_back_as_they_were() {
        let all: Vec<u8> = (0..=255).cycle().take(65_536).collect();
        let picture = Picture {
            name: "\"é\\\n".to_owned(),
            pixels: all.clone(),
            parts: vec![ByteBuf::new(), ByteBuf::from(b"\"\\\"".to_vec())],
        };
        let form = write(&picture).unwrap();
        assert!(form.len() < all.len() * 101 / 100 + 100, "{}", form.len());
        assert_eq!(read::<Picture>(&form), Ok(picture));
        let form = write(&ByteBuf::from(all.clone())).unwrap();
        assert_eq!(read::<ByteBuf>(&form), Ok(ByteBuf::from(all)));
    }

    #[test]
    fn bytes_that_were_kept_as_numbers_can_be_read() {
        assert_eq!(read(b"[0,255]"), Ok(ByteBuf::from(vec![0, 255])));
        assert_eq!(read(b"[0,255]"), Ok(vec![0_u8, 255]));
        let old = br#"{"name":"a","pixels":[1,2],"parts":[[3]]}"#;
        let picture: Picture = read(old).unwrap();
        assert_eq!(
            (picture.pixels, picture.parts),
            (vec![1, 2], vec![ByteBuf::from([3])])
        );
    }

    #[test]
    fn what_cannot_be_read_back_is_not_written() {
        #[derive(Serialize)]
        enum Deep {
            Struct { at: Option<(u8, f32)> },
            Map(BTreeMap<u8, Vec<f64>>),
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let why = write(&value).unwrap_err().to_string();
            assert!(why.contains("NaN and infinite numbers"), "{why}");
            assert!(write(&Deep::Map([(1, vec![0.0, value])].into())).is_err());
        }
        assert!(
            write(&Deep::Struct {
                at: Some((1, f32::NAN))
            })
            .is_err()
        );
        assert_eq!(
            write(&Deep::Struct { at: Some((1, 0.5)) }).unwrap(),
            br#"{"Struct":{"at":[1,0.5]}}"#
        );
        assert_eq!(write(&None::<f64>).unwrap(), b"null");
        assert!(write(&BTreeMap::from([((1, 2), 3)])).is_err());
    }
}
