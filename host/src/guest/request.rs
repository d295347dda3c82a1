//! Owns requests and responses as they pass between a worker and whoever asks it. Knows nothing of HTTP connections.

use tokio::sync::oneshot;

use crate::config::Limits;
use crate::error::Fault;
use crate::quota::Charge;
use crate::socket::Departure;

/// Names a split operation; see `token` in `wit/types.wit`.
pub(crate) type Token = u64;

/// A request for the worker.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// What is charged for it, for as long as it is kept.
    pub(crate) _charge: Option<Charge>,
    pub(crate) peer: Option<String>,
    /// Whether it asks for a WebSocket; else a 101 cannot answer it.
    pub(crate) wants_web_socket: bool,
    /// How many requests from object to object it stands behind, itself included: zero from a client.
    pub(crate) depth: u32,
}

/// Hold the head of a message that a worker makes against its bounds. `line` is what stands there beside the headers.
pub(crate) fn check_head(
    line: usize,
    headers: &[(String, Vec<u8>)],
    limits: &Limits,
) -> Result<(), String> {
    let (most, most_bytes) = (limits.worker_headers, limits.worker_head_bytes);
    if headers.len() as u64 > most {
        let count = headers.len();
        return Err(format!(
            "{count} headers are more than {most} (limit worker_headers)"
        ));
    }
    let of_headers = headers.iter().map(|(name, value)| name.len() + value.len());
    let bytes = of_headers.fold(line, usize::saturating_add);
    if bytes as u64 > most_bytes {
        return Err(format!(
            "a head of {bytes} bytes is larger than {most_bytes} (limit worker_head_bytes)"
        ));
    }
    Ok(())
}

/// The worker's response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// What is charged for it, for as long as it is kept.
    pub(crate) _charge: Option<Charge>,
    pub(crate) socket: Option<Departure>,
    /// The socket has been taken out, for the instance that asked.
    pub(crate) has_arrived: bool,
}

/// Where a response goes, or why there is none.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Fault>>;

/// A request that waits for its response.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) wants_web_socket: bool,
    pub(crate) reply: Reply,
}
