//! Objects that do what requests and text commands tell them. A room tells what happens to its sockets to those of them
//! on `/observe`. What a command does stands in `room/commands.rs`.

#[path = "room/commands.rs"]
mod commands;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::task::{Poll, Waker};

use pairway::*;

const OBSERVER: &str = "observer";

/// `/room/<name>/..` goes to that room, `/in/<binding>/<name>/..` and `/id/<binding>/<id>/..` to that object; other paths
/// ask something of a namespace, or go to the lobby.
#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let path = req.path().to_owned();
    let stub = match segments(&path)[..] {
        ["room", name, ..] => room(&env, name),
        ["in", binding, name, ..] => env.durable_object(binding)?.get_by_name(name),
        ["id", binding, id, ..] => env.durable_object(binding)?.id_from_string(id)?.get_stub(),
        ["stamped", name, ..] => {
            let stamped = req.with_header("X-Stamp", "of the worker")?;
            return room(&env, name)?.fetch_with_request(stamped).await;
        }
        ["names", binding, name] => {
            return tell(objects(&env, binding).and_then(|objects| objects.id_from_name(name)));
        }
        ["unique", binding] => {
            return tell(objects(&env, binding).and_then(|objects| objects.unique_id()));
        }
        ["parse", binding, text] => {
            return tell(objects(&env, binding).and_then(|objects| objects.id_from_string(text)));
        }
        ["talk", name, words] => return talk(&room(&env, name)?, words).await,
        _ => room(&env, "lobby"),
    };
    stub?.fetch_with_request(req).await
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

fn objects(env: &Env, binding: &str) -> Result<ObjectNamespace> {
    env.durable_object(binding)
}

fn room(env: &Env, name: &str) -> Result<Stub> {
    objects(env, "ROOM")?.get_by_name(name)
}

fn tell(id: Result<ObjectId>) -> Result<Response> {
    Response::ok(id.map_or_else(
        |error| name_of(&error),
        |id| format!("{id} {:?}", id.name()),
    ))
}

/// Open a socket to the object, say this, and answer with what comes back.
async fn talk(stub: &Stub, words: &str) -> Result<Response> {
    let request = Request::new("http://room.test/room/any/socket", Method::Get);
    let response = stub
        .fetch_with_request(request.with_header("Upgrade", "websocket")?)
        .await?;
    let end = response.websocket().ok_or("no socket came back")?;
    let mut socket = end.accept()?;
    socket.send(words)?;
    let answer = socket.recv().await?.ok_or("it was closed")?;
    socket.close_with(CloseCode::Normal, "said")?;
    Response::ok(answer.into_text().unwrap_or_default())
}

