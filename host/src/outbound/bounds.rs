//! Owns the bounds of outbound work. Knows nothing of the host's `Limits`, which they are filled from.

/// Every bound of outbound work. Units are in the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Milliseconds that `connect` has until the handshake is over, and `fetch` until it has a connection. More: the
    /// attempt fails.
    pub(crate) connect_ms: u64,
    /// Milliseconds that `fetch` has until the response is whole. More: the request fails.
    pub(crate) fetch_ms: u64,
    /// Bytes of the body of a response to `fetch`, as they come over the wire. More: the request fails.
    pub(crate) response_body_bytes: u64,
    /// Bytes of the head of a response to `connect` or `fetch`; 8,192 at least. More: the attempt fails.
    pub(crate) response_head_bytes: u64,
    /// Headers of a response to `connect` or `fetch`. More: the attempt fails.
    pub(crate) response_headers: u64,
    /// Subprotocols that `connect` may offer. More: it is refused.
    pub(crate) protocols: u64,
    /// Bytes of one of them. More: `connect` is refused.
    pub(crate) protocol_bytes: u64,
    /// Names of hosts that are being looked up at a time, each by a thread that cannot be interrupted. More wait, as
    /// long as their own time allows.
    pub(crate) lookups: u64,
    /// Milliseconds of silence after which the system probes whether a peer's machine is still there.
    pub(crate) tcp_keep_alive_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connect_ms: 10_000,
            fetch_ms: 30_000,
            response_body_bytes: 10 * 1024 * 1024,
            response_head_bytes: 16 * 1024,
            response_headers: 100,
            protocols: 100,
            protocol_bytes: 256,
            lookups: 64,
            tcp_keep_alive_ms: 60_000,
        }
    }
}
