//! Owns how a row of SQL becomes a value of the worker's: a struct or a map by the names of its columns, a tuple by
//! their order, anything else from its one column.

use crate::value::SqlStorageValue;
use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) columns: &'a [String],
    pub(super) values: &'a [SqlStorageValue],
}

/// What is neither a struct nor a map nor a tuple is the value of the one column.
macro_rules! from_one_column {
    ($($function:ident)*) => {$(
        fn $function<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.values {
                [value] => Value(value).$function(visitor),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Row<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let columns = self.columns.iter().map(String::as_str);
        let values = self.values.iter().map(Value);
        visitor.visit_map(MapDeserializer::new(columns.zip(values)))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.values.iter().map(Value)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.values {
            [value] => Value(value).deserialize_enum(name, variants, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    from_one_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
    }

    forward_to_deserialize_any! { unit unit_struct map struct identifier ignored_any }
}

struct Value<'a>(&'a SqlStorageValue);

impl<'de> IntoDeserializer<'de, Error> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            SqlStorageValue::Null => visitor.visit_unit(),
            SqlStorageValue::Boolean(value) => visitor.visit_bool(*value),
            SqlStorageValue::Integer(value) => visitor.visit_i64(*value),
            SqlStorageValue::Float(value) => visitor.visit_f64(*value),
            SqlStorageValue::String(text) => visitor.visit_borrowed_str(text),
            SqlStorageValue::Blob(bytes) => visitor.visit_borrowed_bytes(bytes),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if *self.0 == SqlStorageValue::Null {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    /// SQLite has no booleans: 0 is false, and every other number true.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let SqlStorageValue::Integer(value) = self.0 {
            visitor.visit_bool(*value != 0)
        } else {
            self.deserialize_any(visitor)
        }
    }

    /// `Vec<u8>` asks for a sequence.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let SqlStorageValue::Blob(bytes) = self.0 {
            visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()))
        } else {
            self.deserialize_any(visitor)
        }
    }

    /// A variant by its name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let SqlStorageValue::String(text) = self.0 {
            visitor.visit_enum(text.as_str().into_deserializer())
        } else {
            let unexpected = Unexpected::Other("a value that is no text");
            Err(serde::de::Error::invalid_type(unexpected, &visitor))
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use std::collections::BTreeMap;

    /// A row with these columns, named `a`, `b` and so on.
    fn read<T: DeserializeOwned>(values: &[SqlStorageValue]) -> Result<T, Error> {
        let columns: Vec<_> = ('a'..='z').map(String::from).take(values.len()).collect();
        T::deserialize(Row {
            columns: &columns,
            values,
        })
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Line {
        a: u8,
        b: Option<String>,
        c: Vec<u8>,
        d: bool,
        e: Colour,
        #[serde(default)]
        z: f64,
    }

    #[test]
    fn a_row_is_a_struct_by_its_columns() {
        let values = |text: Option<&str>| {
            [
                7.into(),
                text.into(),
                vec![1_u8, 2].into(),
                true.into(),
                "red".into(),
                SqlStorageValue::Null,
            ]
        };
        let line = |b: Option<&str>| Line {
            a: 7,
            b: b.map(str::to_owned),
            c: vec![1, 2],
            d: true,
            e: Colour::Red,
            z: 0.0,
        };
        assert_eq!(read(&values(Some("x"))), Ok(line(Some("x"))));
        assert_eq!(read(&values(None)), Ok(line(None)));
        let map: BTreeMap<String, i64> = read(&[1.into(), 2.into()]).unwrap();
        assert_eq!(
            map.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), 1), ("b".to_owned(), 2)]
        );
    }

    #[test]
    fn a_row_is_a_tuple_by_their_order_and_one_column_is_its_value() {
        let both = [1.into(), "two".into()];
        assert_eq!(read(&both), Ok((1, "two".to_owned())));
        assert_eq!(read(&[1.into()]), Ok(true), "SQLite has no booleans");
        assert_eq!(read(&[1.into()]), Ok(1.0));
        assert_eq!(read(&["two".into()]), Ok("two".to_owned()));
        assert_eq!(read(&[SqlStorageValue::Null]), Ok(None::<u8>));
        assert_eq!(read(&["red".into()]), Ok(Colour::Red));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert!(read::<u8>(&[300.into()]).is_err());
        assert!(read::<String>(&[SqlStorageValue::Null]).is_err());
        assert!(read::<u8>(&[1.into(), 2.into()]).is_err());
        assert!(read::<Colour>(&["blue".into()]).is_err());
        assert!(read::<Line>(&[1.into()]).is_err());
    }
}
