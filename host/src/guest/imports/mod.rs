//! Owns the functions that a guest may call: they translate, ask the rooms below, and stage what is to
//! happen when the turn ends. Nothing of a turn happens here.

mod ends;
mod http;
mod objects;
mod send;
mod several;
mod sockets;
mod state;
mod storage;
mod timers;

use wasmtime::component::{HasSelf, Linker};

use super::bindings::pairway::worker as wit;
use super::store::GuestState;
use wit::types::ErrorResult as WitError;

/// The linker for every worker: WASI without files and sockets, and the world's imports.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    type Own = HasSelf<GuestState>;
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wit::types::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::sockets::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::http::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::timers::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::objects::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::state::add_to_linker::<_, Own>(linker, |state| state)?;
    wit::storage::add_to_linker::<_, Own>(linker, |state| state)?;
    send::link(linker)
}

impl wit::types::Host for GuestState {}
