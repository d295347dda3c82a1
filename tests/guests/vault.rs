//! A durable object that does what text messages and paths tell it. What it has heard stands in a log, which is lost
//! with the instance. Its sockets with the tag `watch` are told how others end.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use futures_util::future::{AbortHandle, abortable};
use pairway::*;

/// `/NAME` is an object of that name, `/attic-NAME` one of another class.
#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let name = req.path().split('/').nth(1).unwrap_or_default().to_owned();
    let binding = if name.starts_with("attic") {
        "ATTIC"
    } else {
        "VAULT"
    };
    let object = env.durable_object(binding)?.get_by_name(&name)?;
    object.fetch_with_request(req).await
}

/// Answers everything with its class.
#[durable_object]
struct Attic;

impl DurableObject for Attic {
    fn new(_state: State, _env: Env) -> Self {
        Self
    }

    async fn fetch(&self, _req: Request) -> Result<Response> {
        Response::ok("attic")
    }
}

#[durable_object]
struct Vault {
    state: State,
    env: Env,
    log: Log,
    hung: RefCell<Vec<AbortHandle>>,
}

#[derive(Clone)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn note(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }

    fn text(&self) -> String {
        self.0.borrow().join(", ")
    }
}

impl DurableObject for Vault {
    fn new(state: State, env: Env) -> Self {
        let log = Log(Rc::default());
        log.note(&format!("new {}", state.get_websockets().len()));
        // The variable `BEGIN` says what happens behind the gate that the constructor closes.
        match env.var("BEGIN").map(|value| value.to_string()).as_deref() {
            Ok("slowly") => {
                let log = log.clone();
                drop(state.block_concurrency_while(async move {
                    sleep(Duration::from_millis(50)).await;
                    log.note("ready");
                    Ok(())
                }));
            }
            Ok("badly") => {
                drop(state.block_concurrency_while(async { Err::<(), _>("not today".into()) }));
            }
            Ok(_) | Err(_) => {}
        }
        Self {
            state,
            env,
            log,
            hung: RefCell::default(),
        }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        if req.is_upgrade() {
            return self.upgrade(&req);
        }
        let words: Vec<&str> = req.path().split('/').skip(2).collect();
        self.log.note(&format!("request {}", words.join(" ")));
        let answer = match self.of_object(&words)? {
            Some(answer) => Some(answer),
            None => self.in_time(&words, None).await?,
        };
        Response::ok(answer.unwrap_or_default())
    }

    async fn alarm(&self, _info: AlarmInfo) -> Result<()> {
        self.log.note("alarm");
        self.watch(&self.log.text())
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(bytes) => return ws.send(bytes),
        };
        let words: Vec<&str> = text.split(' ').collect();
        if words != ["note"] {
            self.log.note(&format!("message {text}"));
        }
        let answer = match self.of_socket(&words, &ws)? {
            Some(answer) => Some(answer),
            None => match self.of_object(&words)? {
                Some(answer) => Some(answer),
                None => self.in_time(&words, Some(&ws)).await?,
            },
        };
        ws.send(answer.unwrap_or(text))
    }

    async fn websocket_close(&self, ws: WebSocket, event: CloseEvent) -> Result<()> {
        self.log.note("close");
        let CloseEvent {
            code,
            reason,
            was_clean,
        } = event;
        let (about, log) = (about(&ws)?, self.log.text());
        self.watch(&format!(
            "close {code} {was_clean} {reason}; {about}; {log}"
        ))
    }
}

