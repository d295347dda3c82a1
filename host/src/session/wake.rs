//! Owns the way of a session into life: a place, an instance, and for an object its constructor.

use std::sync::{Arc, Weak};

use super::Session;
use super::life::{Life, Live};
use crate::error::Fault;
use crate::guest::{Event, Instance};
use crate::socket::Owner;

impl Session {
    /// Make the instance, and for an object run its constructor: `start` is a turn by itself.
    pub(super) async fn wake(&self, life: &mut Life, depth: u32) -> Result<(), Fault> {
        let roster = &self.context.roster;
        let place = match &self.object {
            Some(_) => roster.wait().await,
            None => roster.take().await,
        };
        let mut place = place.inspect_err(|fault| {
            // The end of a stateless session is reported where it ends.
            if self.object.is_some() {
                self.report(fault);
            }
        })?;
        let owner: Weak<dyn Owner> = self.me.clone();
        let made = Instance::new(
            Arc::clone(&self.context.component),
            self.context.host.clone(),
            owner,
            self.object.clone(),
        );
        let mut instance = made.await.inspect_err(|fault| {
            if self.object.is_some() {
                self.report(fault);
            }
        })?;
        let memory = Arc::clone(instance.state().memory.quota());
        roster.enter(self, memory, &mut place);
        *life = Life::Live(Box::new(Live::new(instance, place)));
        if self.object.is_none() {
            return Ok(());
        }
        self.context.host.counters.wakes.add(1);
        let Life::Live(live) = life else {
            return Ok(());
        };
        live.instance.state().depth = depth;
        if let Err(fault) = self.turn(live, &mut [Event::Start], None, None).await {
            self.report(&fault);
            self.lose_instance(life, &fault).await;
            return Err(fault);
        }
        self.watch_idle(live);
        self.after_turn(life).await;
        match life {
            Life::Live(_) => Ok(()),
            // Its constructor has reset it.
            Life::Asleep | Life::Over => Err(Fault::Aborted("by its constructor".to_owned())),
        }
    }
}

/// How many requests from object to object stand behind what an object is woken for.
pub(super) fn depth(batch: &[Event], has_direct: bool) -> u32 {
    let of = batch.iter().map(|event| match event {
        Event::Fetch { request, .. } => request.depth,
        Event::Start
        | Event::Socket(..)
        | Event::AlarmDue
        | Event::Alarm(_)
        | Event::Completed(..) => 0,
    });
    of.chain(has_direct.then_some(0)).min().unwrap_or(0)
}
