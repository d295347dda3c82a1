//! The contract of the host, held by tests: one file a clause, one sentence a test.
//!
//! Every test runs a real host on a free port, a real component, and speaks to them over TCP: with a foreign
//! WebSocket client, or with bytes written by hand where a client must misbehave.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

mod support;

mod accept;
mod alarms;
mod attachment;
mod auto_response;
mod backpressure;
mod broadcast;
mod browser;
mod cli;
mod close;
mod compression;
mod concurrency;
mod crowd;
mod drain;
mod durability;
mod events;
mod examples;
mod faults;
mod fetch;
mod greedy;
mod handshake;
mod hibernatable;
mod hibernatable_end;
mod hibernation;
mod holds;
mod hostile;
mod http;
mod keep_alive;
mod limits;
mod message;
mod object;
mod object_faults;
mod outbound;
mod outbound_end;
mod outbound_object;
mod outbound_refused;
mod pair;
mod protocol;
mod relay;
mod relay_end;
mod reset;
mod several;
mod storage;
mod tags;
mod timers;
mod tls;
mod tls_outbound;
mod together;
mod upgrade;
