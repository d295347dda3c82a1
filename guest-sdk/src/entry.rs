//! Owns the export of the world: what `#[event(fetch)]` puts into a worker calls it. Only on wasm; the other way in
//! is `testing`.

use crate::bindings::exports::pairway::worker::events as exports;
use crate::class::Class;
use crate::env::{Context, Env};
use crate::instance::Instance;
use crate::namespace::ObjectId;
use crate::sys::{self, Event};
use crate::worker::{FetchFn, start, turn};
use std::cell::RefCell;
use std::rc::Rc;

/// What this instance is.
#[derive(Clone)]
enum Role {
    Worker,
    Object(Class, Rc<Instance>),
}

thread_local! {
    static ROLE: RefCell<Option<Role>> = const { RefCell::new(None) };
}

/// Take a batch of events: one turn.
pub fn handle(events: Vec<exports::Event>, fetch: FetchFn) {
    let mut events = events.into_iter().map(sys::event);
    let role = ROLE
        .with_borrow(Clone::clone)
        .unwrap_or_else(|| begin(events.next()));
    match role {
        Role::Object(class, object) => (class.turn)(&object, &mut events),
        Role::Worker => turn(events, |_, request| {
            fetch(request, Env::new(), Context::new())
        }),
    }
}

/// The first event of an instance is its start, and says what it is.
fn begin(first: Option<Event>) -> Role {
    start();
    let role = match first {
        Some(Event::Start(Some(info))) => {
            let id = ObjectId::own(&info.id, info.name);
            let class = Class::named(&info.class_name);
            Role::Object(class, Rc::new((class.begin)(sys::Object, id)))
        }
        _ => Role::Worker,
    };
    ROLE.set(Some(role.clone()));
    role
}
