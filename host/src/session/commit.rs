//! Owns the doing of what a turn has asked for: in its order, all of it or, after a fault, nothing.

use super::Session;
use super::life::Live;
use crate::guest::{Effects, Event, Staged};
use crate::socket::{Arrival, Outbox, SocketId};

impl Session {
    /// Do what a turn has asked for, in its order.
    pub(super) fn commit(&self, live: &mut Live, own: Option<Own<'_>>) {
        let state = live.instance.state();
        if state.effects.staged.is_empty() {
            return;
        }
        let mut effects = std::mem::take(&mut state.effects);
        if let Some(own) = own {
            own.take_frames(&mut effects);
        }
        let staged = std::mem::take(&mut effects.staged);
        for staged in staged {
            self.apply(live, staged, &effects.frames);
        }
        effects.clear();
        live.instance.state().effects = effects;
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

/// The connection that runs a turn itself: frames for it need no outbox.
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
        let from = self.out.len();
        if from == 0
            && let [Staged::Frames { socket, .. }] = effects.staged[..]
            && socket == self.socket
        {
            std::mem::swap(self.out, &mut effects.frames);
            effects.staged.clear();
        } else {
            effects.staged.retain(|staged| match staged {
                Staged::Frames { socket, range, .. } if *socket == self.socket => {
                    self.out.extend_from_slice(&effects.frames[range.clone()]);
                    false
                }
                Staged::Frames { .. }
                | Staged::Message { .. }
                | Staged::CloseWire { .. }
                | Staged::ClosePeer { .. }
                | Staged::Pause { .. }
                | Staged::Respond { .. }
                | Staged::StartTimer { .. }
                | Staged::CancelTimer { .. } => true,
            });
        }
        if self.out.len() > from {
            self.outbox.put_behind_queue(self.out, from);
        }
    }
}
