//! Owns the ends of all pairs, each with the lane of what has arrived for it. Pure: things are told, and collected as
//! events between turns; so what a turn sends leaves when it is over. What only hibernatable ends have is in `durable`, what
//! only outbound ones have in `outbound`, whom they hold in `hold`, how
//! they leave in `leave`.

mod durable;
mod hold;
mod leave;
mod outbound;

use super::super::{Event, Payload};
use super::objects::Object;
use super::{Delivery, UpgradeRequest};
use crate::close::{CloseEvent, ReadyState};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::task::Owner;
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
    /// The handshake of an outbound end is over.
    Opened,
    /// The same, and nothing came of it: the text says why.
    Refused(String),
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
    maker: Owner,
    /// Whose code has accepted it.
    holder: Owner,
    accepted: bool,
    half_open: bool,
    /// Left in a response to a client.
    left: bool,
    /// Left in the response of an object, to whoever asked it.
    handed: bool,
    paused: bool,
    sent_close: bool,
    got_close: bool,
    /// The peer's Close was answered before this end is accepted: it is closed, and has not been told.
    answered: bool,
    broken: Option<Broken>,
    lane: VecDeque<Item>,
    /// Of the messages in the lane: the outbox of the peer.
    bytes: u64,
    /// The outbox of this end has been above its soft limit.
    over: bool,
    attachment: Option<Vec<u8>>,
    request: Option<UpgradeRequest>,
    /// The object that has accepted it, as a hibernatable socket.
    owner: Option<Object>,
    tags: Vec<String>,
    /// When the auto-response last answered it.
    answered_ms: Option<u64>,
    /// Its last event is on its way: the object has it until the turn is over.
    is_over: bool,
    /// Outbound, and its handshake is not over.
    is_connecting: bool,
    url: Option<String>,
    protocol: String,
}

#[derive(Default)]
pub(super) struct Ends {
    ends: BTreeMap<u64, End>,
    /// The texts that objects have answered for them, and the answers.
    auto_responses: BTreeMap<Object, (String, String)>,
}

impl Ends {
    pub(super) fn add_pair(&mut self, first: u64, second: u64) {
        for (id, peer) in [(first, second), (second, first)] {
            let end = End {
                peer,
                maker: Owner::now(),
                ..End::default()
            };
            self.ends.insert(id, end);
        }
    }

    /// Ids come from handles, and entries outlive them.
    fn end(&mut self, id: u64) -> &mut End {
        self.ends.entry(id).or_default()
    }

    fn peer(&mut self, id: u64) -> &mut End {
        let peer = self.end(id).peer;
        self.end(peer)
    }

    pub(super) fn accept(&mut self, id: u64, half_open: bool) -> Result<()> {
        let end = self.end(id);
        if end.owner.is_some() {
            return Err(Error::AlreadyAccepted);
        }
        // One that has left is its client's to accept.
        if !end.accepted {
            (end.accepted, end.half_open) = (true, half_open);
            end.holder = Owner::now();
        }
        Ok(())
    }

