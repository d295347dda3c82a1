//! Owns what the imports of `wit/sockets.wit` share: from a handle to its end, and from a refusal to the
//! guest's `error`.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::{GuestState, WitError};
use crate::config::size;
use crate::guest::effects::{FULL, Staged};
use crate::guest::promise::Promise;
use crate::guest::store::Handle;
use crate::outbound::Refusal;
use crate::socket::End;
use crate::socket::end::{ClaimError, Link};
use crate::socket::message::{BadClose, check_close};

type Socket = Resource<Handle>;

impl From<ClaimError> for WitError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Connecting => Self::Connecting,
            ClaimError::AlreadyAccepted => Self::AlreadyAccepted,
            ClaimError::AlreadyUsed => Self::AlreadyUsed,
        }
    }
}

impl From<BadClose> for WitError {
    fn from(error: BadClose) -> Self {
        match error {
            BadClose::Code(code) => Self::InvalidCloseCode(code),
            BadClose::Reason(text) => Self::InvalidCloseReason(text),
        }
    }
}

impl GuestState {
    pub(super) fn end(&self, socket: &Socket) -> wasmtime::Result<&Arc<End>> {
        Ok(&self.table.get(socket)?.0)
    }

    /// Bytes on their way from this end, those of the turn under way included.
    pub(super) fn buffered(&mut self, end: &End) -> usize {
        let queued = match end.link() {
            Link::Wire(outbox) => outbox.buffered(),
            Link::Peer(peer) => peer.upgrade().map_or(0, |peer| peer.waiting_bytes()),
            Link::Opening | Link::Gone => 0,
        };
        queued + self.effects.staged_bytes(end.id())
    }

    /// Whether one more request may be under way.
    pub(super) fn may_operate(&self) -> Result<(), WitError> {
        let limit = self.host.limits.operations;
        if self.operations.len() as u64 >= limit {
            let text = format!("{limit} operations are under way (limit operations)");
            return Err(WitError::Other(text));
        }
        Ok(())
    }

    pub(super) fn close_end(
        &mut self,
        end: &Arc<End>,
        code: Option<u16>,
        reason: Option<String>,
    ) -> Result<(), WitError> {
        let body = check_close(code, reason, size(self.host.limits.close_reason_bytes))?;
        let link = end.on_close(&body).map_err(|_| WitError::NotAccepted)?;
        let end = Arc::clone(end);
        self.effects.route = None;
        self.effects.promise = Promise::default();
        if link.is_some() && end.is_durable() {
            self.effects.journal.note_closed(Arc::clone(&end));
        }
        match link {
            Some(Link::Wire(outbox)) => {
                self.effects
                    .staged
                    .push(Staged::CloseWire { end, outbox, body });
            }
            Some(Link::Peer(peer)) => {
                if let Some(to) = peer.upgrade() {
                    self.effects.staged.push(Staged::ClosePeer {
                        from: end,
                        to,
                        body,
                    });
                }
            }
            Some(Link::Opening) => self.effects.staged.push(Staged::CloseOpening { end }),
            Some(Link::Gone) | None => {}
        }
        Ok(())
    }
}

impl From<Refusal> for WitError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidUrl(text) => Self::InvalidUrl(text),
            Refusal::InvalidProtocol(text) => Self::InvalidProtocol(text),
            Refusal::NotAllowed(text) => Self::NotAllowed(text),
            Refusal::Other(text) => Self::Other(text),
        }
    }
}

/// The host keeps as much for this instance as it may.
pub(super) fn full() -> WitError {
    WitError::Other(FULL.to_owned())
}

pub(super) fn too_many_sockets(limit: u64) -> WitError {
    WitError::TooManySockets(u32::try_from(limit).unwrap_or(u32::MAX))
}
