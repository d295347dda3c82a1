//! Owns [`spawn`]: a task that may fail. How tasks run, `task` knows.

use crate::error::Result;
use crate::{log, parting, task};

/// Run this future on its own, beside the handler that starts it, which need not wait for it. If it ends in an error
/// the error is logged, and the sockets whose last handles it holds are closed with 1011; else with 1001.
///
/// The future is first polled when the code that spawns it awaits or returns.
pub fn spawn(future: impl Future<Output = Result<()>> + 'static) {
    task::spawn_local(async move {
        if let Err(error) = parting::watch(future, Result::is_err).await {
            log::error("a task failed", &error);
        }
    });
}