    pub(super) fn send(&mut self, id: u64, payload: Payload<'_>) -> Result<()> {
        let end = self.end(id);
        if !end.accepted {
            return Err(Error::NotAccepted);
        }
        if end.is_connecting {
            return Err(Error::Connecting);
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
        self.queue(id, message);
        Ok(())
    }

    /// Put a message on its way.
    fn queue(&mut self, id: u64, message: Message) {
        let peer = self.peer(id);
        peer.bytes += message.len() as u64;
        let is_over = peer.bytes > OUTBOX_SOFT_BYTES;
        peer.lane.push_back(Item::Message(message));
        self.end(id).over |= is_over;
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
        if end.is_connecting {
            end.lane
                .push_back(Item::Refused("it was closed".to_owned()));
            return Ok(false);
        }
        end.sent_close = true;
        let waits = !end.got_close;
        self.peer(id).lane.push_back(frame);
        Ok(waits)
    }

    pub(super) fn waits_for_close(&self, id: u64) -> bool {
        self.ends
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
        let Some(end) = self.ends.get(&id) else {
            return ReadyState::Closed;
        };
        match (end.broken, end.sent_close, end.got_close || end.answered) {
            _ if end.is_connecting => ReadyState::Connecting,
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

    pub(super) fn request(&mut self, id: u64) -> Option<UpgradeRequest> {
        self.end(id).request.clone()
    }

    /// What has happened since, as events, in order for each end. Whether something was answered, and may have
    /// arrived elsewhere by it.
    pub(super) fn collect(
        &mut self,
        events: &mut VecDeque<Delivery>,
        limit: usize,
        now_ms: u64,
    ) -> bool {
        let mut has_answered = false;
        for end in self.ends.values_mut() {
            if end.broken == Some(Broken::LostNow) {
                end.broken = Some(Broken::Lost);
            }
            if end.is_over {
                end.owner = None;
            }
        }
        let ids: Vec<u64> = self.ends.keys().copied().collect();
        for id in ids {
            if !self.end(id).accepted {
                self.answer_meanwhile(id);
                continue;
            }
            while events.len() < limit
                && !self.end(id).paused
                && let Some(item) = self.end(id).lane.pop_front()
            {
                if self.answer_by_itself(id, &item, now_ms) {
                    has_answered = true;
                } else {
                    events.extend(self.deliver(id, item));
                }
            }
        }
        has_answered
    }

    /// Until an end is accepted what arrives is kept, but the host answers the peer's Close.
    fn answer_meanwhile(&mut self, id: u64) {
        let end = self.end(id);
        if let Some(frame @ Item::Close(_)) = end.lane.back().cloned()
            && !std::mem::replace(&mut end.sent_close, true)
        {
            end.answered = true;
            self.peer(id).lane.push_back(frame);
        }
    }

    fn deliver(&mut self, id: u64, item: Item) -> Vec<Delivery> {
        let end = self.end(id);
        if end.got_close || end.broken.is_some() {
            return Vec::new();
        }
        let to = end.owner;
        let event = match item {
            Item::Message(message) => {
                let drain = self.take_out(id, message.len() as u64);
                let event = Event::Message(id, message);
                return [Delivery { to, event }].into_iter().chain(drain).collect();
            }
            Item::Close(frame) => {
                end.got_close = true;
                if !end.half_open && !std::mem::replace(&mut end.sent_close, true) {
                    self.peer(id).lane.push_back(Item::Close(frame.clone()));
                }
                let (code, reason) = frame.unwrap_or((1005, String::new()));
                closed(id, code, reason, true)
            }
            Item::Lost => {
                end.broken = Some(Broken::LostNow);
                let reason = "WebSocket disconnected without sending Close frame.".to_owned();
                closed(id, 1006, reason, false)
            }
            Item::Failed => {
                end.broken = Some(Broken::Failed);
                Event::Error(id, "Protocol error".to_owned())
            }
            Item::Opened => {
                let event = Event::Open(id);
                return vec![Delivery { to, event }];
            }
            Item::Refused(why) => {
                (end.is_connecting, end.broken) = (false, Some(Broken::Failed));
                end.is_over = true;
                let reason = "Failed to establish websocket connection".to_owned();
                let events = [Event::Error(id, why), closed(id, 1006, reason, false)];
                return events.map(|event| Delivery { to, event }).into();
            }
        };
        self.end(id).is_over = true;
        vec![Delivery { to, event }]
    }

    /// A message has left the lane; who waits for room is told.
    fn take_out(&mut self, id: u64, bytes: u64) -> Option<Delivery> {
        let end = self.end(id);
        end.bytes -= bytes;
        let (left, peer_id) = (end.bytes, end.peer);
        let peer = self.end(peer_id);
        let drained = peer.accepted && left <= OUTBOX_SOFT_BYTES && std::mem::take(&mut peer.over);
        drained.then_some(Delivery {
            to: peer.owner,
            event: Event::Drain(peer_id),
        })
    }
}

fn closed(id: u64, code: u16, reason: String, was_clean: bool) -> Event {
    Event::Close(
        id,
        CloseEvent {
            code,
            reason,
            was_clean,
        },
    )
}
