//! Owns the room that a turn is promised for answers to the sockets of its batch, so that the guest can put them
//! together without asking about each.

use std::sync::Arc;

use crate::socket::{End, Outbox, SocketId, codec};

/// What a message counts beyond its bytes, as `wit/messages.wit` says.
const MESSAGE_COST: usize = 16;
const _: () = assert!(MESSAGE_COST >= codec::HEADER_MAX);

/// A socket that takes messages, and the connection to which they go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) end: Arc<End>,
    pub(crate) outbox: Arc<Outbox>,
}

/// What a turn is promised. What is not used up by the first call that may use it is void.
#[derive(Debug, Default)]
pub(crate) struct Promise {
    bytes: usize,
    /// Where messages for the sockets of the batch go, in its order.
    routes: Vec<Route>,
    /// The one that was used last.
    at: usize,
}

impl Promise {
    /// A promise of so many bytes, for no socket yet.
    pub(super) fn of(bytes: usize) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The socket that was added last.
    pub(super) fn last(&self) -> Option<SocketId> {
        self.routes.last().map(|route| route.end.id())
    }

    /// One more socket, whose outbox takes no more than `hard` bytes.
    pub(super) fn add(&mut self, route: Route, hard: usize) {
        self.bytes = self.bytes.min(hard.saturating_sub(route.outbox.buffered()));
        self.routes.push(route);
    }

    /// Where a message goes, if room is promised for it.
    pub(super) fn take(&mut self, socket: SocketId, bytes: usize) -> Option<&Route> {
        let left = self.bytes.checked_sub(bytes + MESSAGE_COST)?;
        // Most often the one before, or the one behind it.
        let mut places = (self.at..self.routes.len()).chain(0..self.at);
        let at = places.find(|at| self.routes[*at].end.id() == socket)?;
        (self.bytes, self.at) = (left, at);
        Some(&self.routes[at])
    }
}
