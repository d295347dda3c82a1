//! Owns the imports of `wit/state.wit`: an object's hibernatable sockets, its auto-response, alarm and gate.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::ends::too_many_sockets;
use super::wit::state::{AutoResponse as WitAutoResponse, Host, Message, Recipients};
use super::{GuestState, WitError, send, storage};
use crate::guest::store::Handle;
use crate::inject::Point;
use crate::object::{Object, TagError};
use crate::printable;
use crate::socket::auto_response::AutoResponse;
use crate::socket::{End, SocketId};

type Refusable<T> = wasmtime::Result<Result<T, WitError>>;

/// Event timeouts end here, as in Cloudflare's system: seven days.
const EVENT_TIMEOUT_MS: u32 = 604_800_000;

impl From<TagError> for WitError {
    fn from(error: TagError) -> Self {
        let small = |limit| u32::try_from(limit).unwrap_or(u32::MAX);
        match error {
            TagError::TooMany(limit) => Self::TooManyTags(small(limit)),
            TagError::TooLong(limit) => Self::TagTooLong(small(limit)),
        }
    }
}

impl GuestState {
    pub(super) fn object(&self) -> Result<Arc<Object>, WitError> {
        self.object.clone().ok_or(WitError::NotAnObject)
    }

    /// A hibernatable socket of the object, or one whose last event a handler is still at work on.
    fn durable(&self, id: SocketId) -> Result<(Arc<Object>, Arc<End>), WitError> {
        let object = self.object()?;
        let end = object
            .socket(id)
            .or_else(|| self.duties.departed.get(&id).cloned())
            .ok_or(WitError::UnknownSocket(id))?;
        Ok((object, end))
    }

    fn accept_durable(&mut self, end: &Arc<End>, tags: Vec<String>) -> Result<(), WitError> {
        let object = self.object()?;
        let limits = &self.host.limits;
        if object.socket_count() as u64 >= limits.sockets {
            return Err(too_many_sockets(limits.sockets));
        }
        let tags = object.check_tags(tags, limits)?;
        let owner = self
            .owner
            .upgrade()
            .expect("a session outlives the turns it runs");
        // Entered first: what has waited for this end is delivered as soon as it is accepted.
        end.accept_durable(owner, &object.auto_response, tags)?;
        object.add_socket(Arc::clone(end));
        self.effects.journal.note_accepted(end.id());
        self.note_opened(end.id());
        Ok(())
    }
}

impl Host for GuestState {
    fn accept_web_socket(&mut self, socket: Resource<Handle>, tags: Vec<String>) -> Refusable<()> {
        let end = Arc::clone(self.end(&socket)?);
        Ok(self.accept_durable(&end, tags))
    }

    fn get_web_sockets(&mut self, tag: Option<String>) -> Refusable<Vec<SocketId>> {
        Ok(self
            .object()
            .map(|object| object.socket_ids(tag.as_deref())))
    }

    fn get_tags(&mut self, socket: SocketId) -> Refusable<Vec<String>> {
        Ok(self.durable(socket).map(|(_, end)| {
            let tags = end.tags();
            tags.iter().map(|tag| tag.as_ref().to_owned()).collect()
        }))
    }

    fn set_tags(&mut self, socket: SocketId, tags: Vec<String>) -> Refusable<()> {
        Ok(self.durable(socket).and_then(|(object, end)| {
            let tags = object.check_tags(tags, &self.host.limits)?;
            let before = object.set_socket_tags(&end, tags);
            self.effects.journal.note_tags(end, before);
            Ok(())
        }))
    }

