//! How a worker serves the sockets of clients, each kind in its own way.

use pairway::*;
use std::time::Duration;

pub(crate) fn serve(kind: &str, req: &Request) -> Result<Response> {
    if kind == "fails-with-a-pair" {
        let _pair = WebSocketPair::new()?;
        return Err("as the script says".into());
    }
    if kind == "never-accepted" {
        let WebSocketPair { client, .. } = WebSocketPair::new()?;
        return Response::from_websocket(client);
    }
    if kind == "no-upgrade-asked" {
        return Response::from_websocket(WebSocketPair::new()?.client);
    }
    let options = AcceptOptions {
        half_open: kind == "half-open",
    };
    let upgrade = req.upgrade()?.options(options).protocol("b");
    let offered = upgrade.protocols().join(" ");
    let (socket, response) = upgrade.accept()?;
    match kind {
        "echo" => spawn(echo(socket)),
        "greets" => {
            socket.send("before the 101")?;
            socket.send(offered)?;
            spawn(echo(socket));
        }
        "closes" => {
            socket.send("only this")?;
            socket.close_with(4000, "that was all")?;
        }
        "closes-without-code" => socket.close()?,
        "fails" => spawn(async move {
            let mut socket = socket;
            socket.recv().await?;
            Err("as the script says".into())
        }),
        "ends" => spawn(async move {
            let mut socket = socket;
            socket.recv().await.map(drop)
        }),
        "half-open" => spawn(async move {
            let mut socket = socket;
            while let Some(message) = socket.recv().await? {
                socket.send(&message)?;
            }
            socket.send("still open")?;
            socket.close_with(4001, "now closed")
        }),
        "late" => spawn(async move {
            sleep(Duration::from_millis(10)).await;
            socket.send("late")?;
            echo(socket).await
        }),
        _ => return Response::error("there is no such kind", 404),
    }
    Ok(response)
}

/// Says everything again, and what the end was like to whoever still listens.
pub(crate) async fn echo(mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.recv().await? {
        socket.send(message)?;
    }
    Ok(())
}
