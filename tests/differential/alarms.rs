//! Alarms: when they go off, and what their handlers see.

use crate::world::{Area, Script, Told, World};

pub(crate) struct Alarms;

impl Area for Alarms {
    const SCRIPTS: &[Script] = &[
        Script::new("once"),
        Script::new("past"),
        Script::new("replaced"),
        Script::new("deleted"),
        Script::new("again"),
        Script::new("fails"),
        Script::sleepy("wakes"),
        Script::sleepy("seen-by-the-constructor")
            .differs("the host hides the alarm from the constructor that it wakes"),
        Script::sleepy("named")
            .differs("the host forgets the name of an object that has hibernated"),
    ];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told) {
        let name = format!("alarm-{script}");
        let get = async |path: &str| world.get(&format!("/stage/{name}/{path}")).await;
        let fired = async |count: usize| {
            let path = format!("/stage/{name}/get/alarms");
            world
                .until(&path, |alarms| alarms.matches("try").count() >= count)
                .await
        };
        match script {
            "once" => {
                told.answer(get("alarm/10").await);
                told.answer(get("has-alarm").await);
                told.line(fired(1).await);
                world.pause(30).await;
                told.line(fired(1).await);
                told.answer(get("has-alarm").await);
            }
            "past" => {
                told.answer(get("alarm-ago/5000").await);
                told.line(fired(1).await);
            }
            "replaced" => {
                told.answer(get("alarm/3600000").await);
                told.answer(get("alarm/10").await);
                told.line(fired(1).await);
                told.answer(get("has-alarm").await);
            }
            "deleted" => {
                told.answer(get("alarm/1000").await);
                told.answer(get("no-alarm").await);
                world.pause(1100).await;
                told.answer(get("get/alarms").await);
            }
            "again" => {
                told.answer(get("alarm-script/again/5").await);
                told.answer(get("alarm/5").await);
                told.line(fired(3).await);
                told.answer(get("has-alarm").await);
            }
            "fails" => {
                told.answer(get("alarm-script/fail/2").await);
                told.answer(get("alarm/5").await);
                told.line(fired(3).await);
                world.pause(20).await;
                told.answer(get("has-alarm").await);
            }
            _ => {
                told.answer(get("alarm/1500").await);
                told.line(world.rest(&name).await);
                // Whoever asks before it is due wakes the object in its place.
                world.pause(2000).await;
                let key = match script {
                    "wakes" => "alarms",
                    "named" => "named",
                    _ => "saw",
                };
                told.answer(get(&format!("get/{key}")).await);
            }
        }
    }
}
