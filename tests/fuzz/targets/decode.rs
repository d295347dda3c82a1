//! The target `decode`: see `src/check/decode.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pairway_fuzz::check::decode(data));
