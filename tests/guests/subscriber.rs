//! A durable object with hibernatable sockets to other servers. `/NAME` upgrades a client, which is told what becomes of
//! those sockets; the rest of the path says what to do.

use std::cell::RefCell;
use std::future::IntoFuture;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use pairway::*;

#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let name = req.path().split('/').nth(1).unwrap_or_default().to_owned();
    let object = env.durable_object("SUBSCRIBER")?.get_by_name(&name)?;
    object.fetch_with_request(req).await
}

#[durable_object]
struct Subscriber {
    state: State,
    log: RefCell<Vec<String>>,
}

impl DurableObject for Subscriber {
    fn new(state: State, env: Env) -> Self {
        let count = state.get_websockets().len();
        // The variable `FEED` is a URL to be connected to before anything else happens.
        if let Ok(url) = env.var("FEED")
            && state.get_websockets_with_tag("feed").is_empty()
        {
            let connecting = state.connect(url.to_string()).tag("feed");
            drop(state.block_concurrency_while(async move { connecting.await.map(drop) }));
        }
        Self {
            state,
            log: RefCell::new(vec![format!("new {count}")]),
        }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        if req.is_upgrade() {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            self.state
                .accept_websocket_with_tags(&server, &["client"])?;
            return Response::from_websocket(client);
        }
        let argument = |name| req.query(name).unwrap_or_default();
        let path = req.path().rsplit('/').next().unwrap_or_default();
        self.log.borrow_mut().push(path.to_owned());
        match path {
            "connect" => {
                let mut connect = self.state.connect(argument("url")).protocol("feed");
                for tag in argument("tags").split(',').filter(|tag| !tag.is_empty()) {
                    connect = connect.tag(tag);
                }
                return Response::ok(match connect.await {
                    Ok(socket) => about(&socket)?,
                    Err(error) => format!("{error:?}"),
                });
            }
            "standard" => {
                let mut socket = WebSocket::connect(argument("url")).await?;
                spawn(async move { socket.recv().await.map(drop) });
            }
            "connect-later" => {
                let connect = self.state.connect(argument("url")).tag("late");
                self.state.wait_until(async move { drop(connect.await) });
                return Response::ok("");
            }
            "connect-and-die" => {
                let mut opening = self.state.connect(argument("url")).into_future();
                // The call has been made, and the turn is not over.
                drop(
                    opening
                        .as_mut()
                        .poll(&mut TaskContext::from_waker(Waker::noop())),
                );
                panic!("asked to");
            }
            "broadcast" => return Response::ok(self.state.broadcast("to all").send()?.to_string()),
            "sockets" => {}
            "log" => return Response::ok(self.log.borrow().join(", ")),
            "abort" => self.state.abort("asked to")?,
            "auto" => self.state.set_auto_response("?", "!")?,
            _ => return Response::error("nothing is here", 404),
        }
        let sockets = self.state.get_websockets();
        let lines = sockets.iter().map(about).collect::<Result<Vec<_>>>()?;
        Response::ok(lines.join("\n"))
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        let Message::Text(text) = message else {
            return ws.send(message);
        };
        self.log.borrow_mut().push(format!("message {text}"));
        match text.as_str() {
            "me" => ws.send(about(&ws)?),
            "log" => ws.send(self.log.borrow().join(", ")),
            "attach" => ws.serialize_attachment("attached"),
            "close" => ws.close_with(4000, "by the object"),
            "watch" => ws.set_keep_alive(KeepAlive {
                interval: Duration::from_millis(20),
                timeout: Duration::from_millis(100),
            }),
            "die" => panic!("asked to"),
            _ => ws.send(text),
        }
    }

    async fn websocket_close(&self, ws: WebSocket, event: CloseEvent) -> Result<()> {
        let CloseEvent {
            code, was_clean, ..
        } = event;
        self.tell(&format!("close {code} {was_clean}"), &ws)
    }

    async fn websocket_error(&self, ws: WebSocket, error: Error) -> Result<()> {
        drop(error);
        self.tell("error", &ws)
    }
}

impl Subscriber {
    fn tell(&self, what: &str, ws: &WebSocket) -> Result<()> {
        let line = format!("{what}; {}; {}", about(ws)?, self.log.borrow().join(", "));
        self.state
            .broadcast(line)
            .tag("client")
            .except(ws)
            .send()
            .map(drop)
    }
}

/// What the host keeps of a socket, but for the address of the server.
fn about(ws: &WebSocket) -> Result<String> {
    let attachment: Option<String> = ws.deserialize_attachment()?;
    let url = ws.url().unwrap_or_default();
    let path = url.splitn(4, '/').last().unwrap_or_default();
    Ok(format!(
        "[{}] {} {:?} /{path} {}",
        ws.tags()?.join(","),
        attachment.unwrap_or_default(),
        ws.ready_state(),
        ws.protocol()
    ))
}
