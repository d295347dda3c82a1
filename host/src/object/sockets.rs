//! Owns the registry of an object's hibernatable sockets: by id and by tag, from `accept-web-socket` to the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::Object;
use crate::config::Limits;
use crate::socket::{End, SocketId};

/// Why tags are refused. The payload is the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TagError {
    TooMany(u64),
    TooLong(u64),
}

#[derive(Debug, Default)]
pub(super) struct Sockets {
    by_id: BTreeMap<SocketId, Arc<End>>,
    by_tag: HashMap<Arc<str>, BTreeSet<SocketId>>,
}

impl Sockets {
    fn insert(&mut self, end: Arc<End>) {
        for tag in end.tags() {
            self.by_tag.entry(tag).or_default().insert(end.id());
        }
        self.by_id.insert(end.id(), end);
    }

    fn remove(&mut self, id: SocketId) -> Option<Arc<End>> {
        let end = self.by_id.remove(&id)?;
        self.untag(id, &end.tags());
        Some(end)
    }

    fn untag(&mut self, id: SocketId, tags: &[Arc<str>]) {
        for tag in tags {
            if let Some(ids) = self.by_tag.get_mut(tag) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_tag.remove(tag);
                }
            }
        }
    }

    /// The text of a tag, once for all sockets that have it.
    fn intern(&self, tag: String) -> Arc<str> {
        match self.by_tag.get_key_value(&*tag) {
            Some((known, _)) => Arc::clone(known),
            None => tag.into(),
        }
    }
}

impl Object {
    /// Check tags, and let equal ones share their text. Duplicates collapse, and the order is kept; but they count
    /// for the bound, as in Cloudflare's system.
    pub(crate) fn check_tags(
        &self,
        tags: Vec<String>,
        limits: &Limits,
    ) -> Result<Vec<Arc<str>>, TagError> {
        if tags.len() as u64 > limits.tags {
            return Err(TagError::TooMany(limits.tags));
        }
        let facts = self.facts();
        let mut checked: Vec<Arc<str>> = Vec::with_capacity(tags.len());
        for tag in tags {
            if tag.len() as u64 > limits.tag_bytes {
                return Err(TagError::TooLong(limits.tag_bytes));
            }
            if !checked.iter().any(|known| **known == *tag) {
                checked.push(facts.sockets.intern(tag));
            }
        }
        Ok(checked)
    }

    pub(crate) fn add_socket(&self, end: Arc<End>) {
        self.facts().sockets.insert(end);
    }

    /// The socket's last event is through, or its accepting did not happen after all.
    pub(crate) fn remove_socket(&self, id: SocketId) -> Option<Arc<End>> {
        self.facts().sockets.remove(id)
    }

    pub(crate) fn socket(&self, id: SocketId) -> Option<Arc<End>> {
        self.facts().sockets.by_id.get(&id).cloned()
    }

    pub(crate) fn has_socket(&self, id: SocketId) -> bool {
        self.facts().sockets.by_id.contains_key(&id)
    }

    pub(crate) fn socket_count(&self) -> usize {
        self.facts().sockets.by_id.len()
    }

    /// The ids of all sockets, or of those with a tag.
    pub(crate) fn socket_ids(&self, tag: Option<&str>) -> Vec<SocketId> {
        let facts = self.facts();
        match tag {
            None => facts.sockets.by_id.keys().copied().collect(),
            Some(tag) => match facts.sockets.by_tag.get(tag) {
                Some(ids) => ids.iter().copied().collect(),
                None => Vec::new(),
            },
        }
    }

    /// Call this for all sockets, or for those with a tag, without those to be left out.
    pub(crate) fn for_each_socket(
        &self,
        tag: Option<&str>,
        except: &[SocketId],
        mut f: impl FnMut(&Arc<End>),
    ) {
        let except: FxHashSet<SocketId> = except.iter().copied().collect();
        let facts = self.facts();
        let by_id = &facts.sockets.by_id;
        let is_wanted = |id: &SocketId| !except.contains(id);
        match tag {
            None => by_id
                .iter()
                .filter(|(id, _)| is_wanted(id))
                .for_each(|(_, end)| f(end)),
            Some(tag) => facts
                .sockets
                .by_tag
                .get(tag)
                .into_iter()
                .flatten()
                .filter(|id| is_wanted(id))
                .filter_map(|id| by_id.get(id))
                .for_each(f),
        }
    }

    /// Replace a socket's tags; gives those before.
    pub(crate) fn set_socket_tags(&self, end: &End, tags: Vec<Arc<str>>) -> Vec<Arc<str>> {
        let mut facts = self.facts();
        let before = end.set_tags(tags.clone());
        // One whose last event is through is not among them any more.
        if facts.sockets.by_id.contains_key(&end.id()) {
            facts.sockets.untag(end.id(), &before);
            for tag in tags {
                facts
                    .sockets
                    .by_tag
                    .entry(tag)
                    .or_default()
                    .insert(end.id());
            }
        }
        before
    }

    /// The object is reset: every socket of it ends, without a Close.
    pub(crate) fn reset(&self) {
        let sockets = std::mem::take(&mut self.facts().sockets);
        for end in sockets.by_id.values() {
            end.reset();
        }
        self.auto_response.set(None);
        self.set_event_timeout_ms(None);
    }
}
