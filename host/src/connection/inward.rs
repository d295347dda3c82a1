//! Owns the way of what a connection has read: control frames are answered here, the auto-response too; messages go to
//! the owner of the socket, or wait in its end until somebody takes them.

use std::ops::Range;
use std::time::SystemTime;

use smallvec::SmallVec;

use super::work::{READ_BYTES, Work};
use super::{Connection, inflate};
use crate::guard::{Panicked, Payload};
use crate::inject::Point;
use crate::socket::auto_response::AutoResponse;
use crate::socket::decode::Item;
use crate::socket::outbox::Order;
use crate::socket::violation::Violation;
use crate::socket::{Arrival, CloseCode, Delivery, MessageRef, codec};
use crate::step;

/// Messages of one read.
type Messages<'a> = SmallVec<[MessageRef<'a>; 1]>;

/// Of more bytes a connection does not wait for others: it has enough to do by itself.
const STEP_BYTES: usize = 2048;

impl Connection {
    /// Take what the client sent behind its handshake.
    pub(super) async fn on_early(&mut self, early: &[u8]) {
        for piece in early.chunks(READ_BYTES) {
            if !self.is_closed_by_peer {
                self.on_read(Work::with(piece), false).await;
            }
        }
    }

    /// Take what was read, in step with the other connections of the thread that are ready, if that pays.
    pub(super) async fn on_input(&mut self, work: Work) {
        let may_step = self.has_own_turns && work.len <= STEP_BYTES;
        let Some(step) = may_step.then(step::begin).flatten() else {
            return self.on_read(work, false).await;
        };
        let read = work.buf[..work.len].to_vec();
        work.put_back();
        step.others_begin().await;
        self.on_read(Work::with(&read), true).await;
        drop(read);
        step::others_first().await;
    }

    /// Take apart what was read, have it handled, and write what came of it with one call.
    pub(super) async fn on_read(&mut self, mut work: Work, in_step: bool) {
        if let Some(watch) = &mut self.watch {
            watch.heard();
        }
        self.counters.point(Point::Connection);
        let decoded = self
            .decoder
            .decode(&mut work.buf[..work.len], &mut work.items);
        if let Some(pace) = &mut self.pace {
            pace.take(work.items.len());
        }
        let violation = decoded.err().or_else(|| self.count_unfinished());
        let handled = self.handle_all(&mut work, violation.is_none()).await;
        let violation = handled.err().or(violation);
        if in_step && work.out.len() <= STEP_BYTES {
            self.pending.push(&work.out);
        } else {
            self.flush(&mut work.out);
        }
        if let Some(violation) = violation {
            self.on_violation(&violation);
        }
        work.put_back();
    }

    /// Enter what is held of an unfinished message into the books. Something, if all connections hold too much.
    fn count_unfinished(&mut self) -> Option<Violation> {
        let (before, now) = (self.unfinished, self.decoder.unfinished_bytes() as u64);
        if now == before {
            return None;
        }
        let total = &self.counters.unfinished_bytes_live;
        self.unfinished = now;
        if now < before {
            total.sub(before - now);
            return None;
        }
        total.add(now - before);
        (total.get() > self.limits.unfinished_bytes).then(Violation::too_busy)
    }

