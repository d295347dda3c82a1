//! Owns what the fuzzer runs: for each target one check that panics if what the host makes of some bytes is wrong.
//!
//! The host's files are taken in by their paths, in a tree of modules like the host's. As a dependency it would bring
//! wasmtime, and the long building of it with instrumentation; what is fuzzed here is pure and needs none of it.
#![expect(
    dead_code,
    unused_imports,
    reason = "the files are the host's, and not all of them is called here"
)]

pub mod check;
mod error;
#[path = "../../../host/src/origins.rs"]
mod origins;
mod outbound;
mod socket;
#[path = "../../../host/src/upgrade.rs"]
mod upgrade;
