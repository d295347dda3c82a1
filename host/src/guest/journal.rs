//! Owns the way back: what a turn changes at once, because the worker must see it, and what has to be as before if the
//! turn fails. Only an object's turn is taken back; an instance of a stateless worker dies with its sockets.

use std::sync::Arc;

use crate::object::{AlarmState, Object};
use crate::socket::{End, SocketId};

/// One change, with what was before.
#[derive(Debug)]
pub(crate) enum Change {
    Accepted(SocketId),
    Closed(Arc<End>),
    Attachment(Arc<End>, Option<Box<[u8]>>),
    Tags(Arc<End>, Vec<Arc<str>>),
    EventTimeout(Option<u32>),
}

/// The changes of a turn, in order.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    changes: Vec<Change>,
    alarm: Option<AlarmState>,
}

impl Journal {
    pub(crate) fn note(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// The alarm is about to be changed.
    pub(crate) fn note_alarm(&mut self, object: &Object) {
        self.alarm.get_or_insert_with(|| object.alarm_state());
    }

    /// Take all of it back, the last change first.
    pub(crate) fn take_back(self, object: &Object) {
        for change in self.changes.into_iter().rev() {
            match change {
                Change::Accepted(id) => {
                    if let Some(end) = object.remove_socket(id) {
                        end.give_up("the worker failed");
                        end.let_go();
                    }
                }
                Change::Closed(end) => end.take_back_close(),
                Change::Attachment(end, before) => {
                    end.set_attachment(before.map(Vec::from));
                }
                Change::Tags(end, before) => {
                    object.set_socket_tags(&end, before);
                }
                Change::EventTimeout(before) => {
                    object.set_event_timeout_ms(before);
                }
            }
        }
        if let Some(alarm) = self.alarm {
            object.restore_alarm(alarm);
        }
        object.undo();
    }
}
