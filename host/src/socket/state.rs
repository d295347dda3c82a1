//! Owns the close handshake of one end, pure: inputs in, verdicts out. RFC 6455, 7; `wit/README.md`,
//! Close contract.

/// Where a socket stands, as its worker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadyState {
    Connecting,
    Open,
    Closing,
    Closed,
}

/// What becomes of a message that a worker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendVerdict {
    Take,
    /// The connection is gone; the worker is not bothered with it, as in Cloudflare's system.
    Drop,
    /// The handshake of an outbound socket is not over.
    TooEarly,
    /// `close` was called, or the peer's Close was answered.
    Refuse,
}

/// What a peer's Close leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerClose {
    /// Answer with the same body, then tell the worker.
    AnswerAndDeliver,
    /// Tell the worker: it is the answer to our own, or the worker wants to answer itself.
    Deliver,
    /// The handshake is over already.
    Ignore,
}

/// The handshake of one end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Handshake {
    /// The opening handshake of an outbound socket is not over.
    connecting: bool,
    sent: bool,
    received: bool,
    half_open: bool,
    lost: bool,
    failed: bool,
}

impl Handshake {
    /// That of an outbound socket.
    pub(crate) fn connecting() -> Self {
        Self {
            connecting: true,
            ..Self::default()
        }
    }

    pub(crate) fn is_connecting(self) -> bool {
        self.connecting
    }

    /// The opening handshake of an outbound socket has succeeded. False if the worker has closed it meanwhile, or is
    /// gone: nobody wants it any more.
    pub(crate) fn on_open(&mut self) -> bool {
        self.connecting = false;
        !(self.sent || self.lost || self.failed)
    }

    pub(crate) fn set_half_open(&mut self, half_open: bool) {
        self.half_open = half_open;
    }

    pub(crate) fn ready_state(self) -> ReadyState {
        if self.failed || (self.sent && self.received) {
            ReadyState::Closed
        } else if self.sent || self.received {
            ReadyState::Closing
        } else if self.connecting {
            ReadyState::Connecting
        } else {
            ReadyState::Open
        }
    }

    /// No Close, error or loss can follow any more.
    pub(crate) fn is_over(self) -> bool {
        self.lost || self.ready_state() == ReadyState::Closed
    }

    /// Our Close has been sent, or need not be.
    pub(crate) fn has_sent(self) -> bool {
        self.sent
    }

    /// The worker's last event has come: nothing more arrives.
    pub(crate) fn has_ended_inward(self) -> bool {
        self.received || self.lost || self.failed
    }

    pub(crate) fn on_send(self) -> SendVerdict {
        if self.lost || self.failed {
            SendVerdict::Drop
        } else if self.sent {
            SendVerdict::Refuse
        } else if self.connecting {
            SendVerdict::TooEarly
        } else {
            SendVerdict::Take
        }
    }

    /// The worker, or the host in its place, closes. True if a Close is to be sent.
    pub(crate) fn on_close(&mut self) -> bool {
        if self.sent || self.lost || self.failed {
            return false;
        }
        self.sent = true;
        true
    }

    /// What [`on_close`](Self::on_close) did has not happened after all. True if a Close is to be sent all the same:
    /// the peer's has come meanwhile, and nobody has answered it.
    pub(crate) fn take_back_close(&mut self) -> bool {
        if !self.sent || self.failed {
            return false;
        }
        let is_due = self.received;
        self.sent = is_due;
        is_due
    }

    pub(crate) fn on_peer_close(&mut self) -> PeerClose {
        if self.received || self.lost || self.failed {
            return PeerClose::Ignore;
        }
        self.received = true;
        if self.sent || self.half_open {
            return PeerClose::Deliver;
        }
        self.sent = true;
        PeerClose::AnswerAndDeliver
    }

    /// The connection ended without a Close. True if the worker is to be told. The ready state stays what
    /// it was until [`settle`](Self::settle), as observed in Cloudflare's system.
    pub(crate) fn on_lost(&mut self) -> bool {
        if self.received || self.lost || self.failed {
            // The answer to a Close we have read can fail to leave; the worker was told of the Close.
            self.failed = true;
            return false;
        }
        self.lost = true;
        true
    }

