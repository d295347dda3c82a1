//! Owns the doing of what a turn has asked for: in its order, all of it or, after a fault, nothing.

use std::sync::Arc;

use super::life::Live;
use super::{NoAnswer, Session};
use crate::error::Fault;
use crate::guard;
use crate::guest::{Effects, Event, Outcome, Request, Staged, Token};
use crate::inject::Point;
use crate::outbound::Fetch;
use crate::quota::Charge;
use crate::socket::{Arrival, Outbox, SocketId};
use crate::storage::Address;

impl Session {
    /// Do what a turn has asked for, in its order.
    pub(super) fn commit(&self, live: &mut Live, own: Option<Own<'_>>) {
        self.context.host.counters.point(Point::Effects);
        // Those of the turn before, if that was run under the same lock.
        std::mem::take(&mut live.writes).write();
        let mut effects = std::mem::take(&mut live.instance.state().effects);
        if let Some(own) = own {
            own.take_frames(&mut effects);
        }
        if let Some(object) = &self.object
            && let Some(pair) = effects.auto_response.take()
        {
            object.auto_response.set(pair);
        }
        for staged in std::mem::take(&mut effects.staged) {
            self.apply(live, staged, &effects.frames);
        }
        live.writes.are_of(std::mem::take(&mut effects.frames));
        // Only now, since what the turn did send counts: it may be all that is in the way.
        for (end, outbox) in effects.refused.into_values() {
            if outbox.refuse() {
                end.raise_drain();
            }
        }
    }

    fn apply(&self, live: &mut Live, staged: Staged, frames: &[u8]) {
        match staged {
            Staged::Frames { outbox, range, .. } => {
                if !live.writes.add(&outbox, &range) {
                    outbox.push(&frames[range]);
                }
            }
            Staged::Message { to, message } => {
                to.arrive(Arrival::Message(message));
            }
            Staged::CloseWire { end, outbox, body } => {
                outbox.close(&body, end.close_order());
                live.forget_if_over(end.id());
            }
            Staged::ClosePeer { from, to, body } => {
                if let Some(answer) = to.arrive(Arrival::Close(body)) {
                    from.arrive(Arrival::Close(answer));
                }
                live.forget_if_over(from.id());
            }
            Staged::Pause { end, paused } => end.pause(paused),
            Staged::Broadcast { frame, to } => {
                for (_, outbox) in &to {
                    outbox.push_shared(&frame);
                }
            }
            Staged::Respond { reply, answer, .. } => {
                // A client that has gone meanwhile needs no response; the socket in it ends with it.
                drop(reply.send(answer.map(|answer| *answer)));
            }
            Staged::FetchObject {
                token,
                address,
                name,
                request,
            } => self.fetch_object(live, token, (address, name), request),
            Staged::Fetch {
                token,
                fetch,
                charge,
            } => self.fetch_outside(live, token, *fetch, charge),
            Staged::Connect { end, plan, charge } => {
                let (upstream, id) = (Arc::clone(&self.context.upstream), end.id());
                // The end keeps its session alive: it has accepted it.
                let dialling = tokio::spawn(async move {
                    upstream.connect(end, *plan).await;
                    drop(charge);
                });
                live.dials.insert(id, dialling.abort_handle());
            }
            Staged::CloseOpening { end } => {
                if let Some(dialling) = live.dials.remove(&end.id()) {
                    dialling.abort();
                }
                end.not_opened("the socket was closed before it was open");
            }
            Staged::StartTimer { token, delay } => {
                // The timer keeps its session alive: the worker may wait for nothing else.
                if let Some(me) = self.me.upgrade() {
                    let timer = tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        // A session that is over has no use for its timers.
                        drop(me.post(Event::Completed(token, Outcome::Done)));
                    });
                    live.operations.insert(token, timer.abort_handle());
                }
            }
            Staged::Cancel { token } => {
                if let Some(operation) = live.operations.remove(&token) {
                    operation.abort();
                }
            }
        }
    }

    /// Send a request to an object. Its outcome comes as an event, and this session is there to get it.
    fn fetch_object(
        &self,
        live: &mut Live,
        token: Token,
        (address, name): (Address, Option<String>),
        request: Box<Request>,
    ) {
        let (Some(me), Some(directory)) = (self.me.upgrade(), self.context.directory.upgrade())
        else {
            return;
        };
        let fetching = tokio::spawn(async move {
            let answer = guard::catch(directory.fetch(address, name, request)).await;
            let answer = answer.unwrap_or_else(|payload| {
                let panicked = me.panicked("a request to an object", payload);
                Err(NoAnswer::Fault(panicked.into()))
            });
            let outcome = match answer {
                Ok(answer) => Outcome::Response(Box::new(answer)),
                Err(NoAnswer::Fault(
                    fault @ (Fault::TooManyInstances(_) | Fault::TooManyObjects(_)),
                )) => Outcome::Overloaded(fault.to_string()),
                Err(NoAnswer::Fault(fault)) => Outcome::Failed(fault.to_string()),
                Err(NoAnswer::Never) => Outcome::Failed("the object did not respond".to_owned()),
            };
            drop(me.post(Event::Completed(token, outcome)));
        });
        live.operations.insert(token, fetching.abort_handle());
    }

    /// Send a request to another server.
    fn fetch_outside(&self, live: &mut Live, token: Token, fetch: Fetch, charge: Charge) {
        let Some(me) = self.me.upgrade() else { return };
        let upstream = Arc::clone(&self.context.upstream);
        let fetching = tokio::spawn(async move {
            let id = me.context.host.next_socket_id();
            let outcome = match upstream.fetch(fetch, id).await {
                Ok(answer) => Outcome::Response(Box::new(answer)),
                Err(failed) if failed.is_not_allowed => Outcome::NotAllowed(failed.text),
                Err(failed) => Outcome::Failed(failed.text),
            };
            drop(charge);
            drop(me.post(Event::Completed(token, outcome)));
        });
        live.operations.insert(token, fetching.abort_handle());
    }
}

