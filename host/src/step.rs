//! Owns the step in which the ready connections of a thread go: all read, then all have their turns, then all write. The
//! code of the network, that of the host and that of the worker drive each other out of the processor's caches, which
//! costs more than going behind the others twice.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

/// So many connections go in step, so that the answers of none wait for more turns than that.
const CONNECTIONS: u32 = 64;

/// How often connections of a thread go in step before it looks whether that pays,
const LOOKS: u32 = 16;
/// which it does not if never so many others came behind one.
const FEW: u64 = 8;

/// What does not pay is not tried for so many times, and twice as many each time that it does not,
const PAUSE_MIN: u32 = 64;
/// up to this. Going behind others wakes a thread that sleeps, which costs as much as a message.
const PAUSE_MAX: u32 = 16_384;

thread_local! {
    static THREAD: Thread = const { Thread::new() };
}

/// Whether to try something that pays only at times.
#[derive(Debug)]
pub(crate) struct Trial {
    left: AtomicU32,
    pause: AtomicU32,
}

impl Trial {
    pub(crate) const fn new() -> Self {
        Self {
            left: AtomicU32::new(0),
            pause: AtomicU32::new(0),
        }
    }

    /// Whether it is to be tried now. Not while a pause lasts, which each question shortens.
    pub(crate) fn is_due(&self) -> bool {
        let left = self.left.load(Relaxed);
        if left > 0 {
            self.left.store(left - 1, Relaxed);
        }
        left == 0
    }

    /// It was tried, and has paid or not.
    pub(crate) fn note(&self, has_paid: bool) {
        let pause = match self.pause.load(Relaxed) {
            _ if has_paid => 0,
            before => (before * 2).clamp(PAUSE_MIN, PAUSE_MAX),
        };
        self.pause.store(pause, Relaxed);
        self.left.store(pause, Relaxed);
    }
}

/// What a thread knows of its connections. Tasks can move to other threads between two parts, so that all of it is a
/// hint: a wrong one costs time, nothing else.
struct Thread {
    /// Steps, ever.
    begun: Cell<u64>,
    /// Connections that have read and not gone on.
    waiting: Cell<u32>,
    trial: Trial,
    looks: Cell<u32>,
    /// How many others began while one waited, at the most.
    most: Cell<u64>,
}

impl Thread {
    const fn new() -> Self {
        Self {
            begun: Cell::new(0),
            waiting: Cell::new(0),
            trial: Trial::new(),
            looks: Cell::new(0),
            most: Cell::new(0),
        }
    }

    fn begin(&self) -> Option<Step> {
        if !self.trial.is_due() {
            return None;
        }
        if self.waiting.get() >= CONNECTIONS {
            // Some of them may have moved away.
            self.waiting.set(0);
            return None;
        }
        self.waiting.set(self.waiting.get() + 1);
        self.begun.set(self.begun.get() + 1);
        Some(Step {
            thread: self.address(),
            begun: self.begun.get(),
        })
    }

    /// By which threads are told apart.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn go_on(&self, step: &Step) {
        if step.thread != self.address() {
            return;
        }
        self.waiting.set(self.waiting.get().saturating_sub(1));
        let behind = self.begun.get() - step.begun;
        self.most.set(self.most.get().max(behind));
        self.looks.set(self.looks.get() + 1);
        if self.looks.get() == LOOKS {
            self.trial.note(self.most.get() >= FEW);
            self.looks.set(0);
            self.most.set(0);
        }
    }
}

/// A connection that has read, and goes in step with others.
#[derive(Debug)]
pub(crate) struct Step {
    thread: usize,
    begun: u64,
}

/// Begin a step, if it pays: others were ready lately, and not too many wait.
pub(crate) fn begin() -> Option<Step> {
    THREAD.with(Thread::begin)
}

impl Step {
    /// Let those read that are ready.
    pub(crate) async fn others_begin(&self) {
        others_first().await;
        THREAD.with(|thread| thread.go_on(self));
    }
}

/// Go behind the tasks that are ready now. Unlike `yield_now` it does not look for what else is.
pub(crate) async fn others_first() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    type Log = Rc<RefCell<Vec<(&'static str, u32)>>>;

    async fn go(number: u32, log: Log) {
        let step = begin();
        log.borrow_mut().push(("reads", number));
        if let Some(step) = &step {
            step.others_begin().await;
        }
        log.borrow_mut().push(("runs", number));
        if step.is_some() {
            others_first().await;
        }
        log.borrow_mut().push(("writes", number));
    }

    /// What so many connections do that are ready at the same time.
    async fn all(connections: u32) -> Vec<(&'static str, u32)> {
        let log = Log::default();
        let tasks: Vec<_> = (0..connections)
            .map(|number| spawn_local(go(number, Rc::clone(&log))))
            .collect();
        for task in tasks {
            task.await.expect("none panics");
        }
        log.take()
    }

    #[tokio::test]
    async fn those_that_are_ready_go_in_step() {
        let did = LocalSet::new().run_until(all(3)).await;
        let each = |part| (0..3).map(move |number| (part, number));
        let expected: Vec<_> = each("reads")
            .chain(each("runs"))
            .chain(each("writes"))
            .collect();
        assert_eq!(did, expected);
    }

    #[tokio::test]
    async fn beyond_the_bound_nobody_waits() {
        let did = LocalSet::new().run_until(all(CONNECTIONS + 2)).await;
        let through = ["reads", "runs", "writes"].map(|part| (part, CONNECTIONS));
        assert!(did.windows(3).any(|parts| parts == through), "{did:?}");
        assert_eq!(did[0], ("reads", 0));
        assert_eq!(did[1], ("reads", 1));
    }

    #[test]
    fn with_few_others_it_is_tried_more_and_more_seldom() {
        let thread = Thread::new();
        let mut pauses = Vec::new();
        for _ in 0..10 {
            for _ in 0..LOOKS {
                thread.go_on(&thread.begin().expect("it is tried"));
            }
            let mut pause = 0;
            while !thread.trial.is_due() {
                pause += 1;
            }
            pauses.push(pause);
        }
        assert_eq!(pauses[..3], [PAUSE_MIN, 2 * PAUSE_MIN, 4 * PAUSE_MIN]);
        assert_eq!(pauses[9], PAUSE_MAX);
        thread.trial.note(true);
        assert!(thread.trial.is_due());
    }

    #[test]
    fn connections_that_move_away_do_not_stop_it_for_ever() {
        let thread = Thread::new();
        for _ in 0..CONNECTIONS {
            assert!(thread.begin().is_some());
        }
        assert!(thread.begin().is_none());
        assert!(thread.begin().is_some());
    }
}
