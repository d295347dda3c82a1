//! Owns an object's rest: when its instance may go, what holds it, and how it goes. What lasts of the object stands in
//! the object's own room and is not touched.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Session;
use super::inbox::Inbox;
use super::life::{Life, Live};
use crate::config::millis;
use crate::error::Fault;
use crate::guard;
use crate::inject::Point;
use crate::printable::Printable;

/// What keeps an object from hibernating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Hold {
    /// A request waits for its response.
    Request,
    /// A handler of an event, or something it waits for, is under way.
    Handler,
    /// A timer runs.
    Timer,
    /// A request to another object or server is under way.
    Operation,
    /// The gate is closed (`block_concurrency_while`).
    Gate,
    /// A socket was accepted with `accept`, and not as a hibernatable one.
    StandardSocket,
    /// Events wait to be handled.
    Event,
}

impl Session {
    /// What holds this instance.
    pub(super) fn holds(&self, live: &mut Live) -> Vec<Hold> {
        let is_waiting = self.with_inbox(|inbox| !inbox.is_empty());
        let state = live.instance.state();
        let asked = state.requests.values();
        [
            (
                Hold::Request,
                asked.filter(|asked| !asked.reply.is_closed()).count() > 0,
            ),
            (Hold::Handler, state.duties.running > 0),
            (Hold::Timer, !state.timers.is_empty()),
            (Hold::Operation, !state.operations.is_empty()),
            (Hold::Gate, state.duties.gate > 0),
            (Hold::StandardSocket, state.has_reachable_end()),
            (Hold::Event, is_waiting),
        ]
        .into_iter()
        .filter_map(|(hold, is_there)| is_there.then_some(hold))
        .collect()
    }

    /// What holds the object; `None` if it has no instance, or is at work this moment.
    pub(crate) fn try_holds(&self) -> Option<Vec<Hold>> {
        match &mut *self.life.try_lock().ok()? {
            Life::Live(live) => Some(self.holds(live)),
            Life::Asleep | Life::Over => None,
        }
    }

    /// Whether the object has an instance, or is getting one.
    pub(crate) fn is_awake(&self) -> bool {
        match self.life.try_lock() {
            Ok(life) => matches!(*life, Life::Live(_)),
            Err(_) => true,
        }
    }

    pub(super) fn active_ms(&self) -> u64 {
        self.active_ms.load(Ordering::Relaxed)
    }

    /// An event has been handled.
    pub(super) fn touch(&self) {
        let now_ms = self.context.roster.now_ms();
        self.active_ms.store(now_ms, Ordering::Relaxed);
    }

    fn idle_for(&self) -> Duration {
        let now_ms = self.context.roster.now_ms();
        millis(now_ms.saturating_sub(self.active_ms()))
    }

    /// Have the object hibernate once it has been idle for long enough and nothing holds it.
    pub(super) fn watch_idle(&self, live: &mut Live) {
        let (me, after) = (self.me.clone(), self.hibernate_after());
        let watch = async move {
            let mut pause = after;
            loop {
                tokio::time::sleep(pause).await;
                let Some(me) = me.upgrade() else { return };
                match me.rest(after).await {
                    Some(next) => pause = next,
                    None => return,
                }
            }
        };
        live.idle = Some(tokio::spawn(watch).abort_handle());
    }

    /// Hibernate if the object is idle. Else: how long to wait before the next look.
    async fn rest(&self, after: Duration) -> Option<Duration> {
        let mut life = self.life.lock().await;
        let Life::Live(live) = &mut *life else {
            return None;
        };
        let idle = self.idle_for();
        if idle < after {
            return Some(after - idle);
        }
        let holds = self.holds(live);
        if !holds.is_empty() {
            tracing::debug!(object = %self.title(), ?holds, "idle, but does not hibernate");
            return Some(after);
        }
        // This is that task: it must not end itself half-way.
        live.idle = None;
        self.hibernate(&mut life).await;
        None
    }

    /// Hibernate before its time, if nothing holds the object and it is not at work. True if it did.
    pub(super) async fn hibernate_early(&self) -> bool {
        let Ok(mut life) = self.life.try_lock() else {
            return false;
        };
        let Life::Live(live) = &mut *life else {
            return false;
        };
        if !self.holds(live).is_empty() {
            return false;
        }
        self.hibernate(&mut life).await;
        true
    }

    /// Drop the instance; nothing of the object is lost.
    async fn hibernate(&self, life: &mut Life) {
        if let Err(payload) = guard::catch(self.fall_asleep(life)).await {
            let panicked = self.panicked("the hibernation", payload);
            self.break_down(life, &panicked).await;
        }
    }

