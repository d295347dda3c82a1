//! Owns the question who runs an object. One process runs all of them today; an implementation that shares them among
//! several (a table with compare-and-set) goes here.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::storage::Address;

/// The right to run an object, until it is released. A storage that several processes can write to refuses a
/// commit with an epoch older than the newest it has seen: whoever lost the right without noticing does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u64);

/// Another has the right; where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere(pub(crate) String);

/// Who runs an object: at most one at any time.
pub(crate) trait Placement: Send + Sync + Debug {
    /// Take the right to run an object.
    fn claim(&self, address: &Address) -> Result<Epoch, Elsewhere>;

    /// Give it back. Of no effect if another has it by now.
    fn release(&self, address: &Address, epoch: Epoch);
}

/// All objects are run here.
#[derive(Debug, Default)]
pub(crate) struct InProcess(Mutex<Claims>);

#[derive(Debug, Default)]
struct Claims {
    last: u64,
    held: HashMap<Address, Epoch>,
}

impl InProcess {
    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Placement for InProcess {
    fn claim(&self, address: &Address) -> Result<Epoch, Elsewhere> {
        let mut claims = self.claims();
        if claims.held.contains_key(address) {
            return Err(Elsewhere("this process".to_owned()));
        }
        claims.last += 1;
        let epoch = Epoch(claims.last);
        claims.held.insert(address.clone(), epoch);
        Ok(epoch)
    }

    fn release(&self, address: &Address, epoch: Epoch) {
        let mut claims = self.claims();
        if claims.held.get(address) == Some(&epoch) {
            claims.held.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_run_by_one_at_a_time_and_each_time_has_a_later_epoch() {
        let placement = InProcess::default();
        let address = Address {
            class: "Room".into(),
            id: "1".into(),
        };
        let first = placement.claim(&address).unwrap();
        assert!(placement.claim(&address).is_err());
        placement.release(&address, first);
        let second = placement.claim(&address).unwrap();
        assert!(second > first);
        placement.release(&address, first);
        assert!(
            placement.claim(&address).is_err(),
            "an old right releases nothing"
        );
    }
}
