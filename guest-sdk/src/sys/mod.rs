//! Owns the floor between the SDK and its host: the events that come up, and the calls that go down. There are two
//! of it with the same functions: `wasm` over the bindings, and `native`, a host in memory for tests.

#[cfg(target_family = "wasm")]
mod wasm;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::{
    Object, Socket, answers, cancel, check_object_id, connect, event, fail, fetch, fetch_object,
    new_object_id, now, object_id, pair, respond, socket, start_timer, unix_time_ms, var,
};

#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{
    Object, Socket, cancel, check_object_id, connect, fail, fetch, fetch_object, new_object_id,
    now, object_id, pair, respond, socket, start_timer, unix_time_ms, var,
};

use crate::close::CloseEvent;
use crate::error::Error;
use crate::message::Message;
use crate::request::Request;
use crate::value::SqlStorageValue;

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The first event of every instance: which object it is, if it is one.
    #[cfg_attr(
        not(target_family = "wasm"),
        expect(dead_code, reason = "objects are started by `testing`")
    )]
    Start(Option<ObjectInfo>),
    /// A request, by its id.
    Fetch(u64, Request),
    /// An outbound socket is open.
    Open(u64),
    /// A message for a socket.
    Message(u64, Message),
    /// A socket was closed or lost.
    Close(u64, CloseEvent),
    /// A socket failed.
    Error(u64, String),
    /// A socket's outbox has room again.
    Drain(u64),
    /// The object's alarm is due.
    Alarm(Due),
    /// The operation of that token is over.
    Completed(u64, Outcome),
}

/// Which object an instance is.
#[derive(Debug)]
pub(crate) struct ObjectInfo {
    pub(crate) class_name: String,
    pub(crate) id: String,
    pub(crate) name: Option<String>,
}

/// An alarm that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) scheduled_ms: u64,
    pub(crate) retry_count: u32,
}

/// How an operation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A timer went off.
    Done,
    Response(Response),
    Failed(Error),
}

/// A response on its way in or out.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) socket: Option<Socket>,
}

/// The request that a socket was upgraded from.
#[derive(Clone, Debug)]
pub(crate) struct UpgradeRequest {
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// A message where it lies: sending copies nothing in the worker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Payload<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl<'a> From<&'a Message> for Payload<'a> {
    fn from(message: &'a Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// Which entries of the storage, and in what order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct List<'a> {
    pub(crate) start: Option<&'a str>,
    pub(crate) start_after: Option<&'a str>,
    pub(crate) end: Option<&'a str>,
    pub(crate) prefix: Option<&'a str>,
    pub(crate) reverse: bool,
    pub(crate) limit: Option<u32>,
}

/// What an SQL statement gave.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<SqlStorageValue>>,
    pub(crate) rows_written: u64,
}

/// How an outbound socket is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connect<'a> {
    pub(crate) url: &'a str,
    pub(crate) protocols: &'a [&'a str],
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
    /// The object that it is for, and its tags, if it is to be hibernatable.
    pub(crate) durable: Option<(Object, &'a [&'a str])>,
}

/// How the host watches over a silent peer, in milliseconds.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "peers are always there in tests")
)]
pub(crate) struct KeepAlive {
    pub(crate) interval_ms: u32,
    pub(crate) timeout_ms: u32,
}