    /// The worker has handled its `close` event for a lost connection.
    pub(crate) fn settle(&mut self) {
        if self.lost {
            self.failed = true;
        }
    }

    /// The peer broke the protocol, or the host gives the socket up. True if the worker is to be told.
    pub(crate) fn on_failed(&mut self) -> bool {
        let news = !(self.received || self.lost || self.failed);
        self.failed = true;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_closes_first_and_is_answered() {
        let mut end = Handshake::default();
        assert_eq!(end.on_peer_close(), PeerClose::AnswerAndDeliver);
        assert_eq!(end.ready_state(), ReadyState::Closed);
        assert_eq!(end.on_send(), SendVerdict::Refuse);
        assert!(!end.on_close());
    }

    #[test]
    fn half_open_leaves_the_answer_to_the_worker() {
        let mut end = Handshake::default();
        end.set_half_open(true);
        assert_eq!(end.on_peer_close(), PeerClose::Deliver);
        assert_eq!(end.ready_state(), ReadyState::Closing);
        assert_eq!(end.on_send(), SendVerdict::Take);
        assert!(end.on_close());
        assert_eq!(end.ready_state(), ReadyState::Closed);
    }

    #[test]
    fn we_close_first_and_the_peers_close_ends_it() {
        let mut end = Handshake::default();
        assert!(end.on_close());
        assert!(!end.on_close());
        assert_eq!(end.ready_state(), ReadyState::Closing);
        assert_eq!(end.on_send(), SendVerdict::Refuse);
        assert_eq!(end.on_peer_close(), PeerClose::Deliver);
        assert_eq!(end.on_peer_close(), PeerClose::Ignore);
        assert!(!end.on_lost());
        assert!(end.is_over());
    }

    #[test]
    fn a_close_that_is_taken_back_leaves_the_socket_open_unless_the_peer_has_closed() {
        let mut end = Handshake::default();
        assert!(end.on_close());
        assert!(!end.take_back_close());
        assert_eq!(end.ready_state(), ReadyState::Open);
        assert!(end.on_close());
        assert_eq!(end.on_peer_close(), PeerClose::Deliver);
        assert!(end.take_back_close());
        assert_eq!(end.ready_state(), ReadyState::Closed);
    }

    #[test]
    fn a_loss_is_told_once_and_leaves_the_state_until_it_is_handled() {
        let mut end = Handshake::default();
        assert!(end.on_lost());
        assert!(!end.on_lost());
        assert_eq!(end.on_send(), SendVerdict::Drop);
        let mut end = Handshake::default();
        assert!(end.on_lost());
        assert_eq!(end.ready_state(), ReadyState::Open);
        end.settle();
        assert_eq!(end.ready_state(), ReadyState::Closed);
    }

    #[test]
    fn nothing_can_be_sent_before_an_outbound_socket_is_open() {
        let mut end = Handshake::connecting();
        assert_eq!(end.ready_state(), ReadyState::Connecting);
        assert_eq!(end.on_send(), SendVerdict::TooEarly);
        assert!(end.on_open());
        assert_eq!(end.ready_state(), ReadyState::Open);
        assert_eq!(end.on_send(), SendVerdict::Take);
    }

    #[test]
    fn an_outbound_socket_that_is_closed_before_it_is_open_does_not_open() {
        let mut end = Handshake::connecting();
        assert!(end.on_close());
        assert_eq!(end.ready_state(), ReadyState::Closing);
        assert_eq!(end.on_send(), SendVerdict::Refuse);
        assert!(!end.on_open());
    }

    #[test]
    fn a_failure_ends_everything_at_once() {
        let mut end = Handshake::default();
        assert!(end.on_failed());
        assert!(!end.on_failed());
        assert_eq!(end.ready_state(), ReadyState::Closed);
        assert_eq!(end.on_send(), SendVerdict::Drop);
        assert_eq!(end.on_peer_close(), PeerClose::Ignore);
    }
}

#[cfg(test)]
#[path = "state_model_tests.rs"]
mod model_tests;
