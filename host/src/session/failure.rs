//! Owns what becomes of a session that has failed. Where the host itself did, the instance is lost, its place is given back, who
//! waits is told, and an object goes on with another instance, as after a fault of the worker's.

use super::life::Life;
use super::{NoAnswer, Session};
use crate::error::Fault;
use crate::guard::{self, Panicked, Payload};

impl Session {
    /// A panic while the host worked for this session.
    pub(super) fn panicked(&self, work: &str, payload: Payload) -> Panicked {
        let counters = &self.context.host.counters;
        Panicked::note(
            counters,
            format_args!("{work} of {}", self.title()),
            payload,
        )
    }

    /// The host has failed amid its own work, between turns or around them: nobody knows what was done of it. Whatever hung on
    /// the session ends, and is told.
    pub(super) async fn break_down(&self, life: &mut Life, panicked: &Panicked) {
        let fault = Fault::from(panicked.clone());
        if self.object.is_none() {
            // Giving up what is broken may fail as well. The instance is gone all the same, and its place free.
            let failed = guard::catch_now(|| self.fail(life, fault));
            if let Err(payload) = failed {
                self.panicked("the end", payload);
                *life = Life::Over;
            }
            return;
        }
        self.report(&fault);
        let lost = guard::catch(Box::pin(self.lose_instance(life, &fault))).await;
        if let Err(payload) = lost {
            self.panicked("the end", payload);
            *life = Life::Asleep;
        }
        let Some(object) = &self.object else { return };
        // Which messages are lost is not known. Nobody shall wait for an answer to one of them.
        for socket in object.socket_ids(None) {
            self.close_for(socket, &fault);
        }
        let closed = guard::catch(Box::pin(object.close_store())).await;
        if let Err(payload) = closed {
            self.panicked("the end", payload);
        }
        // Nor shall an alarm be forgotten that it was about to look at.
        let again = crate::object::now_ms() + self.context.host.limits.alarm_backoff_ms;
        self.context.alarms.set(&object.address, Some(again));
    }

    /// The instance has more than its share of the memory of all, and others need some: it ends, unless it is at work.
    /// Gives whether it did.
    pub(super) async fn end_for_memory(&self, fault: &Fault) -> bool {
        let Ok(mut life) = self.life.try_lock() else {
            return false;
        };
        if !matches!(*life, Life::Live(_)) {
            return false;
        }
        if self.object.is_some() {
            self.report(fault);
            self.lose_instance(&mut life, fault).await;
        } else {
            self.fail(&mut life, fault.clone());
        }
        drop(life);
        self.ensure_pumped();
        true
    }

    /// Say that an instance has died.
    pub(super) fn report(&self, fault: &Fault) {
        if let Some(text) = self.context.host.log.admit(fault) {
            tracing::error!(target: "pairway::worker", worker = self.title(), "{text}");
        }
        if !matches!(fault, Fault::TooManyInstances(_) | Fault::TooManyObjects(_)) {
            self.context.host.counters.faults.add(1);
        }
    }

    /// The session of a stateless worker is over.
    pub(super) fn fail(&self, life: &mut Life, fault: Fault) {
        self.report(&fault);
        self.with_inbox(|inbox| inbox.over = Some(NoAnswer::Fault(fault)));
        self.end(life, "the worker failed");
    }
}
