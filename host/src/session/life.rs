//! Owns the live part of a session: its instance, its timers, and its place among the instances that may
//! be alive.

use std::collections::HashMap;

use tokio::task::AbortHandle;

use crate::error::Fault;
use crate::guest::{Direct, Event, Host, Instance, Token};
use crate::socket::SocketId;

#[derive(Debug)]
pub(super) struct Live {
    pub(super) instance: Instance,
    pub(super) timers: HashMap<Token, AbortHandle>,
    /// Keeps the number of instances within its limit.
    pub(super) _place: Place,
}

/// One of the instances that may be alive at a time.
#[derive(Debug)]
pub(super) struct Place(Host);

impl Place {
    pub(super) fn take(host: &Host) -> Result<Self, Fault> {
        host.counters.instances_live.add(1);
        let place = Self(host.clone());
        if host.counters.instances_live.get() > host.limits.instances {
            return Err(Fault::TooManyInstances(host.limits.instances));
        }
        host.counters.instances.add(1);
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.counters.instances_live.sub(1);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for timer in self.timers.values() {
            timer.abort();
        }
    }
}

impl Live {
    pub(super) async fn turn(
        &mut self,
        batch: &mut [Event],
        direct: Option<Direct<'_>>,
        frames: Vec<u8>,
    ) -> Result<(), Fault> {
        for event in &*batch {
            if let Event::Completed(token) = event {
                self.timers.remove(token);
            }
        }
        self.instance.turn(batch, direct, frames).await
    }

    pub(super) fn forget_if_over(&mut self, socket: SocketId) {
        let state = self.instance.state();
        if state
            .ends
            .get(&socket)
            .is_some_and(|end| end.is_forgettable())
        {
            state.ends.remove(&socket);
        }
    }
}
