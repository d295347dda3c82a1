//! Owns the client's half of the opening handshake (RFC 6455, 4.1), on `http` types and without I/O: what the request
//! says, and whether the 101 answers it.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use crate::upgrade::has_token;

/// One handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    /// Sixteen random bytes in base64.
    key: String,
    protocols: Vec<String>,
    extensions: Option<HeaderValue>,
}

/// What a 101 has settled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Empty if the server chose none.
    pub(super) protocol: String,
    /// `Sec-WebSocket-Extensions` as it came; whoever offered them knows what they mean.
    pub(super) extensions: Option<HeaderValue>,
}

impl Handshake {
    pub(super) fn new(protocols: Vec<String>, extensions: Option<HeaderValue>) -> Self {
        Self {
            key: generate_key(),
            protocols,
            extensions,
        }
    }

    /// Add what makes a request a handshake.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let value = |text: &str| {
            HeaderValue::try_from(text).expect("base64 and tokens are made of header characters")
        };
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        headers.insert(header::SEC_WEBSOCKET_KEY, value(&self.key));
        headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
        if !self.protocols.is_empty() {
            let offered = value(&self.protocols.join(", "));
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered);
        }
        if let Some(extensions) = &self.extensions {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, extensions.clone());
        }
    }

    /// Hold the headers of a 101 against what was asked; the error says what is wrong with them.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<Agreed, String> {
        let upgrade = one(headers, &header::UPGRADE)?;
        if !upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return Err("lacks `Upgrade: websocket`".to_owned());
        }
        if !has_token(headers, &header::CONNECTION, "upgrade") {
            return Err("lacks `Connection: Upgrade`".to_owned());
        }
        let accept = one(headers, &header::SEC_WEBSOCKET_ACCEPT)?;
        if accept != Some(derive_accept_key(self.key.as_bytes()).as_str()) {
            return Err("has a Sec-WebSocket-Accept that does not match the key".to_owned());
        }
        let protocol = one(headers, &header::SEC_WEBSOCKET_PROTOCOL)?.unwrap_or_default();
        if !protocol.is_empty() && !self.protocols.iter().any(|offered| offered == protocol) {
            return Err(format!(
                "chooses the subprotocol {protocol:?}, which was not offered"
            ));
        }
        let extensions = all(headers, &header::SEC_WEBSOCKET_EXTENSIONS)?;
        if let (Some(extensions), None) = (&extensions, &self.extensions) {
            return Err(format!(
                "uses the extension {extensions:?}, and none was offered"
            ));
        }
        Ok(Agreed {
            protocol: protocol.to_owned(),
            extensions: extensions.and_then(|text| HeaderValue::try_from(text).ok()),
        })
    }
}

/// The value of a header that may stand there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => text(name, value).map(Some),
        (Some(_), Some(_)) => Err(format!("has {name} twice")),
    }
}

/// The values of a header that may stand in several lines, as one; `None` if there is nothing in them.
fn all(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, String> {
    let lines = headers.get_all(name).iter().map(|value| text(name, value));
    let lines: Vec<_> = lines.collect::<Result<_, _>>()?;
    let joined = lines.join(", ");
    Ok((!joined.is_empty()).then_some(joined))
}

fn text<'a>(name: &HeaderName, value: &'a HeaderValue) -> Result<&'a str, String> {
    match value.to_str() {
        Ok(text) => Ok(text.trim()),
        Err(_) => Err(format!("has a {name} that is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(protocols: &[&str], extensions: Option<&'static str>) -> Handshake {
        Handshake {
            // The one of RFC 6455, 1.3.
            key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
            protocols: protocols.iter().map(|text| (*text).to_owned()).collect(),
            extensions: extensions.map(HeaderValue::from_static),
        }
    }

    /// The headers of a right answer, with some of them changed or (empty) gone.
    fn answer(change: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in change {
            headers.remove(*name);
            for line in value.split('|').filter(|line| !line.is_empty()) {
                headers.append(*name, HeaderValue::from_static(line));
            }
        }
        headers
    }

    #[test]
    fn the_request_has_what_the_rfc_asks_for() {
        let mut headers = HeaderMap::new();
        handshake(&["a", "b"], Some("permessage-deflate")).write(&mut headers);
        for (name, value) in [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "a, b"),
            ("sec-websocket-extensions", "permessage-deflate"),
        ] {
            assert_eq!(headers[name], value);
        }
        assert_eq!(headers.len(), 6);
    }

    #[test]
    fn every_handshake_has_its_own_key_of_sixteen_bytes() {
        let keys = [(), ()].map(|()| Handshake::new(vec![], None).key);
        assert_ne!(keys[0], keys[1]);
        assert_eq!(keys[0].len(), 24);
    }

    #[test]
    fn a_right_answer_settles_subprotocol_and_extensions() {
        let nothing = Agreed {
            protocol: String::new(),
            extensions: None,
        };
        assert_eq!(handshake(&[], None).check(&answer(&[])), Ok(nothing));
        let agreed = handshake(&["a", "b"], Some("x, y")).check(&answer(&[
            ("sec-websocket-protocol", "b"),
            ("sec-websocket-extensions", "x|y; z=1"),
        ]));
        let expected = Agreed {
            protocol: "b".to_owned(),
            extensions: Some(HeaderValue::from_static("x, y; z=1")),
        };
        assert_eq!(agreed, Ok(expected));
    }

    #[test]
    fn a_server_need_not_choose_a_subprotocol() {
        let agreed = handshake(&["a"], None).check(&answer(&[])).unwrap();
        assert_eq!(agreed.protocol, "");
    }

    #[test]
    fn a_wrong_answer_is_told_apart() {
        for (change, expected) in [
            (("upgrade", ""), "Upgrade"),
            (("upgrade", "h2c"), "Upgrade"),
            (("upgrade", "websocket|websocket"), "twice"),
            (("connection", "keep-alive"), "Connection"),
            (("sec-websocket-accept", ""), "does not match the key"),
            (
                ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="),
                "does not match the key",
            ),
            (
                ("sec-websocket-protocol", "b"),
                "\"b\", which was not offered",
            ),
            (
                ("sec-websocket-protocol", "A"),
                "\"A\", which was not offered",
            ),
            (("sec-websocket-protocol", "a|a"), "twice"),
            (("sec-websocket-extensions", "x"), "none was offered"),
        ] {
            let wrong = handshake(&["a"], None)
                .check(&answer(&[change]))
                .unwrap_err();
            assert!(wrong.contains(expected), "{change:?}: {wrong}");
        }
    }
}
