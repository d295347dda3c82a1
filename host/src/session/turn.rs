//! Owns the turn: the batch is handed over, and what it asked for is done; or it
//! failed, and nothing of it is. A stateless worker is over then. An object's batch is delivered again, event by
//! event, so that only the event that does the harm is lost.

use std::collections::VecDeque;
use std::sync::Arc;

use super::commit::Own;
use super::inbox::Inbox;
use super::life::{Life, Live};
use super::{Session, wake};
use crate::config::size;
use crate::error::Fault;
use crate::guard;
use crate::guest::{Direct, Event};
use crate::inject::Point;
use crate::object::Object;
use crate::socket::{SocketEvent, SocketId, outbox};

/// How an attempt at a turn went.
enum Attempt {
    Done,
    /// The object's gate is closed; nothing was handed over.
    Gated,
    /// The instance is gone, and nothing of the turn has happened.
    Failed(Fault),
    /// The instance is gone, and not all of the turn has happened: the host failed amid it.
    Broken(Fault),
}

impl Session {
    /// Have a batch handled, and messages where they lie behind it. Gives how many of those messages were taken.
    pub(super) async fn run(
        &self,
        life: &mut Life,
        mut batch: VecDeque<Event>,
        direct: Option<Direct<'_>>,
        mut own: Option<Own<'_>>,
    ) -> usize {
        let messages = direct.map_or(0, |direct| direct.messages.len());
        let own_now = own.as_mut().map(Own::reborrow);
        let attempt = self
            .attempt(life, batch.make_contiguous(), direct, own_now)
            .await;
        match attempt {
            Attempt::Done => messages,
            Attempt::Gated => {
                self.hold(life, batch);
                0
            }
            Attempt::Failed(fault) | Attempt::Broken(fault) if self.object.is_none() => {
                self.fail(life, fault);
                messages
            }
            Attempt::Broken(fault) => {
                self.lose_all(batch, direct, &fault);
                messages
            }
            Attempt::Failed(fault) => {
                // Boxed: the way of a turn that goes well should not carry it.
                Box::pin(self.run_one_by_one(life, batch, direct, own, fault)).await
            }
        }
    }

    /// These events may have had their turn: none is handed over again, and who sent it is told.
    fn lose_all(&self, batch: VecDeque<Event>, direct: Option<Direct<'_>>, fault: &Fault) {
        for event in batch {
            self.lose(event, fault);
        }
        if let Some(direct) = direct {
            self.close_for(direct.socket, fault);
        }
    }

    /// Put back what cannot be handed over behind a closed gate.
    fn hold(&self, life: &mut Life, batch: VecDeque<Event>) {
        let senders: Vec<_> = batch.iter().filter_map(Event::message_of).collect();
        self.with_inbox(|inbox| inbox.put_back(batch.into_iter()));
        if let Life::Live(live) = life {
            self.let_wait(live, &senders);
        }
    }

    /// Nothing can be handed over for now: connections whose messages wait go on without.
    fn let_wait(&self, live: &mut Live, senders: &[SocketId]) {
        for &socket in senders {
            if let Some(end) = live.instance.state().accepted(socket) {
                end.let_wait();
            }
        }
    }

