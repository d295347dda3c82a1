//! Accepts its end late, or never; tells what it then receives to the sockets on `/observe`.

use std::cell::RefCell;
use std::time::Duration;

use pairway::*;

thread_local! {
    static KEPT: RefCell<Vec<WebSocketEnd>> = const { RefCell::new(Vec::new()) };
    static OBSERVERS: RefCell<Vec<WebSocket>> = const { RefCell::new(Vec::new()) };
}

#[event(fetch)]
async fn fetch(req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    match req.path() {
        "/observe" => {
            let socket = server.accept()?;
            OBSERVERS.with_borrow_mut(|observers| observers.push(socket.clone()));
            spawn(echo(socket));
        }
        "/late" => spawn(serve_late(server)),
        // Kept, and the instance has something left to do.
        "/never" => {
            KEPT.with_borrow_mut(|kept| kept.push(server));
            spawn(async {
                sleep(Duration::from_secs(60)).await;
                Ok(())
            });
        }
        // Kept, but nothing can happen any more in which it could be accepted.
        "/stuck" => KEPT.with_borrow_mut(|kept| kept.push(server)),
        // Not even kept.
        _ => drop(server),
    }
    Response::from_websocket(client)
}

async fn echo(mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.recv().await? {
        socket.send(message)?;
    }
    Ok(())
}

async fn serve_late(end: WebSocketEnd) -> Result<()> {
    sleep(Duration::from_millis(300)).await;
    let mut socket = end.accept()?;
    // Refused if the peer has closed by now.
    socket.send("accepted").unwrap_or_default();
    while let Some(message) = socket.recv().await? {
        observe(&message);
        socket.send(message).unwrap_or_default();
    }
    if let Some(event) = socket.close_event() {
        observe(&Message::from(format!(
            "close {} {} {}",
            event.code, event.was_clean, event.reason
        )));
    }
    Ok(())
}

fn observe(message: &Message) {
    OBSERVERS.with_borrow(|observers| {
        for observer in observers {
            observer.send(message.clone()).unwrap_or_default();
        }
    });
}
