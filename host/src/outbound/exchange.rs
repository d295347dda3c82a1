//! Owns one request and its response on a fresh stream, with hyper between them, which frames the one and bounds the
//! other. What comes of the response is the caller's to say.

use std::future::Future;
use std::pin::pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::allow::Target;
use super::bounds::Bounds;
use super::error::Failed;
use super::handshake::Handshake;
use super::headers::{self, Headers};
use super::url;
use crate::config::size;
use crate::stream::Stream;

/// The smallest read buffer that hyper accepts.
const HYPER_BUFFER_BYTES: usize = 8_192;

/// A WebSocket that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    /// What the server sent behind its 101.
    pub(crate) read_ahead: Bytes,
    /// The subprotocol that the server chose; empty if none.
    pub(crate) protocol: String,
    /// `Sec-WebSocket-Extensions` of the answer; only if some were offered, and then not yet checked.
    pub(crate) extensions: Option<HeaderValue>,
    pub(crate) headers: Headers,
}

/// Make a request of a worker's headers, in which those of the host are still missing.
pub(super) fn request(
    target: &Target,
    method: Method,
    mut headers: HeaderMap,
    handshake: Option<&Handshake>,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let host = HeaderValue::try_from(url::authority(target.url()));
    let host = host.expect("the host of a URL is made of header characters");
    headers.insert(header::HOST, host);
    match handshake {
        Some(handshake) => handshake.write(&mut headers),
        // No connection is used twice, and the server should know.
        None => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    let path = url::path(target.url()).parse();
    *request.uri_mut() = path.expect("a URL's path and query fit a request's line");
    *request.headers_mut() = headers;
    request
}

/// Send the request, and do with the response what `then` says, all in the caller's task: when the caller gives up,
/// the stream is closed.
pub(super) async fn exchange<T, F>(
    host: &str,
    stream: Stream,
    request: Request<Full<Bytes>>,
    bounds: &Bounds,
    then: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, Failed>
where
    F: Future<Output = Result<T, Failed>>,
{
    let head_bytes = size(bounds.response_head_bytes);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(head_bytes.max(HYPER_BUFFER_BYTES))
        .max_header_size(head_bytes)
        .max_headers(size(bounds.response_headers))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| explain(host, &error, bounds))?;
    let mut connection = pin!(connection.with_upgrades());
    let mut work = pin!(async move {
        let response = sender.send_request(request).await;
        then(response.map_err(|error| explain(host, &error, bounds))?).await
    });
    tokio::select! {
        biased;
        done = &mut work => done,
        // What it had is with the work now, its error included.
        _ = &mut connection => work.await,
    }
}

/// Take the stream over behind a 101 that answers the handshake.
pub(super) async fn take_over(
    host: &str,
    handshake: &Handshake,
    mut response: Response<Incoming>,
) -> Result<Opened, Failed> {
    let upgrade = hyper::upgrade::on(&mut response);
    let status = response.status();
    let headers = response.into_parts().0.headers;
    let agreed = handshake
        .check(&headers)
        .map_err(|wrong| Failed::answered(status, format!("the 101 of {host} {wrong}")))?;
    let (stream, read_ahead) = release(upgrade).await.map_err(|error| {
        Failed::new(format!(
            "{host} closed the connection behind its 101: {error}"
        ))
    })?;
    Ok(Opened {
        stream,
        read_ahead,
        protocol: agreed.protocol,
        extensions: agreed.extensions,
        headers: headers::of_response(headers),
    })
}

async fn release(upgrade: OnUpgrade) -> hyper::Result<(Stream, Bytes)> {
    let parts = upgrade
        .await?
        .downcast::<TokioIo<Stream>>()
        .expect("hyper was given nothing else");
    Ok((parts.io.into_inner(), parts.read_buf))
}

/// What hyper has to say about a response, in the words of our limits.
pub(super) fn explain(host: &str, error: &hyper::Error, bounds: &Bounds) -> Failed {
    let text = if error.is_parse_too_large() {
        let Bounds {
            response_head_bytes: bytes,
            response_headers: headers,
            ..
        } = bounds;
        format!(
            "the head of {host}'s response is larger than {bytes} bytes or {headers} headers (limits \
             response_head_bytes, response_headers)"
        )
    } else if error.is_parse() {
        format!("{host} does not answer in HTTP/1.1: {error}")
    } else if error.is_incomplete_message() || error.is_canceled() {
        format!("{host} closed the connection before its response was whole")
    } else {
        format!("the connection to {host} broke off: {}", root(error))
    };
    Failed::new(text)
}

/// The first cause of an error, which says more than the last.
fn root(error: &dyn std::error::Error) -> &dyn std::error::Error {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