    /// After a failed turn: hand its events over again, each in a turn of its own.
    async fn run_one_by_one(
        &self,
        life: &mut Life,
        mut batch: VecDeque<Event>,
        mut direct: Option<Direct<'_>>,
        mut own: Option<Own<'_>>,
        mut fault: Fault,
    ) -> usize {
        let messages = direct.map_or(0, |direct| direct.messages.len());
        // One event alone has had its turn.
        let mut is_guilty = batch.len() + messages == 1;
        while let Some(event) = batch.pop_front() {
            // What the dead instance had under way is over with it.
            if event.is_outcome() {
                continue;
            }
            let mut event = [event];
            if !is_guilty {
                match self.attempt(life, &mut event, None, None).await {
                    Attempt::Done => continue,
                    Attempt::Gated => {
                        batch.extend(event);
                        batch.rotate_right(1);
                        self.hold(life, batch);
                        return 0;
                    }
                    Attempt::Failed(next) | Attempt::Broken(next) => fault = next,
                }
            }
            is_guilty = false;
            let [event] = event;
            if let Some(socket) = event.message_of() {
                // It is closed, so that the messages behind this one are lost, too.
                batch.retain(|event| event.message_of() != Some(socket));
                self.with_inbox(|inbox| inbox.drop_messages(socket));
                direct = direct.filter(|direct| direct.socket != socket);
            }
            self.lose(event, &fault);
        }
        let Some(direct) = direct else {
            return messages;
        };
        for at in 0..messages {
            if self.is_gone(life, direct.socket) {
                break;
            }
            if !is_guilty {
                let one = Direct {
                    socket: direct.socket,
                    messages: &direct.messages[at..=at],
                };
                let own = own.as_mut().map(Own::reborrow);
                match self.attempt(life, &mut [], Some(one), own).await {
                    Attempt::Done => continue,
                    Attempt::Gated => return at,
                    Attempt::Failed(next) | Attempt::Broken(next) => fault = next,
                }
            }
            // Its socket is closed, so that the messages behind it are lost, too.
            self.with_inbox(|inbox| inbox.drop_messages(direct.socket));
            self.close_for(direct.socket, &fault);
            break;
        }
        messages
    }

    /// This event alone has made the worker fail: it is lost, and who sent it is told.
    pub(super) fn lose(&self, event: Event, fault: &Fault) {
        match event {
            Event::Fetch { reply, .. } => {
                if let Some(reply) = reply {
                    // A client that has gone needs no answer.
                    drop(reply.send(Err(fault.clone())));
                }
            }
            Event::Socket(id, SocketEvent::Message(_) | SocketEvent::Drain) => {
                self.close_for(id, fault);
            }
            Event::Socket(id, SocketEvent::Close(_) | SocketEvent::Error(_)) => {
                // It was the last event of this socket.
                if let Some(end) = self.object.as_ref().and_then(|o| o.remove_socket(id)) {
                    end.settle();
                    end.let_go();
                }
            }
            // That the alarm has failed was noted when its instance was lost.
            Event::Start
            | Event::AlarmDue
            | Event::Alarm(_)
            | Event::Completed(..)
            | Event::Socket(_, SocketEvent::Open | SocketEvent::NotOpened(_)) => {}
        }
    }

    pub(super) fn close_for(&self, socket: SocketId, fault: &Fault) {
        if let Some(end) = self.object.as_ref().and_then(|o| o.socket(socket)) {
            match fault {
                Fault::TooManyInstances(_) | Fault::TooManyObjects(_) | Fault::TotalMemory(_) => {
                    end.close_for_want_of_place();
                }
                Fault::Trap(_)
                | Fault::CpuTime(_)
                | Fault::WallTime(_)
                | Fault::OutOfMemory(_)
                | Fault::Handler(_)
                | Fault::Instantiate(_)
                | Fault::Aborted(_)
                | Fault::GateTime(_)
                | Fault::Storage(_) => end.close_for_fault("the worker failed"),
                Fault::Host(_) => end.close_for_fault("the host failed"),
            }
        }
    }

    /// One turn, and what it asked for.
    async fn attempt(
        &self,
        life: &mut Life,
        batch: &mut [Event],
        direct: Option<Direct<'_>>,
        own: Option<Own<'_>>,
    ) -> Attempt {
        if let Life::Asleep = life {
            let depth = wake::depth(batch, direct.is_some());
            if let Err(fault) = Box::pin(self.wake(life, depth)).await {
                return Attempt::Failed(fault);
            }
        }
        let Life::Live(live) = life else {
            return Attempt::Done;
        };
        let duties = &live.instance.state().duties;
        let passes = |socket| duties.inside.contains(&socket);
        if duties.gate > 0
            && (direct.is_some_and(|direct| !passes(direct.socket))
                || batch.iter().any(|event| !event.passes_gate(&duties.inside)))
        {
            return Attempt::Gated;
        }
        match self.turn(live, batch, direct, own).await {
            Ok(()) => {
                self.took(live, batch);
                if let Some(fault) = live.broken.take() {
                    if self.object.is_some() {
                        self.report(&fault);
                        Box::pin(self.lose_instance(life, &fault)).await;
                    }
                    return Attempt::Broken(fault);
                }
                if self.object.is_some() {
                    self.after_turn(life).await;
                }
                Attempt::Done
            }
            Err(fault) => {
                if self.object.is_some() {
                    self.report(&fault);
                    Box::pin(self.lose_instance(life, &fault)).await;
                }
                Attempt::Failed(fault)
            }
        }
    }

