//! Owns an end on its way from a worker's response to the client's connection: it arrives there, or the
//! other end learns that it never did.

use std::sync::Arc;

use super::end::{ClaimError, End};
use super::message::SocketId;
use super::outbox::Outbox;
use super::request::UpgradeRequest;

/// An end that has left in a response. Dropped before it is coupled, it ends the pair.
#[derive(Debug)]
pub(crate) struct Departure {
    end: Option<Arc<End>>,
}

impl Departure {
    /// Let an end leave. Fails if it is accepted, or has left before.
    pub(crate) fn new(end: &Arc<End>) -> Result<Self, ClaimError> {
        end.send_out()?;
        Ok(Self {
            end: Some(Arc::clone(end)),
        })
    }

    /// Couple the other end with the client's connection. `None` if that other end is gone by now; what it
    /// sent before is in the outbox. Of an outbound socket there is no other end: a relay with this `id` takes its
    /// place.
    pub(crate) fn couple(
        mut self,
        outbox: &Arc<Outbox>,
        request: UpgradeRequest,
        id: SocketId,
    ) -> Option<Arc<End>> {
        self.end.take()?.couple(outbox, request, id)
    }
}

impl Departure {
    /// Whether the client's messages will go to a hibernatable socket.
    pub(crate) fn is_durable(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.is_peer_durable())
    }

    /// The end, for an instance that has got the response: nobody has claimed it.
    pub(crate) fn arrive(mut self) -> Option<Arc<End>> {
        let end = self.end.take()?;
        end.come_back();
        Some(end)
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end.not_coupled();
        }
    }
}
