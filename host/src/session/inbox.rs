//! Owns what waits for a session: events in order, within the bounds of a batch. Pure.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::NoAnswer;
use crate::guest::Event;
use crate::socket::{MessageRef, SocketEvent, SocketId};

#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// What is given out while the gate is open.
    events: Queue,
    /// What is given out in any case: what the instance itself waits for behind its gate.
    passing: Queue,
    /// The numbers of the first and the one behind the last.
    numbers: std::ops::Range<i64>,
    /// A task or a connection is on its way to empty it.
    pub(super) is_pumped: bool,
    /// The object's gate is closed.
    is_gated: bool,
    /// Sockets that were opened behind it.
    inside: FxHashSet<SocketId>,
    /// Why nothing is taken any more.
    pub(super) over: Option<NoAnswer>,
}

/// Events in order, each with its number among those of both queues.
type Queue = VecDeque<(i64, Event)>;

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
        let number = self.numbers.end;
        self.numbers.end += 1;
        self.queue_of(&event).push_back((number, event));
    }

    fn queue_of(&mut self, event: &Event) -> &mut Queue {
        match event.passes_gate(&self.inside) {
            true => &mut self.passing,
            false => &mut self.events,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len() + self.passing.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_gated(&self) -> bool {
        self.is_gated
    }

    /// The gate is open: everything is given out.
    pub(super) fn open_gate(&mut self) {
        self.is_gated = false;
        self.inside.clear();
    }

    /// The gate is closed, and these sockets were opened behind it: their events are let through.
    pub(super) fn close_gate(&mut self, inside: &FxHashSet<SocketId>) {
        self.is_gated = true;
        if self.inside.len() == inside.len() {
            return;
        }
        self.inside.clone_from(inside);
        let waiting = std::mem::take(&mut self.events);
        let before = std::mem::take(&mut self.passing);
        let (mut passing, events): (Queue, Queue) = waiting
            .into_iter()
            .partition(|(_, event)| event.passes_gate(inside));
        passing.extend(before);
        passing.make_contiguous().sort_by_key(|(number, _)| *number);
        (self.events, self.passing) = (events, passing);
    }

    /// Whether there is something that may be given out.
    pub(super) fn has_due(&self) -> bool {
        !self.passing.is_empty() || (!self.is_gated && !self.events.is_empty())
    }

    /// Put events back that were taken out last.
    pub(super) fn put_back(&mut self, events: impl DoubleEndedIterator<Item = Event>) {
        for event in events.rev() {
            self.numbers.start -= 1;
            let number = self.numbers.start;
            self.queue_of(&event).push_front((number, event));
        }
    }

    /// The requests that wait, out of their order.
    pub(super) fn take_requests(&mut self) -> VecDeque<Event> {
        let is_request = |(_, event): &(i64, Event)| matches!(event, Event::Fetch { .. });
        let waiting = std::mem::take(&mut self.events);
        let (requests, others): (Queue, Queue) = waiting.into_iter().partition(is_request);
        self.events = others;
        requests.into_iter().map(|(_, event)| event).collect()
    }

    /// A socket has been closed: the messages of it that wait are lost.
    pub(super) fn drop_messages(&mut self, socket: SocketId) {
        for queue in [&mut self.events, &mut self.passing] {
            queue.retain(|(_, event)| event.message_of() != Some(socket));
        }
    }

    /// The sockets whose messages wait.
    pub(super) fn senders(&self) -> Vec<SocketId> {
        let events = self.events.iter();
        events.filter_map(|(_, event)| event.message_of()).collect()
    }

    /// Everything, in no particular order.
    pub(super) fn take_all(&mut self) -> Vec<Event> {
        let events = std::mem::take(&mut self.events).into_iter();
        let passing = std::mem::take(&mut self.passing);
        events.chain(passing).map(|(_, event)| event).collect()
    }

    /// The next events, within these bounds; one larger message is a batch by itself.
    pub(super) fn take_batch(&mut self, events_max: usize, bytes_max: usize) -> VecDeque<Event> {
        let mut batch = VecDeque::new();
        let mut bytes = 0;
        while batch.len() < events_max
            && let Some(queue) = self.next_due()
        {
            if let Some((_, Event::Socket(_, SocketEvent::Message(message)))) = queue.front() {
                bytes += message.as_ref().bytes().len();
                if bytes > bytes_max && !batch.is_empty() {
                    break;
                }
            }
            batch.extend(queue.pop_front().map(|(_, event)| event));
        }
        batch
    }

    /// The queue whose first event is the next that is given out.
    fn next_due(&mut self) -> Option<&mut Queue> {
        let number = |queue: &Queue| queue.front().map(|(number, _)| *number);
        let waiting = if self.is_gated {
            None
        } else {
            number(&self.events)
        };
        match (waiting, number(&self.passing)) {
            (None, None) => None,
            (Some(event), Some(passing)) if event < passing => Some(&mut self.events),
            (Some(_), None) => Some(&mut self.events),
            (Some(_) | None, Some(_)) => Some(&mut self.passing),
        }
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
        inbox.close_gate(&FxHashSet::default());
        assert!(!inbox.has_due());
        inbox.push(Event::Completed(7, Outcome::Done));
        assert!(inbox.has_due());
        let batch = Vec::from(inbox.take_batch(64, 64));
        assert!(matches!(batch[..], [Event::Completed(7, _)]), "{batch:?}");
        assert_eq!(inbox.len(), 1);
        inbox.open_gate();
        assert!(inbox.has_due());
    }

    #[test]
    fn what_comes_over_sockets_that_were_opened_behind_the_gate_is_let_through_in_order() {
        let mut inbox = Inbox::default();
        let event = |socket| Event::Socket(socket, SocketEvent::Drain);
        for socket in [1, 2, 1, 3] {
            inbox.push(event(socket));
        }
        inbox.push(Event::Completed(7, Outcome::Done));
        inbox.close_gate(&FxHashSet::from_iter([2, 3]));
        inbox.push(event(2));
        let sockets = |batch: VecDeque<Event>| -> Vec<SocketId> {
            let socket = |event: &Event| {
                if let Event::Socket(socket, _) = event {
                    *socket
                } else {
                    0
                }
            };
            batch.iter().map(socket).collect()
        };
        assert_eq!(sockets(inbox.take_batch(64, 64)), [2, 3, 0, 2]);
        inbox.put_back([event(3)].into_iter());
        inbox.open_gate();
        inbox.push(event(4));
        assert_eq!(sockets(inbox.take_batch(64, 64)), [3, 1, 1, 4]);
    }

    #[test]
    fn behind_a_closed_gate_a_delivery_looks_at_nothing_that_waits() {
        let mut inbox = Inbox::default();
        inbox.close_gate(&FxHashSet::default());
        for _ in 0..1_000_000 {
            inbox.push(message(1));
            assert!(!inbox.has_due() && inbox.take_batch(64, 64).is_empty());
        }
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
