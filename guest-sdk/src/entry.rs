//! Owns the export of the world: what `#[event(fetch)]` puts into a worker calls it. Only on wasm; the other way in
//! is `testing`.

use crate::bindings::exports::pairway::worker::events as exports;
use crate::bindings::pairway::worker::types::Run;
use crate::class::Class;
use crate::env::{Context, Env};
use crate::instance::Instance;
use crate::message::Message;
use crate::namespace::ObjectId;
use crate::sys::{self, Event, answers};
use crate::worker::{FetchFn, start, turn};
use std::cell::RefCell;
use std::iter;
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
    run(events.into_iter().map(sys::event), fetch);
}

/// Take one message: one turn.
pub fn take(socket: u64, message: Message, fetch: FetchFn) {
    run(iter::once(Event::Message(socket, message)), fetch);
}

/// Take several messages: one turn.
pub fn take_several(
    runs: &[Run],
    lengths: &[u32],
    (mut text, mut bytes): (&str, &[u8]),
    room: u32,
    fetch: FetchFn,
) {
    answers::expect(runs.iter().map(|run| run.socket), room);
    // The host has counted well.
    let each = runs
        .iter()
        .flat_map(|run| iter::repeat_n(run, run.messages as usize));
    let events = each.zip(lengths).map(|(run, length)| {
        let length = *length as usize;
        let message = if run.is_text {
            let (own, rest) = text.split_at_checked(length).unwrap_or((text, ""));
            text = rest;
            Message::Text(own.to_owned())
        } else {
            let (own, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
            bytes = rest;
            Message::Binary(own.to_vec())
        };
        Event::Message(run.socket, message)
    });
    run(events, fetch);
    answers::flush();
}

fn run(mut events: impl Iterator<Item = Event>, fetch: FetchFn) {
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
