//! A worker that asks for an import no host of ours has.

use pairway_test_guests::{Event, Guest, worker};

mod strange {
    wit_bindgen::generate!({
        inline: "
            package test:strange;
            interface oracle {
                ask: func() -> u32;
            }
            world seeker {
                import oracle;
            }
        ",
    });
}

struct Stranger;

impl Guest for Stranger {
    fn handle(_events: Vec<Event>) {
        strange::test::strange::oracle::ask();
    }
}

worker!(Stranger);
