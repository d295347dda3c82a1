//! Owns the durable objects of a server: which are known, the way to each, and the looks at their alarms. An object is
//! known while it has an instance, a socket, or something to do; what else it has is in storage.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::alarm::Alarms;
use crate::config::{Config, Limits};
use crate::error::{Error, Fault};
use crate::guard::{self, Panicked};
use crate::guest::{Answer, Component, Host, Request};
use crate::inject::Point;
use crate::namespace::Class;
use crate::object::{Object, Stores};
use crate::placement::{Epoch, InProcess, Placement};
use crate::session::{Context, Directory, Hold, NoAnswer, Roster, Session};
use crate::storage::{Address, Bounds, MemoryStorage, SqliteStorage, Storage, StorageError};
use crate::upstream::Upstream;

/// What there is to say about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectStatus {
    /// The class.
    pub class: String,
    /// The id: 64 hexadecimal digits.
    pub id: String,
    /// The name that the id was made from, if it is known.
    pub name: Option<String>,
    /// Hibernatable sockets.
    pub sockets: usize,
    /// Whether it has an instance.
    pub is_awake: bool,
    /// What keeps it from hibernating, once it has been idle; nothing for one that is asleep.
    pub holds: Vec<Hold>,
}

/// The objects of a server.
#[derive(Debug)]
pub(crate) struct Objects {
    me: Weak<Self>,
    pub(crate) context: Arc<Context>,
    stores: Arc<Stores>,
    placement: Box<dyn Placement>,
    known: Mutex<HashMap<Address, Known>>,
    /// Names of objects that have an alarm from an earlier run.
    names: Mutex<HashMap<Address, String>>,
}

#[derive(Debug)]
struct Known {
    session: Arc<Session>,
    epoch: Epoch,
}

