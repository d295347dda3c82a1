//! A headless Chromium, and its tabs. It is told what to do over its own DevTools protocol, which is JSON over a
//! WebSocket: for the few things that a test does, that is less than a driver and a client for it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Folder, PATIENCE, within};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Reaches nothing but this machine, and asks nobody for anything.
const ARGUMENTS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
];

/// Starting one takes seconds on a machine that is busy with other tests.
const START_PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Browser {
    child: Child,
    address: SocketAddr,
    control: Channel,
    profile: Folder,
}

impl Browser {
    /// Start one with a profile of this name. `None` where there is none, which is said; in CI it is a failure.
    pub(crate) async fn start(name: &str) -> Option<Self> {
        let Some(program) = find() else {
            let found_none = format!(
                "no browser: none of {NAMES:?} is in the PATH (`make browser` installs one)"
            );
            assert!(std::env::var_os("CI").is_none(), "{found_none}");
            // Past the test's captured output, which nobody sees of a test that passes.
            let line = format!("skipped the browser test {name}: {found_none}\n");
            std::io::stderr()
                .write_all(line.as_bytes())
                .expect("there is a standard error");
            return None;
        };
        let profile = Folder::new(name);
        let mut child = Command::new(&program)
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.text()))
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it can be run");
        let output = child.stderr.take().expect("it is piped");
        let (address, path) = timeout(START_PATIENCE, announced(output))
            .await
            .expect("the browser says where it listens, in time");
        let control = Channel::connect(address, &path).await;
        Some(Self {
            child,
            address,
            control,
            profile,
        })
    }

    /// Open a tab that has the focus, as far as its page can tell. The script runs before those of the page.
    pub(crate) async fn open(&mut self, url: &str, script: &str) -> Tab {
        let target = self
            .control
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let id = target["targetId"].as_str().expect("a target has an id");
        let channel = Channel::connect(self.address, &format!("/devtools/page/{id}")).await;
        let mut tab = Tab { channel };
        tab.channel.call("Page.enable", json!({})).await;
        let focus = json!({"enabled": true});
        tab.channel
            .call("Emulation.setFocusEmulationEnabled", focus)
            .await;
        let script = json!({"source": script});
        tab.channel
            .call("Page.addScriptToEvaluateOnNewDocument", script)
            .await;
        tab.channel.call("Page.navigate", json!({"url": url})).await;
        tab.until("location.protocol === 'http:' && document.readyState === 'complete'")
            .await;
        tab
    }

    /// End it, and its tabs with it.
    pub(crate) async fn ended(mut self) {
        self.control.call("Browser.close", json!({})).await;
        within("the browser to end", self.child.wait())
            .await
            .expect("it can be waited for");
        drop(self.profile);
    }
}

fn find() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

/// Where it listens. What it says from then on is read and dropped.
async fn announced(output: ChildStderr) -> (SocketAddr, String) {
    let mut lines = BufReader::new(output).lines();
    let mut said = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, url)) = line.split_once("DevTools listening on ws://") {
            let (address, path) = url.split_once('/').expect("a URL has a path");
            let address = address.parse().expect("an address of this machine");
            let path = format!("/{path}");
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (address, path);
        }
        said = said + &line + "\n";
    }
    panic!("the browser ended at once: {said}");
}

pub(crate) struct Tab {
    channel: Channel,
}

impl Tab {
    /// The value of an expression in the page; of a promise, what it comes to.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.channel.call("Runtime.evaluate", parameters).await;
        assert_eq!(result.get("exceptionDetails"), None, "{expression}");
        result["result"]["value"].clone()
    }

    /// Wait until a condition holds in the page. It is looked at whenever the document changes.
    pub(crate) async fn until(&mut self, condition: &str) {
        let promise = format!(
            "new Promise(done => {{
               const look = () => {{ if ({condition}) {{ observer.disconnect(); done(true) }} }};
               const observer = new MutationObserver(look);
               observer.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
               addEventListener('load', look);
               look();
             }})"
        );
        let parameters = json!({"expression": promise, "awaitPromise": true});
        let holds = self.channel.patient_call("Runtime.evaluate", parameters);
        if timeout(PATIENCE, holds).await.is_err() {
            let page = self.value("document.body.innerText").await;
            panic!("waited {PATIENCE:?} in vain for {condition} in this page: {page:#}");
        }
    }

    /// Wait until the page shows this text.
    pub(crate) async fn until_shown(&mut self, text: &str) {
        let text = Value::from(text);
        self.until(&format!("document.body.innerText.includes({text})"))
            .await;
    }

    /// Type a text where the focus is.
    pub(crate) async fn type_text(&mut self, text: &str) {
        self.channel
            .call("Input.insertText", json!({"text": text}))
            .await;
    }

    pub(crate) async fn press_enter(&mut self) {
        self.press("Enter", 13, "\r").await;
    }

    pub(crate) async fn press_tab(&mut self) {
        self.press("Tab", 9, "").await;
    }

    async fn press(&mut self, key: &str, code: u32, text: &str) {
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let parameters = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.channel
                .call("Input.dispatchKeyEvent", parameters)
                .await;
        }
    }
}

/// A connection to the browser, or to one of its tabs.
struct Channel {
    socket: WebSocketStream<TcpStream>,
    calls: u64,
}

impl Channel {
    async fn connect(address: SocketAddr, path: &str) -> Self {
        let connecting = async {
            let stream = TcpStream::connect(address).await.expect("it listens");
            client_async(format!("ws://{address}{path}"), stream)
                .await
                .expect("it speaks WebSocket")
        };
        let (socket, _) = within("a connection to the browser", connecting).await;
        Self { socket, calls: 0 }
    }

    /// Call a method, and wait for what it returns.
    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        within(method, self.patient_call(method, parameters)).await
    }

    /// The same, however long it takes.
    async fn patient_call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let request = json!({"id": self.calls, "method": method, "params": parameters});
        self.socket
            .send(request.to_string().into())
            .await
            .expect("the browser lives");
        loop {
            let message = self.socket.next().await;
            let message = message.and_then(Result::ok).expect("the browser lives");
            // Events, and answers to calls that were given up, are passed over.
            let Message::Text(text) = message else {
                continue;
            };
            let mut answer: Value = serde_json::from_str(&text).expect("the protocol is JSON");
            if answer["id"] == self.calls {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].take();
            }
        }
    }
}
