//! Speaks, or closes, before the response with the other end has left.

use pairway::*;

#[event(fetch)]
async fn fetch(req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let mut socket = server.accept()?;
    match req.path() {
        "/messages" => {
            socket.send("early1")?;
            socket.send(b"early2".to_vec())?;
        }
        "/close" => socket.close_with(4002, "early")?,
        "/both" => {
            socket.send("early")?;
            socket.close()?;
        }
        "/protocol" => {
            return Response::from_websocket(client)?.with_header("Sec-WebSocket-Protocol", "chat");
        }
        "/fails" => {
            return Err(Error::from(
                "the handler failed after it had accepted an end",
            ));
        }
        "/other-response" => return Response::ok("no upgrade"),
        _ => {}
    }
    spawn(async move {
        while let Some(message) = socket.recv().await? {
            socket.send(message)?;
        }
        Ok(())
    });
    Response::from_websocket(client)?
        .with_header("X-Custom", "passes")?
        .with_header("Sec-WebSocket-Accept", "forbidden")?
        .with_header("Sec-WebSocket-Extensions", "permessage-deflate")?
        .with_header("Content-Length", "5")?
        .with_header("Transfer-Encoding", "chunked")
}
