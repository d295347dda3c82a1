//! Runs WebSocket workers: WebAssembly components written against the WIT package `pairway:worker`.
//!
//! A [`Worker`] is a component's code, compiled and checked. A [`Server`] listens and serves it. [`Config`]
//! holds what can be set, every bound included ([`Limits`]); [`Counters`] tell what happens.
//!
//! ```no_run
//! use pairway_host::{Config, Server, Worker};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), pairway_host::Error> {
//!     let mut config = Config::default();
//!     config.addr = ([127, 0, 0, 1], 0).into();
//!     let worker = Worker::load("echo.wasm", &config)?;
//!     let server = Server::bind(worker, &config).await?;
//!     println!("listening on http://{}", server.local_addr());
//!     let shutdown = async { drop(tokio::signal::ctrl_c().await) };
//!     server.serve(shutdown).await
//! }
//! ```
//!
//! The library reads no environment, sets up no logging and never exits the process. It logs through
//! `tracing`: its own lines under `pairway_host`, those of the guest under `pairway::worker`.

mod addresses;
mod alarm;
mod body;
mod config;
mod connection;
mod counters;
mod descriptors;
mod drain;
mod error;
mod guard;
mod guest;
mod inbound;
mod inject;
mod namespace;
mod object;
mod objects;
mod origins;
mod outbound;
mod placement;
mod printable;
mod quota;
mod server;
mod service;
mod session;
mod socket;
mod step;
mod storage;
mod stream;
mod tls;
mod upgrade;
mod upstream;
mod worker;

pub use config::{Compression, Config, DurableObject, LimitInfo, Limits, Outbound, Tls};
pub use counters::{Counter, Counters};
pub use descriptors::Descriptors;
pub use error::{Error, Fault};
#[cfg(feature = "fault-injection")]
#[doc(hidden)]
pub use inject::Point;
pub use objects::ObjectStatus;
pub use server::{Inspector, Server, TlsReloader};
pub use session::Hold;
pub use worker::Worker;
