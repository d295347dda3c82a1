//! Owns the bounds on a guest's linear memory, its own and that of all instances, and remembers whether the guest ran into
//! one: a guest that is refused memory traps a moment later, and its user should be told why.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiterAsync;

use crate::config::{Limits, millis, size};
use crate::counters::Counters;
use crate::error::Fault;
use crate::quota::{Charge, Quota};

/// What an instance begins with is not charged up to here: most of it is stack that is never touched.
const FREE_BYTES: usize = 2 * 1024 * 1024;

/// Which bound a guest ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    Own,
    Total,
}

/// Bounds the memory of one instance, all its linear memories and tables together.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    used: usize,
    total: Arc<Quota>,
    /// What of the total this instance has.
    own: Arc<Quota>,
    charge: Charge,
    counters: Arc<Counters>,
    /// How long it waits for room.
    wait: Duration,
    denied: Option<Denied>,
}

impl Memory {
    pub(crate) fn new(limits: &Limits, total: &Arc<Quota>, counters: &Arc<Counters>) -> Self {
        let own = total.part(u64::MAX);
        Self {
            max: size(limits.memory_bytes),
            used: 0,
            total: Arc::clone(total),
            charge: Charge::on(&own),
            own,
            counters: Arc::clone(counters),
            wait: millis(limits.memory_wait_ms),
            denied: None,
        }
    }

    /// What counts of it for all instances together.
    pub(crate) fn quota(&self) -> &Arc<Quota> {
        &self.own
    }

    /// A call begins: what was refused before does not explain how it ends.
    pub(crate) fn begin(&mut self) {
        self.denied = None;
    }

    /// Why the guest trapped, if it was refused memory.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.denied? {
            Denied::Own => Some(Fault::OutOfMemory(self.max as u64)),
            Denied::Total => Some(Fault::TotalMemory(self.total.max())),
        }
    }

    /// Wait until others have made room for so many bytes in all: idle objects hibernate. False if they have not.
    async fn wait(&mut self, used: usize) -> bool {
        let wait = self.wait;
        let waiting = async {
            loop {
                let relieved = self.total.is_relieved();
                if used as u64 <= self.share() {
                    self.total.press_for_share();
                } else {
                    self.total.press();
                }
                relieved.await;
                if self.charge(used) {
                    return;
                }
            }
        };
        tokio::time::timeout(wait, waiting).await.is_ok()
    }

    fn share(&self) -> u64 {
        self.total.max() / self.counters.instances_live.get().max(1)
    }

    /// Whether there is room for so many bytes in all. Beyond the total, who has less than a fair share of it may still
    /// grow, a little: others have more, and make room.
    fn charge(&mut self, used: usize) -> bool {
        let wanted = used.saturating_sub(FREE_BYTES) as u64;
        let Some(more) = wanted.checked_sub(self.charge.bytes()) else {
            return true;
        };
        if more == 0 {
            return true;
        }
        if self.charge.try_grow(more) {
            if self.total.used() > self.total.max() - self.total.max() / 8 {
                // In good time: idle objects can make room.
                self.total.press();
            }
            return true;
        }
        let is_small = wanted <= self.share();
        let overdraft = self.total.max() / 16;
        if is_small && self.total.used() + more <= self.total.max() + overdraft {
            self.charge.set(wanted);
            return true;
        }
        false
    }
}

#[wasmtime_wasi::async_trait]
impl ResourceLimiterAsync for Memory {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let after = self.used.saturating_add(desired.saturating_sub(current));
        if after > self.max {
            self.denied = Some(Denied::Own);
            return Ok(false);
        }
        if !self.charge(after) && !self.wait(after).await {
            self.denied = Some(Denied::Total);
            return Ok(false);
        }
        self.used = after;
        Ok(true)
    }

    async fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A function reference takes 16 bytes at most; a table of them may take what a memory may.
        Ok(desired <= self.max / 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn memory(total: &Arc<Quota>, counters: &Arc<Counters>) -> Memory {
        counters.instances_live.add(1);
        let limits = Limits {
            memory_bytes: 100 << 20,
            memory_wait_ms: 1,
            ..Limits::default()
        };
        Memory::new(&limits, total, counters)
    }

    async fn grow(memory: &mut Memory, by: usize) -> bool {
        let before = memory.used;
        let growing = memory.memory_growing(before, before + by, None);
        growing.await.unwrap()
    }

    #[tokio::test]
    async fn what_an_instance_begins_with_is_not_charged() {
        let (total, counters) = (Quota::new(64 << 20), Arc::default());
        let mut memory = memory(&total, &counters);
        assert!(grow(&mut memory, FREE_BYTES).await);
        assert_eq!(total.used(), 0);
        assert!(grow(&mut memory, MIB).await);
        assert_eq!(total.used(), 1 << 20);
        drop(memory);
        assert_eq!(total.used(), 0);
    }

    #[tokio::test]
    async fn at_the_total_who_has_more_than_a_share_is_refused_and_who_has_less_grows() {
        let (total, counters) = (Quota::new(64 << 20), Arc::default());
        let mut large = memory(&total, &counters);
        let mut small = memory(&total, &counters);
        assert!(grow(&mut large, FREE_BYTES + 64 * MIB).await);
        assert!(!grow(&mut large, MIB).await);
        assert_eq!(large.fault(), Some(Fault::TotalMemory(64 << 20)));
        assert!(
            grow(&mut small, FREE_BYTES + 4 * MIB).await,
            "a sixteenth more"
        );
        assert!(!grow(&mut small, MIB).await);
    }

    #[tokio::test]
    async fn who_finds_no_room_waits_for_others_to_make_some() {
        let (total, counters) = (Quota::new(64 << 20), Arc::default());
        let mut one = memory(&total, &counters);
        let mut other = memory(&total, &counters);
        one.wait = Duration::from_secs(60);
        assert!(grow(&mut other, FREE_BYTES + 60 * MIB).await);
        let relief = async {
            // It wants more than a share, so that no other instance is to end for it.
            assert!(!total.pressed().await);
            drop(other);
            total.relieved();
        };
        let (has_grown, ()) = tokio::join!(grow(&mut one, FREE_BYTES + 50 * MIB), relief);
        assert!(has_grown);
    }

    #[tokio::test]
    async fn its_own_bound_is_told_apart() {
        let (total, counters) = (Quota::new(1 << 30), Arc::default());
        let mut memory = memory(&total, &counters);
        assert!(!grow(&mut memory, 101 * MIB).await);
        assert_eq!(memory.fault(), Some(Fault::OutOfMemory(100 << 20)));
        memory.begin();
        assert_eq!(memory.fault(), None);
    }
}
