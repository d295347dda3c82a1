//! Owns the ends of all pairs, each with the lane of what has arrived for it. Pure: things are told, and collected as
//! events between turns; so what a turn sends leaves when it is over.

use super::super::{Event, Payload};
use crate::close::{CloseEvent, ReadyState};
use crate::error::{Error, Result};
use crate::message::Message;
use std::collections::{BTreeMap, VecDeque};

/// The outbox: over the soft limit a `drain` follows when there is room, over the hard one nothing is taken.
const OUTBOX_SOFT_BYTES: u64 = 1024 * 1024;
const OUTBOX_HARD_BYTES: u64 = 16 * 1024 * 1024;
const ATTACHMENT_BYTES: usize = 16_384;

/// What travels from one end to the other.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Message(Message),
    Close(Option<(u16, String)>),
    Lost,
    Failed,
}

/// How an end stopped other than by Close.
#[derive(Clone, Copy, PartialEq)]
enum Broken {
    /// Told in the turn that runs: until it is over the state stays as it was.
    LostNow,
    Lost,
    Failed,
}

#[derive(Default)]
struct End {
    peer: u64,
    accepted: bool,
    half_open: bool,
    /// Left in a response.
    left: bool,
    paused: bool,
    sent_close: bool,
    got_close: bool,
    broken: Option<Broken>,
    lane: VecDeque<Item>,
    /// Of the messages in the lane: the outbox of the peer.
    bytes: u64,
    /// The outbox of this end has been above its soft limit.
    over: bool,
    attachment: Option<Vec<u8>>,
    request_uri: Option<String>,
}

#[derive(Default)]
pub(super) struct Ends(BTreeMap<u64, End>);

impl Ends {
    pub(super) fn add_pair(&mut self, first: u64, second: u64) {
        self.0.insert(
            first,
            End {
                peer: second,
                ..End::default()
            },
        );
        self.0.insert(
            second,
            End {
                peer: first,
                ..End::default()
            },
        );
    }

    /// Ids come from handles, and entries outlive them.
    fn end(&mut self, id: u64) -> &mut End {
        self.0.entry(id).or_default()
    }

    fn peer(&mut self, id: u64) -> &mut End {
        let peer = self.end(id).peer;
        self.end(peer)
    }

    pub(super) fn accept(&mut self, id: u64, half_open: bool) {
        let end = self.end(id);
        if !end.accepted {
            (end.accepted, end.half_open) = (true, half_open);
        }
    }

    pub(super) fn send(&mut self, id: u64, payload: Payload<'_>) -> Result<()> {
        let end = self.end(id);
        if !end.accepted {
            return Err(Error::NotAccepted);
        }
        if end.broken.is_some() {
            return Ok(());
        }
        if end.sent_close {
            return Err(Error::Closed);
        }
        let message = match payload {
            Payload::Text(text) => Message::from(text),
            Payload::Binary(bytes) => Message::from(bytes),
        };
        let waiting = self.buffered_amount(id);
        let after = waiting + message.len() as u64;
        if waiting > 0 && after > OUTBOX_HARD_BYTES {
            return Err(Error::OutboxFull(waiting));
        }
        self.end(id).over |= after > OUTBOX_SOFT_BYTES;
        let peer = self.peer(id);
        peer.bytes = after;
        peer.lane.push_back(Item::Message(message));
        Ok(())
    }

    /// Whether the peer's answer is to be waited for.
    pub(super) fn close(&mut self, id: u64, frame: Item) -> Result<bool> {
        let end = self.end(id);
        if !end.accepted {
            return Err(Error::NotAccepted);
        }
        if end.sent_close || end.broken.is_some() {
            return Ok(false);
        }
        end.sent_close = true;
        let waits = !end.got_close;
        self.peer(id).lane.push_back(frame);
        Ok(waits)
    }

    pub(super) fn waits_for_close(&self, id: u64) -> bool {
        self.0
            .get(&id)
            .is_some_and(|end| end.sent_close && !end.got_close && end.broken.is_none())
    }

    pub(super) fn lose(&mut self, id: u64) {
        for end in [id, self.end(id).peer] {
            let end = self.end(end);
            // A connection that nobody reads any more breaks all the same.
            end.paused = false;
            end.lane.push_back(Item::Lost);
        }
    }

    pub(super) fn fail(&mut self, id: u64) {
        self.peer(id).lane.push_back(Item::Failed);
        self.end(id)
            .lane
            .push_back(Item::Close(Some((1002, "Protocol error".to_owned()))));
    }

    /// An end that was never accepted ends with its handle: the worker's with a Close, since nobody can ever
    /// take it, the client's as a client that does not come.
    pub(super) fn drop_handle(&mut self, id: u64) {
        let end = self.end(id);
        if end.accepted {
            return;
        }
        if end.left {
            self.lose(id);
        } else if !std::mem::replace(&mut end.sent_close, true) {
            let reason = "the worker never accepted this socket".to_owned();
            self.peer(id)
                .lane
                .push_back(Item::Close(Some((1011, reason))));
        }
    }

