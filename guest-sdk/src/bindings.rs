//! The bindings generated from the WIT package, and nothing else. Only `sys::wasm` reads them.

wit_bindgen::generate!({
    path: "../wit",
    world: "quick-worker",
    // Messages are sent from where they lie: imports take `&str` and `&[u8]`, events bring owned values.
    ownership: Borrowing { duplicate_if_necessary: true },
    // `#[event(fetch)]` calls it in the worker's crate, where the exports must be.
    pub_export_macro: true,
    export_macro_name: "export_worker",
    default_bindings_module: "::pairway::__private::bindings",
    generate_all,
});

/// The clocks of WASI. `std` makes an `Instant` of one, and 20 KiB of what it needs to say why that could fail. Only
/// `now` is called; the rest must be here, since the linker merges the interfaces with their copies in `std`.
pub(crate) mod clock {
    wit_bindgen::generate!({
        inline: "
            package pairway:clock;
            world clock {
                import wasi:clocks/monotonic-clock@0.2.0;
                import wasi:clocks/wall-clock@0.2.0;
            }
            package wasi:clocks@0.2.0 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.0.{pollable};
                    type instant = u64;
                    type duration = u64;
                    now: func() -> instant;
                    resolution: func() -> duration;
                    subscribe-instant: func(when: instant) -> pollable;
                    subscribe-duration: func(when: duration) -> pollable;
                }
                interface wall-clock {
                    record datetime {
                        seconds: u64,
                        nanoseconds: u32,
                    }
                    now: func() -> datetime;
                    resolution: func() -> datetime;
                }
            }
            package wasi:io@0.2.0 {
                interface poll {
                    resource pollable {
                        ready: func() -> bool;
                        block: func();
                    }
                    poll: func(in: list<borrow<pollable>>) -> list<u32>;
                }
            }
        ",
        generate_all,
    });
}
