//! Owns what the worker writes: standard output and standard error, which the host puts into its log.

use crate::error::Error;
use std::fmt::Arguments;
use std::io::{Write, stderr, stdout};

/// Write a line to the host's log, at its ordinary level.
#[macro_export]
macro_rules! console_log {
    ($($argument:tt)*) => { $crate::__private::console::out(::std::format_args!($($argument)*)) };
}

/// Write a line to the host's log, as an error.
#[macro_export]
macro_rules! console_error {
    ($($argument:tt)*) => { $crate::__private::console::err(::std::format_args!($($argument)*)) };
}

/// For [`console_log!`].
pub fn out(line: Arguments<'_>) {
    // A log that cannot be written to is no reason to fail.
    let _unheard = writeln!(stdout(), "{line}");
}

/// For [`console_error!`].
pub fn err(line: Arguments<'_>) {
    let _unheard = writeln!(stderr(), "{line}");
}

/// Say what went wrong where no code of the worker is left to be told. Out of line: every worker has several of it.
#[cold]
#[inline(never)]
pub(crate) fn error(what: &str, error: &Error) {
    err(format_args!("{what}: {error}"));
}
