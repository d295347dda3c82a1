//! Owns the signals: two that ask for an end, and one that asks for configuration to be read again.

use anyhow::Result;
use pairway_host::TlsReloader;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// What was asked for by signals, from the moment on at which they are caught.
#[derive(Debug)]
pub(super) struct Signals {
    /// The first signal that asks for an end.
    pub(super) first: oneshot::Receiver<()>,
    /// The second.
    pub(super) second: oneshot::Receiver<()>,
    /// SIGHUP, which would end the process where nobody heard it.
    pub(super) hangup: Signal,
}

impl Signals {
    /// Catch them. One task hears both that ask for an end, so that a second that follows at once is not missed.
    pub(super) fn catch() -> Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (first, is_first) = oneshot::channel();
        let (second, is_second) = oneshot::channel();
        tokio::spawn(async move {
            for (heard, says) in [
                (first, "shutting down; a second signal ends it at once"),
                (second, "a second signal"),
            ] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                tracing::info!("{says}");
                // Nobody waits any more: it is ending already.
                heard.send(()).unwrap_or_default();
            }
        });
        Ok(Self {
            first: is_first,
            second: is_second,
            hangup,
        })
    }
}

/// At each SIGHUP, read again what can be: the certificate, if there is one. One that cannot be used changes nothing.
pub(super) fn reload_at(mut hangup: Signal, reloader: Option<TlsReloader>) {
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let Some(reloader) = reloader.clone() else {
                tracing::info!(
                    "SIGHUP: there is nothing to read again, since there is no certificate"
                );
                continue;
            };
            let reloaded = tokio::task::spawn_blocking(move || reloader.reload()).await;
            match reloaded {
                Ok(Ok(())) => tracing::info!("the certificate was read again"),
                Ok(Err(error)) => tracing::error!("the certificate stays as it was: {error}"),
                Err(error) => tracing::error!("the certificate was not read again: {error}"),
            }
        }
    });
}

/// A file that reaches the size the process may give one is to be as good as a full disk: a write fails, and the turn whose it
/// was is undone. The signal that comes with it would end the process; caught, it does nothing.
pub(super) fn outlive_full_files() -> Result<()> {
    drop(signal(SignalKind::from_raw(libc::SIGXFSZ))?);
    Ok(())
}
