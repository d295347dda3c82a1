// Owns the public face of the SDK: modules and re-exports, and no logic. The crate page is `README.md`.
#![doc = include_str!("../README.md")]

// The macros and the bindings name the crate as a worker does; inside it, it needs the name as well.
extern crate self as pairway;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod close;
#[cfg(target_family = "wasm")]
mod entry;
mod env;
mod error;
mod headers;
mod log;
mod message;
mod request;
mod response;
mod socket;
mod sys;
mod task;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod time;
mod upgrade;
mod url;
mod worker;

pub use close::{CloseCode, CloseEvent, ReadyState};
pub use env::{Context, Env, Var};
pub use error::{Error, Result};
pub use headers::Headers;
pub use message::Message;
pub use pairway_macros::event;
pub use request::{Method, Request};
pub use response::{IntoResponse, Response};
pub use socket::{
    AcceptOptions, EventStream, WebSocket, WebSocketEnd, WebSocketPair, WebSocketReceiver,
    WebSocketSender, WebsocketEvent,
};
pub use task::{spawn, spawn_local};
pub use time::{Delay, Interval, Sleep, interval, sleep, timeout};
pub use upgrade::WebSocketUpgrade;
pub use url::Url;

/// [`Message`] under its name in workers-rs.
pub type WebSocketIncomingMessage = Message;

/// What the macros expand to. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::response::IntoResponse;
    pub use crate::worker::{FetchFn, StartFn, StartOutput, on_start};

    pub mod console {
        pub use crate::log::{err, out};
    }

    #[cfg(target_family = "wasm")]
    pub use crate::bindings::{
        self, export_worker,
        exports::pairway::worker::events::{Event, Guest},
    };
    #[cfg(target_family = "wasm")]
    pub use crate::entry::handle;

    pub use crate::__on_load as on_load;
}

/// Have a function called when the module is instantiated, before any event. Only `#[event(start)]` uses it: it may
/// stand in any file of a worker, and the file with the export knows nothing of it.
#[doc(hidden)]
#[macro_export]
macro_rules! __on_load {
    ($function:expr) => {
        #[used]
        #[unsafe(link_section = ".init_array")]
        static ON_LOAD: extern "C" fn() = {
            extern "C" fn on_load() {
                $function;
            }
            on_load
        };
    };
}
