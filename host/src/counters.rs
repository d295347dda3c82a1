//! Owns the numbers that tell what a server has done: for tests that must not sleep, and for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {
        /// What a server has done since it started. Gauges end in `_live`; all others only grow.
        #[derive(Debug, Default)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: Counter,)+
            /// Where a test has the host panic.
            #[cfg(feature = "fault-injection")]
            #[doc(hidden)]
            pub(crate) armed: crate::inject::Armed,
        }

        impl Counters {
            /// Names and values, in the order of their declaration.
            #[must_use]
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)+]
            }
        }
    };
}

counters! {
    /// TCP connections accepted.
    connections;
    /// TCP connections open.
    connections_live;
    /// TCP connections dropped as they came, since their address had as many as it may.
    connections_refused;
    /// Requests and responses whose place a 503 took, since bodies had as much memory as they may.
    bodies_refused;
    /// Connections dropped because their clients took nothing of a response.
    stalled_clients;
    /// Upgrades answered with 403, since they came from a web page of another origin.
    origins_refused;
    /// Bytes of messages that have not come to their end.
    unfinished_bytes_live;
    /// Connections dropped because all outboxes together had as much as they may, and theirs the most.
    outboxes_dropped;
    /// Bytes of linear memory of instances that count for the limit `guests_total_bytes`.
    guest_bytes_live;
    /// Bytes that the host keeps for instances: `host_total_bytes`.
    host_bytes_live;
    /// Bytes of messages that wait for slow clients: `outbox_total_bytes`.
    outbox_bytes_live;
    /// Bytes of received messages that wait for workers: `held_total_bytes`.
    held_bytes_live;
    /// Bytes of bodies of HTTP requests and responses under way: `body_total_bytes`.
    body_bytes_live;
    /// Times that accepting paused because descriptors had run out.
    accept_pauses;
    /// Requests given to the worker.
    requests;
    /// Requests given to durable objects.
    object_requests;
    /// WebSockets opened by a 101.
    sockets;
    /// WebSockets open.
    sockets_live;
    /// Connections to other servers that the worker asked for.
    outbound;
    /// Connections to other servers that are open, or being opened.
    outbound_live;
    /// Instances made.
    instances;
    /// Instances alive.
    instances_live;
    /// Instances of durable objects alive.
    objects_awake_live;
    /// Times that an object got an instance: its first, or another after a hibernation.
    wakes;
    /// Times that an object lost its instance because nothing held it.
    hibernations;
    /// Times that an object hibernated before its time, to make room for another.
    evictions;
    /// Alarms given to objects.
    alarms;
    /// Messages answered by an auto-response.
    auto_responses;
    /// Pings sent to silent peers.
    pings;
    /// Connections given up because a ping was not answered.
    dead_peers;
    /// Turns run.
    turns;
    /// Events given to instances.
    events;
    /// Instances that died of a fault.
    faults;
    /// Bytes of records about the worker, its output above all, that were over its budget for the log.
    worker_log_bytes_dropped;
    /// Records that the log could not take or write. Whoever writes the log counts them.
    log_records_lost;
    /// Panics of the host's own that were caught: each is a mistake in it.
    panics;
    /// Frames that broke the protocol or a limit.
    violations;
    /// Times that a connection was left unread because its outbox was above the soft bound.
    read_pauses;
}

/// One number.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Count. The host does so itself, but for [`Counters::log_records_lost`], since it does not write its log.
    pub fn add(&self, n: u64) {
        self.add_to(n);
    }

    /// Add, and give the value before.
    pub(crate) fn add_to(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::Relaxed)
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }
}
