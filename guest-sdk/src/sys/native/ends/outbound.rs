//! Owns what only outbound ends have: a handshake, a URL, a subprotocol.

use super::super::objects::Object;
use super::{End, Ends, Item};
use crate::task::Owner;

impl Ends {
    /// An end whose other end is not known yet.
    pub(in super::super) fn add_outbound(
        &mut self,
        id: u64,
        url: &str,
        durable: Option<(Object, Vec<String>)>,
    ) {
        let (owner, tags) = durable.unzip();
        let end = End {
            // Itself, until it has one: nobody else hears what it does.
            peer: id,
            accepted: true,
            maker: Owner::now(),
            holder: Owner::now(),
            is_connecting: true,
            url: Some(url.to_owned()),
            owner,
            tags: tags.unwrap_or_default(),
            ..End::default()
        };
        self.ends.insert(id, end);
    }

    /// The server has agreed, and this end of a pair is what it gives: the outbound end takes its place.
    pub(in super::super) fn open_outbound(&mut self, id: u64, given: u64, protocol: String) {
        if !self.end(id).is_connecting {
            return;
        }
        // What is left in its place is nobody's, and nobody hears when it is dropped.
        let nobody = End {
            peer: given,
            accepted: true,
            ..End::default()
        };
        let given = std::mem::replace(self.end(given), nobody);
        self.end(given.peer).peer = id;
        let end = self.end(id);
        (end.is_connecting, end.peer, end.bytes) = (false, given.peer, given.bytes);
        (end.protocol, end.sent_close) = (protocol, given.sent_close);
        end.lane.push_back(Item::Opened);
        end.lane.extend(given.lane);
    }

    /// The server has not agreed.
    pub(in super::super) fn refuse_outbound(&mut self, id: u64, why: String) {
        let end = self.end(id);
        if end.is_connecting {
            end.lane.push_back(Item::Refused(why));
        }
    }

    pub(in super::super) fn url(&mut self, id: u64) -> Option<String> {
        self.end(id).url.clone()
    }

    pub(in super::super) fn protocol(&mut self, id: u64) -> String {
        self.end(id).protocol.clone()
    }
}
