//! The contract of the host, held by tests: one file a clause, one sentence a test.
//!
//! Every test runs a real host on a free port, a real component, and speaks to them over TCP: with a foreign
//! WebSocket client, or with bytes written by hand where a client must misbehave.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

mod support;

mod accept;
mod backpressure;
mod cli;
mod close;
mod drain;
mod events;
mod examples;
mod faults;
mod handshake;
mod http;
mod limits;
mod message;
mod pair;
mod protocol;
mod timers;
mod upgrade;
