//! Owns the server's half of the opening handshake, on `http` types and without I/O: what a request must
//! be, what the 101 says; and, for both halves, how their headers are read. RFC 6455, 4.2; stricter than Cloudflare's system about HTTP/1.0 and
//! `Connection`.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What is wrong with a request that the worker answered with 101.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: &'static str,
}

/// Whether a request asks for a WebSocket, well or badly.
pub(crate) fn wants_web_socket(headers: &HeaderMap) -> bool {
    has_token(headers, &header::UPGRADE, "websocket")
}

/// Hold a request that asks for a WebSocket against the rules, and give the value of
/// `Sec-WebSocket-Accept`.
///
/// The worker has run by now: a request it answered otherwise is none of our business.
pub(crate) fn check(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Result<HeaderValue, Refusal> {
    let bad = |text| {
        Err(Refusal {
            status: StatusCode::BAD_REQUEST,
            text,
        })
    };
    if method != Method::GET {
        return bad("A WebSocket must be initiated with a GET request.\n");
    }
    if version < Version::HTTP_11 {
        return bad("A WebSocket needs HTTP/1.1.\n");
    }
    if !has_token(headers, &header::CONNECTION, "upgrade") {
        return bad("A WebSocket needs the header `Connection: Upgrade`.\n");
    }
    // "The request MUST NOT contain it more than once": of two, others may go by the second. RFC 6455, 11.3.1 and 11.3.5.
    let once = |name| {
        let mut values = headers.get_all(name).iter();
        (values.next(), values.next().is_none())
    };
    let (version, is_once) = once(header::SEC_WEBSOCKET_VERSION);
    if !is_once {
        return bad("There is more than one Sec-WebSocket-Version\n");
    }
    if version.is_none_or(|version| version != "13") {
        return Err(Refusal {
            status: StatusCode::UPGRADE_REQUIRED,
            text: "This server speaks version 13 of the WebSocket protocol (Sec-WebSocket-Version).\n",
        });
    }
    let key = match once(header::SEC_WEBSOCKET_KEY) {
        (None, _) => return bad("Missing Sec-WebSocket-Key\n"),
        (Some(_), false) => return bad("There is more than one Sec-WebSocket-Key\n"),
        (Some(key), true) => key,
    };
    let accept = derive_accept_key(key.as_bytes());
    Ok(HeaderValue::try_from(accept).expect("base64 is made of header characters"))
}

/// Headers of a worker's response that are the host's to set: those that frame it, and in a 101 those of
/// the handshake. Only a 426 keeps `Upgrade`, for it has to name the protocol (RFC 9110, 15.5.22).
pub(crate) fn is_the_hosts(name: &HeaderName, status: u16) -> bool {
    match *name {
        header::CONNECTION | header::CONTENT_LENGTH | header::TRANSFER_ENCODING => true,
        header::UPGRADE => status != 426,
        header::SEC_WEBSOCKET_ACCEPT | header::SEC_WEBSOCKET_EXTENSIONS => status == 101,
        _ => false,
    }
}

/// Whether headers as a guest has them ask for a WebSocket.
pub(crate) fn asks_for_web_socket(headers: &[(String, Vec<u8>)]) -> bool {
    headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("upgrade")
            && value
                .split(|byte| *byte == b',')
                .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    })
}

/// Whether a header whose value is a list of tokens has this one, in whatever case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    words(headers, name).any(|word| word.eq_ignore_ascii_case(token))
}

/// The words of a header whose value is a list, over all its lines.
pub(crate) fn words<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: &[(&'static str, Option<&'static str>)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("upgrade", "websocket".parse().unwrap());
        headers.insert("connection", "Upgrade".parse().unwrap());
        headers.insert("sec-websocket-version", "13".parse().unwrap());
        headers.insert(
            "sec-websocket-key",
            "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap(),
        );
        for (name, value) in change {
            match value {
                Some(value) => drop(headers.insert(*name, value.parse().unwrap())),
                None => drop(headers.remove(*name)),
            }
        }
        headers
    }

    fn status(method: &Method, version: Version, headers: &HeaderMap) -> u16 {
        check(method, version, headers).map_or_else(|refusal| refusal.status.as_u16(), |_| 101)
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let accept = check(&Method::GET, Version::HTTP_11, &request(&[])).unwrap();
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_rule_has_its_status() {
        let get = |change: &[_]| status(&Method::GET, Version::HTTP_11, &request(change));
        assert_eq!(get(&[("connection", Some("keep-alive, upgrade"))]), 101);
        assert_eq!(get(&[("connection", None)]), 400);
        assert_eq!(get(&[("connection", Some("close"))]), 400);
        assert_eq!(get(&[("sec-websocket-version", Some("8"))]), 426);
        assert_eq!(get(&[("sec-websocket-version", None)]), 426);
        assert_eq!(get(&[("sec-websocket-key", None)]), 400);
        assert_eq!(status(&Method::POST, Version::HTTP_11, &request(&[])), 400);
        assert_eq!(status(&Method::GET, Version::HTTP_10, &request(&[])), 400);
    }

    #[test]
    fn key_and_version_stand_there_once() {
        for name in ["sec-websocket-key", "sec-websocket-version"] {
            for second in ["13", "dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA=="] {
                let mut headers = request(&[]);
                headers.append(name, second.parse().unwrap());
                assert_eq!(
                    status(&Method::GET, Version::HTTP_11, &headers),
                    400,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn the_upgrade_header_is_a_list_without_case() {
        assert!(wants_web_socket(&request(&[(
            "upgrade",
            Some("WebSocket")
        )])));
        assert!(wants_web_socket(&request(&[(
            "upgrade",
            Some("h2c, websocket")
        )])));
        assert!(!wants_web_socket(&request(&[("upgrade", Some("h2c"))])));
        assert!(!wants_web_socket(&request(&[("upgrade", None)])));
    }
}
