//! Owns the way of a connection's messages into a turn: at once and where they lie, if they come alone; where those of
//! other connections come as well, one turn for all that are ready now. A turn costs more than a
//! message in it, and the code of the worker and that of the network drive each other out of the processor's caches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::commit::Own;
use super::inbox::{self, Gather, Inbox};
use super::life::{Life, let_go};
use super::{Pumping, Session};
use crate::config::size;
use crate::guard;
use crate::guest::{Direct, Event};
use crate::socket::{Delivery, MessageRef, Owner, SocketEvent, SocketId, Turn};
use crate::step;

/// A longer message has a turn of its own: gathering would copy it.
const GATHERED_BYTES: usize = 2048;

/// For fewer messages than this it does not pay to wait.
const FEW: usize = 6;

impl Owner for Session {
    fn raise(&self, socket: SocketId, event: SocketEvent) -> bool {
        // A session that is over has given up its sockets.
        self.post(Event::Socket(socket, event)).unwrap_or(false)
    }

    fn deliver(self: Arc<Self>, delivery: Delivery<'_>) -> Option<Turn<'_>> {
        let gather = if self.is_to_gather(&delivery) {
            self.with_inbox(Inbox::gather)
        } else {
            Gather::No
        };
        match gather {
            Gather::Under => None,
            Gather::Begun => {
                let pumping = Pumping(self);
                let run = Box::pin(async move {
                    step::others_first().await;
                    pumping.0.note_gathered();
                    pumping.0.take_in_turn(delivery).await
                });
                let is_shared = true;
                Some(Turn { is_shared, run })
            }
            Gather::No => {
                let run = Box::pin(async move { self.take_in_turn(delivery).await });
                let is_shared = false;
                Some(Turn { is_shared, run })
            }
        }
    }
}

impl Session {
    /// Whether it may pay to put what is delivered together with what others deliver.
    fn is_to_gather(&self, delivery: &Delivery<'_>) -> bool {
        let last = self.last_socket.load(Ordering::Relaxed);
        self.last_socket.store(delivery.socket, Ordering::Relaxed);
        let is_small = match delivery.messages {
            [message] => message.bytes().len() <= GATHERED_BYTES,
            _ => false,
        };
        last != delivery.socket && delivery.may_gather && is_small && self.gathering.is_due()
    }

    /// The others have left what they have.
    fn note_gathered(&self) {
        let messages = self.with_inbox(|inbox| inbox.len()) + 1;
        self.gathering.note(messages >= FEW);
    }

    /// Run a turn with these messages, as many as fit, and what was raised before. Gives how many were taken.
    async fn take_in_turn(&self, delivery: Delivery<'_>) -> usize {
        let limits = &self.context.host.limits;
        let (events_max, bytes_max) = (size(limits.batch_events), size(limits.batch_bytes));
        let taken = inbox::batch_len(delivery.messages, events_max, bytes_max);
        // Most often nobody has it, and asking is cheaper than queueing.
        let mut life = match self.life.try_lock() {
            Ok(life) => life,
            Err(_) => self.life.lock().await,
        };
        let (socket, all) = (delivery.socket, delivery.messages.len());
        let run = self.run_with(&mut life, delivery, taken);
        let taken = match guard::catch(run).await {
            Ok(taken) => taken,
            Err(payload) => {
                let panicked = self.panicked("a delivery", payload);
                Box::pin(self.break_down(&mut life, &panicked)).await;
                tracing::debug!(socket, "what it sent last is lost");
                all
            }
        };
        let_go(life);
        taken
    }

    /// Run a turn with the first of these messages, so many, behind those of the inbox.
    async fn run_with(&self, life: &mut Life, delivery: Delivery<'_>, taken: usize) -> usize {
        let limits = &self.context.host.limits;
        let (events_max, bytes_max) = (size(limits.batch_events), size(limits.batch_bytes));
        let messages = &delivery.messages[..taken];
        let mut due = self.with_inbox(|inbox| inbox.len());
        let mut along = VecDeque::new();
        while due > 0 {
            let batch = self.take_batch().await;
            due = due.saturating_sub(batch.len().max(1));
            if due == 0 && batch.len() + taken <= events_max && bytes(&batch, messages) <= bytes_max
            {
                along = batch;
            } else if !batch.is_empty() {
                self.run(life, batch, None, None).await;
            }
        }
        let is_gone = self.is_gone(life, delivery.socket);
        let direct = Direct {
            socket: delivery.socket,
            messages,
        };
        let own = Own {
            socket: delivery.socket,
            outbox: delivery.outbox,
            out: delivery.out,
        };
        let taken = if !is_gone {
            self.run(life, along, Some(direct), Some(own)).await
        } else {
            if !along.is_empty() {
                self.run(life, along, None, Some(own)).await;
            }
            delivery.messages.len()
        };
        if self.object.is_none()
            && let Life::Live(live) = life
            && live.instance.state().ends.is_empty()
        {
            self.settle(life);
        }
        taken
    }
}

/// The bytes of a batch with these messages behind it; more than any bound if something else than messages is in it.
fn bytes(batch: &VecDeque<Event>, messages: &[MessageRef<'_>]) -> usize {
    let waiting = batch.iter().map(|event| {
        let message = event.as_message();
        message.map_or(usize::MAX, |(_, message)| message.bytes().len())
    });
    let direct = messages.iter().map(|message| message.bytes().len());
    waiting.chain(direct).fold(0, usize::saturating_add)
}
