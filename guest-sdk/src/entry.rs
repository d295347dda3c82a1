//! Owns the export of the world: what `#[event(fetch)]` puts into a worker calls it. Only on wasm; the other way in
//! is `testing`.

use crate::bindings::exports::pairway::worker::events::Event;
use crate::env::{Context, Env};
use crate::sys;
use crate::worker::{FetchFn, turn};

/// Take a batch of events: one turn.
pub fn handle(events: Vec<Event>, fetch: FetchFn) {
    turn(events.into_iter().map(sys::event), |_, request| {
        fetch(request, Env::new(), Context::new())
    });
}
