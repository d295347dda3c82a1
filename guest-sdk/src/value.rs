//! Owns [`SqlStorageValue`]: what SQL takes and gives. Knows no database.

/// One value of SQL. The names are those of workers-rs.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlStorageValue {
    /// NULL.
    Null,
    /// Written as 1 or 0. SQLite has no such type, and gives integers back.
    Boolean(bool),
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Float(f64),
    /// TEXT.
    String(String),
    /// BLOB.
    Blob(Vec<u8>),
}

macro_rules! from {
    ($($type:ty => $value:ident $make:expr;)*) => {$(
        impl From<$type> for SqlStorageValue {
            fn from($value: $type) -> Self {
                $make
            }
        }
    )*};
}

from! {
    bool => value Self::Boolean(value);
    i64 => value Self::Integer(value);
    i32 => value Self::Integer(value.into());
    i16 => value Self::Integer(value.into());
    i8 => value Self::Integer(value.into());
    u32 => value Self::Integer(value.into());
    u16 => value Self::Integer(value.into());
    u8 => value Self::Integer(value.into());
    f64 => value Self::Float(value);
    f32 => value Self::Float(value.into());
    String => text Self::String(text);
    &String => text Self::String(text.clone());
    &str => text Self::String(text.to_owned());
    Vec<u8> => bytes Self::Blob(bytes);
    &[u8] => bytes Self::Blob(bytes.to_vec());
}

impl<T: Into<Self>> From<Option<T>> for SqlStorageValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
