//! Owns what an object's instance and its [`State`] both know: how many handlers run, whether the gate
//! is closed, whether the object is at its end.

use super::State;
use crate::error::Result;
use crate::log;
use crate::namespace::ObjectId;
use crate::parting;
use crate::sys;
use crate::time::within;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Life {
    pub(super) host: sys::Object,
    pub(super) id: ObjectId,
    /// Handlers under way, and what `wait_until` was given.
    running: Cell<u32>,
    /// How many the host thinks there are.
    told: Cell<u32>,
    /// How often the gate was closed and not opened.
    pub(super) gates: Cell<u32>,
    aborted: Cell<bool>,
    /// How long a handler of a socket's event may take. The host keeps it across hibernation.
    pub(super) limit: Cell<Option<Duration>>,
}

impl Life {
    pub(super) fn new(host: sys::Object, id: ObjectId) -> Self {
        let limit = host.event_timeout().ok().flatten();
        Self {
            host,
            id,
            running: Cell::new(0),
            told: Cell::new(0),
            gates: Cell::new(0),
            aborted: Cell::new(false),
            limit: Cell::new(limit.map(|ms| Duration::from_millis(ms.into()))),
        }
    }

    pub(super) fn abort(&self, reason: &str) -> Result<()> {
        self.host.abort(reason)?;
        self.aborted.set(true);
        Ok(())
    }
}

/// For the instance.
impl State {
    /// A handler begins.
    pub(crate) fn call(&self) -> Call {
        self.life.running.set(self.life.running.get() + 1);
        Call(Rc::clone(&self.life))
    }

    /// Whether events are to wait.
    pub(crate) fn is_gate_closed(&self) -> bool {
        self.life.gates.get() > 0
    }

    /// Whether the object is to be reset. Nothing should happen to it any more.
    pub(crate) fn is_aborted(&self) -> bool {
        self.life.aborted.get()
    }

    /// The turn is over: tell the host what runs, if it does not know.
    pub(crate) fn tell_running(&self) {
        let running = self.life.running.get();
        if self.life.told.replace(running) != running
            && let Err(error) = self.life.host.set_running(running)
        {
            log::error("the host does not hear what runs", &error);
        }
    }

    /// Whether nothing keeps the object from hibernating.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn is_idle(&self) -> bool {
        self.life.running.get() == 0 && !self.is_gate_closed()
    }
}

/// A handler that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Call(Rc<Life>);

impl Call {
    /// Run the handler of a hibernatable socket's event to its end, or as long as it may take.
    pub(crate) async fn socket_event(&self, what: &str, handler: impl Future<Output = Result<()>>) {
        let handler = within(self.0.limit.get(), handler);
        match parting::watch(handler, |done| !matches!(done, Some(Ok(())))).await {
            Some(Ok(())) => {}
            Some(Err(error)) => log::error(what, &error),
            None => log::error(what, &crate::Error::Elapsed),
        }
    }

    /// Say how the alarm was handled.
    pub(crate) fn alarm_handled(&self, succeeded: bool) {
        if let Err(error) = self.0.host.alarm_handled(succeeded) {
            log::error("the host does not hear of the alarm", &error);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}
