//! Owns transactions: what is written in one is kept whole or not at all.

use super::kv::Kv;
use crate::error::{Error, Result};
use crate::sys;
use std::cell::Cell;
use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Storage within a transaction, from [`Storage::transaction`](super::Storage::transaction): all that
/// [`Storage`](super::Storage) has.
#[derive(Clone, Debug)]
pub struct Transaction {
    storage: super::Storage,
    undone: Rc<Cell<bool>>,
}

impl Transaction {
    /// Have nothing kept of what the transaction writes, although it returns `Ok`.
    ///
    /// # Errors
    ///
    /// None; the shape is that of workers-rs.
    pub fn rollback(&self) -> Result<()> {
        self.undone.set(true);
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = super::Storage;

    fn deref(&self) -> &Self::Target {
        &self.storage
    }
}

pub(super) fn run<T, F: Future<Output = Result<T>>>(
    kv: &Kv,
    function: impl FnOnce(Transaction) -> F,
) -> Result<T> {
    let undone = Rc::new(Cell::new(false));
    let transaction = Transaction {
        storage: super::Storage { kv: kv.clone() },
        undone: Rc::clone(&undone),
    };
    kv.host.begin()?;
    let poll = pin!(function(transaction)).poll(&mut Context::from_waker(Waker::noop()));
    let result = match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::RustError(
            "only storage may be awaited in a transaction".to_owned(),
        )),
    };
    end(kv.host, result, undone.get())
}

pub(super) fn run_sync<T>(host: sys::Object, function: impl FnOnce() -> Result<T>) -> Result<T> {
    host.begin()?;
    end(host, function(), false)
}

fn end<T>(host: sys::Object, result: Result<T>, undone: bool) -> Result<T> {
    if result.is_ok() && !undone {
        host.commit()?;
    } else {
        host.rollback()?;
    }
    result
}
