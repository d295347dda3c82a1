//! Owns which URI a request is for: what its line and its `Host` say together. RFC 9112, 3.2 and 3.3. Pure.
//!
//! A worker decides by the URI, and so do proxies in front of it by theirs. So nothing in `Host` may reach beyond the
//! authority, and a text that several readers could read in several ways is refused.

use std::net::{Ipv6Addr, SocketAddr};

use http::header::{self, HeaderMap};
use http::{Method, Uri, Version};
use url::Host;

/// What is wrong with a request's line or its `Host`, for a 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) &'static str);

/// The absolute URI of a request that came in over a connection of this scheme to this address.
///
/// # Errors
///
/// The request is to be answered with 400.
pub(crate) fn of(
    (method, line, version): (&Method, &Uri, Version),
    headers: &HeaderMap,
    scheme: &str,
    local: SocketAddr,
) -> Result<String, Wrong> {
    let host = host(headers, version)?;
    let path = line.path_and_query().map_or("", |path| path.as_str());
    if let Some(scheme) = line.scheme_str() {
        // The absolute form: `Host` is not asked (3.2.2).
        let authority = authority(line)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(Wrong(
                "The request is for a scheme other than http and https.\n",
            ));
        }
        return Ok(format!("{scheme}://{authority}{path}"));
    }
    if line.authority().is_some() {
        // The authority form, of which RFC 9112, 3.2.3 says that it is CONNECT's alone.
        let authority = authority(line)?;
        if method != Method::CONNECT {
            return Err(Wrong(
                "The request's line has neither a path nor a whole URI.\n",
            ));
        }
        return Ok(format!("{scheme}://{authority}/"));
    }
    let path = match path {
        // The asterisk form: the server as a whole, a URI without path (3.3).
        "*" if method == Method::OPTIONS => "",
        path if path.starts_with('/') => path,
        _ => return Err(Wrong("The request's line has no path.\n")),
    };
    Ok(match host {
        Some(host) => format!("{scheme}://{host}{path}"),
        None => format!("{scheme}://{local}{path}"),
    })
}

/// The value of `Host`. Only HTTP/1.0 may be without.
fn host(headers: &HeaderMap, version: Version) -> Result<Option<&str>, Wrong> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(None),
        (None, _) => Err(Wrong("The request has no Host header.\n")),
        (Some(_), Some(_)) => Err(Wrong("The request has more than one Host header.\n")),
        (Some(host), None) => match host.to_str() {
            Ok(host) if is_authority(host) => Ok(Some(host)),
            Ok(_) | Err(_) => Err(Wrong(
                "The Host header is not a host with or without a port.\n",
            )),
        },
    }
}

fn authority(line: &Uri) -> Result<&str, Wrong> {
    let authority = line.authority().map(http::uri::Authority::as_str);
    authority
        .filter(|authority| is_authority(authority))
        .ok_or(Wrong(
            "The request is for something that is not a host with or without a port.\n",
        ))
}

/// `uri-host [ ":" port ]` of RFC 9112, 3.2, of which whoever takes the URI apart has to find the same host.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(literal) => {
            let Some((literal, port)) = literal.split_once(']') else {
                return false;
            };
            let is_literal = literal.parse::<Ipv6Addr>().is_ok();
            match port.strip_prefix(':') {
                _ if !is_literal => return false,
                Some(port) => (None, port),
                None if port.is_empty() => (None, ""),
                None => return false,
            }
        }
        None => {
            let (name, port) = text.split_once(':').unwrap_or((text, ""));
            (Some(name), port)
        }
    };
    host.is_none_or(is_name) && is_port(port)
}

/// "port = *DIGIT", as far as TCP has ports.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || (text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok())
}

/// A reg-name or an IPv4 address of RFC 3986, 3.2.2, which the URL Standard does not refuse.
fn is_name(text: &str) -> bool {
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let is_right = match byte {
            b'%' => {
                let mut is_digit = || rest.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                is_digit() && is_digit()
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
        if !is_right {
            return false;
        }
    }
    // A worker's parser would have no host for one that this refuses, such as 1.2.3.4.5 or one with %2F.
    Host::parse(text).is_ok()
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