    async fn fall_asleep(&self, life: &mut Life) {
        self.context.host.counters.point(Point::Hibernate);
        self.context.host.counters.hibernations.add(1);
        tracing::debug!(object = %self.title(), "hibernates");
        self.lose_instance(life, &Fault::Aborted("hibernated".to_owned()))
            .await;
        let Some(object) = &self.object else { return };
        object.close_store().await;
        if object.socket_count() == 0
            && let Some(directory) = self.context.directory.upgrade()
        {
            directory.retire(self);
        }
    }

    /// Take no more events, if none waits: the object's place in the directory is about to be given up.
    pub(crate) fn try_retire(&self) -> bool {
        self.with_inbox(|inbox| {
            if inbox.is_empty() && !inbox.is_pumped {
                inbox.over = Some(super::NoAnswer::Never);
            }
            inbox.over.is_some()
        })
    }

    /// The instance is gone, for whatever reason: what hung on it ends.
    pub(super) async fn lose_instance(&self, life: &mut Life, fault: &Fault) {
        let Life::Live(mut live) = std::mem::replace(life, Life::Asleep) else {
            return;
        };
        self.with_inbox(Inbox::open_gate);
        let state = live.instance.state();
        for (_, asked) in state.requests.drain() {
            // A client that has gone needs no answer.
            drop(asked.reply.send(Err(fault.clone())));
        }
        match fault {
            Fault::Aborted(_) | Fault::GateTime(_) => state.reset_ends(),
            Fault::Trap(_)
            | Fault::CpuTime(_)
            | Fault::WallTime(_)
            | Fault::OutOfMemory(_)
            | Fault::TotalMemory(_)
            | Fault::Handler(_)
            | Fault::Instantiate(_)
            | Fault::Storage(_)
            | Fault::Host(_)
            | Fault::TooManyInstances(_)
            | Fault::TooManyObjects(_) => state.give_up("the worker failed"),
        }
        drop(live);
        self.abandon_alarm().await;
    }

    /// Nobody is left to say how the alarm's handler ended: it is tried again.
    async fn abandon_alarm(&self) {
        let Some(object) = &self.object else { return };
        if !object.is_alarm_in_flight() {
            return;
        }
        let limits = &self.context.host.limits;
        let stored = match object.alarm_handled(false, limits).await {
            Ok(()) => object.commit().await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            object.undo();
            tracing::error!(object = %object.address, "the alarm's failure could not be noted: {}", Printable(&error));
            let again = crate::object::now_ms() + limits.alarm_backoff_ms;
            self.context.alarms.set(&object.address, Some(again));
            return;
        }
        self.schedule_alarm();
    }

    /// Have the scheduler know what the turn has made of the alarm.
    pub(super) fn schedule_alarm(&self) {
        if let Some(object) = &self.object
            && let Some(due_ms) = object.take_alarm_change()
        {
            self.context.alarms.set(&object.address, due_ms);
        }
    }

    /// The object is reset: its sockets end without a Close, its instance is gone.
    pub(super) async fn reset(&self, life: &mut Life, fault: &Fault) {
        if let Some(text) = self.context.host.log.admit(fault) {
            tracing::error!(target: "pairway::worker", object = %self.title(), "{text}");
        }
        let is_ready = matches!(life, Life::Live(live) if live.is_ready);
        if !is_ready && self.with_inbox(|inbox| inbox.is_gated()) {
            // The constructor has failed behind its gate. Another instance would most likely do the same to those who wait
            // for it, and so on for ever.
            for event in self.with_inbox(Inbox::take_requests) {
                self.lose(event, fault);
            }
        }
        self.lose_instance(life, fault).await;
        if let Some(object) = &self.object {
            object.reset();
            object.close_store().await;
        }
    }

    /// Reset the object if its gate has been closed for too long.
    pub(super) fn watch_gate(&self, live: &mut Live) {
        let (me, limit) = (self.me.clone(), self.context.host.limits.gate_ms);
        let watch = async move {
            tokio::time::sleep(millis(limit)).await;
            let Some(me): Option<Arc<Self>> = me.upgrade() else {
                return;
            };
            let mut life = me.life.lock().await;
            if let Life::Live(live) = &mut *life {
                // This is that task: it must not end itself half-way.
                live.gate = None;
                me.context.host.counters.faults.add(1);
                let fault = Fault::GateTime(limit);
                let reset = guard::catch(me.reset(&mut life, &fault)).await;
                if let Err(payload) = reset {
                    let panicked = me.panicked("the reset", payload);
                    me.break_down(&mut life, &panicked).await;
                }
                drop(life);
                me.ensure_pumped();
            }
        };
        live.gate = Some(tokio::spawn(watch).abort_handle());
    }
}
