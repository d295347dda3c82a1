//! Owns the step in which the ready connections of a thread go: all read, then all have their turns, then all write. The
//! code of the network, that of the host and that of the worker drive each other out of the processor's caches, which
//! costs more than going behind the others twice.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// So many connections go in step, so that the answers of none wait for more turns than that.
const CONNECTIONS: u32 = 64;

/// A connection that found nobody else ready has the next ones of its thread, so many, not look.
const NOT_LOOKING: u32 = 16;

thread_local! {
    static THREAD: Thread = const {
        Thread { waiting: Cell::new(0), not_looking: Cell::new(0) }
    };
}

struct Thread {
    /// Connections that have begun a step since one last went on.
    waiting: Cell<u32>,
    not_looking: Cell<u32>,
}

/// Begin a step, if it pays: others were ready lately, and not too many wait.
pub(crate) fn begin() -> bool {
    THREAD.with(|thread| {
        if let Some(left) = thread.not_looking.get().checked_sub(1) {
            thread.not_looking.set(left);
            return false;
        }
        let waiting = thread.waiting.get();
        thread.waiting.set((waiting + 1).min(CONNECTIONS));
        waiting < CONNECTIONS
    })
}

/// Let the others begin that are ready. Whether there were any is remembered.
pub(crate) async fn others_begin() {
    others_first().await;
    THREAD.with(|thread| {
        if thread.waiting.replace(0) == 1 {
            thread.not_looking.set(NOT_LOOKING);
        }
    });
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
        let in_step = begin();
        log.borrow_mut().push(("reads", number));
        if in_step {
            others_begin().await;
        }
        log.borrow_mut().push(("runs", number));
        if in_step {
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

    #[tokio::test]
    async fn who_is_alone_looks_for_others_now_and_then_only() {
        LocalSet::new()
            .run_until(async {
                assert!(begin());
                others_begin().await;
                for _ in 0..NOT_LOOKING {
                    assert!(!begin());
                }
                assert!(begin());
            })
            .await;
    }
}
