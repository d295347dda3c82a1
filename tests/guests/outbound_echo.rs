//! Connects to the URL in `/run?url=…`, sends every message back, and answers when that socket has ended: whoever asked
//! knows then that it is over.

use pairway::*;

#[event(fetch)]
async fn fetch(req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    let Some(url) = req.query("url").filter(|_| req.path() == "/run") else {
        return Response::error("There is nothing here. Try /run?url=ws://…", 404);
    };
    match WebSocket::connect(url).await {
        Ok(socket) => Response::ok(echo(socket).await),
        Err(error) => Response::error(error.to_string(), 502),
    }
}

/// Echo to the end; gives the code of the peer's Close, or why there is none.
async fn echo(mut socket: WebSocket) -> String {
    loop {
        match socket.recv().await {
            // Refused once the peer has closed; its last messages are received all the same.
            Ok(Some(message)) => {
                if socket.ready().await.is_ok() {
                    socket.send(message).unwrap_or_default();
                }
            }
            Ok(None) => {
                return socket
                    .close_event()
                    .map_or_else(|| "no close".to_owned(), |event| event.code.to_string());
            }
            // Many a peer breaks the protocol on purpose.
            Err(error) => return error.to_string(),
        }
    }
}
