//! Owns events: what a session's inbox keeps, and how each is lowered for the guest, where it lies.

use std::cell::Cell;

use rustc_hash::FxHashSet;
use wasmtime::component::Resource;

use super::bindings::exports::pairway::worker::events as wit;
use super::bindings::pairway;
use super::bindings::pairway::worker::types::{
    CloseInfo as WitCloseInfo, ErrorParam, MessageParam, Run,
};
use super::request::{Answer, Reply, Request, Token};
use super::store::Handle;
use crate::object::{AlarmInfo, Object};
use crate::socket::{CloseCode, MessageRef, SocketEvent, SocketId};

/// One thing that happened, as a session's inbox keeps it.
#[derive(Debug)]
pub(crate) enum Event {
    Start,
    Fetch {
        request: Box<Request>,
        /// Taken when the instance learns of the request, and given back if its turn fails.
        reply: Option<Reply>,
        /// By which the instance knows the request.
        id: u64,
    },
    Socket(SocketId, SocketEvent),
    /// The object's alarm may be due: to be looked up before anybody is woken.
    AlarmDue,
    Alarm(AlarmInfo),
    Completed(Token, Outcome),
}

impl Event {
    /// The socket whose message it is, if it is one.
    pub(crate) fn message_of(&self) -> Option<SocketId> {
        self.as_message().map(|(socket, _)| socket)
    }

    pub(crate) fn as_message(&self) -> Option<(SocketId, MessageRef<'_>)> {
        match self {
            Self::Socket(socket, SocketEvent::Message(message)) => {
                Some((*socket, message.as_ref()))
            }
            Self::Start
            | Self::Fetch { .. }
            | Self::Socket(..)
            | Self::AlarmDue
            | Self::Alarm(_)
            | Self::Completed(..) => None,
        }
    }

    /// Whether it is the outcome of something that the instance itself has under way.
    pub(crate) fn is_outcome(&self) -> bool {
        match self {
            Self::Completed(..)
            | Self::Socket(_, SocketEvent::Open | SocketEvent::NotOpened(_)) => true,
            Self::Start
            | Self::Fetch { .. }
            | Self::AlarmDue
            | Self::Alarm(_)
            | Self::Socket(..) => false,
        }
    }

    /// Whether the instance may wait for it behind a closed gate: an outcome, or what happens to a socket that was opened
    /// there.
    pub(crate) fn passes_gate(&self, inside: &FxHashSet<SocketId>) -> bool {
        let is_inside = match self {
            Self::Socket(socket, _) => inside.contains(socket),
            Self::Start
            | Self::Fetch { .. }
            | Self::AlarmDue
            | Self::Alarm(_)
            | Self::Completed(..) => false,
        };
        is_inside || self.is_outcome()
    }
}

/// How a split operation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The timer's time has come.
    Done,
    /// The response of a request; its socket is taken when the instance learns of it.
    Response(Box<Answer>),
    Failed(String),
    /// The name leads to an address that the worker may not reach.
    NotAllowed(String),
    /// There was no instance to be had for it.
    Overloaded(String),
}

pub(super) type Headers<'a> = Vec<(&'a str, &'a [u8])>;

pub(super) fn header_list(event: &Event) -> Option<Headers<'_>> {
    let headers = match event {
        Event::Fetch { request, .. } => &request.headers,
        Event::Completed(_, Outcome::Response(answer)) => &answer.headers,
        Event::Start
        | Event::Socket(..)
        | Event::AlarmDue
        | Event::Alarm(_)
        | Event::Completed(..) => return None,
    };
    Some(
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect(),
    )
}

