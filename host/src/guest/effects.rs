//! Owns what the turn under way has asked for and nobody has done yet: in order, counted, and given up if the turn fails.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::journal::Journal;
use super::promise::{Promise, Route};
use super::request::{Answer, Reply, Request, Token};
use crate::config::Limits;
use crate::error::Fault;
use crate::outbound::{Connect, Fetch};
use crate::quota::{Charge, Meter, Quota};
use crate::socket::auto_response::AutoResponse;
use crate::socket::message::CloseBody;
use crate::socket::{End, Message, Outbox, SocketId};
use crate::storage::Address;

/// Why an instance gets no more.
pub(crate) const FULL: &str = "the host keeps as much for this instance as it may (limits instance_host_bytes, host_total_bytes)";

/// One thing that a turn has asked for.
#[derive(Debug)]
pub(crate) enum Staged {
    /// Encoded frames for a connection: a range of [`Effects::frames`].
    Frames {
        socket: SocketId,
        outbox: Arc<Outbox>,
        range: Range<usize>,
    },
    /// A message from one end to the other, where both are inside the host.
    Message {
        to: Arc<End>,
        message: Message,
    },
    /// The worker closed: the Close goes to a connection,
    CloseWire {
        end: Arc<End>,
        outbox: Arc<Outbox>,
        body: CloseBody,
    },
    /// or to the other end.
    ClosePeer {
        from: Arc<End>,
        to: Arc<End>,
        body: CloseBody,
    },
    /// Deliver messages of a socket again, or no more.
    Pause {
        end: Arc<End>,
        paused: bool,
    },
    /// One frame for many connections.
    Broadcast {
        frame: Bytes,
        to: Vec<(SocketId, Arc<Outbox>)>,
    },
    Respond {
        request: u64,
        reply: Reply,
        answer: Result<Box<Answer>, Fault>,
    },
    /// A request for a durable object.
    FetchObject {
        token: Token,
        address: Address,
        name: Option<String>,
        request: Box<Request>,
    },
    /// A request for another server.
    Fetch {
        token: Token,
        fetch: Box<Fetch>,
        charge: Charge,
    },
    /// An outbound socket is to be opened.
    Connect {
        end: Arc<End>,
        plan: Box<Connect>,
        charge: Charge,
    },
    /// The worker has closed an outbound socket that is being opened.
    CloseOpening {
        end: Arc<End>,
    },
    StartTimer {
        token: Token,
        delay: Duration,
    },
    Cancel {
        token: Token,
    },
}

/// What a turn has asked for, in order.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) frames: Vec<u8>,
    /// Where the turn's own frames begin.
    pub(crate) from: usize,
    pub(crate) staged: Vec<Staged>,
    /// How many things the turn has asked for, messages that were put together counted each.
    asked: u64,
    /// What the turn has changed already, so that it can be taken back.
    pub(crate) journal: Journal,
    /// The object's auto-response from the end of the turn on, if the turn has set or removed it.
    pub(crate) auto_response: Option<Option<Arc<AutoResponse>>>,
    /// Bytes staged for all sockets,
    total: usize,
    /// of which each socket may have got these, in broadcasts,
    broadcast: usize,
    /// for the socket that was sent on last, and for the others.
    current: (SocketId, usize),
    others: FxHashMap<SocketId, usize>,
    /// The socket that was sent on last, and its connection: what holds for it at the first message of a turn holds
    /// for the others, until the worker itself closes it.
    pub(crate) route: Option<Route>,
    /// Room for answers.
    pub(crate) promise: Promise,
    /// What the turn has staged, as it is charged to its instance. What has a charge of its own does not count here.
    kept: Option<Meter>,
    /// Sockets whose connection could not take all that the turn sent.
    pub(crate) refused: FxHashMap<SocketId, (Arc<End>, Arc<Outbox>)>,
}

impl Effects {
    /// Bytes that this turn has staged for a socket so far.
    pub(crate) fn staged_bytes(&mut self, socket: SocketId) -> usize {
        if self.current.0 != socket {
            let (before, bytes) = self.current;
            if bytes > 0 {
                self.others.insert(before, bytes);
            }
            self.current = (socket, self.others.get(&socket).copied().unwrap_or(0));
        }
        self.current.1 + self.broadcast
    }