    /// The messages of a batch are handled, and what came of them is on its way: their connections may go on.
    fn took(&self, live: &mut Live, batch: &[Event]) {
        let limits = &self.context.host.limits;
        let (held, soft) = (size(limits.held_bytes), size(limits.outbox_soft_bytes));
        for event in batch {
            if let Event::Socket(socket, SocketEvent::Message(message)) = event
                && let Some(end) = live.instance.state().accepted(*socket)
            {
                end.took(message.cost(), held, soft);
            }
        }
    }

    /// Hand a batch over, make durable what it wrote, and do what it asked for; or take back what it changed.
    pub(super) async fn turn(
        &self,
        live: &mut Live,
        batch: &mut [Event],
        direct: Option<Direct<'_>>,
        mut own: Option<Own<'_>>,
    ) -> Result<(), Fault> {
        let frames = match &mut own {
            Some(own) if batch.is_empty() => std::mem::take(own.out),
            // It stays with whoever writes what this turn has for others.
            own => {
                let mut frames = outbox::spare();
                if let Some(own) = own {
                    frames.append(own.out);
                }
                frames
            }
        };
        let mut ran = match guard::catch(self.call(live, batch, direct, frames)).await {
            Ok(ran) => ran,
            Err(payload) => Err(self.panicked("a turn", payload).into()),
        };
        if ran.is_ok()
            && let Some(text) = live.instance.state().duties.storage_failed.take()
        {
            // What it wrote is lost; so nothing of the turn may be seen.
            ran = Err(Fault::Storage(text));
        }
        if ran.is_ok()
            && let Some(object) = &self.object
        {
            ran = self.make_durable(object).await;
        }
        match &ran {
            Ok(()) => {
                let done = guard::catch_now(|| {
                    self.commit(live, own);
                    self.schedule_alarm();
                });
                if let Err(payload) = done {
                    live.broken = Some(self.panicked("the effects", payload).into());
                }
            }
            Err(_) => {
                let before = live.instance.undo(batch);
                if let Some(own) = own {
                    *own.out = before;
                }
            }
        }
        ran
    }

    async fn call(
        &self,
        live: &mut Live,
        batch: &mut [Event],
        direct: Option<Direct<'_>>,
        frames: Vec<u8>,
    ) -> Result<(), Fault> {
        self.context.host.counters.point(Point::Turn);
        live.turn(batch, direct, frames).await
    }

    /// Make durable what a turn wrote.
    async fn make_durable(&self, object: &Arc<Object>) -> Result<(), Fault> {
        let committed = guard::catch(async {
            self.context.host.counters.point(Point::Commit);
            object.commit().await
        });
        match committed.await {
            Ok(committed) => committed.map_err(|error| Fault::Storage(error.to_string())),
            Err(payload) => Err(self.panicked("the commit", payload).into()),
        }
    }

    /// What an object's turn has asked for that concerns its instance.
    pub(super) async fn after_turn(&self, life: &mut Life) {
        self.touch();
        let Life::Live(live) = life else { return };
        let duties = &mut live.instance.state().duties;
        let abort = duties.abort.take();
        let is_gated = duties.gate > 0;
        if is_gated {
            self.with_inbox(|inbox| inbox.close_gate(&duties.inside));
        }
        if let Some(reason) = abort {
            self.context.host.counters.faults.add(1);
            return Box::pin(self.reset(life, &Fault::Aborted(reason))).await;
        }
        live.is_ready |= !is_gated;
        if is_gated == live.gate.is_some() {
            return;
        }
        if is_gated {
            self.watch_gate(live);
        } else if let Some(watch) = live.gate.take() {
            watch.abort();
        }
        if is_gated {
            let senders = self.with_inbox(|inbox| inbox.senders());
            self.let_wait(live, &senders);
        } else {
            self.with_inbox(Inbox::open_gate);
            self.ensure_pumped();
        }
    }
}
