//! The `pairway` command. Everything it does is in `cli.rs` and the library.

mod cli;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(
    clippy::print_stderr,
    reason = "the log may not be set up when the command line is wrong"
)]
fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pairway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
