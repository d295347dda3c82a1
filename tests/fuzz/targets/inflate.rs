//! The target `inflate`: see `src/check/inflate.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pairway_fuzz::check::inflate(data));
