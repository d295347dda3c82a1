//! The attribute macros of the `pairway` SDK, which re-exports them.

mod durable_object;
mod event;

use proc_macro::TokenStream;

/// Make a function the worker's handler of an event.
///
/// `#[event(fetch)]`, once in a worker, takes every request. The function is `async` and takes a `Request`, an `Env`
/// and a `Context`, or the first of them; it returns a `Response` or a `Result` of one, whose error becomes a
/// `pairway::Error`.
///
/// `#[event(start)]` runs once in every instance, before its first request. The function is not `async`, takes
/// nothing, and returns nothing or a `Result` of it.
#[proc_macro_attribute]
pub fn event(attribute: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(attribute.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Make a struct a class of durable objects, under its name. It implements `pairway::DurableObject`.
///
/// What workers-rs takes as arguments, `fetch`, `alarm` and `websocket`, says nothing here: every handler that is
/// written is called.
#[proc_macro_attribute]
pub fn durable_object(attribute: TokenStream, item: TokenStream) -> TokenStream {
    durable_object::expand(attribute.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
