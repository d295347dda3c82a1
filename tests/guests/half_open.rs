//! Keeps its own direction open after the peer's Close.

use std::time::Duration;

use futures_util::StreamExt;
use pairway::*;

#[event(fetch)]
async fn fetch(_req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    spawn(serve(
        server.accept_with(AcceptOptions { half_open: true })?,
    ));
    Response::from_websocket(client)
}

async fn serve(socket: WebSocket) -> Result<()> {
    let mut events = socket.events();
    while let Some(event) = events.next().await {
        match event? {
            WebsocketEvent::Message(message) => socket.send(message)?,
            WebsocketEvent::Close(event) => {
                socket.send(format!(
                    "{} {} {:?}",
                    event.code,
                    event.was_clean,
                    socket.ready_state()
                ))?;
                sleep(Duration::from_millis(50)).await;
                socket.send("later")?;
                socket.close_with(4010, "done")?;
            }
            WebsocketEvent::Open | WebsocketEvent::Error(_) => {}
        }
    }
    Ok(())
}
