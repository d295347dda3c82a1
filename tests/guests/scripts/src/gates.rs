//! An object whose constructor waits behind its gate for what its name says.

use pairway::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Says what its constructor has seen.
#[durable_object]
#[derive(Debug)]
pub struct Gated {
    seen: Rc<RefCell<Vec<String>>>,
}

impl DurableObject for Gated {
    fn new(state: State, env: Env) -> Self {
        let seen: Rc<RefCell<Vec<String>>> = Rc::default();
        let (log, name) = (Rc::clone(&seen), state.id().name().unwrap_or_default());
        state.block_concurrency_while(async move {
            let line = wait(&name, &env).await;
            log.borrow_mut().push(format!("{line:?}"));
            line.map(drop)
        });
        seen.borrow_mut().push("made".to_owned());
        Self { seen }
    }

    async fn fetch(&self, _req: Request) -> Result<Response> {
        self.seen.borrow_mut().push("asked".to_owned());
        Response::ok(self.seen.borrow().join(", "))
    }
}

async fn wait(name: &str, env: &Env) -> Result<String> {
    match name {
        "timer" => {
            sleep(Duration::from_millis(5)).await;
            Ok("slept".to_owned())
        }
        "pair" => {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            let (client, mut server) = (client.accept()?, server.accept()?);
            client.send("through the gate")?;
            Ok(format!("{:?}", server.recv().await?))
        }
        "pair-close" => {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            let (client, mut server) = (client.accept()?, server.accept()?);
            client.close_with(4000, "behind the gate")?;
            Ok(format!(
                "{:?} {:?}",
                server.recv().await?,
                server.close_event()
            ))
        }
        "outbound" => {
            let url = format!("{}/echo", env.var("OUTSIDE_WS")?);
            let mut socket = WebSocket::connect(url).await?;
            socket.send("through the gate")?;
            Ok(format!("{:?}", socket.recv().await?))
        }
        "fetch" => {
            let url = format!("{}/say/x", env.var("OUTSIDE")?);
            let response = fetch(Request::new(url, Method::Get)).await?;
            Ok(response.text()?.to_owned())
        }
        "object" => {
            let stub = env
                .durable_object("STAGE")?
                .get_by_name("behind-the-gate")?;
            let response = stub.fetch_with_str("http://o/stage/x/say/hello").await?;
            Ok(response.text()?.to_owned())
        }
        "object-socket" => {
            let stub = env
                .durable_object("STAGE")?
                .get_by_name("behind-the-gate")?;
            let upgrade = Request::new("http://o/stage/x/standard", Method::Get)
                .with_header("upgrade", "websocket")?;
            let response = stub.fetch_with_request(upgrade).await?;
            let end = response.websocket().ok_or("no socket")?;
            let mut socket = end.accept()?;
            socket.send("through the gate")?;
            Ok(format!("{:?}", socket.recv().await?))
        }
        "failing" => Err("as its name says".into()),
        _ => Ok("nothing to wait for".to_owned()),
    }
}
