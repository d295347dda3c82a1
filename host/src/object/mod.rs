//! Owns what lasts of a durable object while its instances come and go: its hibernatable sockets with their tags, its
//! auto-response, its alarm, and the way to its storage. Knows nothing of instances, turns or wasmtime.

mod alarm;
mod id;
mod sockets;
mod storage;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

pub(crate) use self::alarm::{AlarmInfo, AlarmState, Due};
pub(crate) use self::id::{id_from_name, id_from_string, unique_id};
use self::sockets::Sockets;
pub(crate) use self::sockets::TagError;
use self::storage::Slot;
pub(crate) use self::storage::{Stores, Timed};
use crate::socket::auto_response::AutoResponder;
use crate::storage::{Address, Stop};

/// What lasts of one durable object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) address: Address,
    /// The name that its id was made from, once somebody has told it.
    name: OnceLock<String>,
    /// How long it may be idle before it loses its instance.
    pub(crate) hibernate_after: Duration,
    pub(crate) auto_response: Arc<AutoResponder>,
    stores: Arc<Stores>,
    /// Opened at the first use, and closed when the object hibernates.
    store: Mutex<Slot>,
    /// Ends the SQL that its store runs.
    stop: Arc<Stop>,
    facts: Mutex<Facts>,
}

#[derive(Debug, Default)]
struct Facts {
    sockets: Sockets,
    event_timeout_ms: Option<u32>,
    alarm: AlarmState,
}

impl Object {
    pub(crate) fn new(address: Address, hibernate_after: Duration, stores: Arc<Stores>) -> Self {
        Self {
            address,
            name: OnceLock::new(),
            hibernate_after,
            auto_response: Arc::default(),
            stores,
            store: Mutex::default(),
            stop: Arc::default(),
            facts: Mutex::default(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.get().map(String::as_str)
    }

    /// Learn the name that the id was made from. It never changes.
    pub(crate) fn learn_name(&self, name: Option<String>) {
        if let Some(name) = name {
            self.name.get_or_init(|| name);
        }
    }

    pub(crate) fn event_timeout_ms(&self) -> Option<u32> {
        self.facts().event_timeout_ms
    }

    /// Set the event timeout; gives the one before.
    pub(crate) fn set_event_timeout_ms(&self, timeout_ms: Option<u32>) -> Option<u32> {
        std::mem::replace(&mut self.facts().event_timeout_ms, timeout_ms)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
