//! Owns everything that names wasmtime: the engine, the store behind one instance, the calls into it and
//! the functions it may call. Knows sockets and limits; knows nothing of TCP, HTTP or who has events.

mod bindings;
mod budget;
mod classes;
mod effects;
mod engine;
mod event;
mod imports;
mod instance;
mod journal;
mod log;
mod memory;
mod promise;
mod request;
mod store;

pub(crate) use effects::{Effects, Staged};
pub(crate) use engine::{Component, Engine};
pub(crate) use event::{Event, Outcome};
pub(crate) use instance::{Direct, Instance};
pub(crate) use log::WorkerLog;
pub(crate) use request::{Answer, Request, Token};
pub(crate) use store::Host;
