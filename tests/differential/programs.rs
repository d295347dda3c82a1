//! Scripts that the worker runs by itself.

use crate::world::{Area, Script, Told, World};

pub(crate) struct Sockets;

impl Area for Sockets {
    const SCRIPTS: &[Script] = &[
        Script::new("birth"),
        Script::new("messages"),
        Script::new("codes"),
        Script::new("no_code"),
        Script::new("invalid_closes"),
        Script::new("half_open"),
        Script::new("both_close"),
        Script::new("late_sends").differs(
            "between two ends of one instance the host answers a Close before what the other end has sent in that turn",
        ),
        Script::new("last_handle"),
        Script::new("failing_task"),
        Script::new("dropped_end"),
        Script::new("kept_until_accepted"),
        Script::new("closed_before_accepted"),
        Script::new("attachments"),
        Script::new("events"),
        Script::new("streams"),
        Script::new("timeouts"),
        Script::new("accepted_twice"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        told.answer(world.get(&format!("/run/sockets.{script}")).await);
    }
}

pub(crate) struct Worker;

impl Area for Worker {
    const SCRIPTS: &[Script] = &[
        Script::new("sleepers"),
        Script::new("intervals"),
        Script::new("environment"),
        Script::new("ids"),
        Script::new("faults"),
        Script::new("constructors"),
        Script::new("aborts"),
        Script::new("overlap"),
        Script::new("gate_order"),
        Script::new("passed_on"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        told.answer(world.get(&format!("/run/worker.{script}")).await);
    }
}

pub(crate) struct Outbound;

impl Area for Outbound {
    const SCRIPTS: &[Script] = &[
        Script::new("get"),
        Script::new("body"),
        Script::new("refused"),
        Script::new("elsewhere")
            .differs("in memory one handler stands for all other servers, and may be reached"),
        Script::new("echo"),
        Script::new("closed"),
        Script::new("upgrade"),
        Script::new("given_up"),
        Script::new("let_go"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        told.answer(world.get(&format!("/run/outbound.{script}")).await);
    }
}

pub(crate) struct Storage;

impl Area for Storage {
    const SCRIPTS: &[Script] = &[
        Script::new("values"),
        Script::new("several"),
        Script::new("lists"),
        Script::new("keys"),
        Script::new("limits"),
        Script::new("bytes"),
        Script::new("not_finite"),
        Script::new("transactions"),
        Script::new("nested"),
        Script::new("delete_all"),
        Script::new("alarms"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        let path = format!("/stage/storage-{script}/run/storage.{script}");
        told.answer(world.get(&path).await);
    }
}

pub(crate) struct Sql;

impl Area for Sql {
    const SCRIPTS: &[Script] = &[
        Script::new("types"),
        Script::new("rows"),
        Script::new("cursors"),
        Script::new("statements"),
        Script::new("errors"),
        Script::new("refused"),
        Script::new("pragmas"),
        Script::new("whole_or_not"),
        Script::new("transactions"),
        Script::new("foreign_keys"),
        Script::new("search"),
        Script::new("functions"),
        Script::new("math"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        let path = format!("/stage/sql-{script}/run/sql.{script}");
        told.answer(world.get(&path).await);
    }
}