/// The connection that runs a turn itself: frames for it need no outbox. The turn writes into the
/// connection's buffer, which stays warm in its thread from one instance to the next.
#[derive(Debug)]
pub(super) struct Own<'a> {
    pub(super) socket: SocketId,
    pub(super) outbox: &'a Outbox,
    pub(super) out: &'a mut Vec<u8>,
}

impl Own<'_> {
    pub(super) fn reborrow(&mut self) -> Own<'_> {
        Own {
            socket: self.socket,
            outbox: self.outbox,
            out: self.out,
        }
    }

    /// Take this connection's frames out of what is to be done. They keep their place behind what others
    /// have queued for it.
    fn take_frames(self, effects: &mut Effects) {
        let from = effects.from;
        let is_only_mine = effects.staged.iter().all(|staged| match staged {
            Staged::Frames { socket, .. } => *socket == self.socket,
            Staged::Broadcast { .. } => false,
            Staged::Message { .. }
            | Staged::CloseWire { .. }
            | Staged::ClosePeer { .. }
            | Staged::Pause { .. }
            | Staged::Respond { .. }
            | Staged::FetchObject { .. }
            | Staged::Fetch { .. }
            | Staged::Connect { .. }
            | Staged::CloseOpening { .. }
            | Staged::StartTimer { .. }
            | Staged::Cancel { .. } => true,
        });
        if is_only_mine {
            *self.out = std::mem::take(&mut effects.frames);
            effects
                .staged
                .retain(|staged| !matches!(staged, Staged::Frames { .. }));
        } else {
            self.out.extend_from_slice(&effects.frames[..from]);
            let frames = &effects.frames;
            effects
                .staged
                .retain_mut(|staged| !take_mine(self.socket, staged, frames, self.out));
        }
        if self.out.len() > from {
            self.outbox.put_behind_queue(self.out, from);
        }
    }
}

/// Move what is for this connection into its buffer. True if nothing is left of it for others.
fn take_mine(socket: SocketId, staged: &mut Staged, frames: &[u8], out: &mut Vec<u8>) -> bool {
    match staged {
        Staged::Frames {
            socket: to, range, ..
        } if *to == socket => {
            out.extend_from_slice(&frames[range.clone()]);
            true
        }
        Staged::Broadcast { frame, to } => {
            if let Some(at) = to.iter().position(|(id, _)| *id == socket) {
                to.swap_remove(at);
                out.extend_from_slice(frame);
            }
            to.is_empty()
        }
        Staged::Frames { .. }
        | Staged::Message { .. }
        | Staged::CloseWire { .. }
        | Staged::ClosePeer { .. }
        | Staged::Pause { .. }
        | Staged::Respond { .. }
        | Staged::FetchObject { .. }
        | Staged::Fetch { .. }
        | Staged::Connect { .. }
        | Staged::CloseOpening { .. }
        | Staged::StartTimer { .. }
        | Staged::Cancel { .. } => false,
    }
}
