//! The real host, its clients over TCP; and the other server, another host with the same worker.

use std::time::Duration;

use pairway_host::{Config, DurableObject};
use tokio_tungstenite::tungstenite::Message;

use crate::SCRIPTS;
use crate::support::{Client, Host, get, to_loopback, within};
use crate::world::{Area, Peer, Script, Told, World};

/// Looks at an object that is awake and held, until it is clear that it stays so: it would have hibernated several times.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(10);
const HIBERNATE_AFTER_MS: u64 = 80;

pub(crate) struct Real {
    wakeful: Host,
    sleepy: Host,
    _outside: Host,
}

impl Real {
    pub(crate) async fn start() -> Self {
        let outside = Host::start(SCRIPTS).await;
        let outward = format!("{}/outside", outside.address);
        let configure = |config: &mut Config| {
            for (name, value) in [
                ("GREETING", "hello".to_owned()),
                ("OUTSIDE", format!("http://{outward}")),
                ("OUTSIDE_WS", format!("ws://{outward}")),
            ] {
                config.vars.insert(name.to_owned(), value);
            }
            for class in ["Stage", "Brittle", "Gated"] {
                config.durable_objects.push(DurableObject {
                    name: class.to_uppercase(),
                    class_name: class.to_owned(),
                    hibernate_after_ms: None,
                });
            }
            to_loopback(config);
            config.limits.alarm_backoff_ms = 20;
            config.limits.gate_ms = 1000;
        };
        let sleepy = Host::with(SCRIPTS, |config| {
            configure(config);
            config.limits.hibernate_after_ms = HIBERNATE_AFTER_MS;
        });
        Self {
            wakeful: Host::with(SCRIPTS, configure).await,
            sleepy: sleepy.await,
            _outside: outside,
        }
    }

    pub(crate) async fn run<A: Area>(&self, script: &Script) -> Told {
        let mut told = Told::default();
        let host = if script.is_sleepy {
            &self.sleepy
        } else {
            &self.wakeful
        };
        let run = A::run(host, script.name, &mut told);
        // A script may wait for as much as it likes, but for each thing no longer than any test.
        run.await;
        told
    }
}

impl World for Host {
    type Peer = Connected;

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = get(self.address, path).await;
        (answer.status, answer.text().to_owned())
    }

    async fn open_with(
        &self,
        path: &str,
        protocols: Option<&'static str>,
    ) -> Result<Connected, u16> {
        let client = Client::try_connect(self.address, path, protocols).await?;
        Ok(Connected {
            client,
            is_closed: false,
        })
    }

    async fn rest(&self, object: &str) -> &'static str {
        let mut looks = 0;
        within("the object to rest, or to be held", async {
            loop {
                let objects = self.objects.list();
                let mut named = objects.iter().filter(|status| status.is_awake);
                let Some(status) = named.find(|status| status.name.as_deref() == Some(object))
                else {
                    return "sleeps";
                };
                looks = if status.holds.is_empty() {
                    0
                } else {
                    looks + 1
                };
                if looks == LOOKS {
                    return "is held";
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await
    }

    async fn pause(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

pub(crate) struct Connected {
    client: Client,
    is_closed: bool,
}

impl Peer for Connected {
    async fn send(&mut self, text: &str) {
        self.client.send(text).await;
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        self.client.send(bytes.to_vec()).await;
    }

    async fn close(&mut self, code: u16, reason: &str) {
        self.client.close(code, reason).await;
    }

    async fn next(&mut self) -> String {
        match self.client.next().await {
            Some(Message::Text(text)) => format!("text {text}"),
            Some(Message::Binary(bytes)) => format!("binary {:?}", &bytes[..]),
            Some(Message::Close(frame)) => {
                self.is_closed = true;
                match frame {
                    Some(frame) => format!("close {} {}", u16::from(frame.code), frame.reason),
                    None => "close 1005 ".to_owned(),
                }
            }
            None if self.is_closed => "the end".to_owned(),
            None => {
                self.is_closed = true;
                "lost".to_owned()
            }
            Some(other) => format!("{other:?}"),
        }
    }

    async fn vanish(self) {}
}
