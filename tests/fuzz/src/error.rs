//! Stands in for the host's errors, most of which are about wasmtime.

#[derive(Debug)]
pub(crate) enum Error {
    Config(String),
}