    /// Note that one frame goes to many. Who got it is not kept: it counts for all.
    pub(crate) fn stage_broadcast(
        &mut self,
        frame: Bytes,
        to: Vec<(SocketId, Arc<Outbox>)>,
        limits: &Limits,
    ) -> wasmtime::Result<()> {
        self.broadcast += frame.len();
        self.total += frame.len();
        self.stage(Staged::Broadcast { frame, to }, limits)
    }

    /// Note that the frames behind `from` are for this connection.
    pub(crate) fn stage_frames(
        &mut self,
        socket: SocketId,
        outbox: &Arc<Outbox>,
        from: usize,
        limits: &Limits,
    ) -> wasmtime::Result<()> {
        let to = self.frames.len();
        self.count(socket, to - from);
        if let Some(Staged::Frames {
            socket: last,
            range,
            ..
        }) = self.staged.last_mut()
            && *last == socket
        {
            range.end = to;
            return self.ask(limits);
        }
        let staged = Staged::Frames {
            socket,
            outbox: Arc::clone(outbox),
            range: from..to,
        };
        self.stage(staged, limits)
    }

    pub(crate) fn count(&mut self, socket: SocketId, bytes: usize) {
        self.staged_bytes(socket);
        self.current.1 += bytes;
        self.total += bytes;
    }

    /// Add to what the turn asks for. Beyond the bounds the guest traps: no worker asks for that much, but a
    /// loop does.
    pub(crate) fn stage(&mut self, staged: Staged, limits: &Limits) -> wasmtime::Result<()> {
        if !self.keep_one() {
            wasmtime::bail!(FULL);
        }
        self.push(staged, limits)
    }

    /// Add to what the turn asks for, which has been charged with [`Self::keep_one`].
    pub(crate) fn push(&mut self, staged: Staged, limits: &Limits) -> wasmtime::Result<()> {
        self.ask(limits)?;
        self.staged.push(staged);
        Ok(())
    }

    /// Charge one more thing that the turn asks for. False if the instance may have no more.
    pub(crate) fn keep_one(&mut self) -> bool {
        self.keep(size_of::<Staged>())
    }

    /// One thing more is asked for.
    fn ask(&mut self, limits: &Limits) -> wasmtime::Result<()> {
        if self.asked >= limits.turn_effects {
            wasmtime::bail!(
                "a turn asked for more than {} things (limit turn_effects)",
                limits.turn_effects
            );
        }
        self.asked += 1;
        Ok(())
    }

    /// Charge bytes that the turn has staged or is about to. False if the instance may have no more.
    pub(crate) fn keep(&mut self, bytes: usize) -> bool {
        let kept = self.kept.as_mut();
        kept.is_none_or(|kept| kept.try_add(bytes as u64))
    }

    /// Bytes that the turn has staged so far, over all sockets.
    pub(crate) fn total_bytes(&self) -> usize {
        self.total
    }

    /// Begin a turn whose frames go behind what is in this buffer, and what it stages is charged to this quota.
    pub(crate) fn begin(frames: Vec<u8>, quota: &Arc<Quota>) -> Self {
        Self {
            from: frames.len(),
            frames,
            kept: Some(Meter::on(quota)),
            ..Self::default()
        }
    }

    /// So many sockets may be sent on: make room for what is noted of each.
    pub(crate) fn expect_sockets(&mut self, sockets: usize) {
        self.staged.reserve(sockets);
        self.others.reserve(sockets);
    }

    /// Take back what a failed turn has changed. Gives what was in the buffer before it, and the replies that it
    /// was about to give, for the requests are to be given to another instance.
    pub(crate) fn undo(&mut self) -> (Vec<u8>, HashMap<u64, Reply>) {
        let replies = std::mem::take(&mut self.staged)
            .into_iter()
            .filter_map(|staged| match staged {
                Staged::Respond { request, reply, .. } => Some((request, reply)),
                Staged::Frames { .. }
                | Staged::Message { .. }
                | Staged::CloseWire { .. }
                | Staged::ClosePeer { .. }
                | Staged::Pause { .. }
                | Staged::Broadcast { .. }
                | Staged::FetchObject { .. }
                | Staged::Fetch { .. }
                | Staged::Connect { .. }
                | Staged::CloseOpening { .. }
                | Staged::StartTimer { .. }
                | Staged::Cancel { .. } => None,
            })
            .collect();
        let mut frames = std::mem::take(&mut self.frames);
        frames.truncate(self.from);
        (frames, replies)
    }
}
