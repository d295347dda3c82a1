//! The object that most scripts talk to: does what paths and messages tell it, and keeps what its handlers have seen.

use crate::clients::echo;
use crate::{Log, sql, storage};
use pairway::*;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Does what it is told.
#[durable_object]
#[derive(Debug)]
pub struct Stage {
    state: State,
    env: Env,
    count: Cell<u32>,
    heard: RefCell<Vec<String>>,
    held: RefCell<Vec<WebSocket>>,
    /// Whether its constructor has seen an alarm.
    saw_alarm: bool,
}

impl DurableObject for Stage {
    fn try_new(state: State, env: Env) -> Result<Self> {
        let saw_alarm = state.storage().kv().get_alarm()?.is_some();
        Ok(Self {
            state,
            env,
            count: Cell::new(0),
            heard: RefCell::default(),
            held: RefCell::default(),
            saw_alarm,
        })
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        let path = req.path().to_owned();
        let words: Vec<&str> = path.split('/').skip(3).collect();
        match words[..] {
            ["run", program] => self.run(program),
            ["join"] => self.join(&req),
            ["standard"] => {
                let (socket, response) = req.upgrade()?.accept()?;
                spawn(echo(socket));
                Ok(response)
            }
            [
                "gate" | "gate-fails" | "abort" | "abort-and-wait" | "slow" | "fail-later",
                ..,
            ] => self.turns(&words).await,
            [how @ ("ask" | "try"), name, ..] => self.ask(how, name, &words[2..]).await,
            ["outbound" | "outbound-durable" | "operation", ..] => self.outward(&words).await,
            _ => self.at_once(&words),
        }
    }

    async fn alarm(&self, info: AlarmInfo) -> Result<()> {
        let kv = self.state.storage().kv();
        let mut alarms: Vec<String> = kv.get("alarms")?.unwrap_or_default();
        let has_alarm = kv.get_alarm()?.is_some();
        alarms.push(format!("try {} alarm {has_alarm}", info.retry_count));
        kv.put("alarms", &alarms)?;
        kv.put("saw", &[format!("constructor saw it: {}", self.saw_alarm)])?;
        kv.put("named", &[self.state.id().name()])?;
        let script: String = kv.get("alarm-script")?.unwrap_or_default();
        match script.split_once(' ') {
            Some(("fail", times)) if alarms.len() <= times.parse()? => {
                // What a handler that fails has written is kept.
                Err("as the script says".into())
            }
            Some(("again", ms)) if alarms.len() < 3 => {
                kv.set_alarm(Duration::from_millis(ms.parse()?))
            }
            _ => Ok(()),
        }
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        self.count.set(self.count.get() + 1);
        let Some(text) = message.text() else {
            return ws.send(&message);
        };
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        match verb {
            "count" => ws.send(self.count.get().to_string()),
            "who" => ws.send(format!("{:?}", ws.deserialize_attachment::<String>()?)),
            "tags" => ws.send_json(&ws.tags()?),
            "tag" => ws.send(format!("{:?}", ws.add_tag(rest))),
            "untag" => ws.send(format!("{:?}", ws.remove_tag(rest))),
            "say" => {
                let count = self.state.broadcast(rest).except(&ws).send()?;
                ws.send(count.to_string())
            }
            "say-to" => {
                let (tag, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let count = self.state.broadcast(text).tag(tag).send()?;
                ws.send(count.to_string())
            }
            "sleep" => {
                sleep(Duration::from_millis(rest.parse()?)).await;
                ws.send("slept")
            }
            "close" => {
                ws.close_with(rest.parse::<u16>()?, "as told")?;
                ws.send("late")
                    .map_or_else(|_| Ok(()), |()| Err("it was sent".into()))
            }
            "fail" => {
                ws.send("before it fails")?;
                Err("as told".into())
            }
            "abort" => self.state.abort("as told"),
            "keep" => self.keep(rest.to_owned()),
            "where" => ws.send(ws.request_headers().is_some().to_string()),
            _ => ws.send(text),
        }
    }

    async fn websocket_close(&self, ws: WebSocket, event: CloseEvent) -> Result<()> {
        let who: Option<String> = ws.deserialize_attachment()?.flatten();
        self.keep(format!(
            "{event:?} {:?} {who:?} of {}, {:?}",
            ws.ready_state(),
            self.state.get_websockets().len(),
            ws.send("x"),
        ))
    }

    async fn websocket_error(&self, ws: WebSocket, error: Error) -> Result<()> {
        self.keep(format!("{error} {:?}", ws.ready_state()))
    }
}

impl Stage {
    fn keep(&self, line: String) -> Result<()> {
        let kv = self.state.storage().kv();
        let mut ends: Vec<String> = kv.get("ends")?.unwrap_or_default();
        ends.push(line);
        kv.put("ends", &ends)
    }

    fn run(&self, program: &str) -> Result<Response> {
        let mut log = Log::default();
        let result = match program.split_once('.') {
            Some(("storage", name)) => storage::run(name, &mut log, &self.state.storage()),
            Some(("sql", name)) => sql::run(name, &mut log, &self.state.storage()),
            _ => Err("there is no such area".into()),
        };
        log.end(result);
        Response::ok(log.text())
    }

    fn join(&self, req: &Request) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let tags = req.query_all("tag");
        let accept = self.state.accept_websocket(&server);
        let accept = tags.iter().fold(accept, |accept, tag| accept.tag(tag));
        let socket = accept.attach(&req.query("who"))?;
        socket.send("welcome")?;
        server.send_text("to the stage")?;
        Response::from_websocket(client)
    }

