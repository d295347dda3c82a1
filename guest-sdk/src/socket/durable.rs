//! Owns what only a hibernatable socket has, and the way from its events to its handle. Its object keeps it, in the
//! host; handles come and go with instances.

use super::WebSocket;
use super::inbox::End;
use super::shared::{Shared, forget};
use crate::close::CloseEvent;
use crate::error::Result;
use crate::sys;
use crate::time::milliseconds;
use std::rc::Rc;
use std::time::Duration;

/// How the host watches over a peer that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// After so long a silence the host sends a ping.
    pub interval: Duration,
    /// If nothing at all arrives so long after the ping, the connection is ended and the close event has code 1006.
    pub timeout: Duration,
}

/// The hibernatable socket that an event is for, the same for all its events while the instance lives. `None` if it is
/// for another socket.
pub(crate) fn durable(id: u64, object: sys::Object) -> Option<WebSocket> {
    let known = Shared::known(id).unwrap_or_else(|| {
        let is_durable = object.has_socket(id);
        is_durable.then(|| Shared::adopt(id, object)).flatten()
    });
    known.map(handle)
}

/// One of the sockets that the object says it has.
pub(crate) fn listed(id: u64, object: sys::Object) -> Option<WebSocket> {
    Shared::known(id)
        .unwrap_or_else(|| Shared::adopt(id, object))
        .map(handle)
}

fn handle(shared: Rc<Shared>) -> WebSocket {
    WebSocket {
        shared,
        told: false,
    }
}

/// A hibernatable socket that is over. It keeps its place in the table, so that its handler finds it as it was, until
/// this is dropped.
#[derive(Debug)]
pub(crate) struct Over(u64);

impl Over {
    pub(crate) fn closed(socket: &WebSocket, event: CloseEvent) -> Self {
        socket.shared.finish(End::Closed(event));
        Self(socket.shared.id)
    }

    pub(crate) fn failed(socket: &WebSocket, why: String) -> Self {
        socket.shared.finish(End::Failed(why));
        Self(socket.shared.id)
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        forget(self.0);
    }
}

impl WebSocket {
    /// The tags of a hibernatable socket.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSocket`](crate::Error::UnknownSocket) or [`Error::NotAnObject`](crate::Error::NotAnObject) if
    /// it is none.
    pub fn tags(&self) -> Result<Vec<String>> {
        self.shared.raw.tags()
    }

    /// Give a hibernatable socket these tags in place of its own.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyTags`](crate::Error::TooManyTags) and [`Error::TagTooLong`](crate::Error::TagTooLong), and
    /// the tags stay as they were; else as [`tags`](Self::tags).
    pub fn set_tags<T: AsRef<str>>(&self, tags: impl IntoIterator<Item = T>) -> Result<()> {
        let tags: Vec<T> = tags.into_iter().collect();
        let tags: Vec<&str> = tags.iter().map(AsRef::as_ref).collect();
        self.shared.raw.set_tags(&tags)
    }

    /// Add a tag behind the others, if it is not there.
    ///
    /// # Errors
    ///
    /// As [`set_tags`](Self::set_tags).
    pub fn add_tag(&self, tag: &str) -> Result<()> {
        let mut tags = self.tags()?;
        if tags.iter().any(|other| other == tag) {
            return Ok(());
        }
        tags.push(tag.to_owned());
        self.set_tags(tags)
    }

    /// Take a tag away. Whether it was there.
    ///
    /// # Errors
    ///
    /// As [`tags`](Self::tags).
    pub fn remove_tag(&self, tag: &str) -> Result<bool> {
        let mut tags = self.tags()?;
        let before = tags.len();
        tags.retain(|other| other != tag);
        let was_there = tags.len() < before;
        if was_there {
            self.set_tags(tags)?;
        }
        Ok(was_there)
    }

    /// Have the host ping a silent peer, and end the connection of one that stays silent; `None` for the host's
    /// default. Pings never reach the worker, and wake no object.
    ///
    /// # Errors
    ///
    /// [`Error::TimeoutTooLong`](crate::Error::TimeoutTooLong).
    pub fn set_keep_alive(&self, keep_alive: impl Into<Option<KeepAlive>>) -> Result<()> {
        let options = keep_alive.into().map(|options| sys::KeepAlive {
            interval_ms: milliseconds(options.interval),
            timeout_ms: milliseconds(options.timeout),
        });
        self.shared.raw.set_keep_alive(options)
    }
}
