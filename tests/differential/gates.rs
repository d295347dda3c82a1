//! What a constructor may wait for behind its gate, and what comes meanwhile.

use crate::world::{Area, Script, Told, World};

pub(crate) struct Gates;

impl Area for Gates {
    const SCRIPTS: &[Script] = &[
        Script::new("nothing"),
        Script::new("timer"),
        Script::new("pair"),
        Script::new("pair-close"),
        Script::new("outbound"),
        Script::new("fetch"),
        Script::new("object"),
        Script::new("object-socket"),
        Script::new("failing"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        told.answer(world.get(&format!("/gated/{script}")).await);
        told.answer(world.get(&format!("/gated/{script}")).await);
    }
}
