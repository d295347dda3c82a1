//! A socket that does what text commands tell it, and tells its events to every socket on `/observe`.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::StreamExt;
use pairway::*;

thread_local! {
    static OBSERVERS: RefCell<Vec<WebSocket>> = const { RefCell::new(Vec::new()) };
}

#[event(fetch)]
async fn fetch(req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let half_open = req.path() == "/half-open";
    let socket = server.accept_with(AcceptOptions { half_open })?;
    if req.path() == "/observe" {
        OBSERVERS.with_borrow_mut(|observers| observers.push(socket.clone()));
        spawn(echo(socket));
    } else {
        spawn(serve(socket));
    }
    Response::from_websocket(client)
}

async fn echo(mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.recv().await? {
        socket.send(message)?;
    }
    Ok(())
}

async fn serve(socket: WebSocket) -> Result<()> {
    let mut events = socket.events();
    while let Some(event) = events.next().await {
        match event? {
            WebsocketEvent::Open => observe("open"),
            WebsocketEvent::Message(Message::Text(text)) => {
                observe(&format!("message {:?} {text}", socket.ready_state()));
                obey(&socket, &text).await?;
            }
            WebsocketEvent::Message(binary @ Message::Binary(_)) => socket.send(binary)?,
            WebsocketEvent::Close(event) => {
                let CloseEvent {
                    code,
                    reason,
                    was_clean,
                } = event;
                observe(&format!(
                    "close {code} {was_clean} {} {reason}",
                    afterwards(&socket)
                ));
            }
            WebsocketEvent::Error(_) => observe(&format!("error {}", afterwards(&socket))),
        }
    }
    Ok(())
}

/// What a socket that is over is like: its state, and what `send` and `close` answer.
fn afterwards(socket: &WebSocket) -> String {
    let state = socket.ready_state();
    let send = outcome(socket.send("sent by the handler"));
    let close = outcome(socket.close_raw(Some(3999), Some("closed by the handler")));
    format!("{state:?} {send} {close}")
}

async fn obey(socket: &WebSocket, command: &str) -> Result<()> {
    let words: Vec<&str> = command.split(' ').collect();
    match words[..] {
        ["note"] => Ok(()),
        ["uri"] => socket.send(socket.request_uri().unwrap_or_default()),
        ["state"] => socket.send(format!("{:?}", socket.ready_state())),
        ["close"] => socket.close_raw(None, None),
        ["close", code] => socket.close_raw(Some(number(code)?), None),
        ["close", code, ..] => socket.close_raw(Some(number(code)?), command.splitn(3, ' ').last()),
        ["twice"] => {
            socket.close_raw(Some(4001), Some("first"))?;
            socket.close_raw(Some(4002), Some("second"))
        }
        ["closesend"] => {
            socket.send("last")?;
            socket.close_raw(Some(1000), None)?;
            observe(&format!(
                "send after close {}",
                outcome(socket.send("more"))
            ));
            Ok(())
        }
        ["trycode", code] => match socket.close_raw(Some(number(code)?), None) {
            Ok(()) => Ok(()),
            refused => socket.send(outcome(refused)),
        },
        ["flood", count] => {
            (0..number::<u32>(count)?).try_for_each(|at| socket.send(format!("f{at}")))
        }
        ["large", size] => socket.send(vec![b'x'; number(size)?]),
        ["patient", count, size] => {
            let mut socket = socket.clone();
            for _ in 0..number::<u32>(count)? {
                socket.ready().await?;
                socket.send(vec![b'x'; number(size)?])?;
            }
            Ok(())
        }
        // In its own task: other messages are handled meanwhile.
        ["sleep", milliseconds, word] => {
            socket.send(format!("start {word}"))?;
            let (socket, delay, word) = (
                socket.clone(),
                milliseconds_of(milliseconds)?,
                word.to_owned(),
            );
            spawn(async move {
                sleep(delay).await;
                socket.send(format!("end {word}"))
            });
            Ok(())
        }
        // Here: other messages wait.
        ["stall", milliseconds] => {
            sleep(milliseconds_of(milliseconds)?).await;
            socket.send("stalled")
        }
        ["fail"] => {
            socket.send("sent before the failure")?;
            Err(Error::from("the handler failed"))
        }
        ["echo", ..] => socket.send(&command["echo ".len()..]),
        _ => socket.send(command),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| Error::from("not a number"))
}

fn milliseconds_of(word: &str) -> Result<Duration> {
    Ok(Duration::from_millis(number(word)?))
}

/// The name of the error, without what it carries; or `ok`.
fn outcome(result: Result<()>) -> String {
    result.map_or_else(
        |error| {
            format!("{error:?}")
                .split('(')
                .next()
                .unwrap_or_default()
                .to_owned()
        },
        |()| "ok".to_owned(),
    )
}

fn observe(line: &str) {
    OBSERVERS.with_borrow(|observers| {
        for observer in observers {
            outcome(observer.send(line));
        }
    });
}