    /// Handle all items of a read, those that are compressed a few at a time.
    async fn handle_all(&mut self, work: &mut Work, may_gather: bool) -> Result<(), Violation> {
        let mut from = 0;
        while from < work.items.len() {
            // Boxed: most connections never need it.
            let inflated = match self.inflater {
                Some(_) => Some(Box::pin(self.inflate(work, from)).await),
                None => None,
            };
            let to = inflated
                .as_ref()
                .map_or(work.items.len(), |inflated| inflated.to);
            let is_last = to == work.items.len();
            self.handle(work, from..to, may_gather && is_last).await?;
            if let Some(violation) = inflated.and_then(|inflated| inflated.violation) {
                return Err(violation);
            }
            inflate::forget(&mut work.items[from..to]);
            from = to;
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        work: &mut Work,
        which: Range<usize>,
        may_gather: bool,
    ) -> Result<(), Violation> {
        let Work {
            buf, items, out, ..
        } = work;
        let auto_response = self.end.auto_response();
        let mut messages = Messages::new();
        for item in &items[which] {
            let (text, bytes) = match item {
                Item::Inline { text, at, .. } => (*text, &buf[at.clone()]),
                Item::Whole { text, bytes, .. } => (*text, &bytes[..]),
                Item::Ping { payload } => {
                    // In its place among the answers to messages, so that those before it are handled first.
                    self.deliver(&mut messages, out, false).await?;
                    self.answer(out, |out| codec::pong(self.outbox.role(), payload, out));
                    continue;
                }
                Item::Close(body) => {
                    self.deliver(&mut messages, out, false).await?;
                    if let Some((code, _)) = body
                        && !self.end.may_be_closed_with(*code)
                    {
                        return Err(Violation::close_code());
                    }
                    self.flush(out);
                    self.is_closed_by_peer = true;
                    if let Some(answer) = self.end.arrive(Arrival::Close(body.clone())) {
                        self.outbox.close(&answer, Order::End);
                    } else if self.end.close_order() == Order::End {
                        self.outbox.order(Order::End);
                    }
                    return Ok(());
                }
            };
            if !text {
                messages.push(MessageRef::Binary(bytes));
                continue;
            }
            let Ok(text) = simdutf8::basic::from_utf8(bytes) else {
                self.deliver(&mut messages, out, false).await?;
                return Err(Violation::utf8());
            };
            match &auto_response {
                Some(pair) if pair.answers(text) => {
                    self.deliver(&mut messages, out, false).await?;
                    self.auto_respond(pair, out);
                }
                Some(_) | None => messages.push(MessageRef::Text(text)),
            }
        }
        self.deliver(&mut messages, out, may_gather).await
    }

    /// Put a frame of the host's own behind what is on its way, unless our Close has left.
    fn answer(&self, out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
        if self.order == Order::GoOn {
            let from = out.len();
            encode(out);
            self.outbox.put_behind_queue(out, from);
        }
    }

    /// Answer in the worker's place: neither wakes it nor counts as an event.
    fn auto_respond(&self, pair: &AutoResponse, out: &mut Vec<u8>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_ms = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        if self.end.on_auto_response(now_ms) {
            self.answer(out, |out| pair.encode(self.outbox.role(), out));
            self.counters.auto_responses.add(1);
        }
    }

    /// Have messages handled, a turn's worth at a time, or hold those that nobody takes now.
    async fn deliver(
        &mut self,
        messages: &mut Messages<'_>,
        out: &mut Vec<u8>,
        may_gather: bool,
    ) -> Result<(), Violation> {
        let mut rest = &messages[..];
        while !rest.is_empty() {
            // Asked for each turn, since the one before may have paused the socket.
            let Some(owner) = self.end.taker() else {
                self.pass_on(rest)?;
                break;
            };
            let delivery = Delivery {
                socket: self.end.id(),
                messages: rest,
                outbox: &self.outbox,
                out,
                may_gather,
            };
            let turn = owner.deliver(delivery);
            self.has_own_turns = turn.as_ref().is_some_and(|turn| !turn.is_shared);
            let Some(turn) = turn else {
                for message in rest {
                    self.end.gather(*message);
                }
                break;
            };
            let taken = turn.run.await;
            if taken == 0 {
                // They wait in the owner's inbox, and this connection goes on answering pings.
                self.pass_on(rest)?;
                break;
            }
            rest = &rest[taken..];
            tokio::task::consume_budget().await;
        }
        messages.clear();
        Ok(())
    }

    /// Messages that no owner takes where they lie: they go to the other end of a relay, or wait. Something, if all
    /// connections together have as much waiting as they may.
    fn pass_on(&self, messages: &[MessageRef<'_>]) -> Result<(), Violation> {
        let other = self.end.relays_to();
        for message in messages {
            match &other {
                Some(other) => other.push_message(*message),
                None => {
                    let message = message.to_message();
                    if !self.end.has_room(message.cost()) {
                        return Err(Violation::too_busy());
                    }
                    self.end.arrive(Arrival::Message(message));
                }
            }
        }
        Ok(())
    }

    /// The peer broke the protocol: it is told with a Close, and its connection ends.
    fn on_violation(&mut self, violation: &Violation) {
        self.counters.violations.add(1);
        tracing::debug!(
            socket = self.end.id(),
            code = violation.code,
            reason = violation.reason,
            "protocol violation"
        );
        self.is_closed_by_peer = true;
        // Of a relay the end knows nothing.
        let has_sent = self.end.has_sent_close() || self.order >= Order::AwaitClose;
        self.end.failed(&violation.reason);
        if has_sent {
            self.outbox.order(Order::End);
        } else {
            let body = Some((violation.code, violation.reason.clone()));
            self.outbox.close(&body, Order::End);
        }
    }

    /// The host has failed in this connection: the peer is told, if it can be, and the worker has lost it.
    pub(super) fn break_off(&mut self, payload: Payload) {
        let work = format_args!("the connection of socket {}", self.end.id());
        Panicked::note(&self.counters, work, payload);
        self.is_closed_by_peer = true;
        let body = Some((CloseCode::INTERNAL, "the host failed".to_owned()));
        let has_sent = self.end.has_sent_close() || self.order >= Order::AwaitClose;
        self.end.lost();
        match has_sent {
            true => self.outbox.order(Order::End),
            false => self.outbox.close(&body, Order::End),
        }
    }
}