    fn broadcast(&mut self, to: Recipients, message: Message) -> Refusable<u32> {
        self.host.counters.point(Point::Import);
        let object = match self.object() {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        let limit = self.host.limits.sockets;
        if to.except.len() as u64 > limit {
            return Ok(Err(too_many_sockets(limit)));
        }
        let mut ends = Vec::with_capacity(object.socket_count());
        object.for_each_socket(to.tag.as_deref(), &to.except, |end| {
            ends.push(Arc::clone(end));
        });
        self.broadcast_to(&ends, send::as_ref(&message)).map(Ok)
    }

    fn set_auto_response(&mut self, pair: Option<WitAutoResponse>) -> Refusable<()> {
        let limit = self.host.limits.auto_response_bytes;
        let is_too_large = |text: &String| text.len() as u64 > limit;
        Ok(self.object().and_then(|object| {
            let pair = match pair {
                Some(pair) if is_too_large(&pair.request) || is_too_large(&pair.response) => {
                    return Err(WitError::AutoResponseTooLarge(limit));
                }
                Some(pair) => Some(Arc::new(AutoResponse::new(pair.request, pair.response))),
                None => None,
            };
            // Connections look at the object's own while this turn runs: it changes when the turn ends.
            drop(object);
            self.effects.auto_response = Some(pair);
            Ok(())
        }))
    }

    fn get_auto_response(&mut self) -> Refusable<Option<WitAutoResponse>> {
        Ok(self.object().map(|object| {
            let staged = self.effects.auto_response.clone();
            let pair = staged.unwrap_or_else(|| object.auto_response.get());
            pair.map(|pair| WitAutoResponse {
                request: pair.request.clone(),
                response: pair.response.clone(),
            })
        }))
    }

    fn get_auto_response_time(&mut self, socket: SocketId) -> Refusable<Option<u64>> {
        Ok(self
            .durable(socket)
            .map(|(_, end)| end.auto_response_time()))
    }

    fn set_event_timeout(&mut self, timeout_ms: Option<u32>) -> Refusable<()> {
        Ok(self.object().and_then(|object| {
            let timeout_ms = timeout_ms.filter(|ms| *ms > 0);
            if timeout_ms.is_some_and(|ms| ms > EVENT_TIMEOUT_MS) {
                return Err(WitError::TimeoutTooLong(EVENT_TIMEOUT_MS.into()));
            }
            let before = object.set_event_timeout_ms(timeout_ms);
            self.effects.journal.note_event_timeout(before);
            Ok(())
        }))
    }

    fn get_event_timeout(&mut self) -> Refusable<Option<u32>> {
        Ok(self.object().map(|object| object.event_timeout_ms()))
    }

    async fn set_alarm(&mut self, time: Option<u64>) -> Refusable<()> {
        let object = match self.object() {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        self.effects.journal.note_alarm(&object);
        let done = object.set_alarm(time).await;
        Ok(done.map_err(|error| storage::refusal(error, &object, &mut self.duties)))
    }

    async fn get_alarm(&mut self) -> Refusable<Option<u64>> {
        let object = match self.object() {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        let done = object.alarm().await;
        Ok(done.map_err(|error| storage::refusal(error, &object, &mut self.duties)))
    }

    async fn alarm_handled(&mut self, succeeded: bool) -> Refusable<()> {
        let object = match self.object() {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        self.effects.journal.note_alarm(&object);
        let done = object.alarm_handled(succeeded, &self.host.limits).await;
        Ok(done.map_err(|error| storage::refusal(error, &object, &mut self.duties)))
    }

    fn close_gate(&mut self) -> Refusable<()> {
        Ok(self.object().map(|_| self.duties.gate += 1))
    }

    fn open_gate(&mut self) -> Refusable<()> {
        Ok(self.object().map(|_| {
            self.duties.gate = self.duties.gate.saturating_sub(1);
            if self.duties.gate == 0 {
                self.duties.inside.clear();
            }
        }))
    }

    fn set_running(&mut self, handlers: u32) -> Refusable<()> {
        Ok(self.object().map(|_| self.duties.running = handlers))
    }

    fn abort(&mut self, reason: String) -> Refusable<()> {
        Ok(self.object().map(|_| {
            self.duties.abort.get_or_insert(printable::cut(reason));
        }))
    }
}
