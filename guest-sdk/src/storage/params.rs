//! Owns what may be the parameters of an SQL statement.

use crate::value::SqlStorageValue;

/// The parameters of a statement: `None`, a tuple, an array, a vector, or [`params!`](crate::params).
#[diagnostic::on_unimplemented(
    message = "the parameters of a statement are `None`, a tuple, an array, a `Vec` or `params![..]`",
    label = "of values that SQL has"
)]
pub trait SqlParams {
    /// The values, in order.
    fn into_values(self) -> Vec<SqlStorageValue>;
}

impl SqlParams for Option<Vec<SqlStorageValue>> {
    fn into_values(self) -> Vec<SqlStorageValue> {
        self.unwrap_or_default()
    }
}

impl<T: Into<SqlStorageValue>> SqlParams for Vec<T> {
    fn into_values(self) -> Vec<SqlStorageValue> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<SqlStorageValue>, const N: usize> SqlParams for [T; N] {
    fn into_values(self) -> Vec<SqlStorageValue> {
        self.into_iter().map(Into::into).collect()
    }
}

impl SqlParams for &[SqlStorageValue] {
    fn into_values(self) -> Vec<SqlStorageValue> {
        self.to_vec()
    }
}

impl SqlParams for () {
    fn into_values(self) -> Vec<SqlStorageValue> {
        Vec::new()
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: Into<SqlStorageValue>),+> SqlParams for ($($name,)+) {
            fn into_values(self) -> Vec<SqlStorageValue> {
                #[expect(non_snake_case, reason = "named as their types")]
                let ($($name,)+) = self;
                vec![$($name.into()),+]
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

/// The parameters of an SQL statement, of whatever types: `params![1, "two", None::<i64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        ::std::vec::Vec::<$crate::SqlStorageValue>::from([$($crate::SqlStorageValue::from($value)),*])
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_in_every_shape() {
        let expected = [
            SqlStorageValue::Integer(1),
            SqlStorageValue::Null,
            "x".into(),
        ];
        assert_eq!((1, None::<bool>, "x").into_values(), expected);
        assert_eq!(
            params![1, None::<i64>, "x".to_owned()].into_values(),
            expected
        );
        assert_eq!(Some(expected.to_vec()).into_values(), expected);
        assert_eq!(expected.as_slice().into_values(), expected);
        assert_eq!(["x"].into_values(), expected[2..]);
        assert_eq!(
            (None.into_values(), ().into_values(), params![]),
            (vec![], vec![], vec![])
        );
    }
}
