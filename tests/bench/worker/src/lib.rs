//! Durable objects that each do one thing, so that what the benchmark measures has a name. It knows no load.
//! `/echo/NAME`, `/fanout/NAME`, `/sleeper/NAME`, `/writer/NAME` and `/reader/NAME` open a hibernatable socket of an object.

use pairway::*;
use std::cell::Cell;

/// Under which a writer keeps what it was last told, and a reader what it reads.
const KEY: &str = "value";

#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let path: Vec<&str> = req.path().split('/').skip(1).collect();
    let (binding, name) = match path[..] {
        ["echo", name] => ("ECHO", name),
        ["fanout", name] => ("FANOUT", name),
        ["sleeper", name] => ("SLEEPER", name),
        ["writer", name] => ("WRITER", name),
        ["reader", name] => ("READER", name),
        _ => {
            return Response::error(
                "/echo, /fanout, /sleeper, /writer or /reader, and a name",
                404,
            );
        }
    };
    let object = env.durable_object(binding)?.get_by_name(name)?;
    object.fetch_with_request(req).await
}

/// Opens a hibernatable socket.
fn join(state: &State, req: &Request) -> Result<Response> {
    req.upgrade()?;
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    state.accept_web_socket(&server)?;
    Response::from_websocket(client)
}

/// Sends each message back.
#[durable_object]
struct Echo {
    state: State,
}

impl DurableObject for Echo {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        join(&self.state, &req)
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        ws.send(message)
    }
}

/// Sends each message to all its sockets.
#[durable_object]
struct Fanout {
    state: State,
}

impl DurableObject for Fanout {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        join(&self.state, &req)
    }

    async fn websocket_message(&self, _ws: WebSocket, message: Message) -> Result<()> {
        self.state.broadcast(&message).send()?;
        Ok(())
    }
}

/// Sends each message back, behind the number of messages since its constructor ran.
#[durable_object]
struct Sleeper {
    state: State,
    heard: Cell<u32>,
}

impl DurableObject for Sleeper {
    fn new(state: State, _env: Env) -> Self {
        let heard = Cell::new(0);
        Self { state, heard }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        join(&self.state, &req)
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        let text = message.text().ok_or("a sleeper hears text only")?;
        self.heard.set(self.heard.get() + 1);
        ws.send(format!("{} {text}", self.heard.get()))
    }
}

/// Stores each message, and sends it back once it is stored.
#[durable_object]
struct Writer {
    state: State,
}

impl DurableObject for Writer {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        join(&self.state, &req)
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        let text = message.text().ok_or("a writer stores text only")?;
        self.state.storage().kv().put(KEY, text)?;
        ws.send(message)
    }
}

/// Reads a stored value for each message, and sends the message back.
#[durable_object]
struct Reader {
    state: State,
}

impl DurableObject for Reader {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        self.state.storage().kv().put(KEY, &stored())?;
        join(&self.state, &req)
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        let value: Option<String> = self.state.storage().kv().get(KEY)?;
        if value != Some(stored()) {
            return Err("something else is stored".into());
        }
        ws.send(message)
    }
}

/// As much as a message of the benchmark.
fn stored() -> String {
    "x".repeat(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(path: &str) -> WebSocket {
        testing::bind_object::<Fanout>("FANOUT");
        testing::bind_object::<Sleeper>("SLEEPER");
        testing::bind_object::<Writer>("WRITER");
        testing::bind_object::<Reader>("READER");
        let uri = format!("http://localhost{path}");
        testing::connect(fetch, &uri).await.unwrap()
    }

    async fn hears(socket: &mut WebSocket) -> Message {
        socket.recv().await.unwrap().unwrap()
    }

    #[test]
    fn a_message_goes_to_all_in_its_room_and_to_nobody_else() {
        testing::run(async {
            let mut first = open("/fanout/a").await;
            let mut second = open("/fanout/a").await;
            let mut other = open("/fanout/b").await;
            first.send("one").unwrap();
            assert_eq!(hears(&mut first).await, Message::from("one"));
            assert_eq!(hears(&mut second).await, Message::from("one"));
            other.send("two").unwrap();
            assert_eq!(hears(&mut other).await, Message::from("two"));
        });
    }

    #[test]
    fn a_sleeper_says_how_much_it_has_heard_since_it_woke() {
        testing::run(async {
            let mut socket = open("/sleeper/a").await;
            for expected in ["1 x", "2 x"] {
                socket.send("x").unwrap();
                assert_eq!(hears(&mut socket).await, Message::from(expected));
            }
            assert_eq!(testing::hibernate(), 1);
            socket.send("x").unwrap();
            assert_eq!(hears(&mut socket).await, Message::from("1 x"));
        });
    }

    #[test]
    fn what_is_written_and_read_comes_back() {
        testing::run(async {
            for path in ["/writer/a", "/reader/a"] {
                let mut socket = open(path).await;
                socket.send("some text").unwrap();
                assert_eq!(hears(&mut socket).await, Message::from("some text"));
            }
        });
    }
}
