//! What the tests share: a host, clients, and the rule that nothing is waited for without a bound.

mod binary;
mod browser;
mod client;
mod folder;
mod frame;
mod host;
mod http;
mod raw;
mod tls;
mod upstream;

use std::time::Duration;

pub(crate) use binary::Binary;
pub(crate) use browser::{Browser, Tab};
pub(crate) use client::{Client, Observer};
pub(crate) use folder::Folder;
pub(crate) use frame::{Frame, frames};
pub(crate) use host::{Host, config, load};
pub(crate) use http::{Answer, Request, get};
pub(crate) use raw::Raw;
pub(crate) use tls::{Authority, Certified, believing, is_shown};
pub(crate) use upstream::{Upstream, to_loopback};

/// How long anything may take that is expected to happen. Generous: it only matters when a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// So many bytes, in which it shows when some are missing, doubled or swapped.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..251).cycle().take(length).collect()
}

/// Wait for something that must happen.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// Wait until a condition holds that nothing announces, such as the value of a counter.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
