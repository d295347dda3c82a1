//! Owns the way back: what a turn changes at once, because the worker must see it, and what has to be as before if the
//! turn fails. Only an object's turn is taken back; an instance of a stateless worker dies with its sockets. Of what
//! changes several times the first value counts, and no other is kept.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::object::{AlarmState, Object};
use crate::socket::end::Attachment;
use crate::socket::{End, SocketId};

/// What a turn has changed, with what was before.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    accepted: Vec<SocketId>,
    closed: Vec<Arc<End>>,
    attachments: FxHashMap<SocketId, (Arc<End>, Option<Attachment>)>,
    tags: FxHashMap<SocketId, (Arc<End>, Vec<Arc<str>>)>,
    event_timeout: Option<Option<u32>>,
    alarm: Option<AlarmState>,
}

impl Journal {
    pub(crate) fn note_accepted(&mut self, id: SocketId) {
        self.accepted.push(id);
    }

    pub(crate) fn note_closed(&mut self, end: Arc<End>) {
        self.closed.push(end);
    }

    pub(crate) fn note_attachment(&mut self, end: Arc<End>, before: Option<Attachment>) {
        if let Entry::Vacant(entry) = self.attachments.entry(end.id()) {
            entry.insert((end, before));
        }
    }

    pub(crate) fn note_tags(&mut self, end: Arc<End>, before: Vec<Arc<str>>) {
        if let Entry::Vacant(entry) = self.tags.entry(end.id()) {
            entry.insert((end, before));
        }
    }

    pub(crate) fn note_event_timeout(&mut self, before: Option<u32>) {
        self.event_timeout.get_or_insert(before);
    }

    /// The alarm is about to be changed.
    pub(crate) fn note_alarm(&mut self, object: &Object) {
        self.alarm.get_or_insert_with(|| object.alarm_state());
    }

    /// Take all of it back. What was accepted goes last: it may have been closed, and got tags.
    pub(crate) fn take_back(self, object: &Arc<Object>) {
        for end in self.closed {
            end.take_back_close();
        }
        for (end, before) in self.attachments.into_values() {
            end.set_attachment(before);
        }
        for (end, before) in self.tags.into_values() {
            object.set_socket_tags(&end, before);
        }
        for id in self.accepted {
            if let Some(end) = object.remove_socket(id) {
                end.give_up("the worker failed");
                end.let_go();
            }
        }
        if let Some(before) = self.event_timeout {
            object.set_event_timeout_ms(before);
        }
        if let Some(alarm) = self.alarm {
            object.restore_alarm(alarm);
        }
        object.undo();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Totals;

    #[test]
    fn of_what_changes_several_times_the_first_value_is_kept() {
        let totals = Totals::testing();
        let (end, _) = End::pair(1, 2, &totals.host);
        let attachment = |byte| Attachment::new(vec![byte], &totals.host);
        let mut journal = Journal::default();
        for byte in 0..3 {
            let before = end.set_attachment(attachment(byte));
            journal.note_attachment(Arc::clone(&end), before);
            journal.note_event_timeout(Some(u32::from(byte)));
        }
        let kept = totals.host.used();
        assert_eq!(end.attachment(), Some(vec![2]));
        assert_eq!(journal.attachments.len(), 1);
        let (_, before) = journal.attachments.remove(&1).unwrap();
        end.set_attachment(before);
        assert_eq!(end.attachment(), None);
        assert_eq!(journal.event_timeout, Some(Some(0)));
        assert_eq!(totals.host.used(), kept - 1, "nor is any other charged");
    }
}
