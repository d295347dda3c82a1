//! A component, but no worker: a command-line program.

fn main() {}
