//! The `pairway` command. Everything it does is in `cli.rs` and the library.

mod cli;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    give_memory_back_soon();
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Not through the log, which may not be set up yet; and whoever would read it may be gone.
            writeln!(std::io::stderr(), "pairway: {error:#}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

/// Have the allocator give back what has been free for 10 ms, and not for a second: it looks only when it is used, and a
/// process whose objects have just hibernated is not. Of 10,000 objects each socket held 15 kB, and holds 5.
#[expect(
    unsafe_code,
    reason = "the allocator has no safe call for it, and reads the environment before `main`"
)]
fn give_memory_back_soon() {
    /// `mi_option_purge_delay` of `mimalloc.h`, and its default.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    const DEFAULT_MS: std::ffi::c_long = 1000;
    // SAFETY: both read or write a number in the allocator's table of options. Nothing else runs yet.
    unsafe {
        // Otherwise the user has said something else, or this is another version's table.
        if libmimalloc_sys::mi_option_get(PURGE_DELAY) == DEFAULT_MS {
            libmimalloc_sys::mi_option_set(PURGE_DELAY, 10);
        }
    }
}
