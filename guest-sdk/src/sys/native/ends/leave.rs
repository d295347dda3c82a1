//! Owns how an end leaves in a response.

use super::super::UpgradeRequest;
use super::Ends;
use crate::error::{Error, Result};

impl Ends {
    /// Whether an end can leave in a response.
    pub(in super::super) fn check_leave(&mut self, id: u64) -> Result<()> {
        let peer = self.peer(id);
        let peer_is_used = peer.left || peer.handed;
        let end = self.end(id);
        if end.accepted {
            Err(Error::AlreadyAccepted)
        } else if end.left || peer_is_used {
            Err(Error::AlreadyUsed)
        } else {
            Ok(())
        }
    }

    /// An end leaves in a response: for good, or to be accepted or sent on. The other end remembers the request.
    pub(in super::super) fn leave(&mut self, id: u64, for_good: bool, request: &UpgradeRequest) {
        let end = self.end(id);
        end.handed = true;
        end.left |= for_good;
        self.peer(id).request.get_or_insert_with(|| request.clone());
    }
}
