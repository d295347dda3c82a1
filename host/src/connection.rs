//! Owns one WebSocket connection from the 101 to the end of its TCP stream: the one task that reads and
//! writes it. It answers pings and the peer's Close, hands messages to the owner of the end it is coupled
//! with, and holds no buffer while nothing is under way.

mod inflate;
mod inward;
mod keep_alive;
mod pace;
mod silence;
mod work;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep, timeout};

use self::keep_alive::Watch;
use self::pace::Pace;
use self::work::Work;
use crate::config::{Limits, millis, size};
use crate::counters::Counters;
use crate::guard;
use crate::socket::decode::Decoder;
use crate::socket::deflate::Inflater;
use crate::socket::end::Hold;
use crate::socket::frames::Frames;
use crate::socket::outbox::Order;
use crate::socket::{CloseCode, End, Outbox};
use crate::stream::Stream;

/// What a connection is told to do next.
enum Input {
    Read(Work),
    /// The outbox has something to say, and has been heard.
    Told,
    Eof,
    TimedOut,
}

/// Why a connection waits for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deadline {
    /// The peer has to answer our Close.
    Close,
    /// The peer has to read more of what is queued.
    Stall,
}

/// One WebSocket connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    end: Arc<End>,
    outbox: Arc<Outbox>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    decoder: Decoder,
    /// Set where compression was agreed on.
    inflater: Option<Inflater>,
    /// Frames that the operating system did not take at once.
    pending: Frames,
    /// The stream itself may hold what it has taken, as TLS does.
    is_unflushed: bool,
    order: Order,
    deadline: Option<(Deadline, Pin<Box<Sleep>>)>,
    /// Pings a silent peer, if the worker or the operator asked for it.
    watch: Option<Box<Watch>>,
    /// Bytes that were written since the peer was given a time to read more.
    written: usize,
    /// Where the operator bounds how fast it is read.
    pace: Option<Box<Pace>>,
    /// Bytes of an unfinished message, as they stand in the books.
    unfinished: u64,
    /// The peer's Close has come: nothing behind it is read.
    is_closed_by_peer: bool,
    /// What it delivered last had a turn of its own.
    has_own_turns: bool,
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        end: Arc<End>,
        outbox: Arc<Outbox>,
        inflater: Option<Inflater>,
        limits: Arc<Limits>,
        counters: Arc<Counters>,
    ) -> Self {
        if let Some(wire) = stream.wire() {
            outbox.attach(wire);
        }
        let decoder = Decoder::new(
            outbox.role(),
            size(limits.message_bytes),
            inflater.is_some(),
        );
        let pace = Pace::new(limits.messages_per_second);
        Self {
            stream,
            end,
            outbox,
            limits,
            counters,
            decoder,
            inflater,
            pending: Frames::default(),
            is_unflushed: false,
            order: Order::GoOn,
            deadline: None,
            watch: None,
            written: 0,
            pace,
            unfinished: 0,
            is_closed_by_peer: false,
            has_own_turns: false,
        }
    }

    /// Serve the connection to its end. `early` is what the client sent behind its handshake, most often nothing.
    ///
    /// What this future is large, thousands of idle connections hold: hence the boxes.
    pub(crate) async fn run(mut self: Box<Self>, early: Option<Box<Bytes>>) {
        if let Some(early) = early
            && let Err(payload) = guard::catch(Box::pin(self.on_early(&early))).await
        {
            self.break_off(payload);
        }
        let mut served = guard::catch(self.serve()).await;
        if let Err(payload) = served {
            self.break_off(payload);
            // What is left is to write what was to be written, a Close behind it.
            served = guard::catch(Box::pin(self.serve())).await;
        }
        let is_lost = !matches!(served, Ok(Ok(())));
        self.outbox.gone();
        if is_lost {
            tracing::debug!(socket = self.end.id(), order = ?self.order, "connection lost");
            self.end.lost();
            return;
        }
        drop(guard::catch(Box::pin(self.linger())).await);
    }

    /// Read and write until the end is ordered. `Err` if the connection was lost before.
    async fn serve(&mut self) -> Result<(), Lost> {
        loop {
            let input = poll_fn(|cx| self.poll(cx)).await?;
            match input {
                Input::Read(work) => self.on_input(work).await,
                Input::Told => {}
                Input::Eof => return Err(Lost),
                Input::TimedOut => self.on_deadline()?,
            }
            if self.order == Order::Drop {
                return Err(Lost);
            }
            if self.is_done() {
                return Ok(());
            }
        }
    }

    /// All is written that was to be written before the end.
    fn is_done(&self) -> bool {
        self.order == Order::End && self.pending.is_empty() && !self.is_unflushed
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Input, Lost>> {
        let order_before = self.order;
        let wake = self.outbox.take(cx, &mut self.pending);
        self.order = self.order.max(wake.order);
        if self.is_closed_by_peer && self.order == Order::AwaitClose {
            self.order = Order::End;
        }
        if Watch::keep(&mut self.watch, wake.keep_alive) {
            self.poll_watch(cx)?;
        }
        if !self.pending.is_empty() || self.is_unflushed {
            self.poll_write(cx)?;
            if self.pending.is_empty() {
                self.outbox.all_written();
            }
        }
        self.set_deadline();
        if self.is_done() || self.order > order_before {
            // The caller sees what there is to do.
            return Poll::Ready(Ok(Input::Told));
        }
        if let Some((_, sleep)) = &mut self.deadline
            && sleep.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Ok(Input::TimedOut));
        }
        if !self.may_read(cx) || !self.is_in_pace(cx) {
            return Poll::Pending;
        }
        let mut work = Work::take();
        let mut buf = ReadBuf::new(&mut work.buf);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
            Poll::Pending => {
                work.put_back();
                Poll::Pending
            }
            Poll::Ready(read) => {
                work.len = buf.filled().len();
                Poll::Ready(match read {
                    Ok(()) if work.len == 0 => Ok(Input::Eof),
                    Ok(()) => Ok(Input::Read(work)),
                    Err(_) => Err(Lost),
                })
            }
        }
    }

    /// A client that does not read is not read; nor is one whose messages nobody takes, or whose last one is on its way
    /// into a turn. The task is woken when it may.
    fn may_read(&self, cx: &mut Context<'_>) -> bool {
        if self.is_closed_by_peer || self.order >= Order::End {
            return false;
        }
        if self.outbox.is_above_soft() {
            self.counters.read_pauses.add(1);
            return false;
        }
        match self.hold() {
            Hold::No => true,
            // Most often nothing comes before the answer, so that being woken for the turn would be in vain.
            Hold::Turn => self.stream.poll_readable(cx).is_ready() && !self.end.await_turn(),
            Hold::Full => false,
        }
    }

    fn hold(&self) -> Hold {
        self.end.hold(size(self.limits.held_bytes))
    }

    fn set_deadline(&mut self) {
        let wanted = match self.order {
            // What is queued for the end has as long as a Close has.
            Order::AwaitClose | Order::End | Order::Drop => {
                Some((Deadline::Close, self.limits.close_timeout_ms))
            }
            Order::GoOn if self.outbox.is_above_soft() => {
                Some((Deadline::Stall, self.limits.outbox_stall_ms))
            }
            Order::GoOn => None,
        };
        match (wanted, &self.deadline) {
            (None, _) => self.deadline = None,
            (Some((kind, _)), Some((current, _))) if *current == kind => {}
            (Some((kind, ms)), _) => {
                let at = Instant::now() + millis(ms);
                self.written = 0;
                self.deadline = Some((kind, Box::pin(tokio::time::sleep_until(at))));
            }
        }
    }

    fn on_deadline(&mut self) -> Result<(), Lost> {
        match self.deadline.take() {
            // Slow, but it reads: the next poll gives it as much time again.
            Some((Deadline::Stall, _))
                if self.written >= size(self.limits.outbox_soft_bytes) / 16 =>
            {
                Ok(())
            }
            Some((Deadline::Stall, _)) => {
                // The Close joins the queue. Should that not move within the time of a Close, all is dropped.
                let body = Some((
                    CloseCode::TRY_AGAIN_LATER,
                    "the client reads too slowly".to_owned(),
                ));
                self.end.lost();
                self.outbox.close(&body, Order::End);
                Ok(())
            }
            Some((Deadline::Close, _)) | None => Err(Lost),
        }
    }

    /// Write what is pending, as far as the operating system takes it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), Lost> {
        while !self.pending.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let wrote = if let Some(piece) = self.pending.only() {
                stream.poll_write(cx, piece)
            } else {
                let mut slices = Frames::slices();
                let filled = self.pending.fill(&mut slices);
                stream.poll_write_vectored(cx, &slices[..filled])
            };
            match wrote {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    self.pending.advance(bytes);
                    self.is_unflushed = self.stream.holds_bytes();
                    self.note_written(bytes);
                    self.written = self.written.saturating_add(bytes);
                    if self.order > Order::GoOn {
                        // The peer cannot answer a Close that waits behind what it is still reading.
                        self.deadline = None;
                    }
                }
                Poll::Ready(_) => return Err(Lost),
            }
        }
        if self.is_unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.is_unflushed = false,
                Poll::Ready(Err(_)) => return Err(Lost),
            }
        }
        Ok(())
    }

    fn note_written(&self, bytes: usize) {
        if self.outbox.written(bytes) {
            self.end.raise_drain();
        }
    }

    /// Write the frames of a turn, behind what is still pending.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if out.is_empty() {
            return;
        }
        let mut written = 0;
        if self.pending.is_empty() {
            written = self.stream.try_write(out).unwrap_or(0);
            self.note_written(written);
        }
        if written < out.len() {
            self.pending.push(&out[written..]);
        }
        out.clear();
    }

    /// End the stream so that what was written last is read: a stream that is closed with bytes unread is
    /// reset, and a reset can overtake our Close.
    async fn linger(&mut self) {
        let time = millis(self.limits.linger_ms);
        // TLS says goodbye, for which the peer has to read.
        if !matches!(timeout(time, self.stream.shutdown()).await, Ok(Ok(()))) {
            return;
        }
        let mut work = Work::take();
        let drain = poll_fn(|cx| {
            loop {
                let mut buf = ReadBuf::new(&mut work.buf);
                let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf));
                if read.is_err() || buf.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        });
        // Whether it came to its end or not, the connection is over now.
        drop(timeout(time, drain).await);
        work.put_back();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outbox.gone();
        self.counters.unfinished_bytes_live.sub(self.unfinished);
    }
}

/// The connection ended without a Close.
#[derive(Debug)]
struct Lost;