    async fn turns(&self, words: &[&str]) -> Result<Response> {
        let what = words.join(" ");
        match *words {
            ["gate", ms] => {
                let pause = Duration::from_millis(ms.parse()?);
                let blocked = self.state.block_concurrency_while(async move {
                    sleep(pause).await;
                    Ok(7)
                });
                let value = blocked.await?;
                self.heard.borrow_mut().push(what);
                Response::ok(value.to_string())
            }
            ["gate-fails"] => {
                let failing = self
                    .state
                    .block_concurrency_while(async { Err::<(), _>("in the gate".into()) });
                failing.await?;
                Response::ok("the gate has not failed")
            }
            ["abort"] => {
                self.state.abort("as told")?;
                Response::ok("said before")
            }
            ["abort-and-wait"] => {
                self.state.abort("as told")?;
                sleep(Duration::from_millis(1)).await;
                Response::ok("said after")
            }
            ["slow", ms] => {
                self.heard.borrow_mut().push(format!("{what} begins"));
                sleep(Duration::from_millis(ms.parse()?)).await;
                self.heard.borrow_mut().push(format!("{what} ends"));
                Response::ok(what)
            }
            _ => {
                sleep(Duration::from_millis(1)).await;
                Err("a little later".into())
            }
        }
    }

    async fn ask(&self, how: &str, name: &str, words: &[&str]) -> Result<Response> {
        let stub = self.env.durable_object("STAGE")?.get_by_name(name)?;
        let url = format!("http://o/stage/{name}/{}", words.join("/"));
        let answer = stub.fetch_with_str(&url).await;
        if how == "ask" {
            return answer;
        }
        let answer = answer.map(|response| response.status_code());
        Response::ok(format!("{answer:?}"))
    }

    async fn outward(&self, words: &[&str]) -> Result<Response> {
        let (http, ws) = (self.env.var("OUTSIDE")?, self.env.var("OUTSIDE_WS")?);
        match *words {
            ["outbound"] => {
                let socket = WebSocket::connect(format!("{ws}/echo")).await?;
                self.held.borrow_mut().push(socket);
                Response::ok("connected")
            }
            ["outbound-durable"] => {
                let socket = self.state.connect(format!("{ws}/echo")).tag("out").await?;
                socket.send("keep what was echoed")?;
                Response::ok(format!("{:?} {:?}", socket.ready_state(), socket.tags()))
            }
            ["operation", ms] => {
                let slow = Request::new(format!("{http}/slow/{ms}"), Method::Get);
                spawn(async move { fetch(slow).await.map(drop) });
                Response::ok("under way")
            }
            _ => Response::error("there is no such thing", 404),
        }
    }

    fn at_once(&self, words: &[&str]) -> Result<Response> {
        let kv = self.state.storage().kv();
        match *words {
            ["say", what] => {
                self.heard.borrow_mut().push(what.to_owned());
                return Response::ok(what);
            }
            ["fail"] => return Err("as told".into()),
            ["status", status] => return Ok(Response::ok("x")?.with_status(status.parse()?)),
            ["count"] => {
                self.count.set(self.count.get() + 1);
                return Response::ok(self.count.get().to_string());
            }
            ["heard"] => return Response::ok(self.heard.borrow().join(", ")),
            ["name"] => return Response::ok(self.state.id().name().unwrap_or_default()),
            ["get", key] => {
                return Response::ok(format!("{:?}", kv.get::<Vec<Option<String>>>(key)?));
            }
            ["alarm", ms] => kv.set_alarm(Duration::from_millis(ms.parse()?))?,
            ["alarm-ago", ms] => kv.set_alarm(-ms.parse::<i64>()?)?,
            ["no-alarm"] => kv.delete_alarm()?,
            ["has-alarm"] => return Response::ok(kv.get_alarm()?.is_some().to_string()),
            ["alarm-script", verb, rest] => kv.put("alarm-script", &format!("{verb} {rest}"))?,
            ["auto", request, response] => self.state.set_auto_response(request, response)?,
            ["timeout", ms] => self
                .state
                .set_hibernatable_websocket_event_timeout(Duration::from_millis(ms.parse()?))?,
            ["sockets"] => return Response::ok(self.state.get_websockets().len().to_string()),
            ["timer", ms] => {
                let pause = Duration::from_millis(ms.parse()?);
                spawn(async move {
                    sleep(pause).await;
                    Ok(())
                });
            }
            ["wait-until", ms] => {
                let pause = Duration::from_millis(ms.parse()?);
                self.state.wait_until(async move { sleep(pause).await });
            }
            ["spawned"] => spawn(std::future::pending()),
            ["pair"] => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                self.held
                    .borrow_mut()
                    .extend([client.accept()?, server.accept()?]);
            }
            ["let-go"] => self.held.borrow_mut().clear(),
            _ => return Response::error("there is no such thing", 404),
        }
        Response::ok("done")
    }
}

/// Cannot be made again once it is told to break.
#[durable_object]
#[derive(Debug)]
pub struct Brittle {
    state: State,
}

impl DurableObject for Brittle {
    fn try_new(state: State, _env: Env) -> Result<Self> {
        if state.storage().kv().delete("broken")? {
            return Err("it is broken".into());
        }
        Ok(Self { state })
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        if req.path().ends_with("/break") {
            self.state.storage().kv().put("broken", &true)?;
            self.state.abort("to be made anew")?;
        }
        Response::ok("made")
    }
}
