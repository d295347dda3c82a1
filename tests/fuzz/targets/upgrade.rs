//! The target `upgrade`: see `src/check/upgrade.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pairway_fuzz::check::upgrade(data));
