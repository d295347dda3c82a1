//! What a constructor may wait for behind its gate, and what comes meanwhile.

use crate::world::{Area, Script, Told, World};

pub(crate) struct Gates;

const HELD_BACK: &str =
    "the host holds events of sockets back from the gate that has opened them and waits for them";

impl Area for Gates {
    const SCRIPTS: &[Script] = &[
        Script::new("nothing"),
        Script::new("timer"),
        Script::new("pair").differs(HELD_BACK),
        Script::new("pair-close").differs(HELD_BACK),
        Script::new("outbound").differs(HELD_BACK),
        Script::new("fetch"),
        Script::new("object"),
        Script::new("object-socket").differs(HELD_BACK),
        Script::new("failing"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        told.answer(world.get(&format!("/gated/{script}")).await);
        told.answer(world.get(&format!("/gated/{script}")).await);
    }
}
