//! Owns an accepted socket's inbox: what has arrived and not been taken, and how the socket ended. Pure: it says when
//! to pause the socket and when to resume it, and does neither.

use crate::close::CloseEvent;
use crate::message::Message;
use crate::task::Waiters;
use std::collections::VecDeque;

/// Over one of these the socket is paused: the host stops reading, and the peer feels it. The host's batches (64
/// events, 16 KiB) fit in several times, so that a worker that keeps up is never paused.
const HIGH_MESSAGES: usize = 256;
const HIGH_BYTES: usize = 1024 * 1024;
/// Under both of these it is resumed: low enough that it does not flip at every message.
const LOW_MESSAGES: usize = 64;
const LOW_BYTES: usize = 256 * 1024;

/// How a socket ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    Closed(CloseEvent),
    Failed(String),
}

#[derive(Default)]
pub(super) struct Inbox {
    queue: VecDeque<Message>,
    bytes: usize,
    pub(super) paused: bool,
    pub(super) end: Option<End>,
    /// Who waits for a message.
    pub(super) receivers: Waiters,
    /// Who waits for room in the outbox.
    pub(super) senders: Waiters,
}

impl Inbox {
    /// Keep a message, also while paused: a batch that was under way still brings some. Whether to pause now.
    pub(super) fn push(&mut self, message: Message) -> bool {
        self.bytes += message.len();
        self.queue.push_back(message);
        let over = self.bytes > HIGH_BYTES || self.queue.len() > HIGH_MESSAGES;
        over && !std::mem::replace(&mut self.paused, true)
    }

    /// The oldest message, and whether to resume now.
    pub(super) fn pop(&mut self) -> Option<(Message, bool)> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.len();
        let under = self.bytes <= LOW_BYTES && self.queue.len() <= LOW_MESSAGES;
        Some((message, under && std::mem::replace(&mut self.paused, false)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_pause_once_and_few_resume_once() {
        let mut inbox = Inbox::default();
        let paused: Vec<_> = (0..HIGH_MESSAGES + 10)
            .filter(|_| inbox.push(Message::from("x")))
            .collect();
        assert_eq!(paused, [HIGH_MESSAGES]);
        let mut resumed = Vec::new();
        while let Some((_, resume)) = inbox.pop() {
            if resume {
                resumed.push(inbox.queue.len());
            }
        }
        assert_eq!(resumed, [LOW_MESSAGES]);
        assert_eq!(inbox.bytes, 0);
    }

    #[test]
    fn one_large_message_pauses_until_it_is_taken() {
        let mut inbox = Inbox::default();
        assert!(inbox.push(Message::Binary(vec![0; HIGH_BYTES + 1])));
        assert!(!inbox.push(Message::from("small")));
        assert!(inbox.pop().unwrap().1);
        assert!(!inbox.pop().unwrap().1);
        assert!(inbox.pop().is_none());
    }
}
