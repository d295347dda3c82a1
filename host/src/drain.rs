//! Owns what is open, and how it is brought to its end when the server shuts down: HTTP connections finish
//! their response, sockets are closed with 1001, and what is left after a while is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

use crate::counters::Counters;
use crate::quota::Quota;
use crate::socket::outbox::Order;
use crate::socket::{CloseCode, End, Outbox, SocketId};

/// For tasks that have been told to end at once. One that is inside a turn may take longer, and is left behind.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// Everything that is open on one server.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    tasks: TaskTracker,
    begun: CancellationToken,
    /// The time to drain is over.
    over: CancellationToken,
    sockets: Mutex<Sockets>,
}

type Sockets = HashMap<SocketId, (Arc<End>, Arc<Outbox>)>;

/// A socket that is open; it is no longer once this is dropped.
#[derive(Debug)]
pub(crate) struct OpenSocket {
    drain: Arc<Drain>,
    id: SocketId,
    has_ended: bool,
}

impl OpenSocket {
    /// Its connection has come to its end. Without this word it was cut off, with the runtime.
    pub(crate) fn ended(mut self) {
        self.has_ended = true;
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        let removed = self.drain.sockets().remove(&self.id);
        if let Some((end, _)) = removed
            && !self.has_ended
        {
            end.forsake();
        }
    }
}

impl Drain {
    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Run a task that the drain waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Enter a socket, which is closed at once if the drain has begun.
    pub(crate) fn open(self: &Arc<Self>, end: &Arc<End>, outbox: &Arc<Outbox>) -> OpenSocket {
        self.sockets()
            .insert(end.id(), (Arc::clone(end), Arc::clone(outbox)));
        if self.begun.is_cancelled() {
            going_away(end, outbox);
        }
        OpenSocket {
            drain: Arc::clone(self),
            id: end.id(),
            has_ended: false,
        }
    }

    /// Wait until the drain begins.
    pub(crate) fn begun(&self) -> WaitForCancellationFuture<'_> {
        self.begun.cancelled()
    }

    /// Wait until the time to drain is over.
    pub(crate) fn over(&self) -> WaitForCancellationFuture<'_> {
        self.over.cancelled()
    }

    /// Bring everything to its end, within this time. Gives how many tasks had to be left behind.
    pub(crate) async fn run(&self, within: Duration) -> usize {
        self.begun.cancel();
        self.tasks.close();
        let open: Vec<_> = self.sockets().values().cloned().collect();
        for (end, outbox) in &open {
            going_away(end, outbox);
        }
        drop(open);
        if timeout(within, self.tasks.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tasks.len();
        self.over.cancel();
        for (_, outbox) in self.sockets().values() {
            outbox.order(Order::Drop);
        }
        // They end at their next look, and with them what they hold: the data directory above all.
        drop(timeout(LAST_LOOK, self.tasks.wait()).await);
        left
    }
}

/// How long to wait after connections were dropped: they end at their next look.
const RELIEF_PAUSE: Duration = Duration::from_millis(20);

impl Drain {
    /// Make room where outboxes together have as much as they may, for ever: the connections with the most are dropped,
    /// until seven eighths are left.
    pub(crate) async fn relieve(&self, outboxes: &Quota, counters: &Counters) {
        loop {
            // Whoever has most is dropped, whoever pressed.
            let _: bool = outboxes.pressed().await;
            self.drop_fullest(outboxes, counters);
            outboxes.relieved();
            tokio::time::sleep(RELIEF_PAUSE).await;
        }
    }

    fn drop_fullest(&self, outboxes: &Quota, counters: &Counters) {
        let low = outboxes.max() - outboxes.max() / 8;
        let mut open: Vec<_> = self
            .sockets()
            .values()
            .map(|(_, outbox)| (outbox.buffered(), Arc::clone(outbox)))
            .filter(|(bytes, _)| *bytes > 0)
            .collect();
        open.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut left = outboxes.used();
        for (bytes, outbox) in open {
            if left <= low {
                return;
            }
            left = left.saturating_sub(bytes as u64);
            // One that was dropped a moment ago counts as well, but not twice.
            if outbox.drop_now() {
                counters.outboxes_dropped.add(1);
            }
        }
    }
}

fn going_away(end: &End, outbox: &Outbox) {
    let body = Some((
        CloseCode::GOING_AWAY,
        "the server is shutting down".to_owned(),
    ));
    end.close_by_host(&body, outbox);
}
