//! Owns `send`, the one import that is worth a way of its own: it encodes the frame straight out of the
//! guest's memory, where the generated bindings would copy the message into a `Vec` first (a tenth of the
//! cost of a 64 KiB echo).

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Resource, WasmList, WasmStr};

use super::wit::types::MessageResult;
use super::{GuestState, WitError, several};
use crate::config::{Limits, size};
use crate::guest::effects::{Effects, Staged};
use crate::guest::promise::Route;
use crate::guest::store::Handle;
use crate::socket::codec::{self, Format, Role};
use crate::socket::end::Link;
use crate::socket::state::SendVerdict;
use crate::socket::{End, MessageRef, Outbox, SocketId};

/// `message` of `wit/types.wit`, still in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum GuestMessage {
    #[component(name = "text")]
    Text(WasmStr),
    #[component(name = "binary")]
    Binary(WasmList<u8>),
}

/// Put both ways to send in the places of those that the bindings made.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut sockets = linker.instance("pairway:worker/sockets@0.1.0")?;
    sockets.func_wrap(
        "[method]web-socket.send",
        |mut store: StoreContextMut<'_, GuestState>,
         (socket, message): (Resource<Handle>, GuestMessage)| {
            let end = Arc::clone(&store.data().table.get(&socket)?.0);
            let known = store.data_mut().take_route(end.id());
            let way = known.map_or(Way::To(end), Way::Known);
            Ok((send(store, way, &message)?,))
        },
    )?;
    sockets.func_wrap(
        "send",
        |mut store: StoreContextMut<'_, GuestState>, (to, message): (SocketId, GuestMessage)| {
            let state = store.data_mut();
            let known = state.take_route(to).map(Way::Known);
            match known.or_else(|| state.accepted(to).map(Way::To)) {
                Some(way) => Ok((send(store, way, &message)?,)),
                None => Ok((Err(WitError::NotAccepted),)),
            }
        },
    )?;
    several::link(&mut sockets)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Where a message goes.
enum Way {
    /// To the connection that the one before went to.
    Known(Route),
    /// To wherever this end leads.
    To(Arc<End>),
}

fn send(
    mut store: StoreContextMut<'_, GuestState>,
    way: Way,
    message: &GuestMessage,
) -> wasmtime::Result<Result<(), WitError>> {
    // The buffer is taken out while guest memory is borrowed from the same store.
    let mut frames = std::mem::take(&mut store.data_mut().effects.frames);
    let from = frames.len();
    let (end, known) = match way {
        Way::Known(Route { end, outbox }) => (end, Some(outbox)),
        Way::To(end) => (end, None),
    };
    let stage = |message: MessageRef<'_>, frames: &mut Vec<u8>| match known {
        Some(outbox) => {
            codec::message(outbox.format(), message, frames);
            Encoded::Frame(outbox)
        }
        None => stage(&end, message, frames),
    };
    let read = match message {
        GuestMessage::Text(text) => text
            .to_str(&store)
            .map(|text| stage(MessageRef::Text(&text), &mut frames)),
        GuestMessage::Binary(list) => Ok(stage(
            MessageRef::Binary(list.as_le_slice(&store)),
            &mut frames,
        )),
    };
    let state = store.data_mut();
    state.effects.frames = frames;
    state.finish_send(end, read?, from)
}

/// What [`stage`] made of a message.
pub(super) enum Encoded {
    Frame(Arc<Outbox>),
    Message(Arc<End>, crate::socket::Message),
    Dropped,
    Refused(WitError),
}

/// Encode a message for where its end leads to.
pub(super) fn stage(end: &End, message: MessageRef<'_>, frames: &mut Vec<u8>) -> Encoded {
    let link = match end.on_send() {
        Err(_) => return Encoded::Refused(WitError::NotAccepted),
        Ok((SendVerdict::TooEarly, _)) => return Encoded::Refused(WitError::Connecting),
        Ok((SendVerdict::Refuse, _)) => return Encoded::Refused(WitError::Closed),
        Ok((SendVerdict::Drop, _)) => return Encoded::Dropped,
        Ok((SendVerdict::Take, link)) => link,
    };
    match link {
        Link::Wire(outbox) => {
            codec::message(outbox.format(), message, frames);
            Encoded::Frame(outbox)
        }
        Link::Peer(peer) => match peer.upgrade() {
            Some(peer) => Encoded::Message(peer, message.to_message()),
            None => Encoded::Dropped,
        },
        Link::Opening | Link::Gone => Encoded::Dropped,
    }
}

