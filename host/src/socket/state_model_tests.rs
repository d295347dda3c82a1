//! The handshake against a model of it, over every order in which things can happen. The model says where the two
//! Closes are (RFC 6455, 7; `wit/README.md`, Close contract), not how the handshake remembers it.

use proptest::prelude::*;

use super::*;

/// What happens to an end.
#[derive(Debug, Clone, Copy)]
enum Input {
    Open,
    /// The worker calls `close`.
    Close,
    /// The turn that called `close` is through: what it asked for leaves.
    Commit,
    /// That turn has failed.
    TakeBack,
    PeerClose,
    Lost,
    Failed,
    /// The worker has handled its last event, if it has had one.
    Settle,
    HalfOpen(bool),
}

/// What has come of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Opening,
    Open,
    Closed,
    /// Without a Close, which the worker is told but has not handled.
    Lost,
    Gone,
}

/// What has become of our Close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    NotSent,
    /// By a turn that can still fail.
    Asked,
    Sent,
}

#[derive(Debug)]
struct Model {
    peer: Peer,
    ours: Ours,
    half_open: bool,
    /// Whether the opening handshake is still to come to its end.
    is_opening: bool,
    closes_sent: u32,
    last_events: u32,
}

impl Model {
    fn new(is_outbound: bool) -> Self {
        Self {
            peer: if is_outbound {
                Peer::Opening
            } else {
                Peer::Open
            },
            ours: Ours::NotSent,
            half_open: false,
            is_opening: is_outbound,
            closes_sent: 0,
            last_events: 0,
        }
    }

    fn is_connected(&self) -> bool {
        matches!(self.peer, Peer::Open | Peer::Closed)
    }

    fn ready_state(&self) -> ReadyState {
        match (self.peer, self.ours) {
            (Peer::Gone, _) | (Peer::Closed, Ours::Asked | Ours::Sent) => ReadyState::Closed,
            (Peer::Closed, Ours::NotSent) | (_, Ours::Asked | Ours::Sent) => ReadyState::Closing,
            (Peer::Opening, Ours::NotSent) => ReadyState::Connecting,
            (Peer::Open | Peer::Lost, Ours::NotSent) => ReadyState::Open,
        }
    }

    fn on_send(&self) -> SendVerdict {
        match (self.peer, self.ours) {
            (Peer::Lost | Peer::Gone, _) => SendVerdict::Drop,
            (_, Ours::Asked | Ours::Sent) => SendVerdict::Refuse,
            (Peer::Opening, Ours::NotSent) => SendVerdict::TooEarly,
            (Peer::Open | Peer::Closed, Ours::NotSent) => SendVerdict::Take,
        }
    }

    fn send_close(&mut self) {
        self.ours = Ours::Sent;
        self.closes_sent += 1;
    }

    /// Whether an input can come now: not what only an earlier one brings about.
    fn is_possible(&self, input: Input) -> bool {
        match input {
            Input::Open => self.is_opening,
            Input::Commit => self.ours == Ours::Asked,
            // Only hibernatable sockets outlive a turn that fails, and none of those is still to be opened.
            Input::TakeBack => self.ours == Ours::Asked && self.peer != Peer::Opening,
            // Without a connection nothing comes over it, and it cannot be lost.
            Input::PeerClose | Input::Lost => self.peer != Peer::Opening,
            Input::Settle => self.last_events > 0,
            Input::Close | Input::Failed | Input::HalfOpen(_) => true,
        }
    }

    /// The connection ends; gives whether the worker is told.
    fn end(&mut self, peer: Peer) -> bool {
        let is_news = matches!(self.peer, Peer::Opening | Peer::Open);
        self.peer = if is_news { peer } else { Peer::Gone };
        self.last_events += u32::from(is_news);
        is_news
    }
}

