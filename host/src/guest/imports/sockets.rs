//! Owns the imports of `wit/sockets.wit`, but for those that send.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use wasmtime::component::Resource;

use super::ends::{full, too_many_sockets};
use super::http::size_of_contents;
use super::wit::sockets::{
    AcceptOptions, ConnectOptions, Host, HostWebSocket, KeepAlive as WitKeepAlive,
    ReadyState as WitReadyState, UpgradeRequest,
};
use super::wit::types::{MessageResult, Run};
use super::{GuestState, WitError, send, several};
use crate::config::size;
use crate::guest::effects::Staged;
use crate::guest::request::check_head;
use crate::guest::store::{Handle, cost};
use crate::outbound::{self, Connect};
use crate::quota::Charge;
use crate::socket::end::{Attachment, END_BYTES};
use crate::socket::outbox::KeepAlive;
use crate::socket::{End, ReadyState, SocketId, deflate};

type Socket = Resource<Handle>;
type Refusable<T> = wasmtime::Result<Result<T, WitError>>;

impl HostWebSocket for GuestState {
    fn id(&mut self, socket: Socket) -> wasmtime::Result<SocketId> {
        Ok(self.end(&socket)?.id())
    }

    fn accept(&mut self, socket: Socket, options: AcceptOptions) -> Refusable<()> {
        let end = Arc::clone(self.end(&socket)?);
        let limit = self.host.limits.sockets;
        if self.ends.len() as u64 >= limit && !self.ends.contains_key(&end.id()) {
            return Ok(Err(too_many_sockets(limit)));
        }
        let owner = self
            .owner
            .upgrade()
            .expect("a session outlives the turns it runs");
        if let Err(error) = end.accept(owner, options.half_open) {
            return Ok(Err(error.into()));
        }
        self.note_opened(end.id());
        self.ends.entry(end.id()).or_insert(end);
        Ok(Ok(()))
    }

    fn send(&mut self, socket: Socket, message: MessageResult) -> Refusable<()> {
        // Shadowed by `send.rs`, which does the same without this copy of the message.
        let end = Arc::clone(self.end(&socket)?);
        self.send_copied(end, &message)
    }

    fn close(
        &mut self,
        socket: Socket,
        code: Option<u16>,
        reason: Option<String>,
    ) -> Refusable<()> {
        let end = Arc::clone(self.end(&socket)?);
        Ok(self.close_end(&end, code, reason))
    }

    fn ready_state(&mut self, socket: Socket) -> wasmtime::Result<WitReadyState> {
        Ok(match self.end(&socket)?.ready_state() {
            ReadyState::Connecting => WitReadyState::Connecting,
            ReadyState::Open => WitReadyState::Open,
            ReadyState::Closing => WitReadyState::Closing,
            ReadyState::Closed => WitReadyState::Closed,
        })
    }

    fn url(&mut self, socket: Socket) -> wasmtime::Result<Option<String>> {
        Ok(self.end(&socket)?.url())
    }

    fn protocol(&mut self, socket: Socket) -> wasmtime::Result<String> {
        Ok(self.end(&socket)?.agreed().protocol)
    }

    fn extensions(&mut self, socket: Socket) -> wasmtime::Result<String> {
        Ok(self.end(&socket)?.agreed().extensions)
    }

    fn buffered_amount(&mut self, socket: Socket) -> wasmtime::Result<u64> {
        let end = Arc::clone(self.end(&socket)?);
        Ok(self.buffered(&end) as u64)
    }

    fn is_writable(&mut self, socket: Socket) -> wasmtime::Result<bool> {
        let end = Arc::clone(self.end(&socket)?);
        let is_writable = self.buffered(&end) <= size(self.host.limits.outbox_soft_bytes);
        if !is_writable {
            end.want_drain();
        }
        Ok(is_writable)
    }

    fn pause(&mut self, socket: Socket) -> wasmtime::Result<()> {
        let end = Arc::clone(self.end(&socket)?);
        let staged = Staged::Pause { end, paused: true };
        self.effects.stage(staged, &self.host.limits)
    }

    fn resume(&mut self, socket: Socket) -> wasmtime::Result<()> {
        let end = Arc::clone(self.end(&socket)?);
        let staged = Staged::Pause { end, paused: false };
        self.effects.stage(staged, &self.host.limits)
    }

    fn attachment(&mut self, socket: Socket) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.end(&socket)?.attachment())
    }

    fn set_attachment(&mut self, socket: Socket, value: Option<Vec<u8>>) -> Refusable<()> {
        let limit = self.host.limits.attachment_bytes;
        if value
            .as_ref()
            .is_some_and(|value| value.len() as u64 > limit)
        {
            return Ok(Err(WitError::AttachmentTooLarge(limit)));
        }
        let end = Arc::clone(self.end(&socket)?);
        let value = match value.map(|value| Attachment::new(value, &self.host.totals.host)) {
            Some(None) => return Ok(Err(full())),
            value => value.flatten(),
        };
        let before = end.set_attachment(value);
        if self.object.is_some() {
            self.effects.journal.note_attachment(end, before);
        }
        Ok(Ok(()))
    }

    fn request(&mut self, socket: Socket) -> wasmtime::Result<Option<UpgradeRequest>> {
        Ok(self.end(&socket)?.request().map(|request| {
            let (uri, headers) = request.unpack();
            UpgradeRequest { uri, headers }
        }))
    }

    fn set_keep_alive(&mut self, socket: Socket, options: Option<WitKeepAlive>) -> Refusable<()> {
        let limit = self.host.limits.timer_ms;
        let keep_alive = match options {
            Some(options) if u64::from(options.interval_ms.max(options.timeout_ms)) > limit => {
                return Ok(Err(WitError::TimeoutTooLong(limit)));
            }
            Some(options) => Some(KeepAlive {
                // A ping a millisecond is no use to anyone.
                interval_ms: options.interval_ms.max(1),
                timeout_ms: options.timeout_ms.max(1),
            }),
            None => None,
        };
        self.end(&socket)?.set_keep_alive(keep_alive);
        Ok(Ok(()))
    }

    fn drop(&mut self, socket: Socket) -> wasmtime::Result<()> {
        self.take_handle(socket)?;
        Ok(())
    }
}

