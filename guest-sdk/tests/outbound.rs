//! What a worker gets from other servers, told through the interface alone.

use pairway::*;
use std::cell::RefCell;

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Another server: echoes over sockets, and answers with what it was asked.
async fn server(req: Request) -> Result<Response> {
    if req.path() == "/no" {
        return Response::error("no", 403);
    }
    if !req.is_upgrade() {
        return Response::ok(format!("{} {}", req.method(), req.uri()));
    }
    let greeting = req.headers().get("x-name").unwrap_or_default();
    let (mut socket, response) = req.upgrade()?.protocol("b").accept()?;
    socket.send(greeting)?;
    spawn(async move {
        while let Some(message) = socket.recv().await? {
            socket.send(message)?;
        }
        Ok(())
    });
    Ok(response)
}

#[test]
fn a_request_gets_its_response() {
    testing::run(async {
        let get = || Request::new("http://example.org/x", Method::Get);
        let refused = fetch(get()).await.unwrap_err();
        assert_eq!(refused, Error::NotAllowed("example.org".to_owned()));
        testing::outside(server);
        let response = fetch(get()).await.unwrap();
        assert_eq!(response.text(), Ok("GET http://example.org/x"));
        let url = Url::parse("http://example.org/no").unwrap();
        assert_eq!(Fetch::Url(url).send().await.unwrap().status_code(), 403);
        let wrong = Fetch::Request(Request::new("ws://example.org/", Method::Get));
        assert!(matches!(wrong.send().await, Err(Error::InvalidUrl(_))));
        let upgrade = testing::upgrade_request("http://example.org/");
        let end = fetch(upgrade).await.unwrap().websocket().unwrap();
        let mut socket = end.accept().unwrap();
        assert_eq!(socket.recv().await, Ok(Some("".into())));
    });
}

#[test]
fn a_socket_opens_with_what_both_sides_agree_on() {
    testing::run(async {
        testing::outside(server);
        let connect = WebSocket::connect("ws://example.org/")
            .protocol("a")
            .protocol("b");
        let mut socket = connect.header("x-name", "Ada").await.unwrap();
        assert_eq!(socket.ready_state(), ReadyState::Open);
        assert_eq!(
            (socket.protocol().as_str(), socket.url().as_deref()),
            ("b", Some("ws://example.org/"))
        );
        assert_eq!(socket.recv().await, Ok(Some("Ada".into())));
        socket.send("x").unwrap();
        assert_eq!(socket.recv().await, Ok(Some("x".into())));
        socket.close_with(1000, "bye").unwrap();
        assert_eq!(socket.recv().await, Ok(None));
        assert_eq!(socket.close_event().unwrap().reason, "bye");
        let socket = WebSocket::connect_with_protocols("wss://example.org/", Some(vec!["z"]))
            .await
            .unwrap();
        assert_eq!(socket.protocol(), "");
    });
}

#[test]
fn a_socket_that_does_not_open_says_why() {
    testing::run(async {
        let refused = WebSocket::connect("ws://example.org/").await.unwrap_err();
        assert_eq!(refused, Error::NotAllowed("example.org".to_owned()));
        testing::outside(server);
        let refused = WebSocket::connect("ws://example.org/no").await.unwrap_err();
        assert_eq!(
            refused,
            Error::SocketFailed("the server answered 403".to_owned())
        );
        let wrong = WebSocket::connect("http://example.org/").await;
        assert!(matches!(wrong, Err(Error::InvalidUrl(_))));
        let wrong = WebSocket::connect("ws://example.org/")
            .header("a b", "c")
            .open()
            .await;
        assert_eq!(wrong.unwrap_err(), Error::InvalidHeader("a b".to_owned()));
    });
}

/// Keeps a socket to another server.
#[durable_object]
struct Client {
    state: State,
}

impl DurableObject for Client {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        let connect = self
            .state
            .connect(format!("ws://example.org{}", req.path()));
        match connect.tag("out").header("x-name", "me").await {
            Ok(socket) => socket.send("hello")?,
            Err(error) => return Response::error(error.to_string(), 502),
        }
        Response::ok(self.state.get_websockets_with_tag("out").len().to_string())
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        LOG.with_borrow_mut(|log| log.push(format!("{:?} {:?}", ws.tags(), message.text())));
        if message.text() == Some("hello") {
            ws.close_with(4000, "")
        } else {
            Ok(())
        }
    }

    async fn websocket_close(&self, _ws: WebSocket, event: CloseEvent) -> Result<()> {
        LOG.with_borrow_mut(|log| log.push(event.code.to_string()));
        Ok(())
    }

    async fn websocket_error(&self, _ws: WebSocket, error: Error) -> Result<()> {
        LOG.with_borrow_mut(|log| log.push(error.to_string()));
        Ok(())
    }
}

#[test]
fn an_object_may_have_hibernatable_sockets_to_others() {
    testing::run(async {
        testing::outside(server);
        testing::bind_object::<Client>("CLIENT");
        let namespace = Env::default().durable_object("CLIENT").unwrap();
        let stub = namespace.get_by_name("x").unwrap();
        assert_eq!(
            stub.fetch_with_str("http://c/no")
                .await
                .unwrap()
                .status_code(),
            502
        );
        assert_eq!(
            stub.fetch_with_str("http://c/").await.unwrap().text(),
            Ok("1")
        );
        testing::hibernate();
        sleep(std::time::Duration::from_secs(1)).await;
        let tags = r#"Ok(["out"])"#;
        assert_eq!(
            LOG.take(),
            [
                format!(r#"{tags} Some("me")"#),
                format!(r#"{tags} Some("hello")"#),
                "4000".to_owned()
            ]
        );
    });
}

#[test]
fn a_server_sees_the_url_as_the_host_sends_it() {
    testing::run(async {
        testing::outside(server);
        let get = |uri: &str| Request::new(uri, Method::Get);
        let response = fetch(get(r"HTTP://me:secret@Example.org:80\a/../x?y#z")).await;
        assert_eq!(response.unwrap().text(), Ok("GET http://example.org/x?y"));
        let socket = WebSocket::connect("WS://me@Example.org:80/x")
            .await
            .unwrap();
        assert_eq!(socket.url().as_deref(), Some("ws://example.org/x"));
        for url in [
            "ws://example.org/#",
            "ws://example.org:99999/",
            "ws://bücher.example/",
        ] {
            let refused = WebSocket::connect(url).await;
            assert!(matches!(refused, Err(Error::InvalidUrl(_))), "{url}");
        }
        let refused = fetch(get("http://b%C3%BCcher.example/")).await.unwrap_err();
        assert!(refused.to_string().contains("punycode"), "{refused}");
    });
}