impl Objects {
    pub(crate) fn new(
        component: Arc<Component>,
        host: Host,
        upstream: Arc<Upstream>,
        config: &Config,
    ) -> Result<Arc<Self>, Error> {
        let storage = open(&host, config).map_err(|error| Error::Storage(error.to_string()))?;
        let alarms = Arc::new(Alarms::default());
        let mut names = HashMap::new();
        for hint in storage
            .alarms()
            .map_err(|error| Error::Storage(error.to_string()))?
        {
            // One of a class that this worker no longer has waits until it has it again.
            if host.namespaces.has_class(&hint.address.class) {
                alarms.set(&hint.address, Some(hint.due_ms));
                names.extend(hint.name.map(|name| (hint.address, name)));
            }
        }
        let roster = Roster::new(
            Arc::clone(&host.limits),
            Arc::clone(&host.counters),
            Arc::clone(&host.totals.guests),
        );
        let limits = &host.limits;
        let sql_time = crate::config::millis(limits.sql_ms);
        let stores = Arc::new(Stores::new(storage, limits.sql_threads, sql_time));
        Ok(Arc::new_cyclic(|me: &Weak<Self>| Self {
            me: me.clone(),
            context: Arc::new(Context {
                component,
                host,
                roster,
                alarms,
                directory: me.clone(),
                upstream,
            }),
            stores,
            placement: Box::new(InProcess::default()),
            known: Mutex::default(),
            names: Mutex::new(names),
        }))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Address, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of an object.
    fn session(&self, address: &Address, name: Option<String>) -> Result<Arc<Session>, Fault> {
        let mut known = self.known();
        if let Some(entry) = known.get(address) {
            if let Some(object) = entry.session.object() {
                object.learn_name(name);
            }
            return Ok(Arc::clone(&entry.session));
        }
        let class = self.context.host.namespaces.class(&address.class);
        let hibernate_after = class.map_or(
            crate::config::millis(self.context.host.limits.hibernate_after_ms),
            |Class {
                 hibernate_after, ..
             }| *hibernate_after,
        );
        let epoch = self.placement.claim(address).map_err(|elsewhere| {
            Fault::Instantiate(format!("the object is run elsewhere: {}", elsewhere.0))
        })?;
        let object = Object::new(address.clone(), hibernate_after, Arc::clone(&self.stores));
        let from_alarm = self
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(address);
        object.learn_name(name.or(from_alarm));
        let session = Session::new(Arc::clone(&self.context), Some(Arc::new(object)));
        let entry = Known {
            session: Arc::clone(&session),
            epoch,
        };
        known.insert(address.clone(), entry);
        Ok(session)
    }

    /// Look at alarms as they become due, for ever.
    pub(crate) async fn run_alarms(&self) {
        loop {
            let address = self.context.alarms.next().await;
            if let Err(payload) = guard::catch_now(|| self.look_at_alarm(&address)) {
                let counters = &self.context.host.counters;
                Panicked::note(
                    counters,
                    format_args!("a look at the alarm of {address}"),
                    payload,
                );
                let again = crate::object::now_ms() + self.context.host.limits.alarm_backoff_ms;
                self.context.alarms.set(&address, Some(again));
            }
        }
    }

    fn look_at_alarm(&self, address: &Address) {
        self.context.host.counters.point(Point::Alarm);
        loop {
            match self.session(address, None) {
                Ok(session) if session.alarm_due() => return,
                // It has retired this moment.
                Ok(_) => {}
                Err(fault) => {
                    tracing::error!(object = %address, "{fault}");
                    return;
                }
            }
        }
    }

    /// What there is to say about each object that is known.
    pub(crate) fn status(&self) -> Vec<ObjectStatus> {
        let sessions: Vec<_> = self
            .known()
            .values()
            .map(|entry| Arc::clone(&entry.session))
            .collect();
        let mut status: Vec<_> = sessions
            .iter()
            .filter_map(|session| {
                let object = session.object()?;
                Some(ObjectStatus {
                    class: object.address.class.to_string(),
                    id: object.address.id.to_string(),
                    name: object.name().map(str::to_owned),
                    sockets: object.socket_count(),
                    is_awake: session.is_awake(),
                    holds: session.try_holds().unwrap_or_default(),
                })
            })
            .collect();
        status.sort_by(|a, b| (&a.class, &a.id).cmp(&(&b.class, &b.id)));
        status
    }
}

/// The storage that the configuration asks for. A worker without objects takes no directory.
fn open(host: &Host, config: &Config) -> Result<Arc<dyn Storage>, StorageError> {
    let bounds = bounds(&config.limits);
    Ok(match &config.data_dir {
        Some(directory) if !host.namespaces.is_empty() => {
            Arc::new(SqliteStorage::open(directory, bounds)?)
        }
        Some(_) | None => Arc::new(MemoryStorage::new(bounds)),
    })
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        key_bytes: limits.key_bytes,
        value_bytes: limits.value_bytes,
        keys_per_call: limits.keys_per_call,
        result_bytes: limits.result_bytes,
        transaction_depth: limits.transaction_depth,
        database_bytes: limits.database_bytes,
        memory_database_bytes: limits.memory_database_bytes,
        storage_bytes: limits.storage_bytes,
        memory_storage_bytes: limits.memory_storage_bytes,
        stored_objects: limits.stored_objects,
        sql_statement_bytes: limits.sql_statement_bytes,
        sql_parameters: limits.sql_parameters,
        sql_columns: limits.sql_columns,
        sql_arguments: limits.sql_arguments,
        sql_pattern_bytes: limits.sql_pattern_bytes,
        sql_depth: limits.sql_depth,
        sql_instructions: limits.sql_instructions,
        sql_ms: limits.sql_ms,
        sql_quadratic_bytes: limits.sql_quadratic_bytes,
        sql_temp_bytes: limits.sql_temp_bytes,
        busy_ms: limits.busy_ms,
    }
}

impl Directory for Objects {
    fn fetch(
        &self,
        address: Address,
        name: Option<String>,
        mut request: Box<Request>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, NoAnswer>> + Send>> {
        let me = self.me.upgrade();
        Box::pin(async move {
            let Some(me) = me else {
                return Err(NoAnswer::Never);
            };
            me.context.host.counters.object_requests.add(1);
            me.context.host.counters.point(Point::Object);
            let pending = loop {
                let session = me
                    .session(&address, name.clone())
                    .map_err(NoAnswer::Fault)?;
                match session.fetch(request) {
                    Ok(pending) => break pending,
                    // It has retired this moment.
                    Err(back) => request = back,
                }
            };
            drop(me);
            pending.answer().await
        })
    }

    fn retire(&self, session: &Session) {
        let Some(object) = session.object() else {
            return;
        };
        let mut known = self.known();
        let is_it = known
            .get(&object.address)
            .is_some_and(|entry| std::ptr::eq(Arc::as_ptr(&entry.session), session));
        if is_it
            && session.try_retire()
            && let Some(entry) = known.remove(&object.address)
        {
            self.placement.release(&object.address, entry.epoch);
        }
    }
}
