//! The opening handshake, both halves: nobody's headers make the host panic, and our two halves understand each other.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};

use crate::origins::Origins;
use crate::outbound::Client;
use crate::socket::deflate::{self, Policy};
use crate::upgrade::{check, is_the_hosts, wants_web_socket};

/// What the lines of an input say.
#[derive(Default)]
struct Input {
    headers: HeaderMap,
    allowed_origins: Vec<String>,
    protocols: Vec<String>,
}

impl Input {
    /// `name: value` a line; two names are no headers.
    fn read(lines: &[u8]) -> Self {
        let mut input = Self::default();
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii_start());
            let text = || String::from_utf8_lossy(value).into_owned();
            match name {
                b"allowed-origin" => input.allowed_origins.push(text()),
                b"protocol" => input.protocols.push(text()),
                _ => {
                    let name = HeaderName::from_bytes(name);
                    let value = HeaderValue::from_bytes(value);
                    if let (Ok(name), Ok(value)) = (name, value) {
                        let _ = input.headers.try_append(name, value);
                    }
                }
            }
        }
        input
    }
}

/// Input: a byte of flags, then lines: see [`Input::read`].
///
/// # Panics
///
/// If one of the two halves is wrong.
pub fn upgrade(data: &[u8]) {
    let [flags, lines @ ..] = data else {
        return;
    };
    let policy = |takeover: bool| Policy {
        peer_context_takeover: takeover,
        ..Policy::default()
    };
    let (server, client) = (policy(flags & 1 != 0), policy(flags & 2 != 0));
    let input = Input::read(lines);
    request(&input, flags & 4 != 0, flags & 8 != 0, &server);
    origins(&input);
    if let Some(ours) = Client::new(&input.protocols, deflate::offer(&client)) {
        answer(&ours, &input, flags & 16 != 0, &client);
        between_us(&ours, &client, &server);
    }
}

/// A client's request, in the server's half.
fn request(input: &Input, is_post: bool, is_old: bool, server: &Policy) {
    let headers = &input.headers;
    let method = if is_post { Method::POST } else { Method::GET };
    let version = match is_old {
        true => Version::HTTP_10,
        false => Version::HTTP_11,
    };
    let _ = wants_web_socket(headers);
    if let Ok(accept) = check(&method, version, headers) {
        assert!(!is_post && !is_old);
        assert!(headers.contains_key(header::CONNECTION));
        assert_eq!(headers[header::SEC_WEBSOCKET_VERSION], "13");
        assert_eq!(accept.len(), 28, "SHA-1 in base64");
    }
    for name in headers.keys() {
        // It says of every name the same in every response but these two.
        assert_eq!(is_the_hosts(name, 200), is_the_hosts(name, 404));
        assert!(is_the_hosts(name, 101) || !is_the_hosts(name, 200));
    }
    let Some(agreement) = deflate::accept(headers, server) else {
        return;
    };
    let parameters = agreement.parameters;
    let outgoing = parameters.outgoing.expect("other offers are declined");
    assert!((9..=15).contains(&outgoing.window_bits));
    assert!(server.peer_context_takeover || !parameters.peer_keeps_context);
    let mut response = HeaderMap::new();
    response.insert(header::SEC_WEBSOCKET_EXTENSIONS, agreement.response);
    for takeover in [false, true] {
        let client = Policy {
            peer_context_takeover: takeover,
            ..Policy::default()
        };
        let confirmed = deflate::confirm(&client, &response);
        let confirmed = confirmed.expect("our own answer").expect("it agrees");
        assert!(!confirmed.peer_keeps_context, "the host never does");
    }
}

/// The list of origins against what its documentation says.
fn origins(input: &Input) {
    let Ok(origins) = Origins::parse(&input.allowed_origins) else {
        return;
    };
    let is_in_list = |origin: &HeaderValue| {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let origin = origin.to_ascii_lowercase();
        input.allowed_origins.iter().any(|entry| {
            let entry = entry.to_ascii_lowercase();
            match entry.split_once("://*.") {
                None => entry == origin,
                Some((scheme, name)) => origin
                    .strip_prefix(&format!("{scheme}://"))
                    .and_then(|host| host.strip_suffix(&format!(".{name}")))
                    .is_some_and(|labels| !labels.is_empty()),
            }
        })
    };
    let mut sent = input.headers.get_all(header::ORIGIN).iter();
    let expected = input.allowed_origins.is_empty() || sent.all(is_in_list);
    assert_eq!(origins.permit(&input.headers), expected);
}

/// A server's answer, in the client's half.
fn answer(ours: &Client, input: &Input, with_accept: bool, client: &Policy) {
    let mut headers = input.headers.clone();
    if with_accept {
        let accept = check(&Method::GET, Version::HTTP_11, &ours.request).expect("our own request");
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    let confirmed = deflate::confirm(client, &headers);
    if let Ok(Some(parameters)) = &confirmed
        && let Some(outgoing) = parameters.outgoing
    {
        assert!((9..=15).contains(&outgoing.window_bits));
    }
    let Ok((protocol, extensions)) = ours.check(&headers) else {
        return;
    };
    assert!(with_accept, "nobody guesses the key");
    assert!(protocol.is_empty() || input.protocols.contains(&protocol));
    // The lines of a header are one list, and mean the same however they are cut.
    if let Ok(parameters) = confirmed {
        let mut joined = HeaderMap::new();
        if let Some(extensions) = extensions {
            joined.insert(header::SEC_WEBSOCKET_EXTENSIONS, extensions);
        }
        let again = deflate::confirm(client, &joined);
        assert_eq!(again.ok(), Some(parameters));
    }
}

/// Our own client with our own server.
fn between_us(ours: &Client, client: &Policy, server: &Policy) {
    assert!(wants_web_socket(&ours.request));
    let accept = check(&Method::GET, Version::HTTP_11, &ours.request).expect("our own request");
    let agreement = deflate::accept(&ours.request, server).expect("our own offer");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, agreement.response);
    ours.check(&headers).expect("our own answer");
    let confirmed = deflate::confirm(client, &headers).expect("our own answer");
    assert_eq!(confirmed, Some(agreement.parameters));
}
