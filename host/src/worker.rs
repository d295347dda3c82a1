//! Owns the worker as a whole: its compiled code, and which session a request goes to. Knows nothing of
//! connections.

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Config, DurableObject, millis};
use crate::counters::Counters;
use crate::drain::Drain;
use crate::error::Error;
use crate::guest::{Answer, Component, Engine, Host, Request, WorkerLog};
use crate::namespace::{Class, Namespaces};
use crate::objects::Objects;
use crate::outbound::{AllowList, Bounds, Outbound};
use crate::quota::Totals;
use crate::session::{NoAnswer, Pending, Session};
use crate::socket::deflate::Policy;
use crate::upstream::Upstream;

/// A worker's code, compiled and checked, ready to be served. Cheap to clone; may be served by several
/// [`Server`](crate::Server)s.
#[derive(Debug, Clone)]
pub struct Worker {
    component: Arc<Component>,
}

impl Worker {
    /// Compile a component, or take it from the cache of [`Config::cache_dir`]. This takes a while and
    /// blocks the thread.
    ///
    /// Of the limits, `instances`, `memory_bytes` and `stack_bytes` are fixed here. Each instance reserves 4 GiB of
    /// address space, used or not, so a process that loads several workers lowers `instances`: with the
    /// default a handful fit.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::NotAComponent`] and [`Error::WrongWorld`] tell what is wrong with the
    /// file, [`Error::Config`] with the configuration, [`Error::Engine`] with the machine.
    pub fn load(path: impl AsRef<Path>, config: &Config) -> Result<Self, Error> {
        config.limits.check()?;
        let engine = Engine::new(config)?;
        Ok(Self {
            component: Arc::new(engine.load(path.as_ref())?),
        })
    }

    /// Whether it has durable objects, or is said to have some.
    pub(crate) fn has_objects(&self, config: &Config) -> bool {
        let classes = self.component.classes();
        !config.durable_objects.is_empty() || classes.is_some_and(|classes| !classes.is_empty())
    }

    /// The worker's name, by which its lines in the log are known: that of its file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.component.name()
    }
}

/// The sessions of a worker that is being served.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) host: Host,
    pub(crate) objects: Arc<Objects>,
    per_instance: u32,
    /// The session that takes the next request, if it may take more than one.
    current: Mutex<Option<(Arc<Session>, Arc<AtomicU32>)>>,
}

/// A place in a session: taken by a request, and kept by the connection that comes of it.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicU32>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sessions {
    pub(crate) fn new(worker: &Worker, config: &Config, drain: &Arc<Drain>) -> Result<Self, Error> {
        let component = Arc::clone(&worker.component);
        let outbound = Arc::new(outbound(config)?);
        let counters = Arc::new(Counters::default());
        let host = Host {
            limits: Arc::new(config.limits.clone()),
            totals: Arc::new(Totals::new(&config.limits, &counters)),
            log: WorkerLog::new(
                component.name().into(),
                config.limits.log_bytes_per_second,
                Arc::clone(&counters),
            ),
            counters,
            vars: config
                .vars
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            namespaces: Arc::new(namespaces(&component, config)?),
            compression: compression(config)?,
            outbound: Arc::clone(&outbound),
            socket_ids: Arc::new(AtomicU64::new(0)),
        };
        let upstream = Arc::new(Upstream::new(
            outbound,
            Arc::clone(drain),
            Arc::clone(&host.limits),
            Arc::clone(&host.counters),
            Arc::clone(&host.totals),
            host.compression.clone(),
        ));
        Ok(Self {
            objects: Objects::new(component, host.clone(), upstream, config)?,
            host,
            per_instance: config.sockets_per_instance,
            current: Mutex::new(None),
        })
    }

    /// Give a request to a session with room for it, and wait for the response.
    pub(crate) async fn fetch(&self, request: Request) -> (Result<Answer, NoAnswer>, Seat) {
        self.host.counters.requests.add(1);
        let mut request = Box::new(request);
        let (pending, seat): (Pending, Seat) = loop {
            let (session, seat) = self.seat();
            match session.fetch(request) {
                Ok(pending) => break (pending, seat),
                // The session has ended this moment.
                Err(back) => request = back,
            }
        };
        (pending.answer().await, seat)
    }

    fn seat(&self) -> (Arc<Session>, Seat) {
        let fresh = || Session::new(Arc::clone(&self.objects.context), None);
        if self.per_instance <= 1 {
            return (fresh(), Seat(Arc::new(AtomicU32::new(1))));
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((session, taken)) = &*current
            && taken.load(Ordering::Relaxed) < self.per_instance
            && !session.is_over()
        {
            taken.fetch_add(1, Ordering::Relaxed);
            return (Arc::clone(session), Seat(Arc::clone(taken)));
        }
        let (session, taken) = (fresh(), Arc::new(AtomicU32::new(1)));
        *current = Some((Arc::clone(&session), Arc::clone(&taken)));
        (session, Seat(taken))
    }
}

