//! A durable object that goes wrong on command, after it has changed whatever can be changed: none of that may stay.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pairway::*;

/// `/NAME` is an object of that name.
#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let name = req.path().split('/').nth(1).unwrap_or_default().to_owned();
    let object = env.durable_object("WRECKER")?.get_by_name(&name)?;
    object.fetch_with_request(req).await
}

#[durable_object]
struct Wrecker {
    state: State,
}

impl DurableObject for Wrecker {
    fn new(state: State, _env: Env) -> Self {
        let doomed_until: Option<u64> = state
            .storage()
            .kv()
            .get("doomed until")
            .expect("it is a number");
        assert!(doomed_until.is_none_or(|until| now() >= until), "doomed");
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        let words: Vec<&str> = req.path().split('/').skip(2).collect();
        if req.is_upgrade() {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            if words == ["standard"] {
                echo(server.accept()?);
            } else {
                let name = req.query("name").unwrap_or_default();
                self.state
                    .accept_websocket(&server)
                    .tag(&name)
                    .attach(&name)?;
            }
            if words == ["panic"] {
                go_wrong("panic");
            }
            return Response::from_websocket(client);
        }
        match words[..] {
            ["wait"] => std::future::pending().await,
            ["slowly", how] => {
                burn(Duration::from_millis(200));
                self.obey(how).await
            }
            _ => self.obey(&words.join(" ")).await,
        }
        .and_then(Response::ok)
    }

    async fn alarm(&self, info: AlarmInfo) -> Result<()> {
        let fails: u32 = self
            .state
            .storage()
            .kv()
            .get("alarm fails")?
            .unwrap_or_default();
        if info.retry_count < fails {
            self.change_everything()?;
            go_wrong("panic");
        }
        self.state
            .broadcast(format!("alarm {}", info.retry_count))
            .send()
            .map(drop)
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        let Message::Text(text) = message else {
            return ws.send(message);
        };
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["me"] => {
                let attachment: Option<String> = ws.deserialize_attachment()?;
                let (tags, state) = (ws.tags()?, ws.ready_state());
                ws.send(format!(
                    "{} {} {state:?}",
                    attachment.unwrap_or_default(),
                    tags.join(",")
                ))
            }
            ["watched"] => {
                let time = Duration::from_millis(20);
                ws.set_keep_alive(KeepAlive {
                    interval: time,
                    timeout: time,
                })?;
                ws.send("watched")
            }
            ["burn"] => {
                burn(Duration::from_millis(200));
                Ok(())
            }
            ["leave"] => {
                ws.send("bye")?;
                ws.close_with(4000, "left")?;
                burn(Duration::from_millis(200));
                Ok(())
            }
            ["fail"] => {
                ws.send("sent before the failure")?;
                Err("the handler failed".into())
            }
            ["wreck", how] => {
                ws.send("never leaves")?;
                self.change_everything()?;
                go_wrong(how);
                Ok(())
            }
            ["later", how] => {
                ws.send("soon")?;
                sleep(Duration::from_millis(1)).await;
                self.change_everything()?;
                go_wrong(how);
                Ok(())
            }
            _ => ws.send(self.obey(&text).await?),
        }
    }

    async fn websocket_close(&self, ws: WebSocket, event: CloseEvent) -> Result<()> {
        let CloseEvent {
            code,
            reason,
            was_clean,
        } = event;
        if reason == "panic" {
            self.change_everything()?;
            go_wrong("panic");
        }
        let name: Option<String> = ws.deserialize_attachment()?;
        let key = format!("end of {}", name.unwrap_or_default());
        self.state
            .storage()
            .kv()
            .put(&key, &format!("{code} {was_clean}"))
    }
}

impl Wrecker {
    async fn obey(&self, command: &str) -> Result<String> {
        let storage = self.state.storage();
        let kv = storage.kv();
        match command.split(' ').collect::<Vec<_>>()[..] {
            // Each is counted once, however often it is delivered.
            ["count", word] => {
                kv.put("count", &(kv.get::<u64>("count")?.unwrap_or_default() + 1))?;
                return Ok(word.to_owned());
            }
            ["facts"] => return self.facts(),
            ["ends"] => {
                let ends = kv.list_with_options::<String>(ListOptions::new().prefix("end of "))?;
                let ends = ends
                    .iter()
                    .map(|(key, end)| format!("{}: {end}", &key[7..]));
                return Ok(ends.collect::<Vec<_>>().join("\n"));
            }
            ["doom", ms] => kv.put("doomed until", &(now() + number::<u64>(ms)?))?,
            ["alarm", fails] => {
                kv.put("alarm fails", &number::<u32>(fails)?)?;
                kv.set_alarm(Duration::ZERO)?;
            }
            ["gate"] => {
                let gate = async { Err("the gate fails".into()) };
                self.state.block_concurrency_while::<()>(gate).await?;
            }
            ["abort"] => self.state.abort("asked to")?,
            ["wreck", how] => {
                self.change_everything()?;
                go_wrong(how);
            }
            _ => return Ok(command.to_owned()),
        }
        Ok("done".to_owned())
    }

    /// What of the object a turn can change.
    fn facts(&self) -> Result<String> {
        let storage = self.state.storage();
        let stored = storage
            .kv()
            .list_with_options::<u64>(ListOptions::new().prefix("c"))?;
        Ok(format!(
            "sockets {} stored {stored:?} table {} alarm {} auto {} timeout {}",
            self.state.get_websockets().len(),
            storage.sql().exec("SELECT x FROM changed", None).is_ok(),
            storage.kv().get_alarm()?.is_some(),
            self.state.get_websocket_auto_response().is_some(),
            self.state
                .get_hibernatable_websocket_event_timeout()
                .is_some(),
        ))
    }

    /// Change all of it, on all sockets.
    fn change_everything(&self) -> Result<()> {
        let storage = self.state.storage();
        storage.kv().put("changed", &1)?;
        storage.kv().delete("count")?;
        storage.sql().exec("CREATE TABLE changed (x)", None)?;
        storage.kv().set_alarm(Duration::from_hours(1))?;
        self.state.broadcast("never leaves").send()?;
        self.state.set_auto_response("me", "changed")?;
        self.state
            .set_hibernatable_websocket_event_timeout(Duration::from_hours(1))?;
        for socket in self.state.get_websockets() {
            socket.serialize_attachment("changed")?;
            socket.set_tags(["changed"])?;
            socket.close_with(CloseCode::from(4000), "changed")?;
        }
        Ok(())
    }
}

fn echo(mut socket: WebSocket) {
    spawn(async move {
        while let Some(message) = socket.recv().await? {
            socket.send(message)?;
        }
        Ok(())
    });
}

fn go_wrong(how: &str) {
    match how {
        "panic" => panic!("asked to"),
        "loop" => loop {
            black_box(());
        },
        "memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "stack" => {
            black_box(deeper(0));
        }
        "nap" => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
}

fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX {
        0
    } else {
        deeper(depth + 1) + frame[63]
    }
}

fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {}
}

fn now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| Error::from("not a number"))
}
