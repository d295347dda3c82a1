//! The object that most of these tests talk to.

use super::SECOND;
use super::{STATE, log};
use pairway::*;
use std::cell::Cell;

/// Tells everybody what one of them says, and does what it is told.
#[durable_object]
pub(super) struct Room {
    state: State,
    /// Since the object woke.
    messages: Cell<u32>,
}

impl DurableObject for Room {
    fn new(state: State, _env: Env) -> Self {
        log("new");
        STATE.set(Some(state.clone()));
        Self {
            state,
            messages: Cell::new(0),
        }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let tag = req.query("tag").unwrap_or_default();
        self.state
            .accept_websocket(&server)
            .tag("member")
            .tag(&tag)
            .attach(&tag)?;
        server.send("welcome")?;
        Response::from_websocket(client)
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        self.messages.set(self.messages.get() + 1);
        let text = message.text().unwrap_or_default();
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        match verb {
            "count" => ws.send(self.messages.get().to_string())?,
            "who" => ws.send(ws.deserialize_attachment::<String>()?.unwrap_or_default())?,
            "tags" => ws.send_json(&self.state.get_tags(&ws)?)?,
            "where" => {
                let header = ws
                    .request_headers()
                    .and_then(|headers| headers.get("upgrade"));
                ws.send(format!(
                    "{} {}",
                    ws.request_uri().unwrap_or_default(),
                    header.unwrap_or_default()
                ))?;
            }
            "say" => {
                let count = self
                    .state
                    .broadcast(rest)
                    .tag("member")
                    .except(&ws)
                    .send()?;
                ws.send(count.to_string())?;
            }
            "sleep" => {
                sleep(SECOND * rest.parse()?).await;
                ws.send("slept")?;
            }
            "fail" => {
                ws.send("before")?;
                return Err("as asked".into());
            }
            "abort" => self.state.abort("as asked")?,
            "recv" => ws.send(format!("{:?}", ws.clone().recv().await))?,
            "same" => ws.send(self.state.get_websockets().contains(&ws).to_string())?,
            _ => self.state.broadcast(&message).send().map(drop)?,
        }
        Ok(())
    }

    async fn websocket_close(&self, ws: WebSocket, event: CloseEvent) -> Result<()> {
        let listed = self.state.get_websockets().len();
        let who: Option<String> = ws.deserialize_attachment()?;
        log(format!(
            "close {} {} {} {:?} {:?} {listed}",
            event.code,
            event.was_clean,
            event.reason.len(),
            who.unwrap_or_default(),
            ws.ready_state()
        ));
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, error: Error) -> Result<()> {
        log(format!("error {error} {:?}", ws.send("x")));
        Ok(())
    }
}

pub(super) fn state() -> State {
    STATE.with_borrow(Clone::clone).unwrap()
}

pub(super) fn room(name: &str) -> Stub {
    testing::bind_object::<Room>("ROOM");
    Env::default()
        .durable_object("ROOM")
        .unwrap()
        .get_by_name(name)
        .unwrap()
}

pub(super) async fn join(name: &str, tag: &str) -> WebSocket {
    let uri = format!("http://localhost/?tag={tag}");
    let mut client = testing::connect(room(name), &uri).await.unwrap();
    assert_eq!(client.recv().await, Ok(Some("welcome".into())));
    client
}

pub(super) async fn ask(client: &mut WebSocket, question: &str) -> String {
    client.send(question).unwrap();
    let answer = timeout(SECOND * 100, client.recv()).await.unwrap();
    answer.unwrap().unwrap().text().unwrap().to_owned()
}