/// Stage what was encoded behind `from`, unless the socket's outbox, or the turn, is full.
pub(super) fn finish(
    effects: &mut Effects,
    limits: &Limits,
    end: Arc<End>,
    encoded: Encoded,
    from: usize,
) -> wasmtime::Result<Result<(), WitError>> {
    let hard = size(limits.outbox_hard_bytes);
    let staged = effects.staged_bytes(end.id());
    let room = size(limits.turn_bytes).saturating_sub(effects.total_bytes());
    // One message larger than the bounds is taken by an empty outbox, and as the first of a turn.
    let is_first = effects.total_bytes() == 0;
    let is_too_much = |bytes: usize| !is_first && bytes > room;
    match encoded {
        Encoded::Frame(outbox) => {
            let before = outbox.buffered() + staged;
            let bytes = effects.frames.len() - from;
            if !outbox.takes(before, bytes, hard) || is_too_much(bytes) || !effects.keep(bytes) {
                effects.frames.truncate(from);
                effects.refused.insert(end.id(), (end, outbox));
                return Ok(Err(WitError::OutboxFull(before as u64)));
            }
            effects.stage_frames(end.id(), &outbox, from, limits)?;
            effects.route = Some(Route { end, outbox });
        }
        Encoded::Message(peer, message) => {
            let before = peer.waiting_bytes() + staged;
            let bytes = message.cost();
            if !peer.takes(staged, bytes, hard) || is_too_much(bytes) || !effects.keep(bytes) {
                end.want_drain();
                return Ok(Err(WitError::OutboxFull(before as u64)));
            }
            effects.count(end.id(), bytes);
            let staged = Staged::Message { to: peer, message };
            effects.stage(staged, limits)?;
        }
        Encoded::Dropped => {}
        Encoded::Refused(error) => return Ok(Err(error)),
    }
    Ok(Ok(()))
}

impl GuestState {
    /// The way of the message before, if it went over this socket.
    fn take_route(&mut self, socket: SocketId) -> Option<Route> {
        let route = self.effects.route.take();
        route.filter(|route| route.end.id() == socket)
    }

    /// What the bindings would have `send` do: the same, with a copy of the message.
    pub(super) fn send_copied(
        &mut self,
        end: Arc<End>,
        message: &MessageResult,
    ) -> wasmtime::Result<Result<(), WitError>> {
        let from = self.effects.frames.len();
        let encoded = stage(&end, as_ref(message), &mut self.effects.frames);
        self.finish_send(end, encoded, from)
    }

    fn finish_send(
        &mut self,
        end: Arc<End>,
        encoded: Encoded,
        from: usize,
    ) -> wasmtime::Result<Result<(), WitError>> {
        finish(&mut self.effects, &self.host.limits, end, encoded, from)
    }

    /// Encode a message once for all of these ends that take it and have room, but for each way in which it stands on
    /// their wires. Gives how many take it.
    pub(super) fn broadcast_to(
        &mut self,
        ends: &[Arc<End>],
        message: MessageRef<'_>,
    ) -> wasmtime::Result<u32> {
        let mut casts: Vec<Cast> = Vec::new();
        let mut taken = 0;
        if !self.effects.keep(message.bytes().len() + size_of_val(ends)) {
            return Ok(0);
        }
        for end in ends {
            match end.on_send() {
                Ok((SendVerdict::Take, Link::Wire(outbox))) if outbox.role() == Role::Client => {
                    // Each frame has a mask of its own.
                    let from = self.effects.frames.len();
                    codec::message(outbox.format(), message, &mut self.effects.frames);
                    let encoded = Encoded::Frame(outbox);
                    let sent = self.finish_send(Arc::clone(end), encoded, from)?;
                    taken += u32::from(sent.is_ok());
                }
                Ok((SendVerdict::Take, Link::Wire(outbox))) => {
                    taken += u32::from(self.cast(&mut casts, end, outbox, message));
                }
                Ok((SendVerdict::Take, Link::Peer(peer))) => {
                    let Some(peer) = peer.upgrade() else { continue };
                    let encoded = Encoded::Message(peer, message.to_message());
                    let from = self.effects.frames.len();
                    let sent = self.finish_send(Arc::clone(end), encoded, from)?;
                    taken += u32::from(sent.is_ok());
                }
                Ok(_) | Err(_) => {}
            }
        }
        let limits = Arc::clone(&self.host.limits);
        for cast in casts {
            if !cast.to.is_empty() {
                self.effects.stage_broadcast(cast.frame, cast.to, &limits)?;
            }
        }
        Ok(taken)
    }

    /// Enter an end for the frame of its format. False if it has no room.
    fn cast(
        &mut self,
        casts: &mut Vec<Cast>,
        end: &Arc<End>,
        outbox: Arc<Outbox>,
        message: MessageRef<'_>,
    ) -> bool {
        let format = outbox.format();
        let known = casts.iter().position(|cast| cast.format == format);
        let at = known.unwrap_or_else(|| {
            let mut frame = Vec::new();
            codec::message(format, message, &mut frame);
            casts.push(Cast {
                format,
                frame: frame.into(),
                to: Vec::new(),
            });
            casts.len() - 1
        });
        let cast = &mut casts[at];
        let (len, total) = (cast.frame.len(), self.effects.total_bytes());
        if total > 0 && total + len > size(self.host.limits.turn_bytes) {
            return false;
        }
        let before = outbox.buffered() + self.effects.staged_bytes(end.id());
        if !outbox.takes(before, len, size(self.host.limits.outbox_hard_bytes)) {
            let refused = (Arc::clone(end), outbox);
            self.effects.refused.insert(end.id(), refused);
            return false;
        }
        cast.to.push((end.id(), outbox));
        true
    }
}

/// One frame of a broadcast, for all connections on whose wires it stands alike.
struct Cast {
    format: Format,
    frame: Bytes,
    to: Vec<(SocketId, Arc<Outbox>)>,
}

pub(super) fn as_ref(message: &MessageResult) -> MessageRef<'_> {
    match message {
        MessageResult::Text(text) => MessageRef::Text(text),
        MessageResult::Binary(bytes) => MessageRef::Binary(bytes),
    }
}
