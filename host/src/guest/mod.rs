//! Owns everything that names wasmtime: the engine, the store behind one instance, the calls into it and
//! the functions it may call. Knows sockets and limits; knows nothing of TCP, HTTP or who has events.

mod bindings;
mod classes;
mod engine;
mod imports;
mod instance;
mod journal;
mod log;
mod memory;
mod store;

pub(crate) use engine::{Component, Engine};
pub(crate) use instance::{Direct, Event, Instance, Outcome};
pub(crate) use store::{Answer, Effects, Host, Request, Staged, Token};
