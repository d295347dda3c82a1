//! Owns the rules of an object's one alarm: delivered at least once, retried with growing pauses, replaced by a newer
//! one. The alarm itself stands in the object's storage; when to look there is the scheduler's part.

use std::sync::Arc;

use super::{Object, now_ms};
use crate::config::Limits;
use crate::storage::{Alarm, StorageError, Work};

/// An alarm that is due, as its handler is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlarmInfo {
    pub(crate) scheduled_ms: u64,
    pub(crate) retry_count: u32,
}

/// What a look at the alarm has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Now(AlarmInfo),
    /// Not before this time.
    At(u64),
    /// There is none, or its handler is running.
    No,
}

/// What is known of the alarm beside what is stored.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AlarmState {
    /// The one whose handler is running.
    in_flight: Option<Alarm>,
    /// The worker has set or deleted the alarm since that handler began: what is stored is not that alarm.
    is_superseded: bool,
    /// What the turn under way has made of the alarm: the time when it is due, or that there is none.
    changed: Option<Option<u64>>,
    /// The time that the index of alarms has for this object, so that it is found again after a restart.
    noted: Option<u64>,
}

impl Object {
    pub(crate) fn alarm_state(&self) -> AlarmState {
        self.facts().alarm
    }

    /// The turn that began with this state has failed.
    pub(crate) fn restore_alarm(&self, state: AlarmState) {
        self.facts().alarm = state;
    }

    /// When the alarm is due; none while its handler runs, unless it has been set again.
    pub(crate) async fn alarm(self: &Arc<Self>) -> Result<Option<u64>, StorageError> {
        let state = self.alarm_state();
        if state.in_flight.is_some() && !state.is_superseded {
            return Ok(None);
        }
        let alarm = self.stored_alarm().await?;
        Ok(alarm.map(|alarm| alarm.due_ms))
    }

    /// Set the alarm in place of the one before, or delete it.
    pub(crate) async fn set_alarm(
        self: &Arc<Self>,
        due_ms: Option<u64>,
    ) -> Result<(), StorageError> {
        self.store_alarm(due_ms.map(|due_ms| Alarm {
            due_ms,
            retry_count: 0,
        }))
        .await?;
        self.facts().alarm.is_superseded = true;
        Ok(())
    }

    async fn stored_alarm(self: &Arc<Self>) -> Result<Option<Alarm>, StorageError> {
        self.with_store(Work::Keys(1), |store| store.alarm())
            .await
            .0
    }

    async fn store_alarm(self: &Arc<Self>, alarm: Option<Alarm>) -> Result<(), StorageError> {
        let stored = self.with_store(Work::Alarm, move |store| store.set_alarm(alarm));
        stored.await.0?;
        self.facts().alarm.changed = Some(alarm.map(|alarm| alarm.due_ms));
        Ok(())
    }

    /// Everything is deleted, the alarm too.
    pub(crate) fn note_delete_all(&self) {
        let mut facts = self.facts();
        facts.alarm.changed = Some(None);
        facts.alarm.is_superseded = true;
    }

    /// Look whether the alarm is due. If it is, its handler is taken to be running from here on.
    pub(crate) async fn take_due_alarm(self: &Arc<Self>) -> Result<Due, StorageError> {
        if self.alarm_state().in_flight.is_some() {
            return Ok(Due::No);
        }
        let Some(alarm) = self.stored_alarm().await? else {
            return Ok(Due::No);
        };
        if alarm.due_ms > now_ms() {
            return Ok(Due::At(alarm.due_ms));
        }
        let mut facts = self.facts();
        facts.alarm.in_flight = Some(alarm);
        facts.alarm.is_superseded = false;
        Ok(Due::Now(AlarmInfo {
            scheduled_ms: alarm.due_ms,
            retry_count: alarm.retry_count,
        }))
    }

    pub(crate) fn is_alarm_in_flight(&self) -> bool {
        self.alarm_state().in_flight.is_some()
    }

    /// The handler has ended. If it failed the alarm is tried again after a while, unless there is a newer one.
    pub(crate) async fn alarm_handled(
        self: &Arc<Self>,
        succeeded: bool,
        limits: &Limits,
    ) -> Result<(), StorageError> {
        let state = {
            let mut facts = self.facts();
            let state = facts.alarm;
            facts.alarm.in_flight = None;
            state
        };
        let Some(alarm) = state.in_flight else {
            return Ok(());
        };
        if state.is_superseded {
            // A newer one may have become due while its handler could not run.
            let newer = self.stored_alarm().await?;
            self.facts().alarm.changed = Some(newer.map(|alarm| alarm.due_ms));
            return Ok(());
        }
        if succeeded {
            return self.store_alarm(None).await;
        }
        if u64::from(alarm.retry_count) >= limits.alarm_retries {
            tracing::error!(object = %self.address, retries = alarm.retry_count,
                "the alarm is given up: its handler failed each time (limit alarm_retries)");
            return self.store_alarm(None).await;
        }
        let pause = limits
            .alarm_backoff_ms
            .saturating_mul(1 << alarm.retry_count.min(20));
        self.store_alarm(Some(Alarm {
            due_ms: now_ms().saturating_add(pause),
            retry_count: alarm.retry_count + 1,
        }))
        .await
    }

    /// What the turn has made of the alarm, once; to be scheduled when the turn has committed.
    pub(crate) fn take_alarm_change(&self) -> Option<Option<u64>> {
        self.facts().alarm.changed.take()
    }

    /// The time that has to be in the index before the turn commits; none if an earlier one is there.
    pub(super) fn alarm_to_note(&self) -> Option<u64> {
        let state = self.alarm_state();
        let due_ms = state.changed??;
        state
            .noted
            .is_none_or(|noted| due_ms < noted)
            .then_some(due_ms)
    }

    pub(super) fn noted_alarm(&self, due_ms: Option<u64>) {
        self.facts().alarm.noted = due_ms;
    }

    pub(super) fn is_alarm_noted(&self) -> bool {
        self.alarm_state().noted.is_some()
    }
}
