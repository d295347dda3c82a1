//! Owns a live durable object: hands its events to its handlers, one at a time, and holds them back while the gate is
//! closed.

use crate::answer::fail;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::log;
use crate::namespace::ObjectId;
use crate::object::{DurableObject, Handlers};
use crate::operation;
use crate::socket;
use crate::state::State;
use crate::sys::{self, Event, Outcome};
use crate::task::{self, Nest};
use crate::time;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

pub(crate) struct Instance {
    host: sys::Object,
    state: State,
    /// Or why it could not be made.
    object: Result<Rc<dyn Handlers>>,
    /// What came while the gate was closed, in order. Empty while it is open.
    held: RefCell<VecDeque<Event>>,
    /// Where handlers of messages run.
    nest: RefCell<Nest>,
}

impl Instance {
    /// The object starts, or wakes.
    pub(crate) fn new<T: DurableObject>(host: sys::Object, id: ObjectId) -> Self {
        let state = State::new(host, id);
        let object = T::try_new(state.clone(), Env::new());
        if let Err(error) = &object {
            log::error("the object could not be made", error);
        }
        Self {
            object: object.map(|object| Rc::new(object) as Rc<dyn Handlers>),
            host,
            state,
            held: RefCell::default(),
            nest: RefCell::default(),
        }
    }

    /// One turn. A handler runs to its first await before the next event is looked at.
    pub(crate) fn turn(&self, events: &mut dyn Iterator<Item = Event>) {
        self.settle();
        // Behind a gate that was closed before, the host gives out only what it was closed to wait for. In memory that is
        // decided here.
        let mut is_chosen = cfg!(target_family = "wasm") && self.state.is_gate_closed();
        for event in events {
            if self.state.is_gate_closed() && !is_chosen && !is_completion(&event) {
                self.held.borrow_mut().push_back(event);
            } else {
                self.dispatch(event);
                self.settle();
            }
            is_chosen &= self.state.is_gate_closed();
        }
        self.state.tell_running();
    }

    /// Let the tasks run until all of them wait, and then what was held back, if the gate is open.
    fn settle(&self) {
        task::run_until_idle();
        while !self.state.is_gate_closed()
            && let Some(event) = self.next_held()
        {
            self.dispatch(event);
            task::run_until_idle();
        }
    }

    fn next_held(&self) -> Option<Event> {
        self.held.borrow_mut().pop_front()
    }

    fn dispatch(&self, event: Event) {
        if self.state.is_aborted() {
            return;
        }
        let object = match &self.object {
            Ok(object) => Rc::clone(object),
            Err(error) => return self.refuse(event, error),
        };
        match event {
            Event::Message(id, message) => match socket::durable(id, self.host) {
                Some(socket) => {
                    let call = self.state.call();
                    object.message(call, socket, message, &self.nest);
                }
                None => socket::on_message(id, message),
            },
            Event::Close(id, event) => match socket::durable(id, self.host) {
                Some(socket) => {
                    let call = self.state.call();
                    task::run_now(object.close(call, socket, event));
                }
                None => socket::on_close(id, event),
            },
            Event::Error(id, why) => match socket::durable(id, self.host) {
                Some(socket) => {
                    let call = self.state.call();
                    task::run_now(object.error(call, socket, why));
                }
                None => socket::on_error(id, why),
            },
            Event::Fetch(id, request) => {
                let call = self.state.call();
                task::run_now(object.fetch(call, id, request));
            }
            Event::Alarm(due) => {
                let call = self.state.call();
                task::run_now(object.alarm(call, due));
            }
            Event::Drain(id) => socket::on_drain(id),
            Event::Completed(token, outcome) => completed(token, outcome),
            Event::Open(id) => socket::on_open(id),
            // An instance starts once.
            Event::Start(_) => {}
        }
    }

    /// Whether the object is to be reset.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn is_aborted(&self) -> bool {
        self.state.is_aborted()
    }

    /// Whether nothing keeps the object from hibernating.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn is_idle(&self) -> bool {
        self.state.is_idle() && self.held.borrow().is_empty()
    }

    /// The object could not be made: who asks is told why, and the next to ask meets another.
    #[cold]
    fn refuse(&self, event: Event, error: &Error) {
        if let Event::Completed(token, outcome) = event {
            return completed(token, outcome);
        }
        let why = format!("the object could not be made: {error}");
        match event {
            Event::Fetch(id, _) => fail(id, &why),
            Event::Alarm(_) => self.state.call().alarm_handled(false),
            Event::Start(_)
            | Event::Open(_)
            | Event::Message(..)
            | Event::Close(..)
            | Event::Error(..)
            | Event::Drain(_)
            | Event::Completed(..) => {}
        }
        if let Err(error) = self.state.abort(why) {
            log::error("the object is not reset", &error);
        }
    }
}

/// Whether somebody may wait for it behind a closed gate.
fn is_completion(event: &Event) -> bool {
    match event {
        Event::Completed(..) | Event::Open(_) => true,
        // That of a socket which does not open.
        Event::Error(id, _) | Event::Close(id, _) => socket::is_opening(*id),
        Event::Start(_)
        | Event::Fetch(..)
        | Event::Message(..)
        | Event::Drain(_)
        | Event::Alarm(_) => false,
    }
}

/// An operation is over, whoever asked for it.
pub(crate) fn completed(token: u64, outcome: Outcome) {
    match outcome {
        Outcome::Done => time::on_timer(token),
        Outcome::Response(response) => operation::on_completed(token, Ok(response)),
        Outcome::Failed(error) => operation::on_completed(token, Err(error)),
    }
}
