//! Owns what only the ends have that an object has accepted: an owner, tags, the auto-response.

use super::super::objects::Object;
use super::{Broken, Ends, Item};
use crate::error::{Error, Result};
use crate::message::Message;

const TAGS: usize = 10;
const TAG_BYTES: usize = 256;
const AUTO_RESPONSE_BYTES: usize = 2048;

impl Ends {
    pub(in super::super) fn accept_for(
        &mut self,
        object: Object,
        id: u64,
        tags: &[&str],
    ) -> Result<()> {
        let tags = check_tags(tags)?;
        let peer = self.peer(id);
        let peer_is_used = peer.accepted || peer.left || peer.handed;
        let end = self.end(id);
        if end.accepted {
            return Err(Error::AlreadyAccepted);
        }
        if end.left || end.handed || peer_is_used {
            return Err(Error::AlreadyUsed);
        }
        (end.accepted, end.owner, end.tags) = (true, Some(object), tags);
        Ok(())
    }

    /// The hibernatable sockets of an object.
    pub(in super::super) fn of(&self, object: Object, tag: Option<&str>) -> Vec<u64> {
        let ends = self.ends.iter().filter(|(_, end)| {
            let has_tag = tag.is_none_or(|tag| end.tags.iter().any(|other| other == tag));
            end.owner == Some(object) && has_tag
        });
        ends.map(|(id, _)| *id).collect()
    }

    pub(in super::super) fn tags(&self, id: u64) -> Result<Vec<String>> {
        let end = self.ends.get(&id).filter(|end| end.owner.is_some());
        end.map(|end| end.tags.clone())
            .ok_or(Error::UnknownSocket(id))
    }

    pub(in super::super) fn set_tags(&mut self, id: u64, tags: &[&str]) -> Result<()> {
        self.tags(id)?;
        self.end(id).tags = check_tags(tags)?;
        Ok(())
    }

    pub(in super::super) fn set_auto_response(
        &mut self,
        object: Object,
        pair: Option<(&str, &str)>,
    ) -> Result<()> {
        let Some((request, response)) = pair else {
            self.auto_responses.remove(&object);
            return Ok(());
        };
        if request.len().max(response.len()) > AUTO_RESPONSE_BYTES {
            return Err(Error::AutoResponseTooLarge(AUTO_RESPONSE_BYTES as u64));
        }
        self.auto_responses
            .insert(object, (request.to_owned(), response.to_owned()));
        Ok(())
    }

    pub(in super::super) fn auto_response(&self, object: Object) -> Option<(String, String)> {
        self.auto_responses.get(&object).cloned()
    }

    pub(in super::super) fn answered_ms(&self, id: u64) -> Result<Option<u64>> {
        self.tags(id)?;
        Ok(self.ends.get(&id).and_then(|end| end.answered_ms))
    }

    /// Answer a text that the object has set an answer for. It never learns of it.
    pub(super) fn answer_by_itself(&mut self, id: u64, item: &Item, now_ms: u64) -> bool {
        let Item::Message(Message::Text(text)) = item else {
            return false;
        };
        let end = self.end(id);
        let can_answer = !end.sent_close && !end.got_close && end.broken.is_none();
        let Some(owner) = end.owner.filter(|_| can_answer) else {
            return false;
        };
        let Some((_, response)) = self
            .auto_response(owner)
            .filter(|(request, _)| request == text)
        else {
            return false;
        };
        // Nobody waits for room in the lane of a text that is answered at once.
        let end = self.end(id);
        end.bytes -= text.len() as u64;
        end.answered_ms = Some(now_ms);
        self.queue(id, response.into());
        true
    }

    /// The object is reset: its sockets end without a Close, and nobody is told on its side.
    pub(in super::super) fn reset(&mut self, object: Object) {
        let standard: Vec<u64> = self.standard(object).map(|(id, _)| id).collect();
        for id in self.of(object, None).into_iter().chain(standard) {
            let end = self.end(id);
            (end.owner, end.broken) = (None, Some(Broken::Lost));
            self.peer(id).lane.push_back(Item::Lost);
        }
        self.auto_responses.remove(&object);
    }
}

/// Duplicates collapse, their order is kept.
fn check_tags(tags: &[&str]) -> Result<Vec<String>> {
    let mut distinct: Vec<String> = Vec::new();
    for tag in tags {
        if tag.len() > TAG_BYTES {
            return Err(Error::TagTooLong(256));
        }
        if !distinct.iter().any(|other| other == tag) {
            distinct.push((*tag).to_owned());
        }
    }
    if distinct.len() > TAGS {
        return Err(Error::TooManyTags(10));
    }
    Ok(distinct)
}
