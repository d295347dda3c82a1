//! Owns how responses stand in HTTP: which of a worker's headers go out, and those that the host gives in its place.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

use crate::upgrade;

/// A response, whole.
pub(crate) type Reply = Response<Full<Bytes>>;

/// The worker's headers without those that are the host's to set.
pub(crate) fn workers_headers(headers: &[(String, Vec<u8>)], status: u16) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        // The worker was told when it responded if one of these does not hold.
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value);
        if let (Ok(name), Ok(value)) = (name, value)
            && !upgrade::is_the_hosts(&name, status)
        {
            map.append(name, value);
        }
    }
    map
}

/// Headers as a worker has them.
pub(crate) fn copy(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// A response in the worker's place.
pub(crate) fn text(status: StatusCode, text: &str) -> Reply {
    let mut reply = Response::new(Full::from(text.to_owned()));
    *reply.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, plain);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = HeaderValue::from_static("1");
        reply.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    reply
}

/// The same response, as the last one of its connection.
pub(crate) fn closing(mut reply: Reply) -> Reply {
    let close = HeaderValue::from_static("close");
    reply.headers_mut().insert(header::CONNECTION, close);
    reply
}
