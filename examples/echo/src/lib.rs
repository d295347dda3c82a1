//! Sends every message back, and serves a page to try it with.

use pairway::*;

#[event(fetch)]
async fn fetch(req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    match req.path() {
        "/" => Response::from_html(include_str!("page.html")),
        "/echo" => {
            let (socket, response) = req.upgrade()?.accept()?;
            spawn(echo(socket));
            Ok(response)
        }
        _ => Response::error("There is nothing here. Try / or /echo.", 404),
    }
}

async fn echo(mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.recv().await? {
        socket.ready().await?;
        socket.send(message)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_binary_come_back() {
        testing::run(async {
            let mut client = testing::connect(fetch, "http://localhost/echo")
                .await
                .unwrap();
            for message in [
                Message::from("héllo"),
                Message::from(b"\0\xff"),
                Message::from(""),
            ] {
                client.send(message.clone()).unwrap();
                assert_eq!(client.recv().await, Ok(Some(message)));
            }
            client.close_with(CloseCode::Normal, "bye").unwrap();
            assert_eq!(client.recv().await, Ok(None));
            assert_eq!(client.close_event().unwrap().reason, "bye");
        });
    }

    #[test]
    fn only_an_upgrade_gets_a_socket() {
        testing::run(async {
            let status = async |path: &str| {
                testing::fetch(
                    fetch,
                    Request::new(format!("http://localhost{path}"), Method::Get),
                )
                .await
                .status_code()
            };
            assert_eq!(status("/").await, 200);
            assert_eq!(status("/echo").await, 426);
            assert_eq!(status("/elsewhere").await, 404);
        });
    }
}
