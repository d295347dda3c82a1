//! Owns [`Broadcast`]: one message for many sockets.

use crate::error::Result;
use crate::outgoing::Outgoing;
use crate::socket::WebSocket;
use crate::sys;

/// Made by [`State::broadcast`](crate::State::broadcast). Nothing is sent before [`send`](Self::send).
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Broadcast<'a> {
    host: sys::Object,
    message: Outgoing<'a>,
    tag: Option<&'a str>,
    except: Vec<u64>,
}

impl<'a> Broadcast<'a> {
    pub(super) fn new(host: sys::Object, message: Outgoing<'a>) -> Self {
        Self {
            host,
            message,
            tag: None,
            except: Vec::new(),
        }
    }

    /// Only to sockets with this tag. Of several calls the last counts.
    pub fn tag(mut self, tag: &'a str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Not to this socket; may be repeated.
    pub fn except(mut self, socket: &WebSocket) -> Self {
        self.except.push(socket.id());
        self
    }

    /// Send it. Sockets that take no messages, because they are closing or their outbox is full, are passed over;
    /// returns how many took it.
    ///
    /// # Errors
    ///
    /// None that a program can meet.
    pub fn send(self) -> Result<u32> {
        self.host
            .broadcast(self.tag, &self.except, self.message.payload())
    }
}
