//! Owns object ids: 64 hexadecimal digits, made from a name or at random. The last 16 of them are a check that ties
//! an id to its class, so that one of another class is refused.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Bytes that name the object, before the check.
const NAME_BYTES: usize = 24;
const ID_BYTES: usize = 32;

/// Not an id of this class. The string says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdError(pub(crate) String);

/// The id of the object of that name: the same wherever and whenever it is asked for.
pub(crate) fn id_from_name(class: &str, name: &str) -> String {
    // Length before text, so that no two pairs run together.
    let digest = Sha256::new()
        .chain_update(b"pairway object name")
        .chain_update((class.len() as u64).to_le_bytes())
        .chain_update(class)
        .chain_update(name)
        .finalize();
    let mut bytes = [0; NAME_BYTES];
    bytes.copy_from_slice(&digest[..NAME_BYTES]);
    finish(class, bytes)
}

/// An id that no object has had.
pub(crate) fn unique_id(class: &str) -> Result<String, IdError> {
    let mut bytes = [0; NAME_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| IdError(format!("the system gives no random bytes: {error}")))?;
    Ok(finish(class, bytes))
}

/// Check a text that should be an id of this class.
pub(crate) fn id_from_string(class: &str, text: &str) -> Result<String, IdError> {
    let refuse = |why: &str| Err(IdError(why.to_owned()));
    if text.len() != 2 * ID_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return refuse("an id has 64 hexadecimal digits");
    }
    let mut bytes = [0; NAME_BYTES];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).expect("hexadecimal digits are ASCII");
        *byte = u8::from_str_radix(digits, 16).expect("these were checked to be digits");
    }
    let id = finish(class, bytes);
    if id == text.to_ascii_lowercase() {
        Ok(id)
    } else {
        refuse("it is the id of an object of another class, or of none")
    }
}

fn finish(class: &str, bytes: [u8; NAME_BYTES]) -> String {
    let check = Sha256::new()
        .chain_update(b"pairway object check")
        .chain_update(bytes)
        .chain_update(class)
        .finalize();
    let mut text = String::with_capacity(2 * ID_BYTES);
    for byte in bytes.iter().chain(&check[..ID_BYTES - NAME_BYTES]) {
        write!(text, "{byte:02x}").expect("writing into a String does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_id_in_each_class_for_ever() {
        let id = id_from_name("Room", "lobby");
        assert_eq!(id, id_from_name("Room", "lobby"));
        assert_ne!(id, id_from_name("Room", "lobbz"));
        assert_ne!(id, id_from_name("Hall", "lobby"));
        assert_ne!(id_from_name("ab", "c"), id_from_name("a", "bc"));
        // Ids are on disk: a version that makes others would lose every object.
        assert_eq!(
            id,
            "2f86386a5f37f1482758a5d20fc64454bcffbfbadb991814e3866e716ad75cca"
        );
    }

    #[test]
    fn ids_are_texts_of_their_class_and_of_no_other() {
        let unique = unique_id("Room").unwrap();
        assert_ne!(unique, unique_id("Room").unwrap());
        for id in [unique, id_from_name("Room", "")] {
            assert_eq!(id.len(), 64);
            assert_eq!(id_from_string("Room", &id), Ok(id.clone()));
            assert_eq!(id_from_string("Room", &id.to_uppercase()), Ok(id.clone()));
            assert!(id_from_string("Hall", &id).is_err());
            assert!(id_from_string("Room", &id[1..]).is_err());
            assert!(id_from_string("Room", &format!("{}g", &id[1..])).is_err());
        }
    }
}
