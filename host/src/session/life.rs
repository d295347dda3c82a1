//! Owns the live part of a session: its instance, what is under way for it, and its place among the instances.

use std::collections::HashMap;

use tokio::sync::MutexGuard;
use tokio::task::AbortHandle;

use super::roster::Place;
use crate::error::Fault;
use crate::guest::{Direct, Event, Instance, Token};
use crate::socket::outbox::Writes;
use crate::socket::{SocketEvent, SocketId};

#[derive(Debug)]
pub(super) enum Life {
    /// No instance yet; of an object: no instance now.
    Asleep,
    Live(Box<Live>),
    Over,
}

#[derive(Debug)]
pub(super) struct Live {
    pub(super) instance: Instance,
    /// Timers and requests under way.
    pub(super) operations: HashMap<Token, AbortHandle>,
    /// Outbound sockets that are being opened.
    pub(super) dials: HashMap<SocketId, AbortHandle>,
    /// The gate has been open at the end of a turn: the object's constructor is through.
    pub(super) is_ready: bool,
    /// The host failed after what a turn wrote was durable, while it did the rest of what it had asked for.
    pub(super) broken: Option<Fault>,
    /// Resets the object if its gate stays closed.
    pub(super) gate: Option<AbortHandle>,
    /// Has the object hibernate once it is idle.
    pub(super) idle: Option<AbortHandle>,
    /// Frames of turns that are still to be written.
    pub(super) writes: Writes,
    /// Keeps the number of instances within its limit.
    pub(super) _place: Place,
}

impl Drop for Live {
    fn drop(&mut self) {
        let under_way = self.operations.values().chain(self.dials.values());
        for task in under_way.chain(&self.gate).chain(&self.idle) {
            task.abort();
        }
    }
}

/// Let others have the session, and write what its turns had for idle connections: the next turn need not wait for that.
pub(super) fn let_go(mut life: MutexGuard<'_, Life>) {
    let writes = match &mut *life {
        Life::Live(live) => std::mem::take(&mut live.writes),
        Life::Asleep | Life::Over => Writes::default(),
    };
    drop(life);
    writes.write();
}

impl Live {
    pub(super) fn new(instance: Instance, place: Place) -> Self {
        Self {
            instance,
            operations: HashMap::new(),
            dials: HashMap::new(),
            is_ready: false,
            broken: None,
            gate: None,
            idle: None,
            writes: Writes::default(),
            _place: place,
        }
    }

    pub(super) async fn turn(
        &mut self,
        batch: &mut [Event],
        direct: Option<Direct<'_>>,
        frames: Vec<u8>,
    ) -> Result<(), Fault> {
        for event in &*batch {
            match event {
                Event::Completed(token, _) => {
                    self.operations.remove(token);
                }
                Event::Socket(id, SocketEvent::Open | SocketEvent::NotOpened(_)) => {
                    self.dials.remove(id);
                }
                Event::Start
                | Event::Fetch { .. }
                | Event::AlarmDue
                | Event::Alarm(_)
                | Event::Socket(..) => {}
            }
        }
        self.instance.turn(batch, direct, frames).await
    }

    pub(super) fn forget_if_over(&mut self, socket: SocketId) {
        let state = self.instance.state();
        if state
            .accepted(socket)
            .is_some_and(|end| end.is_forgettable())
        {
            state.settle(socket);
        }
    }
}
