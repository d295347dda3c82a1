//! Calls other servers with the SDK, one thing for each path, to the URL in `?url=…`.

use std::time::Duration;

use pairway::*;

#[event(fetch)]
async fn fetch(req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    let url = req.query("url").unwrap_or_default();
    match req.path() {
        // What the client is given is what the other server says, or its very socket.
        "/relay" => relay(&req, url).await,
        "/once" => {
            let mut socket = WebSocket::connect(url)
                .protocol("a")
                .protocol("b")
                .header("x-own", "1")
                .await?;
            let told = format!(
                "{:?} {:?} [{}] [{}]",
                socket.ready_state(),
                socket.url(),
                socket.protocol(),
                socket.extensions()
            );
            socket.send("question")?;
            let answer = socket.recv().await?;
            socket.close_with(4000, "done")?;
            Response::ok(format!("{told} {answer:?}"))
        }
        "/both" => both(url).await,
        "/failing" => match WebSocket::connect(url).await {
            Ok(_) => Response::ok("open"),
            Err(error) => Response::ok(format!("{error:?}")),
        },
        // Goes on when the request is answered.
        "/echo" => {
            let mut socket = WebSocket::connect(url).await?;
            spawn(async move {
                while let Some(message) = socket.recv().await? {
                    socket.send(message)?;
                }
                Ok(())
            });
            Response::ok("echoing")
        }
        // Gives up after so many milliseconds.
        "/impatient" => {
            let opening = WebSocket::connect(url).open();
            let opened = timeout(Duration::from_millis(50), opening).await;
            Response::ok(format!("{:?}", opened.map(|_| "open")))
        }
        "/text" => {
            let url = Url::parse(&url)?;
            let response = Fetch::Url(url).send().await?;
            Response::ok(format!("{} {}", response.status_code(), response.text()?))
        }
        "/drop" => {
            let request = Request::new(url, Method::Get).with_header("upgrade", "websocket")?;
            drop(Fetch::Request(request).send().await?);
            Response::ok("dropped")
        }
        // The socket is accepted a while after it has come, with what was sent meanwhile.
        "/upgrade" => {
            let request = Request::new(url, Method::Get).with_header("upgrade", "websocket")?;
            let response = Fetch::Request(request).send().await?;
            let status = response.status_code();
            let Some(end) = response.websocket() else {
                return Response::ok(format!("{status} without a socket"));
            };
            sleep(Duration::from_millis(50)).await;
            let mut socket = end.accept()?;
            let mut heard = vec![status.to_string()];
            while let Some(message) = socket.recv().await? {
                heard.push(format!("{message:?}"));
            }
            Response::ok(heard.join("\n"))
        }
        _ => Response::error("nothing is here", 404),
    }
}

/// How the worker reads a URL, and how the host does, which may reach nobody.
async fn both(url: String) -> Result<Response> {
    let here = match Url::parse(&url) {
        Ok(url) => {
            let port = url.port().map(|port| format!(":{port}"));
            let port = port.unwrap_or_default();
            format!("{}://{}{port}", url.scheme(), url.host())
        }
        Err(error) => error.to_string(),
    };
    let there = match WebSocket::connect(url).await {
        Ok(_) => "open".to_owned(),
        Err(Error::NotAllowed(why)) => {
            let origin = why.split(' ').next().unwrap_or_default();
            origin.to_owned()
        }
        Err(error) => error.to_string(),
    };
    Response::ok(format!("{here}\n{there}"))
}

async fn relay(req: &Request, url: String) -> Result<Response> {
    let mut request = Request::new(url, Method::Get);
    for name in ["upgrade", "sec-websocket-protocol"] {
        if let Some(value) = req.headers().get(name) {
            request = request.with_header(name, &value)?;
        }
    }
    Fetch::Request(request).send().await
}