/// The name of an error, without what it carries.
fn name_of(error: &Error) -> String {
    let text = format!("{error:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}

fn outcome(result: Result<()>) -> String {
    result.map_or_else(|error| name_of(&error), |()| "ok".to_owned())
}

thread_local! {
    /// How many objects the instance has made: one, if all is well.
    static MADE: Cell<u32> = const { Cell::new(0) };
}

#[durable_object]
struct Room {
    state: State,
    env: Env,
    /// Tells instances apart.
    instance: String,
    latch: Latch,
}

impl DurableObject for Room {
    fn new(state: State, env: Env) -> Self {
        MADE.set(MADE.get() + 1);
        let random = RandomState::new().hash_one(0);
        Self {
            state,
            env,
            instance: format!("{}-{random:x}", MADE.get()),
            latch: Latch::default(),
        }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        let path = req.path().to_owned();
        let action = match &segments(&path)[..] {
            ["room" | "stamped", _, rest @ ..] | ["in" | "id", _, _, rest @ ..] => rest.to_vec(),
            rest => rest.to_vec(),
        };
        if req.is_upgrade() {
            return self.join(&req, &action);
        }
        match action[..] {
            ["instance"] => Response::ok(&self.instance),
            ["id"] => Response::ok(format!("{} {:?}", self.state.id(), self.state.id().name())),
            ["request"] => describe(&req),
            ["count"] => Response::ok(self.members(None).len().to_string()),
            ["count", tag] => Response::ok(self.members(Some(tag)).len().to_string()),
            ["states"] => Response::ok(self.states()),
            ["wait"] => {
                self.latch.wait().await;
                Response::ok("released")
            }
            ["release"] => {
                self.latch.open();
                Response::empty()
            }
            ["via", name, ..] => {
                let rest = action[1..].join("/");
                let url = format!("http://room.test/room/{rest}?via=an+object");
                room(&self.env, name)?.fetch_with_str(&url).await
            }
            // What an object gets from another whose handler fails, or panics.
            ["try", name, ..] => {
                let url = format!("http://room.test/room/{}", action[1..].join("/"));
                let answer = room(&self.env, name)?.fetch_with_str(&url).await;
                Response::ok(
                    answer.map_or_else(|error| error.to_string(), |_| "answered".to_owned()),
                )
            }
            ["fail"] => Err(Error::from("the handler failed")),
            ["fail-at-length"] => Err(Error::from("é".repeat(50_000))),
            ["panic"] => panic!("the handler panicked"),
            _ => Response::error("no such action", 404),
        }
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        if is_observer(&ws) {
            return ws.send(message);
        }
        let state = ws.ready_state();
        match message {
            Message::Text(text) => {
                self.observe(&format!("message {state:?} {text}"));
                self.obey(&ws, &text).await
            }
            Message::Binary(bytes) => {
                self.observe(&format!("binary {state:?} {bytes:?}"));
                ws.send(bytes)
            }
        }
    }

    async fn websocket_close(&self, ws: WebSocket, event: CloseEvent) -> Result<()> {
        if is_observer(&ws) {
            return Ok(());
        }
        let (code, clean, reason) = (event.code, event.was_clean, event.reason);
        self.observe(&format!(
            "close {code} {clean} {} {reason}",
            afterwards(&ws)
        ));
        self.observe_what_is_left(&ws);
        if reason == "fail" {
            return Err(Error::from("the handler failed"));
        }
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, _error: Error) -> Result<()> {
        self.observe(&format!("error {}", afterwards(&ws)));
        self.observe_what_is_left(&ws);
        Ok(())
    }
}

impl Room {
    /// Take a socket in the way that the path says. `?tags=` are its tags, `?attach=` is left with it.
    fn join(&self, req: &Request, action: &[&str]) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let tags = req.query("tags");
        let mut tags: Vec<&str> = tags
            .as_deref()
            .map_or(Vec::new(), |tags| tags.split(',').collect());
        if action == ["observe"] {
            tags.push(OBSERVER);
        }
        if action == ["standard"] {
            spawn(serve(server.accept()?));
            return Response::from_websocket(client);
        }
        if let Err(error) = self.accept(&server, &tags, req.query("attach").as_deref()) {
            return Response::error(name_of(&error), 409);
        }
        match action {
            ["early"] => ["early1", "early2"]
                .iter()
                .try_for_each(|word| server.send(*word))?,
            ["early-close"] => server.close_with(4002, "early")?,
            ["joined"] => self.state.broadcast("joined").send().map(drop)?,
            ["failed"] => return Err(Error::from("after it was accepted")),
            ["refused"] => return Response::error("not you", 403),
            ["chat"] => {
                return Response::from_websocket(client)?
                    .with_header("Sec-WebSocket-Protocol", "chat")?
                    .with_header("X-Room", "of the object");
            }
            _ => {}
        }
        Response::from_websocket(client)
    }

    fn accept(
        &self,
        server: &WebSocketEnd,
        tags: &[&str],
        attach: Option<&str>,
    ) -> Result<WebSocket> {
        let accept = tags
            .iter()
            .fold(self.state.accept_websocket(server), |accept, tag| {
                accept.tag(tag)
            });
        match attach {
            Some(value) => accept.attach(value),
            None => accept.accept(),
        }
    }

    /// The sockets that are no observers.
    fn members(&self, tag: Option<&str>) -> Vec<WebSocket> {
        let mut sockets = match tag {
            Some(tag) => self.state.get_websockets_with_tag(tag),
            None => self.state.get_websockets(),
        };
        sockets.retain(|socket| !is_observer(socket));
        sockets
    }

    /// The states of these sockets, in alphabetical order.
    fn states(&self) -> String {
        let members = self.members(None);
        let mut states: Vec<_> = members
            .iter()
            .map(|socket| format!("{:?}", socket.ready_state()))
            .collect();
        states.sort();
        states.join(" ")
    }

    fn observe(&self, line: &str) {
        // An observer that does not read misses something.
        self.state
            .broadcast(line)
            .tag(OBSERVER)
            .send()
            .unwrap_or_default();
    }

    /// What is still known of a socket that is over, if something was attached to it.
    fn observe_what_is_left(&self, ws: &WebSocket) {
        if let Ok(Some(attachment)) = ws.deserialize_attachment::<String>() {
            let listed = self.state.get_websockets().contains(ws);
            let tags = ws.tags().unwrap_or_default().join(",");
            self.observe(&format!("left {listed} {tags} {attachment}"));
        }
    }
}

async fn serve(mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.recv().await? {
        socket.send(format!(
            "standard {}",
            message.into_text().unwrap_or_default()
        ))?;
    }
    Ok(())
}

fn is_observer(socket: &WebSocket) -> bool {
    socket
        .tags()
        .is_ok_and(|tags| tags.iter().any(|tag| tag == OBSERVER))
}

/// What a socket that is over is like: its state, and what `send` and `close` answer.
fn afterwards(ws: &WebSocket) -> String {
    let state = ws.ready_state();
    let send = outcome(ws.send("sent by the handler"));
    let close = outcome(ws.close_raw(Some(3999), Some("closed by the handler")));
    format!("{state:?} {send} {close}")
}

/// The request as it arrived.
fn describe(req: &Request) -> Result<Response> {
    let header = |name| req.headers().get(name).unwrap_or_default();
    let (method, uri) = (req.method(), req.uri());
    let (test, stamp) = (header("x-test"), header("x-stamp"));
    let body = String::from_utf8_lossy(req.body());
    let response = Response::ok(format!("{method} {uri} {test:?} {stamp:?} {body}"))?;
    response
        .with_status(201)
        .with_header("X-Answer", "of the object")
}

/// Opened once; whoever waits for it goes on then.
#[derive(Default)]
struct Latch {
    is_open: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Latch {
    async fn wait(&self) {
        poll_fn(|cx| {
            if self.is_open.get() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn open(&self) {
        self.is_open.set(true);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// A class that takes sockets and has no handlers for their events.
#[durable_object]
struct SideRoom {
    state: State,
}

impl DurableObject for SideRoom {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        if !req.is_upgrade() {
            return Response::ok(self.state.get_websockets().len().to_string());
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        self.state.accept_web_socket(&server)?;
        Response::from_websocket(client)
    }
}

/// A class without any handlers.
#[durable_object]
struct Closet;

impl DurableObject for Closet {
    fn new(_state: State, _env: Env) -> Self {
        Self
    }
}
