//! Owns the handle of an end.

use super::super::{KeepAlive, Payload, UpgradeRequest};
use super::ends::Item;
use super::{Alarm, CLOSE_TIMEOUT, HOST, host};
use crate::close::{self, ReadyState};
use crate::error::{Error, Result};

/// A handle of an end. The host's entry outlives it.
#[derive(Debug)]
pub(crate) struct Socket(pub(super) u64);

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone only while the thread ends.
        let _gone = HOST.try_with(|host| {
            if let Ok(mut host) = host.try_borrow_mut() {
                host.ends.drop_handle(self.0);
            }
        });
    }
}

impl Socket {
    pub(crate) fn id(&self) -> u64 {
        self.0
    }

    pub(crate) fn accept(&self, half_open: bool) -> Result<()> {
        host(|host| host.ends.accept(self.0, half_open))
    }

    pub(crate) fn send(&self, payload: Payload<'_>) -> Result<()> {
        host(|host| host.ends.send(self.0, payload))
    }

    pub(crate) fn send_by_id(&self, id: u64, payload: Payload<'_>) -> Result<()> {
        host(|host| host.ends.send(id, payload))
    }

    pub(crate) fn close(&self, code: Option<u16>, reason: Option<&str>) -> Result<()> {
        check_close(code, reason)?;
        let frame = code.map(|code| (code, reason.unwrap_or_default().to_owned()));
        host(|host| {
            if host.ends.close(self.0, Item::Close(frame))? {
                host.set_alarm(CLOSE_TIMEOUT, Alarm::CloseTimeout(self.0));
            }
            Ok(())
        })
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        host(|host| host.ends.ready_state(self.0))
    }

    pub(crate) fn url(&self) -> Option<String> {
        host(|host| host.ends.url(self.0))
    }

    pub(crate) fn protocol(&self) -> String {
        host(|host| host.ends.protocol(self.0))
    }

    #[expect(clippy::unused_self, reason = "the interface of the other host")]
    pub(crate) fn extensions(&self) -> String {
        String::new()
    }

    pub(crate) fn buffered_amount(&self) -> u64 {
        host(|host| host.ends.buffered_amount(self.0))
    }

    pub(crate) fn is_writable(&self) -> bool {
        host(|host| host.ends.is_writable(self.0))
    }

    pub(crate) fn pause(&self) {
        host(|host| host.ends.pause(self.0, true));
    }

    pub(crate) fn resume(&self) {
        host(|host| host.ends.pause(self.0, false));
    }

    pub(crate) fn attachment(&self) -> Option<Vec<u8>> {
        host(|host| host.ends.attachment(self.0))
    }

    pub(crate) fn set_attachment(&self, value: Option<&[u8]>) -> Result<()> {
        host(|host| host.ends.set_attachment(self.0, value))
    }

    pub(crate) fn request(&self) -> Option<UpgradeRequest> {
        host(|host| host.ends.request(self.0))
    }

    /// Peers are always there, and time is virtual.
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface of the other host"
    )]
    pub(crate) fn set_keep_alive(&self, _: Option<KeepAlive>) -> Result<()> {
        Ok(())
    }

    pub(crate) fn tags(&self) -> Result<Vec<String>> {
        host(|host| host.ends.tags(self.0))
    }

    pub(crate) fn set_tags(&self, tags: &[&str]) -> Result<()> {
        host(|host| host.ends.set_tags(self.0, tags))
    }
}

/// The Close contract's rules for what may be sent.
fn check_close(code: Option<u16>, reason: Option<&str>) -> Result<()> {
    match (code, reason) {
        (Some(code), _) if !close::is_sendable(code) => Err(Error::InvalidCloseCode(code)),
        (None, Some(_)) => Err(Error::InvalidCloseReason(
            "a reason takes a code".to_owned(),
        )),
        (_, Some(reason)) if reason.len() > 123 => {
            Err(Error::InvalidCloseReason("over 123 bytes".to_owned()))
        }
        _ => Ok(()),
    }
}