/// An event as the guest gets it. Each request and each response takes the next of the header lists, and each
/// response that came with a socket the next of the handles.
pub(super) fn lower<'a>(
    event: &'a Event,
    object: Option<&'a Object>,
    headers: &mut impl Iterator<Item = &'a Headers<'a>>,
    arrivals: &mut impl Iterator<Item = Resource<Handle>>,
) -> Option<wit::Event<'a>> {
    let mut next_headers = || headers.next().expect("header_list() gave one to each");
    Some(match event {
        Event::Start => wit::Event::Start(match object {
            None => wit::InstanceKind::Worker,
            Some(object) => wit::InstanceKind::Object(wit::ObjectInfo {
                class_name: &object.address.class,
                id: &object.address.id,
                name: object.name(),
            }),
        }),
        Event::Fetch { request, id, .. } => wit::Event::Fetch((
            *id,
            pairway::worker::http::RequestParam {
                method: &request.method,
                uri: &request.uri,
                headers: next_headers(),
                body: &request.body,
                peer: request.peer.as_deref(),
            },
        )),
        Event::AlarmDue => return None,
        Event::Alarm(info) => wit::Event::Alarm(wit::AlarmInfo {
            scheduled_time: info.scheduled_ms,
            retry_count: info.retry_count,
        }),
        Event::Completed(token, outcome) => wit::Event::Completed((
            *token,
            match outcome {
                Outcome::Done => wit::Outcome::Done,
                Outcome::Failed(text) => wit::Outcome::Failed(ErrorParam::Other(text)),
                Outcome::NotAllowed(text) => wit::Outcome::Failed(ErrorParam::NotAllowed(text)),
                Outcome::Overloaded(text) => wit::Outcome::Failed(ErrorParam::Overloaded(text)),
                Outcome::Response(answer) => {
                    wit::Outcome::Response(pairway::worker::http::ResponseParam {
                        status: answer.status,
                        headers: next_headers(),
                        body: &answer.body,
                        socket: answer
                            .has_arrived
                            .then(|| arrivals.next().expect("begin() made a handle for each")),
                    })
                }
            },
        )),
        Event::Socket(id, SocketEvent::Message(message)) => wit_message(*id, message.as_ref()),
        Event::Socket(id, SocketEvent::Close(info)) => wit::Event::Close((
            *id,
            WitCloseInfo {
                code: info.code,
                reason: &info.reason,
                was_clean: info.was_clean,
            },
        )),
        Event::Socket(id, SocketEvent::Open) => wit::Event::Open(*id),
        Event::Socket(id, SocketEvent::NotOpened(text) | SocketEvent::Error(text)) => {
            wit::Event::Error((*id, text))
        }
        Event::Socket(id, SocketEvent::Drain) => wit::Event::Drain(*id),
    })
}

/// What follows the `error` of an outbound socket that did not open.
pub(super) fn not_opened(event: &Event) -> Option<wit::Event<'_>> {
    let Event::Socket(id, SocketEvent::NotOpened(text)) = event else {
        return None;
    };
    Some(wit::Event::Close((
        *id,
        WitCloseInfo {
            code: CloseCode::ABNORMAL,
            reason: text,
            was_clean: false,
        },
    )))
}

pub(super) fn wit_message(socket: SocketId, message: MessageRef<'_>) -> wit::Event<'_> {
    wit::Event::Message((
        socket,
        match message {
            MessageRef::Text(text) => MessageParam::Text(text),
            MessageRef::Binary(bytes) => MessageParam::Binary(bytes),
        },
    ))
}

thread_local! {
    /// Buffers that grew in the turns before.
    static SPARE: Cell<Several> = Cell::default();
}

/// Buffers larger than this are not kept.
const KEPT_BYTES: usize = 256 * 1024;

/// Several messages as `messages.take-several` has them.
#[derive(Debug, Default)]
pub(super) struct Several {
    pub(super) runs: Vec<Run>,
    pub(super) lengths: Vec<u32>,
    pub(super) text: String,
    pub(super) bytes: Vec<u8>,
}

impl Several {
    /// Leave the buffers for the next turn.
    pub(super) fn put_back(mut self) {
        if self.text.capacity() + self.bytes.capacity() > KEPT_BYTES {
            return;
        }
        self.runs.clear();
        self.lengths.clear();
        self.text.clear();
        self.bytes.clear();
        SPARE.set(self);
    }

    pub(super) fn of<'a>(messages: impl Iterator<Item = (SocketId, MessageRef<'a>)>) -> Self {
        let mut several = SPARE.take();
        for (socket, message) in messages {
            several.push(socket, message);
        }
        several
    }

    fn push(&mut self, socket: SocketId, message: MessageRef<'_>) {
        let is_text = match message {
            MessageRef::Text(text) => {
                self.text.push_str(text);
                true
            }
            MessageRef::Binary(bytes) => {
                self.bytes.extend_from_slice(bytes);
                false
            }
        };
        let length = u32::try_from(message.bytes().len()).expect("a batch is small");
        self.lengths.push(length);
        match self.runs.last_mut() {
            Some(run) if (run.socket, run.is_text) == (socket, is_text) => run.messages += 1,
            Some(_) | None => self.runs.push(Run {
                socket,
                is_text,
                messages: 1,
            }),
        }
    }
}
