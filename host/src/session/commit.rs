//! Owns the doing of what a turn has asked for: in its order, all of it or, after a fault, nothing.

use super::Session;
use super::life::Live;
use crate::guest::{Effects, Event, Staged};
use crate::socket::{Arrival, Outbox, SocketId};

impl Session {
    /// Do what a turn has asked for, in its order.
    pub(super) fn commit(&self, live: &mut Live, own: Option<Own<'_>>) {
        let mut effects = std::mem::take(&mut live.instance.state().effects);
        if let Some(own) = own {
            own.take_frames(&mut effects);
        }
        for staged in std::mem::take(&mut effects.staged) {
            self.apply(live, staged, &effects.frames);
        }
        // Only now, since what the turn did send counts: it may be all that is in the way.
        for (end, outbox) in effects.refused.into_values() {
            if outbox.refuse() {
                end.raise_drain();
            }
        }
    }

    /// Nothing of a turn that has failed happens; what its connection had before stays with it.
    pub(super) fn undo(live: &mut Live, own: Option<Own<'_>>) {
        let frames = live.instance.state().effects.undo();
        if let Some(own) = own {
            *own.out = frames;
        }
    }

    fn apply(&self, live: &mut Live, staged: Staged, frames: &[u8]) {
        match staged {
            Staged::Frames { outbox, range, .. } => outbox.push(&frames[range]),
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
            Staged::Respond { reply, answer } => {
                // A client that has gone meanwhile needs no response; the socket in it ends with it.
                drop(reply.send(answer));
            }
            Staged::StartTimer { token, delay } => {
                // The timer keeps its session alive: the worker may wait for nothing else.
                if let Some(me) = self.me.upgrade() {
                    let timer = tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        // A session that is over has no use for its timers.
                        drop(me.post(Event::Completed(token)));
                    });
                    live.timers.insert(token, timer.abort_handle());
                }
            }
            Staged::CancelTimer { token } => {
                if let Some(timer) = live.timers.remove(&token) {
                    timer.abort();
                }
            }
        }
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
    /// Take this connection's frames out of what is to be done. They keep their place behind what others
    /// have queued for it.
    fn take_frames(self, effects: &mut Effects) {
        let from = effects.from;
        let is_mine = |staged: &Staged| matches!(staged, Staged::Frames { socket, .. } if *socket == self.socket);
        let is_anothers = |staged: &Staged| matches!(staged, Staged::Frames { socket, .. } if *socket != self.socket);
        if effects.staged.iter().any(is_anothers) {
            self.out.extend_from_slice(&effects.frames[..from]);
            for staged in &effects.staged {
                if let Staged::Frames { socket, range, .. } = staged
                    && *socket == self.socket
                {
                    self.out.extend_from_slice(&effects.frames[range.clone()]);
                }
            }
        } else {
            *self.out = std::mem::take(&mut effects.frames);
        }
        effects.staged.retain(|staged| !is_mine(staged));
        if self.out.len() > from {
            self.outbox.put_behind_queue(self.out, from);
        }
    }
}
