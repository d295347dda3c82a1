//! A room: its members are its sockets, each with its name attached, and its history is in its storage. Whoever has the
//! same name is the same member, be it in another tab or over a new connection.

use crate::limits::{self, HISTORY, Pace};
use crate::protocol::{Command, Event, Line};
use pairway::*;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

const MEMBER: &str = "member";

#[durable_object]
pub(crate) struct Room {
    state: State,
    /// By socket. Forgotten when the room hibernates: then nobody has said anything for a while.
    paces: RefCell<HashMap<u64, Pace>>,
}

impl DurableObject for Room {
    fn new(state: State, _env: Env) -> Self {
        state
            .set_auto_response("ping", "pong")
            .expect("both texts are short");
        Self {
            state,
            paces: RefCell::default(),
        }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        let upgrade = req.upgrade()?; // a plain GET gets a 426
        let given = req.query("name").unwrap_or_default();
        match limits::name(&given) {
            Ok(name) => self.join(name),
            Err(why) => {
                // A browser does not show a page why its upgrade was answered with an error, but it shows a Close.
                let (socket, response) = upgrade.accept()?;
                socket.close_with(CloseCode::PolicyViolation, why)?;
                Ok(response)
            }
        }
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        match self.read(&ws, &message) {
            Ok(text) => self.say(&ws, text),
            Err(why) => ws.send_json(&Event::Refused { why }),
        }
    }

    async fn websocket_close(&self, ws: WebSocket, _event: CloseEvent) -> Result<()> {
        self.leave(&ws)
    }

    async fn websocket_error(&self, ws: WebSocket, _error: Error) -> Result<()> {
        self.leave(&ws)
    }
}

impl Room {
    fn join(&self, name: &str) -> Result<Response> {
        let mut here = self.here()?;
        if here.insert(name.to_owned()) {
            self.tell(&Event::Joined { name })?;
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let accept = self.state.accept_websocket(&server);
        accept.tag(MEMBER).attach(name)?;
        let history = &self.history()?;
        let (you, here) = (name, &here);
        server.send(Message::from_json(&Event::Welcome { you, here, history })?)?;
        Response::from_websocket(client)
    }

    /// What a member wants to say, if it may.
    fn read(&self, ws: &WebSocket, message: &Message) -> Result<String, &'static str> {
        let mut paces = self.paces.borrow_mut();
        paces.entry(ws.id()).or_default().allows(now_ms())?;
        let Ok(Command::Say { text }) = message.json() else {
            return Err("The room did not understand that.");
        };
        limits::text(&text).map(str::to_owned)
    }

    fn say(&self, ws: &WebSocket, text: String) -> Result<()> {
        let name = ws.deserialize_attachment()?.unwrap_or_default();
        let at = now_ms();
        let line = Line { name, text, at };
        self.remember(&line)?;
        self.tell(&Event::Said(&line))
    }

    fn leave(&self, ws: &WebSocket) -> Result<()> {
        self.paces.borrow_mut().remove(&ws.id());
        // A socket that ends is listed a little longer. Without the tag it is no member.
        ws.remove_tag(MEMBER)?;
        let name: String = ws.deserialize_attachment()?.unwrap_or_default();
        if self.here()?.contains(&name) {
            return Ok(());
        }
        self.tell(&Event::Left { name: &name })
    }

    fn here(&self) -> Result<BTreeSet<String>> {
        let members = self.state.get_websockets_with_tag(MEMBER).into_iter();
        let names = members.filter_map(|ws| ws.deserialize_attachment().transpose());
        names.collect()
    }

    fn tell(&self, event: &Event<'_>) -> Result<()> {
        let message = Message::from_json(event)?;
        self.state.broadcast(&message).tag(MEMBER).send()?;
        Ok(())
    }

    fn remember(&self, line: &Line) -> Result<()> {
        let storage = self.state.storage();
        let number: u64 = storage.kv().get("lines")?.unwrap_or(0);
        storage.kv().put(&key(number), line)?;
        storage.kv().put("lines", &(number + 1))?;
        if let Some(oldest) = number.checked_sub(HISTORY) {
            storage.kv().delete(&key(oldest))?;
        }
        Ok(())
    }

    fn history(&self) -> Result<Vec<Line>> {
        let all = ListOptions::new().prefix("line:");
        let lines = self.state.storage().kv().list_with_options(all)?;
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

/// Keys are in the order of their numbers.
fn key(number: u64) -> String {
    format!("line:{number:016}")
}

fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
