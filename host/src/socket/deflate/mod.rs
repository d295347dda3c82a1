//! Owns permessage-deflate, RFC 7692, without I/O: what two ends agree on in the handshake, and the way of
//! one message's payload into its compressed form and back. Knows nothing of frames or connections.
//!
//! The host's own messages never refer to earlier ones: it compresses without context takeover, which the
//! RFC leaves to each sender. So compressing needs nothing of a connection, and the bytes made for one
//! socket serve every socket with the same [`Outgoing`]. The peer is asked to do likewise; then inflating
//! holds memory only while a message comes in.

pub(crate) mod compress;
mod extensions;
pub(crate) mod inflate;
pub(crate) mod negotiate;
mod short;

pub(crate) use compress::compress;
pub(crate) use inflate::{InflateError, Inflater};
pub(crate) use negotiate::{Agreement, Violation, accept, confirm, offer};

/// What ends a message in compressed form, and is left out on the wire. 7.2.1.
const TRAILER: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What an operator can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Bytes of the shortest message that is compressed.
    pub(crate) min_bytes: usize,
    /// How hard to compress: 1, the fastest, to 9.
    pub(crate) level: u8,
    /// Let the peer refer to its earlier messages. It compresses better then, and from its first compressed
    /// message on each connection keeps an inflater of 48 KB.
    pub(crate) peer_context_takeover: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_bytes: 1024,
            level: 1,
            peer_context_takeover: false,
        }
    }
}

/// What was agreed on for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// `None` if the peer's window is smaller than any that the compressor has: messages go to it as they are, which each
    /// end may do with each of its own (RFC 7692, 6).
    pub(crate) outgoing: Option<Outgoing>,
    /// Whether the peer may refer to its earlier messages: what [`Inflater::new`] has to know.
    ///
    /// How far the peer looks back does not matter, for zlib-rs's inflater always has the largest window.
    pub(crate) peer_keeps_context: bool,
}

/// How the host compresses. Equal ones make equal bytes, whichever the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Outgoing {
    /// The window is two to the power of this many bytes: 9 to 15.
    pub(crate) window_bits: u8,
    /// [`Policy::level`].
    pub(crate) level: u8,
}
