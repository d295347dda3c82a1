//! The bindings generated from the WIT package, and nothing else. Only `sys::wasm` reads them.

wit_bindgen::generate!({
    path: "../wit",
    world: "worker",
    // Messages are sent from where they lie: imports take `&str` and `&[u8]`, events bring owned values.
    ownership: Borrowing { duplicate_if_necessary: true },
    // `#[event(fetch)]` calls it in the worker's crate, where the exports must be.
    pub_export_macro: true,
    export_macro_name: "export_worker",
    default_bindings_module: "::pairway::__private::bindings",
    generate_all,
});
