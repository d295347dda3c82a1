//! The host in memory.

use pairway::{Method, Request, WebSocket, sleep, testing};
use scripts::{Brittle, Gated, Stage, serve};
use std::time::Duration;

use crate::world::{Area, Peer, Told, World};

/// Where the other server is.
const OUTSIDE: &str = "outside.test/outside";

pub(crate) fn run<A: Area>(script: &str) -> Told {
    testing::run(async {
        testing::bind_object::<Stage>("STAGE");
        testing::bind_object::<Brittle>("BRITTLE");
        testing::bind_object::<Gated>("GATED");
        testing::outside(serve);
        for (name, value) in [
            ("GREETING", "hello".to_owned()),
            ("OUTSIDE", format!("http://{OUTSIDE}")),
            ("OUTSIDE_WS", format!("ws://{OUTSIDE}")),
        ] {
            testing::set_var(name, &value);
        }
        let mut told = Told::default();
        A::run(&Native, script, &mut told).await;
        told
    })
}

struct Native;

impl World for Native {
    type Peer = Client;

    async fn get(&self, path: &str) -> (u16, String) {
        let request = Request::new(format!("http://worker.test{path}"), Method::Get);
        let response = testing::fetch(serve, request).await;
        let body = String::from_utf8_lossy(response.body()).into_owned();
        (response.status_code(), body)
    }

    async fn open_with(&self, path: &str, protocols: Option<&'static str>) -> Result<Client, u16> {
        let mut request = testing::upgrade_request(&format!("http://worker.test{path}"));
        if let Some(protocols) = protocols {
            let headers = request.headers_mut();
            headers
                .set("sec-websocket-protocol", protocols)
                .expect("it is a header");
        }
        let response = testing::fetch(serve, request).await;
        let status = response.status_code();
        let end = response.websocket().ok_or(status)?;
        let socket = end.accept().expect("it is the client's");
        Ok(Client {
            socket,
            is_closed: false,
        })
    }

    async fn rest(&self, _: &str) -> &'static str {
        // What is on its way arrives first.
        self.pause(1).await;
        match testing::hibernate() {
            0 => "is held",
            _ => "sleeps",
        }
    }

    async fn pause(&self, ms: u64) {
        sleep(Duration::from_millis(ms)).await;
    }
}

pub(crate) struct Client {
    socket: WebSocket,
    is_closed: bool,
}

impl Peer for Client {
    async fn send(&mut self, text: &str) {
        self.socket.send(text).expect("the socket is open");
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        self.socket.send(bytes).expect("the socket is open");
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let closed = self.socket.close_with(code, reason);
        closed.expect("the code may be sent");
    }

    async fn next(&mut self) -> String {
        if self.is_closed {
            return "the end".to_owned();
        }
        match self.socket.recv().await {
            Ok(Some(message)) => match message.text() {
                Some(text) => format!("text {text}"),
                None => format!("binary {:?}", message.as_bytes()),
            },
            Ok(None) => {
                self.is_closed = true;
                match self.socket.close_event() {
                    Some(event) if event.was_clean => {
                        format!("close {} {}", event.code, event.reason)
                    }
                    _ => "lost".to_owned(),
                }
            }
            Err(error) => format!("failed: {error}"),
        }
    }

    async fn vanish(self) {
        testing::disconnect(&self.socket);
    }
}
