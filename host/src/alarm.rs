//! Owns when to look at which object's alarm. A look finds out whether one is due; the alarm itself is the object's.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::millis;
use crate::object::now_ms;
use crate::storage::Address;

/// The longest sleep: the system's clock may be set meanwhile.
const SLEEP: Duration = Duration::from_secs(60);

/// Looks to be taken, by time.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    schedule: Mutex<Schedule>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Schedule {
    by_time: BTreeSet<(u64, Address)>,
    by_object: HashMap<Address, u64>,
}

impl Alarms {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Look at this object's alarm at that time, or not at all, in place of what was said before.
    pub(crate) fn set(&self, address: &Address, due_ms: Option<u64>) {
        let mut schedule = self.schedule();
        if let Some(before) = schedule.by_object.remove(address) {
            schedule.by_time.remove(&(before, address.clone()));
        }
        if let Some(due_ms) = due_ms {
            schedule.by_object.insert(address.clone(), due_ms);
            schedule.by_time.insert((due_ms, address.clone()));
        }
        drop(schedule);
        self.changed.notify_one();
    }

    /// Wait for the next object whose alarm is to be looked at.
    pub(crate) async fn next(&self) -> Address {
        loop {
            let pause = match self.pop_due(now_ms()) {
                Ok(address) => return address,
                Err(pause) => pause,
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause.min(SLEEP)) => {}
            }
        }
    }

    /// The first that is due by now; else how long to wait.
    fn pop_due(&self, now_ms: u64) -> Result<Address, Duration> {
        let mut schedule = self.schedule();
        match schedule.by_time.first() {
            None => Err(SLEEP),
            Some((due_ms, _)) if *due_ms > now_ms => Err(millis(due_ms - now_ms)),
            Some(_) => {
                let (_, address) = schedule.by_time.pop_first().expect("there is a first");
                schedule.by_object.remove(&address);
                Ok(address)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(id: &str) -> Address {
        Address {
            class: "Room".into(),
            id: id.into(),
        }
    }

    #[test]
    fn the_earliest_is_looked_at_first_and_a_later_word_replaces_an_earlier_one() {
        let alarms = Alarms::default();
        alarms.set(&address("a"), Some(30));
        alarms.set(&address("b"), Some(20));
        alarms.set(&address("c"), Some(10));
        alarms.set(&address("c"), Some(40));
        alarms.set(&address("b"), None);
        assert_eq!(alarms.pop_due(29), Err(millis(1)));
        assert_eq!(alarms.pop_due(50), Ok(address("a")));
        assert_eq!(alarms.pop_due(50), Ok(address("c")));
        assert_eq!(alarms.pop_due(50), Err(SLEEP));
    }
}
