//! Owns the gate of an object: [`State::block_concurrency_while`].

use super::State;
use crate::error::{Error, Result};
use crate::{log, parting, task};
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

impl State {
    /// Let nothing happen to the object, beside what this future waits for, until it is done: no request, no message,
    /// no alarm. It runs whether or not what is returned is awaited, so that `DurableObject::new` can call it.
    ///
    /// If it returns an error, or takes over 30 s, the object is reset as by [`abort`](Self::abort).
    pub fn block_concurrency_while<T: 'static>(
        &self,
        future: impl Future<Output = Result<T>> + 'static,
    ) -> BlockConcurrency<T> {
        let outcome = Rc::new(RefCell::new(Outcome {
            value: None,
            waker: None,
        }));
        let blocked = BlockConcurrency(Rc::clone(&outcome));
        if let Err(error) = self.life.host.close_gate() {
            log::error("the gate does not close", &error);
            outcome.borrow_mut().value = Some(Err(error));
            return blocked;
        }
        self.life.gates.set(self.life.gates.get() + 1);
        let state = self.clone();
        task::spawn_local(async move {
            let value = parting::watch(future, Result::is_err).await;
            state.open_gate(value.as_ref().err());
            let mut outcome = outcome.borrow_mut();
            outcome.value = Some(value);
            let waker = outcome.waker.take();
            drop(outcome);
            waker.into_iter().for_each(Waker::wake);
        });
        blocked
    }

    fn open_gate(&self, failure: Option<&Error>) {
        self.life.gates.set(self.life.gates.get() - 1);
        let done = match failure {
            Some(error) => {
                log::error("the object is reset", error);
                self.abort(error.to_string())
            }
            None => self.life.host.open_gate(),
        };
        if let Err(error) = done {
            log::error("the gate does not open", &error);
        }
    }
}

struct Outcome<T> {
    value: Option<Result<T>>,
    waker: Option<Waker>,
}

/// Made by [`State::block_concurrency_while`]. Awaiting it gives what the future returned; dropping it changes nothing.
pub struct BlockConcurrency<T>(Rc<RefCell<Outcome<T>>>);

impl<T> fmt::Debug for BlockConcurrency<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockConcurrency").finish_non_exhaustive()
    }
}

impl<T> Future for BlockConcurrency<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut outcome = self.0.borrow_mut();
        if let Some(value) = outcome.value.take() {
            return Poll::Ready(value);
        }
        let old = outcome.waker.replace(cx.waker().clone());
        drop(outcome);
        drop(old);
        Poll::Pending
    }
}
