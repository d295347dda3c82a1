//! What a worker gets from another server, and that server.

use crate::Log;
use crate::clients::echo;
use pairway::*;
use std::time::Duration;

/// Another server.
pub(crate) async fn outside(req: &Request) -> Result<Response> {
    let words: Vec<&str> = req.path().split('/').skip(2).collect();
    match words[..] {
        ["say", what] => Response::ok(what),
        ["status", status] => Response::error("no", status.parse()?),
        ["body"] => {
            let header = req.headers().get("x-own").unwrap_or_default();
            let body = String::from_utf8_lossy(req.body()).into_owned();
            let response = Response::ok(format!("{} {header} {body}", req.method()))?;
            response.with_header("x-answer", "1")
        }
        ["slow", ms] => {
            sleep(Duration::from_millis(ms.parse()?)).await;
            Response::ok("at last")
        }
        ["close"] => {
            let (socket, response) = req.upgrade()?.accept()?;
            socket.send("bye")?;
            socket.close_with(4000, "that was all")?;
            Ok(response)
        }
        ["echo"] => {
            let (socket, response) = req.upgrade()?.protocol("b").accept()?;
            spawn(echo(socket));
            Ok(response)
        }
        _ => Response::error("nothing is here", 404),
    }
}

pub(crate) async fn run(name: &str, log: &mut Log, env: &Env) -> Result<()> {
    let (http, ws) = (env.var("OUTSIDE")?, env.var("OUTSIDE_WS")?);
    match name {
        "get" => get(log, &http).await,
        "body" => body(log, &http).await,
        "elsewhere" => elsewhere(log).await,
        "refused" => refused(log, &ws).await,
        "echo" => connected(log, &ws).await,
        "closed" => closed(log, &ws).await,
        "upgrade" => upgrade(log, &http).await,
        "given_up" => given_up(log, &http).await,
        "let_go" => let_go(log, &ws).await,
        _ => Err("there is no such program".into()),
    }
}

async fn get(log: &mut Log, http: &str) -> Result<()> {
    for path in ["/say/hello", "/status/404", "/none"] {
        let request = Request::new(format!("{http}{path}"), Method::Get);
        let response = fetch(request).await?;
        log.line(path, (response.status_code(), response.text()?));
    }
    Ok(())
}

async fn body(log: &mut Log, http: &str) -> Result<()> {
    let url = Url::parse(&format!("{http}/body"))?;
    let response = Fetch::Url(url.clone()).send().await?;
    log.line("get", response.text());
    let request = Request::new(url.as_str(), Method::Post).with_body("content");
    let request = request.with_header("x-own", "mine")?;
    let response = Fetch::Request(request).send().await?;
    log.line(
        "post",
        (response.text()?, response.headers().get("x-answer")),
    );
    Ok(())
}

async fn elsewhere(log: &mut Log) -> Result<()> {
    let elsewhere = Request::new("http://elsewhere.example/", Method::Get);
    log.line("fetch", fetch(elsewhere).await.map(drop));
    let elsewhere = WebSocket::connect("ws://elsewhere.example/").await;
    log.line("connect", elsewhere.map(drop));
    Ok(())
}

async fn refused(log: &mut Log, ws: &str) -> Result<()> {
    let wrong = fetch(Request::new("ws://elsewhere.example/", Method::Get)).await;
    log.line("scheme", matches!(wrong, Err(Error::InvalidUrl(_))));
    let wrong = WebSocket::connect("http://elsewhere.example/").await;
    log.line("scheme", matches!(wrong, Err(Error::InvalidUrl(_))));
    let no = WebSocket::connect(format!("{ws}/status/403")).await;
    log.line("403", matches!(no, Err(Error::SocketFailed(_))));
    let header = WebSocket::connect(ws).header("a b", "c").await;
    log.line("header", header.map(drop));
    Ok(())
}

async fn connected(log: &mut Log, ws: &str) -> Result<()> {
    let url = format!("{ws}/echo");
    let mut socket = WebSocket::connect(&url).protocol("a").protocol("b").await?;
    log.line("open", (socket.ready_state(), socket.protocol()));
    log.line("url", socket.url() == Some(url));
    for message in ["a".into(), Message::from(b"\x01"), "".into()] {
        socket.send(&message)?;
        log.line("echo", socket.recv().await? == Some(message));
    }
    socket.close_with(4001, "done")?;
    log.line("closing", (socket.ready_state(), socket.send("late")));
    log.line(
        "end",
        (
            socket.recv().await,
            socket.close_event(),
            socket.ready_state(),
        ),
    );
    Ok(())
}

async fn closed(log: &mut Log, ws: &str) -> Result<()> {
    let mut socket = WebSocket::connect(format!("{ws}/close")).await?;
    log.line("first", socket.recv().await);
    log.line(
        "end",
        (
            socket.recv().await,
            socket.close_event(),
            socket.ready_state(),
        ),
    );
    log.line("late", (socket.send("x"), socket.close_with(4000, "x")));
    Ok(())
}

async fn upgrade(log: &mut Log, http: &str) -> Result<()> {
    let request = Request::new(format!("{http}/close"), Method::Get)
        .with_header("upgrade", "websocket")?
        .with_header("connection", "Upgrade")?
        .with_header("sec-websocket-version", "13")?
        .with_header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")?;
    let response = fetch(request).await?;
    log.line("status", response.status_code());
    let mut socket = response.websocket().ok_or("no socket")?.accept()?;
    log.line("first", socket.recv().await);
    log.line("end", (socket.recv().await, socket.close_event()));
    Ok(())
}

async fn given_up(log: &mut Log, http: &str) -> Result<()> {
    let request = Request::new(format!("{http}/slow/500"), Method::Get);
    let response = timeout(Duration::from_millis(5), fetch(request.clone())).await;
    log.line("impatient", response.map(drop));
    log.line("patient", fetch(request).await?.text());
    Ok(())
}

async fn let_go(log: &mut Log, ws: &str) -> Result<()> {
    let url = format!("{ws}/echo");
    let socket = WebSocket::connect(&url).await?;
    let kept = socket.clone();
    drop(socket);
    kept.send("x")?;
    let mut kept = kept;
    log.line("echo", kept.recv().await);
    drop(kept);
    log.line("another", WebSocket::connect(url).await?.ready_state());
    Ok(())
}
