//! Puts a service behind a browser's socket, both inside the worker: the browser's messages are passed on to a task
//! that speaks WebSocket itself, over a pair whose two ends stay here.

use pairway::*;

#[event(fetch)]
async fn fetch(req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    if req.path() != "/shout" {
        return Response::error("There is nothing here. Connect a WebSocket to /shout.", 404);
    }
    let (browser, response) = req.upgrade()?.accept()?;
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    spawn(shout(server.accept()?));
    join(browser, client.accept()?);
    Ok(response)
}

/// The service. It takes text, and knows neither browsers nor who is at the other end.
async fn shout(mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.recv().await? {
        match message {
            Message::Text(text) => socket.send(text.to_uppercase())?,
            Message::Binary(_) => return socket.close_with(CloseCode::Unsupported, "text only"),
        }
    }
    Ok(())
}

/// Pass everything on, both ways: what one socket receives the other sends.
fn join(one: WebSocket, other: WebSocket) {
    let (one_out, one_in) = one.split();
    let (other_out, other_in) = other.split();
    spawn(pass_on(one_in, other_out));
    spawn(pass_on(other_in, one_out));
}

async fn pass_on(mut from: WebSocketReceiver, mut to: WebSocketSender) -> Result<()> {
    while let Ok(Some(message)) = from.recv().await {
        // Not faster than the other side reads; then `from` is not read either, and its peer slows down.
        if to.ready().await.is_err() || to.send(message).is_err() {
            break;
        }
    }
    match from.socket().close_event() {
        Some(event) => to.socket().close_echo(&event),
        None => to.close_with(CloseCode::GoingAway, "the other side is gone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_in_capitals() {
        testing::run(async {
            let mut client = testing::connect(fetch, "http://localhost/shout")
                .await
                .unwrap();
            client.send("grüße").unwrap();
            client.send("ok").unwrap();
            assert_eq!(client.recv().await, Ok(Some(Message::from("GRÜSSE"))));
            assert_eq!(client.recv().await, Ok(Some(Message::from("OK"))));
        });
    }

    #[test]
    fn a_close_passes_through_both_ways() {
        testing::run(async {
            let mut client = testing::connect(fetch, "http://localhost/shout")
                .await
                .unwrap();
            client.send(&[1, 2, 3]).unwrap();
            assert_eq!(client.recv().await, Ok(None));
            let end = client.close_event().unwrap();
            assert_eq!(
                (end.close_code(), end.reason.as_str()),
                (CloseCode::Unsupported, "text only")
            );

            let mut client = testing::connect(fetch, "http://localhost/shout")
                .await
                .unwrap();
            client.close_with(4000, "enough").unwrap();
            assert_eq!(client.recv().await, Ok(None));
            assert_eq!(client.close_event().unwrap().code, 4000);
        });
    }
}
