//! Clients of a worker: how their sockets open, what they are told, how they end.

use crate::world::{Area, Peer, Script, Told, World};

pub(crate) struct Clients;

impl Area for Clients {
    const SCRIPTS: &[Script] = &[
        Script::new("echo"),
        Script::new("many"),
        Script::new("large"),
        Script::new("greets"),
        Script::new("closes"),
        Script::new("closes-without-code"),
        Script::new("fails"),
        Script::new("ends"),
        Script::new("half-open"),
        Script::new("late"),
        Script::new("never-accepted"),
        Script::new("refused"),
        Script::new("no-upgrade"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        match script {
            "many" => many(world, told).await,
            "large" => large(world, told).await,
            "refused" => refused(world, told).await,
            "no-upgrade" => {
                for kind in ["echo", "no-upgrade-asked", "none"] {
                    told.answer(world.get(&format!("/client/{kind}")).await);
                }
            }
            "echo" | "greets" | "late" => {
                let path = format!("/client/{script}");
                let opened = world.open_with(&path, Some("a, b")).await;
                let mut client = opened.expect("it is an upgrade");
                client.send("hello").await;
                client.send_binary(&[0, 255]).await;
                client.send("").await;
                for _ in 0..if script == "echo" { 3 } else { 4 } {
                    told.line(client.next().await);
                }
                if script == "greets" {
                    told.line(client.next().await);
                }
                client.close(4001, "é").await;
                rest(&mut client, told).await;
            }
            "fails" | "ends" => {
                let mut client = world.open(&format!("/client/{script}")).await;
                client.send("x").await;
                rest(&mut client, told).await;
            }
            "half-open" => {
                let mut client = world.open("/client/half-open").await;
                client.send("a").await;
                client.close(1000, "asked").await;
                rest(&mut client, told).await;
            }
            _ => rest(&mut world.open(&format!("/client/{script}")).await, told).await,
        }
    }
}

/// What comes until the end.
async fn rest(client: &mut impl Peer, told: &mut Told) {
    loop {
        let next = client.next().await;
        told.line(&next);
        if next == "the end" {
            return;
        }
    }
}

async fn many<W: World>(world: &W, told: &mut Told) {
    let mut client = world.open("/client/echo").await;
    for number in 0..200 {
        client.send(&number.to_string()).await;
    }
    for _ in 0..200 {
        told.line(client.next().await);
    }
}

async fn large<W: World>(world: &W, told: &mut Told) {
    let mut client = world.open("/client/echo").await;
    for length in [125, 126, 65_535, 65_536, 1_000_000] {
        let text = "x".repeat(length);
        let answer = client.ask(&text).await;
        told.line(format!("{length} {}", answer == format!("text {text}")));
    }
}

async fn refused<W: World>(world: &W, told: &mut Told) {
    for kind in ["fails-with-a-pair", "none"] {
        let opened = world.open_with(&format!("/client/{kind}"), None).await;
        told.line(format!("{kind} {:?}", opened.map(|_| "open")));
    }
    let opened = world.open_with("/stage/refused/fail", None).await;
    told.line(format!("object {:?}", opened.map(|_| "open")));
}