/// Let something happen to both, and hold them against each other.
fn step(model: &mut Model, end: &mut Handshake, input: Input) -> Result<(), TestCaseError> {
    match input {
        Input::Open => {
            let is_wanted = model.peer == Peer::Opening && model.ours == Ours::NotSent;
            prop_assert_eq!(end.on_open(), is_wanted);
            model.is_opening = false;
            if is_wanted {
                model.peer = Peer::Open;
            }
        }
        Input::Close => {
            let is_first = model.ours == Ours::NotSent
                && (model.is_connected() || model.peer == Peer::Opening);
            prop_assert_eq!(end.on_close(), is_first);
            if is_first {
                model.ours = Ours::Asked;
            }
        }
        Input::Commit => model.send_close(),
        Input::TakeBack => {
            // The peer's Close came while it seemed that ours was on its way, and has got no answer.
            let is_due = model.peer == Peer::Closed;
            prop_assert_eq!(end.take_back_close(), is_due);
            model.ours = Ours::NotSent;
            if is_due {
                model.send_close();
            }
        }
        Input::PeerClose => {
            let expected = match (model.peer, model.ours) {
                (Peer::Open, Ours::NotSent) if !model.half_open => PeerClose::AnswerAndDeliver,
                (Peer::Open, _) => PeerClose::Deliver,
                (Peer::Opening | Peer::Closed | Peer::Lost | Peer::Gone, _) => PeerClose::Ignore,
            };
            prop_assert_eq!(end.on_peer_close(), expected);
            if expected != PeerClose::Ignore {
                model.peer = Peer::Closed;
                model.last_events += 1;
            }
            if expected == PeerClose::AnswerAndDeliver {
                model.send_close();
            }
        }
        Input::Lost => prop_assert_eq!(end.on_lost(), model.end(Peer::Lost)),
        Input::Failed => {
            let is_news = model.end(Peer::Gone);
            prop_assert_eq!(end.on_failed(), is_news);
        }
        Input::Settle => {
            end.settle();
            if model.peer == Peer::Lost {
                model.peer = Peer::Gone;
            }
        }
        Input::HalfOpen(half_open) => {
            end.set_half_open(half_open);
            model.half_open = half_open;
        }
    }
    prop_assert_eq!(end.ready_state(), model.ready_state());
    prop_assert_eq!(end.on_send(), model.on_send());
    Ok(())
}

fn rank(state: ReadyState) -> u8 {
    match state {
        ReadyState::Connecting => 0,
        ReadyState::Open => 1,
        ReadyState::Closing => 2,
        ReadyState::Closed => 3,
    }
}

/// What is always so, whatever the model says.
fn rules(
    (before, model): (Handshake, &Model),
    end: Handshake,
    (input, told): (Input, u32),
) -> Result<(), TestCaseError> {
    prop_assert!(model.closes_sent <= 1, "two Closes");
    prop_assert!(model.last_events <= 1, "two last events");
    prop_assert!(told == 0 || !before.is_over(), "told when all was over");
    prop_assert_eq!(end.has_ended_inward(), model.last_events > 0);
    if model.closes_sent > 0 {
        prop_assert!(end.has_sent());
        prop_assert_ne!(end.on_send(), SendVerdict::Take, "sent behind our Close");
    }
    if !matches!(input, Input::TakeBack) {
        prop_assert!(rank(before.ready_state()) <= rank(end.ready_state()));
        prop_assert!(end.is_over() || !before.is_over(), "over and not over");
    }
    Ok(())
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let input = prop_oneof![
        Just(Input::Open),
        Just(Input::Close),
        Just(Input::Commit),
        Just(Input::TakeBack),
        Just(Input::PeerClose),
        Just(Input::Lost),
        Just(Input::Failed),
        Just(Input::Settle),
        any::<bool>().prop_map(Input::HalfOpen),
    ];
    proptest::collection::vec(input, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn whatever_happens_the_handshake_does_as_the_model(is_outbound: bool, inputs in inputs()) {
        let mut model = Model::new(is_outbound);
        let mut end = match is_outbound {
            true => Handshake::connecting(),
            false => Handshake::default(),
        };
        for input in inputs {
            if !model.is_possible(input) {
                continue;
            }
            let (before, told) = (end, model.last_events);
            step(&mut model, &mut end, input)?;
            rules((before, &model), end, (input, model.last_events - told))?;
        }
    }
}