/// What the worker can reach: the bindings of the configuration, and each other class that the worker exports under its
/// own name in capitals, as `CHAT_ROOM` for `ChatRoom`.
fn namespaces(component: &Component, config: &Config) -> Result<Namespaces, Error> {
    let default_ms = config.limits.hibernate_after_ms;
    let class = |name: &str, after_ms: Option<u64>| Class {
        name: name.into(),
        hibernate_after: millis(after_ms.unwrap_or(default_ms)),
    };
    let mut namespaces = Namespaces::default();
    for binding in &config.durable_objects {
        let DurableObject {
            name,
            class_name,
            hibernate_after_ms,
        } = binding;
        if let Some(classes) = component.classes()
            && !classes.contains(class_name)
        {
            return Err(Error::Config(format!(
                "durable object binding {name}: the worker has no class {class_name:?}; {}",
                match &classes[..] {
                    [] => "it has none (`#[durable_object]`)".to_owned(),
                    classes => format!("it has {}", classes.join(", ")),
                }
            )));
        }
        if namespaces.get(name).is_some() {
            return Err(Error::Config(format!(
                "durable object binding {name} is there twice"
            )));
        }
        namespaces.bind(name.clone(), class(class_name, *hibernate_after_ms));
    }
    for name in component.classes().into_iter().flatten() {
        let binding = in_capitals(name);
        if !namespaces.has_class(name) && namespaces.get(&binding).is_none() {
            namespaces.bind(binding, class(name, None));
        }
    }
    Ok(namespaces)
}

/// How messages are compressed.
fn compression(config: &Config) -> Result<Option<Policy>, Error> {
    let compression = &config.compression;
    compression.check()?;
    Ok(compression.enabled.then_some(Policy {
        min_bytes: compression.min_bytes,
        level: compression.level,
        peer_context_takeover: compression.peer_context_takeover,
    }))
}

/// What the worker may do to other servers.
fn outbound(config: &Config) -> Result<Outbound, Error> {
    let limits = &config.limits;
    let bounds = Bounds {
        connect_ms: limits.connect_ms,
        fetch_ms: limits.fetch_ms,
        response_body_bytes: limits.response_body_bytes,
        response_head_bytes: limits.response_head_bytes,
        response_headers: limits.response_headers,
        protocols: limits.protocols,
        protocol_bytes: limits.protocol_bytes,
        lookups: limits.lookups,
        tcp_keep_alive_ms: limits.tcp_keep_alive_ms,
    };
    let allow = AllowList::parse(&config.outbound.allowed_hosts)?;
    Outbound::new(allow, &config.outbound.ca_files, bounds)
}

fn in_capitals(class: &str) -> String {
    let mut text = String::with_capacity(class.len() + 4);
    let mut after_lower = false;
    for char in class.chars() {
        if char.is_uppercase() && after_lower {
            text.push('_');
        }
        after_lower = char.is_lowercase() || char.is_ascii_digit();
        text.extend(char.to_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_without_a_binding_has_one_of_its_own_name_in_capitals() {
        for (class, binding) in [
            ("Room", "ROOM"),
            ("ChatRoom", "CHAT_ROOM"),
            ("HTTPLog", "HTTPLOG"),
        ] {
            assert_eq!(in_capitals(class), binding);
        }
    }
}
