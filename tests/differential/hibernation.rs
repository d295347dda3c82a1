//! What hibernation takes and leaves, and what keeps an object from it.

use crate::stage::{ends, join};
use crate::world::{Area, Peer, Script, Told, World};

pub(crate) struct Hibernation;

impl Area for Hibernation {
    const SCRIPTS: &[Script] = &[
        Script::sleepy("value"),
        Script::sleepy("sockets"),
        Script::sleepy("close"),
        Script::sleepy("vanish"),
        Script::sleepy("auto-response"),
        Script::sleepy("auto-response-alone").differs(
            "the host forgets the auto-response of an object that has hibernated without sockets",
        ),
        Script::sleepy("event-timeout"),
        Script::sleepy("outbound-durable"),
        Script::sleepy("standard"),
        Script::sleepy("outbound"),
        Script::sleepy("pair"),
        Script::sleepy("timer/60000"),
        Script::sleepy("wait-until/60000"),
        Script::sleepy("operation/60000"),
        Script::sleepy("spawned"),
        Script::sleepy("timer/1"),
        Script::sleepy("wait-until/1"),
        Script::sleepy("operation/1"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        let name = format!("rest-{}", script.replace('/', "-"));
        let object = format!("/stage/{name}");
        match script {
            "value" => value(world, &name, told).await,
            "sockets" => sockets(world, &name, told).await,
            "close" | "vanish" => leave(world, &name, script, told).await,
            "auto-response" => auto_response(world, &name, told).await,
            "auto-response-alone" => auto_response_alone(world, &name, told).await,
            "event-timeout" => event_timeout(world, &name, told).await,
            "outbound-durable" => outbound_durable(world, &name, told).await,
            "standard" => standard(world, &name, told).await,
            "outbound" => {
                told.answer(world.get(&format!("{object}/outbound")).await);
                told.line(world.rest(&name).await);
                told.answer(world.get(&format!("{object}/let-go")).await);
                told.line(world.rest(&name).await);
            }
            held => {
                told.answer(world.get(&format!("{object}/{held}")).await);
                world.pause(20).await;
                told.line(world.rest(&name).await);
            }
        }
    }
}

async fn value<W: World>(world: &W, name: &str, told: &mut Told) {
    let count = format!("/stage/{name}/count");
    told.answer(world.get(&count).await);
    told.line(world.rest(name).await);
    told.answer(world.get(&count).await);
}

async fn sockets<W: World>(world: &W, name: &str, told: &mut Told) {
    let object = format!("/stage/{name}");
    let mut ada = join(world, &object, "who=Ada&tag=a").await;
    let mut bob = join(world, &object, "tag=b").await;
    told.line(ada.ask("tag c").await);
    told.line(world.rest(name).await);
    for question in ["count", "who", "tags", "where"] {
        told.line(ada.ask(question).await);
    }
    told.line(world.rest(name).await);
    told.line(bob.ask("say hello").await);
    told.line(ada.next().await);
    told.answer(world.get(&format!("{object}/sockets")).await);
}

async fn leave<W: World>(world: &W, name: &str, how: &str, told: &mut Told) {
    let object = format!("/stage/{name}");
    let mut ada = join(world, &object, "who=Ada").await;
    told.line(world.rest(name).await);
    if how == "close" {
        ada.close(4001, "bye").await;
        told.line(ada.next().await);
    } else {
        ada.vanish().await;
    }
    told.line(ends(world, &object, 1).await);
}

async fn auto_response<W: World>(world: &W, name: &str, told: &mut Told) {
    let object = format!("/stage/{name}");
    told.answer(world.get(&format!("{object}/auto/ping/pong")).await);
    let mut ada = join(world, &object, "").await;
    told.line(ada.ask("count").await);
    told.line(world.rest(name).await);
    told.line(ada.ask("ping").await);
    told.line(ada.ask("count").await);
}

async fn auto_response_alone<W: World>(world: &W, name: &str, told: &mut Told) {
    let object = format!("/stage/{name}");
    told.answer(world.get(&format!("{object}/auto/ping/pong")).await);
    told.line(world.rest(name).await);
    let mut ada = join(world, &object, "").await;
    told.line(ada.ask("ping").await);
}

async fn event_timeout<W: World>(world: &W, name: &str, told: &mut Told) {
    let object = format!("/stage/{name}");
    let mut ada = join(world, &object, "").await;
    told.answer(world.get(&format!("{object}/timeout/300")).await);
    told.line(world.rest(name).await);
    ada.send("sleep 10000").await;
    told.line(ada.ask("sleep 1").await);
    world.pause(400).await;
    told.line(world.rest(name).await);
    told.line(ada.ask("count").await);
}

async fn outbound_durable<W: World>(world: &W, name: &str, told: &mut Told) {
    let object = format!("/stage/{name}");
    told.answer(world.get(&format!("{object}/outbound-durable")).await);
    told.line(ends(world, &object, 1).await);
    told.line(world.rest(name).await);
    told.answer(world.get(&format!("{object}/sockets")).await);
}

async fn standard<W: World>(world: &W, name: &str, told: &mut Told) {
    let mut ada = world.open(&format!("/stage/{name}/standard")).await;
    told.line(ada.ask("echo").await);
    told.line(world.rest(name).await);
    told.line(ada.ask("again").await);
    ada.close(4001, "").await;
    told.line(ada.next().await);
    told.line(world.rest(name).await);
}
