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

/// Bytes as a sequence, which `Vec<u8>` and arrays of bytes ask for.
fn bytes<'de, V: Visitor<'de>>(bytes: &[u8], visitor: V) -> Result<V::Value, Error> {
    whole(SeqDeserializer::new(bytes.iter().copied()), visitor)
}

/// A sequence that must be taken to its end.
fn whole<'de, T, V>(
    mut sequence: SeqDeserializer<impl Iterator<Item = T>, Error>,
    visitor: V,
) -> Result<V::Value, Error>
where
    T: IntoDeserializer<'de, Error>,
    V: Visitor<'de>,
{
    let value = visitor.visit_seq(&mut sequence)?;
    sequence.end()?;
    Ok(value)
}

impl<'de> Deserializer<'de> for Row<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let columns = self.columns.iter().map(String::as_str);
        let values = self.values.iter().map(Value);
        visitor.visit_map(MapDeserializer::new(columns.zip(values)))
    }

    /// There is nothing in a row of which nothing but NULL is known, as an aggregate of no rows gives it.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let is_null = |value: &SqlStorageValue| *value == SqlStorageValue::Null;
        if self.values.iter().all(is_null) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    /// A single BLOB is its bytes.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.values {
            [SqlStorageValue::Blob(blob)] => bytes(blob, visitor),
            values => whole(SeqDeserializer::new(values.iter().map(Value)), visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.values {
            // A tuple of one is the row, whatever its column.
            [SqlStorageValue::Blob(blob)] if length != 1 => bytes(blob, visitor),
            values => whole(SeqDeserializer::new(values.iter().map(Value)), visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(length, visitor)
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
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
    }

    forward_to_deserialize_any! { unit_struct map struct identifier ignored_any }
}

/// In the place of a row that is not there: nothing but an `Option` can be made of it.
pub(super) struct NoRow;

impl<'de> Deserializer<'de> for NoRow {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("expected one row, not 0"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
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

    /// `Vec<u8>` asks for a sequence,
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let SqlStorageValue::Blob(blob) = self.0 {
            bytes(blob, visitor)
        } else {
            self.deserialize_any(visitor)
        }
    }

    /// and `[u8; 16]` for a tuple.
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
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct map struct
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_bytes::ByteBuf;
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
    fn a_blob_is_bytes_wherever_bytes_are_asked_for() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Id([u8; 2]);
        #[derive(Debug, PartialEq, Deserialize)]
        struct Bytes(Vec<u8>);
        #[derive(Debug, PartialEq, Deserialize)]
        struct Fields {
            a: [u8; 2],
            b: Id,
            c: Option<Vec<u8>>,
            d: ByteBuf,
        }
        let blob = || SqlStorageValue::from(vec![0_u8, 255]);
        assert_eq!(read(&[blob()]), Ok(vec![0_u8, 255]));
        assert_eq!(read(&[blob()]), Ok([0_u8, 255]));
        assert_eq!(read(&[blob()]), Ok(Bytes(vec![0, 255])));
        assert_eq!(read(&[blob()]), Ok(Id([0, 255])));
        assert_eq!(read(&[blob()]), Ok(Some(vec![0_u8, 255])));
        assert_eq!(read(&[blob()]), Ok(ByteBuf::from(vec![0, 255])));
        assert_eq!(read(&[blob()]), Ok((vec![0_u8, 255],)));
        assert_eq!(read(&[SqlStorageValue::Blob(vec![])]), Ok(Vec::<u8>::new()));
        assert_eq!(read(&[blob(), blob()]), Ok([[0_u8, 255]; 2]));
        assert_eq!(read(&[blob(), blob()]), Ok(vec![vec![0_u8, 255]; 2]));
        let fields = Fields {
            a: [0, 255],
            b: Id([0, 255]),
            c: Some(vec![0, 255]),
            d: ByteBuf::from(vec![0, 255]),
        };
        assert_eq!(read(&[blob(), blob(), blob(), blob()]), Ok(fields));
        assert!(read::<[u8; 3]>(&[blob()]).is_err());
        assert!(read::<[u8; 0]>(&[blob()]).is_err());
    }

    #[test]
    fn an_option_is_none_where_there_is_nothing_but_null() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Pair {
            a: i64,
            b: Option<f32>,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Count(u64);
        let (one, null) = (|| SqlStorageValue::from(1), || SqlStorageValue::Null);
        assert_eq!(read(&[one(), null()]), Ok(Some(Pair { a: 1, b: None })));
        assert_eq!(read(&[null(), null()]), Ok(None::<Pair>));
        assert!(read::<Option<Pair>>(&[null(), one()]).is_err());
        assert_eq!(read(&[one(), null()]), Ok(Some((true, None::<u8>))));
        assert_eq!(read(&[one()]), Ok(Some(Count(1))));
        assert_eq!(read(&[null()]), Ok(None::<Count>));
        assert_eq!(read(&["red".into()]), Ok(Some(Colour::Red)));
        assert_eq!(read(&[null()]), Ok(()));
        assert_eq!(Option::<Pair>::deserialize(NoRow), Ok(None));
        let why = Pair::deserialize(NoRow).unwrap_err();
        assert_eq!(why.to_string(), "expected one row, not 0");
    }

    #[test]
    fn numbers_are_of_the_type_that_is_asked_for_or_refused() {
        assert_eq!(
            read(&[SqlStorageValue::Integer(i64::MAX)]),
            Ok(i64::MAX as u64)
        );
        assert_eq!(read(&[SqlStorageValue::Integer(-1)]), Ok(-1_i128));
        assert!(read::<u64>(&[SqlStorageValue::Integer(-1)]).is_err());
        assert_eq!(read(&[SqlStorageValue::Float(0.1)]), Ok(0.1_f32));
        assert_eq!(read(&[SqlStorageValue::Float(0.0)]), Ok((0.0_f64,)));
        assert!(read::<bool>(&[SqlStorageValue::Float(1.0)]).is_err());
        assert!(read::<i64>(&[SqlStorageValue::Float(1.5)]).is_err());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert!(read::<(u8, u8)>(&[1.into(), 2.into(), 3.into()]).is_err());
        assert!(read::<(u8, u8)>(&[1.into()]).is_err());
        assert!(read::<u8>(&[300.into()]).is_err());
        assert!(read::<String>(&[SqlStorageValue::Null]).is_err());
        assert!(read::<u8>(&[1.into(), 2.into()]).is_err());
        assert!(read::<Colour>(&["blue".into()]).is_err());
        assert!(read::<Line>(&[1.into()]).is_err());
    }
}
