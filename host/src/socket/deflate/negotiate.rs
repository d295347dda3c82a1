//! Owns what a client and a server say about permessage-deflate in the opening handshake, on both sides, and
//! what follows from it. RFC 7692, 5 and 7.1.

use http::header::{HeaderMap, HeaderValue};

use super::extensions::{self, Extension};
use super::{Outgoing, Parameters, Policy};

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The window without a parameter that limits it.
const WINDOW_BITS_MAX: u8 = 15;
/// The smallest window that the compressor has. The RFC allows 8, but zlib cannot make raw deflate with it.
const WINDOW_BITS_MIN: u8 = 9;

/// What a server agrees to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// The value of `Sec-WebSocket-Extensions` in the 101.
    pub(crate) response: HeaderValue,
    pub(crate) parameters: Parameters,
}

/// What is wrong with a server's response. The connection fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) &'static str);

/// The parameters of one offer or response, each well-formed and there once at most.
#[derive(Debug, Default)]
struct Asked {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// Without a value in an offer, it only says that the client knows the parameter.
    client_max_window_bits: Option<Option<u8>>,
}

/// The server's side: take the first of the client's offers that can be kept. Without one, the connection
/// goes on uncompressed: that is never an error.
pub(crate) fn accept(headers: &HeaderMap, policy: &Policy) -> Option<Agreement> {
    let offers = extensions::parse(headers).ok()?;
    offers
        .iter()
        .filter(|offer| offer.name == NAME)
        .filter_map(Asked::read)
        .find_map(|asked| agree(&asked, policy))
}

fn agree(asked: &Asked, policy: &Policy) -> Option<Agreement> {
    let window_bits = asked.server_max_window_bits.unwrap_or(WINDOW_BITS_MAX);
    if window_bits < WINDOW_BITS_MIN {
        return None;
    }
    // A server may say so unasked (7.1.1.1): a client that knows saves its inflater.
    let mut response = format!("{NAME}; {SERVER_NO_CONTEXT_TAKEOVER}");
    // A client that offers it will not refer back in any case (7.1.1.2).
    let peer_keeps_context = policy.peer_context_takeover && !asked.client_no_context_takeover;
    if !peer_keeps_context {
        response += "; ";
        response += CLIENT_NO_CONTEXT_TAKEOVER;
    }
    // An offer that limits the server's window is accepted by repeating the limit (7.1.2.1). The client's is
    // not limited: a smaller one would not make our inflater smaller.
    if asked.server_max_window_bits.is_some() {
        response += &format!("; {SERVER_MAX_WINDOW_BITS}={window_bits}");
    }
    Some(Agreement {
        response: HeaderValue::try_from(response).expect("tokens are header characters"),
        parameters: Parameters {
            outgoing: Some(Outgoing {
                window_bits,
                level: policy.level,
            }),
            peer_keeps_context,
        },
    })
}

/// The client's side: the value of `Sec-WebSocket-Extensions` in a request.
pub(crate) fn offer(policy: &Policy) -> HeaderValue {
    // `client_max_window_bits` lets the server limit our window, which costs us nothing.
    HeaderValue::from_static(match policy.peer_context_takeover {
        true => "permessage-deflate; client_no_context_takeover; client_max_window_bits",
        false => {
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits"
        }
    })
}

/// The client's side: hold a response against the offer that was made with the same policy. `None`: the
/// server declined.
///
/// # Errors
///
/// The server agreed to what was not offered, or to what cannot be done: the connection must fail.
/// RFC 6455, 4.1; RFC 7692, 5.1 and 7.1.
pub(crate) fn confirm(
    policy: &Policy,
    headers: &HeaderMap,
) -> Result<Option<Parameters>, Violation> {
    let accepted = extensions::parse(headers)
        .map_err(|_| Violation("malformed Sec-WebSocket-Extensions in the response"))?;
    let accepted = match &accepted[..] {
        [] => return Ok(None),
        [one] if one.name == NAME => one,
        [_] => {
            return Err(Violation(
                "the server chose an extension that was not offered",
            ));
        }
        [..] => {
            return Err(Violation(
                "the server chose more extensions than were offered",
            ));
        }
    };
    let asked = Asked::read(accepted).ok_or(Violation(
        "the server's permessage-deflate has a bad parameter",
    ))?;
    let window_bits = match asked.client_max_window_bits {
        None => WINDOW_BITS_MAX,
        Some(Some(bits)) => bits,
        Some(None) => {
            return Err(Violation(
                "client_max_window_bits without a value in a response",
            ));
        }
    };
    Ok(Some(Parameters {
        outgoing: (window_bits >= WINDOW_BITS_MIN).then_some(Outgoing {
            window_bits,
            level: policy.level,
        }),
        // A server that does not repeat that of the offer should have declined it (7.1.1.1). Many do not, and there is
        // no harm in an inflater.
        peer_keeps_context: !asked.server_no_context_takeover,
    }))
}

impl Asked {
    /// `None` for what has to be declined (7.1): an unknown parameter, one given twice, a bad value.
    fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut asked = Self::default();
        for param in &extension.params {
            let value = param.value.as_deref();
            let is_first = match param.name {
                SERVER_NO_CONTEXT_TAKEOVER => set(&mut asked.server_no_context_takeover, value),
                CLIENT_NO_CONTEXT_TAKEOVER => set(&mut asked.client_no_context_takeover, value),
                SERVER_MAX_WINDOW_BITS => asked
                    .server_max_window_bits
                    .replace(bits(value?)?)
                    .is_none(),
                CLIENT_MAX_WINDOW_BITS => {
                    let bits = match value {
                        Some(value) => Some(bits(value)?),
                        None => None,
                    };
                    asked.client_max_window_bits.replace(bits).is_none()
                }
                _ => false,
            };
            if !is_first {
                return None;
            }
        }
        Some(asked)
    }
}

/// Set a parameter that has no value. Gives whether that is right.
fn set(flag: &mut bool, value: Option<&str>) -> bool {
    value.is_none() && !std::mem::replace(flag, true)
}

/// "A decimal integer value without leading zeroes between 8 to 15, inclusive." 7.1.2.
fn bits(value: &str) -> Option<u8> {
    match value {
        "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15" => value.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