impl Vault {
    fn upgrade(&self, req: &Request) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        if req.path().ends_with("/standard") {
            let mut socket = server.accept()?;
            spawn(async move {
                while let Some(message) = socket.recv().await? {
                    socket.send(message)?;
                }
                Ok(())
            });
        } else {
            let tags = req.query("tags").unwrap_or_default();
            let tags: Vec<&str> = tags.split(',').filter(|tag| !tag.is_empty()).collect();
            self.state.accept_websocket_with_tags(&server, &tags)?;
        }
        Response::from_websocket(client)
    }

    fn watch(&self, line: &str) -> Result<()> {
        self.state.broadcast(line).tag("watch").send().map(drop)
    }

    /// Does not return before `release` is asked for.
    fn hang(&self) -> impl Future<Output = ()> + use<> {
        let (hanging, handle) = abortable(pending::<()>());
        self.hung.borrow_mut().push(handle);
        async move { hanging.await.unwrap_or_default() }
    }

    fn of_socket(&self, words: &[&str], ws: &WebSocket) -> Result<Option<String>> {
        match words {
            ["me"] => return about(ws).map(Some),
            ["id"] => return Ok(Some(ws.id().to_string())),
            ["uri"] => return Ok(ws.request_uri()),
            ["when"] => {
                let when = self.state.get_websocket_auto_response_timestamp(ws);
                return Ok(Some(when.map_or("never".to_owned(), age)));
            }
            ["attach", text] => ws.serialize_attachment(text)?,
            ["tag", tags @ ..] => ws.set_tags(tags)?,
            ["close", code, reason] => ws.close_raw(Some(number(code)?), Some(reason))?,
            ["others", text @ ..] => {
                let others = self.state.broadcast(text.join(" "));
                return others
                    .except(ws)
                    .send()
                    .map(|count| Some(count.to_string()));
            }
            _ => return Ok(None),
        }
        Ok(Some("done".to_owned()))
    }

    fn of_object(&self, words: &[&str]) -> Result<Option<String>> {
        match *words {
            ["log"] => return Ok(Some(self.log.text())),
            ["sockets"] => {
                let sockets = self.state.get_websockets();
                let mut lines = sockets.iter().map(about).collect::<Result<Vec<_>>>()?;
                lines.sort();
                return Ok(Some(lines.join("; ")));
            }
            ["try", tag, text] => {
                let sockets = self.state.get_websockets_with_tag(tag);
                let outcomes = sockets.iter().map(|ws| format!("{:?}", ws.send(text)));
                return Ok(Some(outcomes.collect::<Vec<_>>().join(" ")));
            }
            ["auto"] => {
                let pair = self.state.get_websocket_auto_response();
                let pair = pair.map(|pair| format!("{} {}", pair.request(), pair.response()));
                return Ok(Some(pair.unwrap_or_default()));
            }
            ["timeout"] => {
                let timeout = self.state.get_hibernatable_websocket_event_timeout();
                return Ok(Some(format!("{timeout:?}")));
            }
            ["auto", request, response] => self.state.set_auto_response(request, response)?,
            ["timeout", ms] => self
                .state
                .set_hibernatable_websocket_event_timeout(milliseconds(ms)?)?,
            ["alarm", ms] => self.state.storage().kv().set_alarm(milliseconds(ms)?)?,
            ["timer", ms] => {
                let timer = sleep(milliseconds(ms)?);
                spawn_local(timer);
            }
            ["hang", "on"] => self.state.wait_until(self.hang()),
            ["release"] => self.hung.take().iter().for_each(AbortHandle::abort),
            ["later", ms, word] => {
                let (state, delay, word) = (self.state.clone(), milliseconds(ms)?, word.to_owned());
                self.state.wait_until(async move {
                    sleep(delay).await;
                    let sent = state.broadcast(word).tag("watch").send();
                    sent.map(drop).unwrap_or_default();
                });
            }
            ["abort"] => self.state.abort("asked to")?,
            _ => return Ok(None),
        }
        Ok(Some("done".to_owned()))
    }

    async fn in_time(&self, words: &[&str], ws: Option<&WebSocket>) -> Result<Option<String>> {
        let tell = |text: &str| ws.map_or(Ok(()), |ws| ws.send(text));
        match *words {
            ["hang"] => {
                tell("hanging")?;
                self.hang().await;
                Ok(Some("released".to_owned()))
            }
            ["sleep", ms, word] => {
                tell(&format!("start {word}"))?;
                sleep(milliseconds(ms)?).await;
                Ok(Some(format!("end {word}")))
            }
            ["increment", key] => {
                let storage = self.state.storage();
                let count = storage.get::<u64>(key).await?.unwrap_or_default() + 1;
                storage.put(key, count).await?;
                Ok(Some(count.to_string()))
            }
            ["gate", what] => {
                tell("closed")?;
                let (state, log) = (self.state.clone(), self.log.clone());
                let what = what.to_owned();
                let gate = self.state.block_concurrency_while(async move {
                    match what.as_str() {
                        "never" => pending().await,
                        "fail" => return Err("the gate fails".into()),
                        ms => sleep(milliseconds(ms)?).await,
                    }
                    log.note("opened");
                    state.broadcast("opened").send()
                });
                gate.await?;
                Ok(Some("through".to_owned()))
            }
            ["ask", name, ref rest @ ..] => {
                let stub = self.env.durable_object("VAULT")?.get_by_name(name)?;
                let url = format!("http://worker.test/{name}/{}", rest.join("/"));
                let response = stub.fetch_with_str(&url).await?;
                Ok(Some(response.text()?.to_owned()))
            }
            _ => Ok(None),
        }
    }
}

/// What the host keeps of a socket.
fn about(ws: &WebSocket) -> Result<String> {
    let attachment: Option<String> = ws.deserialize_attachment()?;
    let (tags, state) = (ws.tags()?.join(","), ws.ready_state());
    Ok(format!(
        "[{tags}] {} {state:?}",
        attachment.unwrap_or_default()
    ))
}

/// Whether a time lies in the last minute.
fn age(time: SystemTime) -> String {
    let age = SystemTime::now().duration_since(time).unwrap_or_default();
    (if age.as_secs() < 60 {
        "just now"
    } else {
        "long ago"
    })
    .to_owned()
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| Error::from("not a number"))
}

fn milliseconds(word: &str) -> Result<Duration> {
    Ok(Duration::from_millis(number(word)?))
}