impl Host for GuestState {
    fn web_socket_pair(&mut self) -> Refusable<(Socket, Socket)> {
        let limit = self.host.limits.sockets;
        // An object may hold a handle of each of its sockets beside those that it makes.
        let held = self.object.as_ref().map_or(0, |_| limit);
        if self.handles.count() + 2 > limit.saturating_add(held) {
            return Ok(Err(too_many_sockets(limit)));
        }
        if !self.quota.has_room(2 * (END_BYTES + cost::HANDLE)) {
            return Ok(Err(full()));
        }
        let ids = (self.host.next_socket_id(), self.host.next_socket_id());
        let (client, server) = End::pair(ids.0, ids.1, &self.quota);
        match (self.open_handle(client)?, self.open_handle(server)?) {
            (Some(client), Some(server)) => Ok(Ok((client, server))),
            (one, other) => {
                for handle in one.into_iter().chain(other) {
                    self.take_handle(handle)?;
                }
                Ok(Err(full()))
            }
        }
    }

    fn get_web_socket(&mut self, id: SocketId) -> wasmtime::Result<Option<Socket>> {
        let Some(end) = self.accepted(id) else {
            return Ok(None);
        };
        match self.open_handle(end)? {
            Some(handle) => Ok(Some(handle)),
            None => wasmtime::bail!("too many handles (limit instance_host_bytes)"),
        }
    }

    fn send(&mut self, to: SocketId, message: MessageResult) -> Refusable<()> {
        // Shadowed, too.
        match self.accepted(to) {
            Some(end) => self.send_copied(end, &message),
            None => Ok(Err(WitError::NotAccepted)),
        }
    }

    fn send_several(
        &mut self,
        runs: Vec<Run>,
        lengths: Vec<u32>,
        text: String,
        bytes: Vec<u8>,
    ) -> Refusable<u32> {
        // Shadowed, too.
        let mut effects = std::mem::take(&mut self.effects);
        let sent = several::send_several(self, &mut effects, (&runs, &lengths), (&text, &bytes));
        self.effects = effects;
        sent
    }

    fn broadcast(&mut self, to: Vec<SocketId>, message: MessageResult) -> wasmtime::Result<u32> {
        let limit = self.host.limits.sockets.saturating_mul(2);
        if to.len() as u64 > limit {
            wasmtime::bail!(
                "a broadcast to {} ids, at most {limit} (twice limit sockets)",
                to.len()
            );
        }
        let mut seen = FxHashSet::default();
        let ends: Vec<_> = to
            .into_iter()
            .filter_map(|id| self.accepted(id))
            .filter(|end| seen.insert(end.id()))
            .collect();
        self.broadcast_to(&ends, send::as_ref(&message))
    }

    fn connect(&mut self, url: String, options: ConnectOptions) -> Refusable<Socket> {
        let (end, plan, charge) = match self.plan_socket(&url, options) {
            Ok(planned) => planned,
            Err(error) => return Ok(Err(error)),
        };
        if !self.effects.keep_one() {
            return Ok(Err(full()));
        }
        let Some(handle) = self.open_handle(Arc::clone(&end))? else {
            return Ok(Err(full()));
        };
        self.note_opened(end.id());
        self.ends.insert(end.id(), Arc::clone(&end));
        let staged = Staged::Connect {
            end,
            plan: Box::new(plan),
            charge,
        };
        self.effects.push(staged, &self.host.limits)?;
        Ok(Ok(handle))
    }
}

impl GuestState {
    /// Check what `connect` is asked for, and make the end of the socket. Nothing is connected yet.
    fn plan_socket(
        &mut self,
        url: &str,
        options: ConnectOptions,
    ) -> Result<(Arc<End>, Connect, Charge), WitError> {
        let limits = Arc::clone(&self.host.limits);
        let of_protocols = options.protocols.iter().map(String::len).sum::<usize>();
        check_head(url.len() + of_protocols, &options.headers, &limits).map_err(WitError::Other)?;
        let contents = size_of_contents(&options.headers, url.as_bytes());
        let charge = self.charge(contents + cost::DIAL).ok_or_else(full)?;
        let plan = self.host.outbound.connect(
            url,
            outbound::ConnectOptions {
                protocols: options.protocols,
                headers: options.headers,
                extensions: self.host.compression.as_ref().map(deflate::offer),
            },
        )?;
        let durable = match options.hibernatable {
            Some(tags) => {
                let object = self.object()?;
                let tags = object.check_tags(tags, &limits)?;
                Some((object, tags))
            }
            None => None,
        };
        let of_object = durable
            .as_ref()
            .map_or(0, |(object, _)| object.socket_count());
        if (self.ends.len() + of_object) as u64 >= limits.sockets
            || self.handles.count() >= limits.sockets
        {
            return Err(too_many_sockets(limits.sockets));
        }
        let owner = self
            .owner
            .upgrade()
            .expect("a session outlives the turns it runs");
        let url = plan.url().to_owned();
        let end = End::connecting(
            self.host.next_socket_id(),
            url,
            owner,
            &self.host.totals.held,
        );
        if let Some((object, tags)) = durable {
            end.make_durable(&object.auto_response, tags);
        }
        Ok((end, plan, charge))
    }
}
