// Owns the public face of the SDK: modules and re-exports, and no logic. The crate page is `README.md`.
#![doc = include_str!("../README.md")]

// The macros and the bindings name the crate as a worker does; inside it, it needs the name as well.
extern crate self as pairway;

mod answer;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod class;
mod close;
#[cfg(target_family = "wasm")]
mod entry;
mod env;
mod error;
mod headers;
mod instance;
mod log;
mod message;
mod namespace;
mod object;
mod operation;
mod outbound;
mod outgoing;
mod parting;
mod request;
mod response;
mod socket;
mod spawn;
mod state;
mod storage;
mod sys;
mod task;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod time;
mod upgrade;
mod url;
mod value;
mod worker;

pub use close::{CloseCode, CloseEvent, ReadyState};
pub use env::{Context, Env, Var};
pub use error::{Error, Result};
pub use headers::Headers;
pub use message::Message;
pub use namespace::{ObjectId, ObjectNamespace, Stub};
pub use object::{AlarmInfo, DurableObject};
pub use outbound::{Fetch, fetch};
pub use outgoing::Outgoing;
pub use pairway_macros::{durable_object, event};
pub use request::{Method, Request};
pub use response::{IntoResponse, Response};
pub use socket::{
    AcceptOptions, Connect, ConnectDurable, EventStream, KeepAlive, WebSocket, WebSocketEnd,
    WebSocketPair, WebSocketReceiver, WebSocketSender, WebsocketEvent,
};
pub use spawn::spawn;
pub use state::{Accept, BlockConcurrency, Broadcast, State, WebSocketRequestResponsePair};
pub use storage::{
    Kv, ListOptions, ScheduledTime, SqlCursor, SqlIterator, SqlParams, SqlStorage, Storage,
    Transaction,
};
pub use task::spawn_local;
pub use time::{Delay, Interval, Sleep, interval, sleep, timeout};
pub use upgrade::WebSocketUpgrade;
pub use url::Url;
pub use value::SqlStorageValue;

/// [`Message`] under its name in workers-rs.
pub type WebSocketIncomingMessage = Message;

/// What the macros expand to. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::class::on_class;
    pub use crate::object::DurableObjectClass;
    pub use crate::response::IntoResponse;
    pub use crate::worker::{FetchFn, StartFn, StartOutput, on_start};

    pub mod console {
        pub use crate::log::{err, out};
    }

    #[cfg(target_family = "wasm")]
    pub use crate::bindings::{
        self, export_worker,
        exports::pairway::worker::events::{Event, Guest},
        exports::pairway::worker::messages::Guest as MessagesGuest,
        pairway::worker::types::Run,
    };
    #[cfg(target_family = "wasm")]
    pub use crate::entry::{handle, take, take_several};

    pub use crate::{__class_name as class_name, __on_load as on_load};
}

/// Have a function called when the module is instantiated, before any event. The attributes use it: they may stand in
/// any file of a worker, and the file with the export knows nothing of them.
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

/// Put the name of a class of durable objects, and a newline, where the host looks for them before it runs a worker:
/// into a section of the module. The linker puts those of several classes behind each other.
#[doc(hidden)]
#[macro_export]
macro_rules! __class_name {
    ($name:literal) => {
        #[used]
        #[unsafe(link_section = "pairway:durable-objects")]
        static CLASS_NAME: [u8; $name.len()] = *$name;
    };
}
