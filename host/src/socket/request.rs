//! Owns the request that a socket was upgraded from, as it is kept for as long as the socket: in one piece, since thousands
//! of sockets keep theirs and most are never asked for it.

/// Headers in order, names in lower case.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// The request that a socket was upgraded from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UpgradeRequest {
    /// The URI, then each name and value; each behind its length in four bytes.
    packed: Box<[u8]>,
}

impl UpgradeRequest {
    pub(crate) fn new<'a>(uri: &str, headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut packed = Vec::with_capacity(1024);
        let mut put = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).expect("a request's head is smaller");
            packed.extend_from_slice(&length.to_le_bytes());
            packed.extend_from_slice(bytes);
        };
        put(uri.as_bytes());
        for (name, value) in headers {
            put(name.as_bytes());
            put(value);
        }
        Self {
            packed: packed.into_boxed_slice(),
        }
    }

    /// The absolute URI, and the headers.
    pub(crate) fn unpack(&self) -> (String, Headers) {
        let mut rest = &self.packed[..];
        let uri = take(&mut rest).map(text).unwrap_or_default();
        let mut headers = Vec::new();
        while let (Some(name), Some(value)) = (take(&mut rest), take(&mut rest)) {
            headers.push((text(name), value.to_vec()));
        }
        (uri, headers)
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (own, others) = behind.split_at_checked(length)?;
    *rest = others;
    Some(own)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        let headers: Headers = vec![
            ("host".to_owned(), b"a.example".to_vec()),
            ("x-empty".to_owned(), vec![]),
            ("x-bytes".to_owned(), vec![0xff, 0x80]),
            ("host".to_owned(), b"again".to_vec()),
        ];
        let lent = headers
            .iter()
            .map(|(name, value)| (name.as_str(), &value[..]));
        let request = UpgradeRequest::new("http://a.example/x?y", lent);
        let uri = "http://a.example/x?y".to_owned();
        assert_eq!(request.unpack(), (uri, headers));
        let bare = UpgradeRequest::new("", std::iter::empty());
        assert_eq!(bare.unpack(), (String::new(), vec![]));
    }
}
