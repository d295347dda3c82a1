//! Owns what waits for a session: events in order, within the bounds of a batch. Pure.

use std::collections::VecDeque;

use super::NoAnswer;
use crate::guest::Event;
use crate::socket::{MessageRef, SocketEvent, SocketId};

#[derive(Debug, Default)]
pub(super) struct Inbox {
    events: VecDeque<Event>,
    /// A task or a connection is on its way to empty it.
    pub(super) is_pumped: bool,
    /// The object's gate is closed: only completions are given out.
    pub(super) is_gated: bool,
    /// Why nothing is taken any more.
    pub(super) over: Option<NoAnswer>,
}

/// What a connection is to do that would put its messages with those of others.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gather {
    /// Somebody is on the way to the inbox: leave them there.
    Under,
    /// Nobody was: wait for others, and empty it.
    Begun,
    /// Behind a closed gate nothing can be gathered.
    No,
}

impl Inbox {
    pub(super) fn gather(&mut self) -> Gather {
        if self.is_gated {
            Gather::No
        } else if std::mem::replace(&mut self.is_pumped, true) {
            Gather::Under
        } else {
            Gather::Begun
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether there is something that may be given out.
    pub(super) fn has_due(&self) -> bool {
        self.events.iter().any(|event| self.is_due(event))
    }

    fn is_due(&self, event: &Event) -> bool {
        !self.is_gated || event.passes_gate()
    }

    /// Put events back that were taken out last.
    pub(super) fn put_back(&mut self, events: impl DoubleEndedIterator<Item = Event>) {
        for event in events.rev() {
            self.events.push_front(event);
        }
    }

    /// The requests that wait, out of their order.
    pub(super) fn take_requests(&mut self) -> VecDeque<Event> {
        let is_request = |event: &Event| matches!(event, Event::Fetch { .. });
        let (requests, others) = self.take_all().into_iter().partition(is_request);
        self.events = others;
        requests
    }

    /// A socket has been closed: the messages of it that wait are lost.
    pub(super) fn drop_messages(&mut self, socket: SocketId) {
        self.events
            .retain(|event| event.message_of() != Some(socket));
    }

    /// The sockets whose messages wait.
    pub(super) fn senders(&self) -> Vec<SocketId> {
        self.events.iter().filter_map(Event::message_of).collect()
    }

    pub(super) fn take_all(&mut self) -> VecDeque<Event> {
        std::mem::take(&mut self.events)
    }

    /// The next events, within these bounds; one larger message is a batch by itself.
    pub(super) fn take_batch(&mut self, events_max: usize, bytes_max: usize) -> VecDeque<Event> {
        let mut batch = VecDeque::new();
        let mut bytes = 0;
        while batch.len() < events_max
            && let Some(at) = self.next_due()
        {
            if let Event::Socket(_, SocketEvent::Message(message)) = &self.events[at] {
                bytes += message.as_ref().bytes().len();
                if bytes > bytes_max && !batch.is_empty() {
                    break;
                }
            }
            batch.extend(self.events.remove(at));
        }
        batch
    }

    fn next_due(&self) -> Option<usize> {
        self.events.iter().position(|event| self.is_due(event))
    }
}

/// How many of these messages one turn takes: at least one.
pub(super) fn batch_len(messages: &[MessageRef<'_>], events_max: usize, bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = messages
        .iter()
        .take(events_max)
        .take_while(|message| {
            bytes += message.bytes().len();
            bytes <= bytes_max
        })
        .count();
    fits.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Outcome;
    use crate::socket::Message;

    fn message(bytes: usize) -> Event {
        Event::Socket(1, SocketEvent::Message(Message::Binary(vec![0; bytes])))
    }

    #[test]
    fn a_batch_is_bounded_by_count_and_bytes_and_never_empty() {
        let mut inbox = Inbox::default();
        for bytes in [4, 4, 100, 1] {
            inbox.push(message(bytes));
        }
        let mut next = |events, bytes| inbox.take_batch(events, bytes).len();
        assert_eq!(next(1, 10), 1);
        assert_eq!(next(64, 10), 1);
        assert_eq!(next(64, 10), 1, "one larger message is a batch by itself");
        assert_eq!(next(64, 10), 1);
        assert_eq!(next(64, 10), 0);
    }

    #[test]
    fn behind_a_closed_gate_only_completions_are_due() {
        let mut inbox = Inbox::default();
        inbox.push(message(1));
        inbox.is_gated = true;
        assert!(!inbox.has_due());
        inbox.push(Event::Completed(7, Outcome::Done));
        assert!(inbox.has_due());
        let batch = Vec::from(inbox.take_batch(64, 64));
        assert!(matches!(batch[..], [Event::Completed(7, _)]), "{batch:?}");
        assert_eq!(inbox.len(), 1);
        inbox.is_gated = false;
        assert!(inbox.has_due());
    }

    #[test]
    fn messages_where_they_lie_have_the_same_bounds() {
        let small = [MessageRef::Text("ab"); 10];
        assert_eq!(batch_len(&small, 4, 100), 4);
        assert_eq!(batch_len(&small, 64, 5), 2);
        assert_eq!(
            batch_len(&small[..1], 64, 1),
            1,
            "one larger message is a batch by itself"
        );
    }
}
