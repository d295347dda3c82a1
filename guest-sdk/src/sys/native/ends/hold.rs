//! Owns which ends hold the instance of the object that has accepted them.

use super::super::objects::Object;
use super::{End, Ends};

impl Ends {
    /// Whether anything can still come to a standard socket of theirs: it is not over, and its other end is not theirs, too.
    pub(in super::super) fn has_standard_sockets(&self, object: Object) -> bool {
        let mut standard = self.standard(object);
        standard.any(|(_, end)| {
            let is_over = end.broken.is_some() || (end.sent_close && end.got_close);
            !is_over && (end.is_connecting || !self.is_with(object, end.peer))
        })
    }

    /// The standard sockets that an object has accepted.
    pub(super) fn standard(&self, object: Object) -> impl Iterator<Item = (u64, &End)> {
        let ends = self.ends.iter().map(|(id, end)| (*id, end));
        ends.filter(move |(_, end)| {
            end.accepted && end.owner.is_none() && end.holder == object.owner()
        })
    }

    fn is_with(&self, object: Object, id: u64) -> bool {
        self.ends.get(&id).is_some_and(|end| {
            if end.accepted {
                end.owner == Some(object) || end.holder == object.owner()
            } else {
                end.maker == object.owner() && !end.left && !end.handed
            }
        })
    }
}
