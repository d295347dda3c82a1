//! The types and traits that wasmtime makes of `wit/`. Nothing else.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "worker",
    imports: {
        "pairway:worker/storage": async | trappable,
        "pairway:worker/state.set-alarm": async | trappable,
        "pairway:worker/state.get-alarm": async | trappable,
        "pairway:worker/state.alarm-handled": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
    with: { "pairway:worker/sockets.web-socket": crate::guest::store::Handle },
});

/// What a worker may export beyond that.
pub(super) mod messaging {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "messaging",
        with: { "pairway:worker/types": super::pairway::worker::types },
        exports: { default: async },
    });
}