    pub(super) fn ready_state(&self, id: u64) -> ReadyState {
        let Some(end) = self.0.get(&id) else {
            return ReadyState::Closed;
        };
        match (end.broken, end.sent_close, end.got_close) {
            (Some(Broken::Lost | Broken::Failed), _, _) | (_, true, true) => ReadyState::Closed,
            (_, false, false) => ReadyState::Open,
            _ => ReadyState::Closing,
        }
    }

    pub(super) fn buffered_amount(&mut self, id: u64) -> u64 {
        self.peer(id).bytes
    }

    /// Whether the outbox has room; if not, a drain follows.
    pub(super) fn is_writable(&mut self, id: u64) -> bool {
        let is_over = self.buffered_amount(id) > OUTBOX_SOFT_BYTES;
        self.end(id).over |= is_over;
        !is_over
    }

    pub(super) fn pause(&mut self, id: u64, paused: bool) {
        self.end(id).paused = paused;
    }

    pub(super) fn attachment(&mut self, id: u64) -> Option<Vec<u8>> {
        self.end(id).attachment.clone()
    }

    pub(super) fn set_attachment(&mut self, id: u64, value: Option<&[u8]>) -> Result<()> {
        if value.is_some_and(|bytes| bytes.len() > ATTACHMENT_BYTES) {
            return Err(Error::AttachmentTooLarge(ATTACHMENT_BYTES as u64));
        }
        self.end(id).attachment = value.map(<[u8]>::to_vec);
        Ok(())
    }

    pub(super) fn request_uri(&mut self, id: u64) -> Option<String> {
        self.end(id).request_uri.clone()
    }

    /// Whether an end can leave in a response.
    pub(super) fn check_leave(&mut self, id: u64) -> Result<()> {
        if self.end(id).accepted {
            Err(Error::AlreadyAccepted)
        } else if self.end(id).left || self.peer(id).left {
            Err(Error::AlreadyUsed)
        } else {
            Ok(())
        }
    }

    /// An end leaves in a response. The other end remembers the request.
    pub(super) fn leave(&mut self, id: u64, uri: &str) {
        self.end(id).left = true;
        self.peer(id).request_uri = Some(uri.to_owned());
    }

    /// What has happened since, as events, in order for each end.
    pub(super) fn collect(&mut self, events: &mut VecDeque<Event>, limit: usize) {
        for end in self.0.values_mut() {
            if end.broken == Some(Broken::LostNow) {
                end.broken = Some(Broken::Lost);
            }
        }
        let ids: Vec<u64> = self.0.keys().copied().collect();
        for id in ids {
            if !self.end(id).accepted {
                self.answer_meanwhile(id);
                continue;
            }
            while events.len() < limit
                && !self.end(id).paused
                && let Some(item) = self.end(id).lane.pop_front()
            {
                events.extend(self.deliver(id, item));
            }
        }
    }

    /// Until an end is accepted what arrives is kept, but the host answers the peer's Close.
    fn answer_meanwhile(&mut self, id: u64) {
        let end = self.end(id);
        if let Some(frame @ Item::Close(_)) = end.lane.back().cloned()
            && !std::mem::replace(&mut end.sent_close, true)
        {
            self.peer(id).lane.push_back(frame);
        }
    }

    fn deliver(&mut self, id: u64, item: Item) -> Vec<Event> {
        let end = self.end(id);
        if end.got_close || end.broken.is_some() {
            return Vec::new();
        }
        match item {
            Item::Message(message) => {
                end.bytes -= message.len() as u64;
                let (left, peer_id) = (end.bytes, end.peer);
                let peer = self.end(peer_id);
                let drained =
                    peer.accepted && left <= OUTBOX_SOFT_BYTES && std::mem::take(&mut peer.over);
                let drain = drained.then_some(Event::Drain(peer_id));
                [Event::Message(id, message)]
                    .into_iter()
                    .chain(drain)
                    .collect()
            }
            Item::Close(frame) => {
                end.got_close = true;
                if !end.half_open && !std::mem::replace(&mut end.sent_close, true) {
                    self.peer(id).lane.push_back(Item::Close(frame.clone()));
                }
                let (code, reason) = frame.unwrap_or((1005, String::new()));
                vec![Event::Close(
                    id,
                    CloseEvent {
                        code,
                        reason,
                        was_clean: true,
                    },
                )]
            }
            Item::Lost => {
                end.broken = Some(Broken::LostNow);
                let reason = "WebSocket disconnected without sending Close frame.".to_owned();
                vec![Event::Close(
                    id,
                    CloseEvent {
                        code: 1006,
                        reason,
                        was_clean: false,
                    },
                )]
            }
            Item::Failed => {
                end.broken = Some(Broken::Failed);
                vec![Event::Error(id, "Protocol error".to_owned())]
            }
        }
    }
}
