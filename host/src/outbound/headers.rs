//! Owns which headers go out and come in: those of the handshake and of the message's framing are the host's. Also
//! what counts as a subprotocol. Pure.

use std::collections::HashSet;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::bounds::Bounds;
use super::error::Refusal;
use crate::upgrade::words;

/// Headers as the WIT has them: in order, names may repeat.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// The headers that `connect` adds to its handshake. One that belongs to the handshake is a mistake of the worker's.
pub(super) fn of_connect(headers: &[(String, Vec<u8>)]) -> Result<HeaderMap, Refusal> {
    let headers = read(headers)?;
    let taken = |name: &&HeaderName| is_the_hosts(name) || is_of_handshake(name);
    match headers.keys().find(taken) {
        Some(name) => Err(Refusal::Other(format!(
            "header {name} belongs to the handshake, which is the host's"
        ))),
        None => Ok(headers),
    }
}

/// The headers of a `fetch`. Those of the host are dropped, so that a worker can pass on a request it got.
pub(super) fn of_fetch(headers: &[(String, Vec<u8>)]) -> Result<HeaderMap, Refusal> {
    let mut headers = read(headers)?;
    drop_if(&mut headers, is_the_hosts);
    Ok(headers)
}

/// The headers of a response, without those that are about the connection it came on.
pub(super) fn of_response(mut headers: HeaderMap) -> Headers {
    drop_if(&mut headers, is_of_hop);
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// Check the subprotocols of `connect`: tokens, each once (RFC 6455, 4.1, item 10), told apart by case as in
/// Cloudflare's system.
pub(super) fn check_protocols(protocols: &[String], bounds: &Bounds) -> Result<(), Refusal> {
    if protocols.len() as u64 > bounds.protocols {
        let text = format!(
            "{} subprotocols, at most {} (limit protocols)",
            protocols.len(),
            bounds.protocols
        );
        return Err(Refusal::InvalidProtocol(text));
    }
    let mut seen = HashSet::with_capacity(protocols.len());
    for protocol in protocols {
        if protocol.len() as u64 > bounds.protocol_bytes {
            let text = format!(
                "one has {} bytes, at most {} (limit protocol_bytes)",
                protocol.len(),
                bounds.protocol_bytes
            );
            return Err(Refusal::InvalidProtocol(text));
        }
        let is_token = !protocol.is_empty() && protocol.bytes().all(is_token_byte);
        if !is_token {
            let text = format!("{protocol:?} is no token");
            return Err(Refusal::InvalidProtocol(text));
        }
        if !seen.insert(protocol) {
            let text = format!("{protocol} stands in the list twice");
            return Err(Refusal::InvalidProtocol(text));
        }
    }
    Ok(())
}

/// RFC 9110, 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn read(headers: &[(String, Vec<u8>)]) -> Result<HeaderMap, Refusal> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let Ok(key) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(Refusal::Other(format!("{name:?} is no header name")));
        };
        let Ok(value) = HeaderValue::from_bytes(value) else {
            let text = format!("the value of header {key} has bytes that a header cannot hold");
            return Err(Refusal::Other(text));
        };
        if map.try_append(key, value).is_err() {
            return Err(Refusal::Other("there are too many headers".to_owned()));
        }
    }
    Ok(map)
}

/// Drop headers, and with those of the connection the ones that `Connection` names (RFC 9110, 7.6.1).
fn drop_if(headers: &mut HeaderMap, is_dropped: fn(&HeaderName) -> bool) {
    let named: Vec<HeaderName> = words(headers, &header::CONNECTION)
        .filter_map(|word| word.parse().ok())
        .collect();
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_dropped(name))
        .cloned()
        .collect();
    for name in named.iter().chain(&own) {
        headers.remove(name);
    }
}

/// Headers that are about one connection, or about how the message is framed on it.
fn is_of_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Headers of a request that the host sets itself, or whose promises it could not keep.
fn is_the_hosts(name: &HeaderName) -> bool {
    is_of_hop(name)
        || matches!(
            name.as_str(),
            "content-length"
                | "expect"
                | "host"
                | "proxy-authorization"
                | "sec-websocket-accept"
                | "sec-websocket-extensions"
                | "sec-websocket-key"
                | "sec-websocket-version"
        )
}

/// What `connect` sets from its other arguments. A `fetch` has only this header to offer subprotocols with.
fn is_of_handshake(name: &HeaderName) -> bool {
    name.as_str().starts_with("sec-websocket-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Headers {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn connect_refuses_the_headers_of_the_handshake() {
        for name in [
            "Host",
            "connection",
            "Upgrade",
            "Sec-WebSocket-Key",
            "sec-websocket-protocol",
            "sec-websocket-anything",
            "content-length",
            "transfer-encoding",
            "expect",
        ] {
            let refusal = of_connect(&headers(&[("x-a", "1"), (name, "x")])).unwrap_err();
            let expected = name.to_ascii_lowercase();
            assert!(refusal.to_string().contains(&expected), "{refusal}");
        }
        let own = of_connect(&headers(&[
            ("Authorization", "x"),
            ("cookie", "a"),
            ("cookie", "b"),
        ]));
        assert_eq!(own.unwrap().len(), 3);
    }

    #[test]
    fn fetch_drops_what_belongs_to_the_request_that_is_passed_on() {
        let own = of_fetch(&headers(&[
            ("host", "here.example"),
            ("connection", "Upgrade, X-Hop"),
            ("upgrade", "websocket"),
            ("x-hop", "1"),
            ("sec-websocket-key", "x"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "chat"),
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]))
        .unwrap();
        let mut left: Vec<_> = own.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "sec-websocket-protocol"]);
    }

    #[test]
    fn a_response_loses_what_was_about_its_connection() {
        let mut map = read(&headers(&[
            ("Connection", "close, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
        ]))
        .unwrap();
        map.append("set-cookie", HeaderValue::from_static("a=1"));
        map.append("set-cookie", HeaderValue::from_static("b=2"));
        assert_eq!(
            of_response(map),
            headers(&[
                ("content-length", "3"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2")
            ])
        );
    }

    #[test]
    fn bytes_that_would_split_the_message_are_refused() {
        assert!(of_fetch(&headers(&[("x", "a\r\nhost: b")])).is_err());
        assert!(of_fetch(&headers(&[("x y", "a")])).is_err());
        assert!(of_fetch(&headers(&[("", "a")])).is_err());
    }

    #[test]
    fn more_headers_than_a_map_holds_are_refused() {
        let many: Headers = (0..40_000).map(|n| (format!("x-{n}"), vec![])).collect();
        assert!(of_fetch(&many).is_err());
    }

    #[test]
    fn subprotocols_are_tokens_and_each_stands_once() {
        let check = |list: &[&str]| {
            let list: Vec<_> = list.iter().map(|text| (*text).to_owned()).collect();
            check_protocols(&list, &Bounds::default())
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&["chat", "Chat", "v2.chat+json"]), Ok(()));
        for wrong in ["", "a b", "a,b", "a\"b", "a/b", "a\0b", "ü", "a@b", "a{b"] {
            assert!(check(&["chat", wrong]).is_err(), "{wrong:?}");
        }
        let twice = check(&["a", "b", "a"]).unwrap_err();
        assert_eq!(
            twice,
            Refusal::InvalidProtocol("a stands in the list twice".to_owned())
        );
    }
}
