//! Sockets that an object has accepted, and their clients.

use crate::world::{Area, Peer, Script, Told, World};

pub(crate) struct Stage;

impl Area for Stage {
    const SCRIPTS: &[Script] = &[
        Script::new("welcome"),
        Script::new("tags"),
        Script::new("broadcast"),
        Script::new("client-closes"),
        Script::new("object-closes"),
        Script::new("vanishes"),
        Script::new("fails"),
        Script::new("aborts"),
        Script::new("overlaps"),
        Script::new("event-timeout"),
        Script::new("standard"),
        Script::new("auto-response"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        let object = format!("/stage/stage-{script}");
        match script {
            "welcome" => welcome(world, &object, told).await,
            "tags" => tags(world, &object, told).await,
            "broadcast" => broadcast(world, &object, told).await,
            "client-closes" => client_closes(world, &object, told).await,
            "object-closes" => object_closes(world, &object, told).await,
            "vanishes" => vanishes(world, &object, told).await,
            "fails" => fails(world, &object, told).await,
            "aborts" => aborts(world, &object, told).await,
            "overlaps" => overlaps(world, &object, told).await,
            "event-timeout" => event_timeout(world, &object, told).await,
            "standard" => standard(world, &object, told).await,
            "auto-response" => auto_response(world, &object, told).await,
            other => panic!("there is no script {other}"),
        }
    }
}

/// A client that has been welcomed.
pub(crate) async fn join<W: World>(world: &W, object: &str, query: &str) -> W::Peer {
    let mut client = world.open(&format!("{object}/join?{query}")).await;
    assert_eq!(client.next().await, "text welcome");
    assert_eq!(client.next().await, "text to the stage");
    client
}

/// What the object has noted of sockets that ended, once it has so many of them.
pub(crate) async fn ends<W: World>(world: &W, object: &str, count: usize) -> String {
    let path = format!("{object}/get/ends");
    world
        .until(&path, |ends| ends.matches("Some(\"").count() >= count)
        .await
}

async fn welcome<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = join(world, object, "who=Ada&tag=a").await;
    for question in ["hello", "who", "where", "count", "tags"] {
        told.line(ada.ask(question).await);
    }
    ada.send_binary(&[1, 2]).await;
    told.line(ada.next().await);
    told.answer(world.get(&format!("{object}/sockets")).await);
    told.answer(world.get(&format!("{object}/name")).await);
}

async fn tags<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = join(world, object, "tag=a&tag=b&tag=a&tag=").await;
    let long = format!("tag {}", "x".repeat(257));
    for question in [
        "tags", "tag c", "tag c", "untag a", "untag a", "tags", &long,
    ] {
        told.line(ada.ask(question).await);
    }
    for number in 0..8 {
        told.line(ada.ask(&format!("tag {number}")).await);
    }
    told.line(ada.ask("tags").await);
}

async fn broadcast<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = join(world, object, "tag=a&tag=all").await;
    let mut bob = join(world, object, "tag=b&tag=all").await;
    let mut eve = join(world, object, "").await;
    told.line(ada.ask("say to others").await);
    told.line(bob.next().await);
    told.line(eve.next().await);
    told.line(eve.ask("say-to all to both").await);
    told.line(ada.next().await);
    told.line(bob.next().await);
    bob.close(1000, "").await;
    told.line(bob.next().await);
    told.line(ends(world, object, 1).await);
    told.line(eve.ask("say-to all to one").await);
    told.line(ada.next().await);
    told.line(eve.ask("say-to none to nobody").await);
}

async fn client_closes<W: World>(world: &W, object: &str, told: &mut Told) {
    for (index, code) in [1000, 4999, 1001].into_iter().enumerate() {
        let mut ada = join(world, object, "who=Ada").await;
        ada.send("keep heard before").await;
        ada.close(code, "why").await;
        told.line(ada.next().await);
        told.line(ada.next().await);
        told.line(ends(world, object, 2 * index + 2).await);
    }
    told.answer(world.get(&format!("{object}/sockets")).await);
}

async fn object_closes<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = join(world, object, "who=Ada").await;
    told.line(ada.ask("close 4000").await);
    told.line(ada.next().await);
    told.line(ends(world, object, 1).await);
    told.answer(world.get(&format!("{object}/sockets")).await);
}

async fn vanishes<W: World>(world: &W, object: &str, told: &mut Told) {
    let ada = join(world, object, "who=Ada").await;
    ada.vanish().await;
    told.line(ends(world, object, 1).await);
    told.answer(world.get(&format!("{object}/sockets")).await);
}

async fn fails<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = join(world, object, "").await;
    for question in ["count", "fail", "count", "still here"] {
        told.line(ada.ask(question).await);
    }
}

async fn aborts<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = join(world, object, "").await;
    let mut bob = join(world, object, "").await;
    told.line(ada.ask("count").await);
    ada.send("abort").await;
    told.line(ada.next().await);
    told.line(bob.next().await);
    let mut eve = join(world, object, "").await;
    told.line(eve.ask("count").await);
    told.answer(world.get(&format!("{object}/sockets")).await);
    told.answer(world.get(&format!("{object}/get/ends")).await);
}

async fn overlaps<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = join(world, object, "").await;
    ada.send("sleep 500").await;
    told.line(ada.ask("count").await);
    told.line(ada.next().await);
    ada.send("sleep 500").await;
    ada.send("sleep 5").await;
    told.line(ada.next().await);
    told.line(ada.next().await);
    told.line(ada.ask("count").await);
}

async fn event_timeout<W: World>(world: &W, object: &str, told: &mut Told) {
    told.answer(world.get(&format!("{object}/timeout/300")).await);
    let mut ada = join(world, object, "").await;
    ada.send("sleep 600").await;
    told.line(ada.ask("sleep 1").await);
    world.pause(800).await;
    told.line(ada.ask("count").await);
}

async fn standard<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = world.open(&format!("{object}/standard")).await;
    told.line(ada.ask("echo").await);
    told.answer(world.get(&format!("{object}/sockets")).await);
    ada.close(4000, "").await;
    told.line(ada.next().await);
}

async fn auto_response<W: World>(world: &W, object: &str, told: &mut Told) {
    let mut ada = join(world, object, "").await;
    told.line(ada.ask("ping").await);
    told.answer(world.get(&format!("{object}/auto/ping/pong")).await);
    for question in ["ping", "pin", "Ping", "ping ", "count"] {
        told.line(ada.ask(question).await);
    }
    ada.send_binary(b"ping").await;
    told.line(ada.next().await);
    told.answer(world.get(&format!("{object}/auto/ping/other")).await);
    told.line(ada.ask("ping").await);
}
