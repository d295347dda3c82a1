//! Owns what a WebSocket is to the host, below any instance: messages, the close handshake, frames, an
//! end of a pair, the outbox of a connection. Knows nothing of wasmtime, of HTTP or of sessions.
//!
//! A *pair* is two [`End`]s. What one end sends arrives at the other, and where that leads depends on who
//! has claimed the other: nobody yet (it is held), an instance (it becomes an event), or a connection (it
//! becomes a frame).
//!
//! ```text
//!            ┌─► Accepted (an [`Owner`] takes its events) ─┐
//!   Free ────┤                                             ├─► over
//!            └─► Sent (left in a 101) ─► Coupled (outbox) ─┘
//! ```

pub(crate) mod assembly;
pub(crate) mod auto_response;
pub(crate) mod codec;
pub(crate) mod decode;
pub(crate) mod deflate;
pub(crate) mod departure;
pub(crate) mod end;
pub(crate) mod frames;
pub(crate) mod message;
pub(crate) mod outbox;
pub(crate) mod request;
pub(crate) mod state;
pub(crate) mod violation;

pub(crate) use departure::Departure;
pub(crate) use end::{Agreed, Arrival, Delivery, End, Owner, SocketEvent, Turn};
pub(crate) use message::{CloseCode, Message, MessageRef, SocketId};
pub(crate) use outbox::Outbox;
pub(crate) use request::UpgradeRequest;
pub(crate) use state::ReadyState;
