//! What becomes of a request, told through the interface alone: handlers, macros, the Response contract.

use pairway::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Compiles, which is the test: what the macro makes of a handler with all arguments.
mod whole {
    use pairway::*;

    #[event(fetch)]
    async fn main(mut req: Request, env: Env, ctx: Context) -> Result<Response> {
        ctx.wait_until(async { console_log!("after the response") });
        let greeting = env.var("GREETING")?;
        Response::ok(format!("{greeting} {}", req.text().await?))
    }

    pub(crate) async fn call(req: Request) -> Response {
        testing::fetch(main, req).await
    }
}

/// The same for one that takes and returns as little as it may, beside a start handler.
mod least {
    use pairway::*;

    #[event(fetch)]
    async fn fetch() -> Response {
        Response::empty().expect("cannot fail")
    }

    #[event(start)]
    fn start() -> Result<(), String> {
        Ok(())
    }

    pub(crate) async fn call(req: Request) -> Response {
        testing::fetch(fetch, req).await
    }
}

fn get() -> Request {
    Request::new("http://localhost/", Method::Get)
}

#[test]
fn handlers_of_every_shape_answer() {
    testing::run(async {
        testing::set_var("GREETING", "hello");
        let response = whole::call(get().with_body("world")).await;
        assert_eq!(
            (response.status_code(), response.text()),
            (200, Ok("hello world"))
        );
        assert_eq!(least::call(get()).await.status_code(), 200);
    });
}

#[test]
fn a_handler_that_fails_is_a_500_without_details() {
    testing::run(async {
        assert_eq!(
            Env::default().var("NO").unwrap_err(),
            Error::MissingVariable("NO".to_owned())
        );
        for response in [
            whole::call(get()).await,
            testing::fetch(
                async |_: Request| Err::<Response, _>("secret".to_owned()),
                get(),
            )
            .await,
            testing::fetch(
                async || Response::ok("x").map(|response| response.with_status(99)),
                get(),
            )
            .await,
            testing::fetch(
                async || Response::ok("x").map(|response| response.with_status(101)),
                get(),
            )
            .await,
        ] {
            assert_eq!(
                (response.status_code(), response.text()),
                (500, Ok("Internal Server Error"))
            );
        }
    });
}

#[test]
fn handlers_overlap_at_their_awaits() {
    testing::run(async {
        let log: Rc<RefCell<Vec<&str>>> = Rc::default();
        let handler = |name: &'static str, seconds| {
            let log = Rc::clone(&log);
            async move || {
                log.borrow_mut().push(name);
                sleep(Duration::from_secs(seconds)).await;
                log.borrow_mut().push(name);
                Response::empty()
            }
        };
        let slow = testing::fetch(handler("slow", 2), get());
        let quick = testing::fetch(handler("quick", 1), get());
        futures_util::future::join(slow, quick).await;
        assert_eq!(*log.borrow(), ["slow", "quick", "quick", "slow"]);
        assert_eq!(testing::elapsed(), Duration::from_secs(2));
    });
}

#[test]
fn tasks_go_on_after_the_response() {
    testing::run(async {
        let done = Rc::new(RefCell::new(false));
        let flag = Rc::clone(&done);
        let handler = async move || {
            spawn(async move {
                sleep(Duration::from_secs(1)).await;
                *flag.borrow_mut() = true;
                Ok(())
            });
            Response::empty()
        };
        testing::fetch(handler, get()).await;
        assert!(!*done.borrow());
        sleep(Duration::from_secs(2)).await;
        assert!(*done.borrow());
    });
}

async fn early(req: Request) -> Result<Response> {
    let (socket, response) = req.upgrade()?.protocol("chat").accept()?;
    socket.send("early1")?;
    socket.send("early2")?;
    socket.close_with(4002, "early")?;
    response.with_header("x-extra", "yes")
}

#[test]
fn what_is_sent_before_the_response_leaves_arrives_behind_it() {
    testing::run(async {
        let response = testing::fetch(early, testing::upgrade_request("http://localhost/")).await;
        assert_eq!(response.status_code(), 101);
        assert_eq!(response.headers().get("x-extra").as_deref(), Some("yes"));
        assert!(
            !response.headers().has("sec-websocket-protocol"),
            "the client offered none"
        );
        let mut client = response.websocket().unwrap().accept().unwrap();
        assert_eq!(client.recv().await, Ok(Some("early1".into())));
        assert_eq!(client.recv().await, Ok(Some("early2".into())));
        assert_eq!(client.recv().await, Ok(None));
        assert_eq!(client.close_event().unwrap().code, 4002);
    });
}

#[test]
fn a_handshake_that_is_wrong_gets_no_socket() {
    testing::run(async {
        let status = async |request: Request| testing::fetch(careless, request).await.status_code();
        let upgrade = || testing::upgrade_request("http://localhost/");
        assert_eq!(status(upgrade()).await, 101);
        assert_eq!(status(get()).await, 500, "the worker's mistake");
        assert_eq!(
            status(upgrade().with_header("sec-websocket-version", "8").unwrap()).await,
            426
        );
        assert_eq!(
            status(upgrade().with_header("connection", "close").unwrap()).await,
            400
        );
        let mut no_key = upgrade();
        no_key.headers_mut().delete("sec-websocket-key");
        assert_eq!(status(no_key).await, 400);
    });
}

/// Answers everything with a socket.
async fn careless() -> Result<Response> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let mut server = server.accept()?;
    spawn(async move {
        server.recv().await?;
        Ok(())
    });
    Response::from_websocket(client)
}

#[test]
fn both_ends_cannot_leave() {
    testing::run(async {
        let other: Rc<RefCell<Option<WebSocketEnd>>> = Rc::default();
        let keep = Rc::clone(&other);
        let first = async move || {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            *keep.borrow_mut() = Some(server);
            Response::from_websocket(client)
        };
        let second = async move || Response::from_websocket(other.take().ok_or("no end")?);
        let upgrade = || testing::upgrade_request("http://localhost/");
        let first = testing::fetch(first, upgrade()).await;
        assert_eq!(first.status_code(), 101);
        assert_eq!(testing::fetch(second, upgrade()).await.status_code(), 500);
    });
}

#[test]
fn a_socket_remembers_its_request() {
    testing::run(async {
        let handler = async |req: Request| {
            let (mut socket, response) = req.upgrade()?.accept()?;
            spawn(async move {
                socket.recv().await?;
                socket.send(socket.request_uri().ok_or("no request")?)
            });
            Ok::<_, Error>(response)
        };
        let mut client = testing::connect(handler, "http://localhost/room?name=x")
            .await
            .unwrap();
        client.send("where?").unwrap();
        assert_eq!(
            client.recv().await,
            Ok(Some("http://localhost/room?name=x".into()))
        );
        assert!(
            testing::connect(whole_path, "http://localhost/")
                .await
                .is_err()
        );
    });
}

async fn whole_path(req: Request) -> Result<Response> {
    Response::ok(req.path())
}

#[test]
#[should_panic(expected = "can no longer happen")]
fn a_test_that_waits_in_vain_is_told_so() {
    testing::run(std::future::pending::<()>());
}

#[test]
fn a_request_whose_uri_or_host_no_host_would_take_is_a_400_without_the_worker() {
    testing::run(async {
        let handler = async || Response::ok("reached");
        for uri in [
            "/see",
            "http://a.example:99999/",
            "ftp://a.example/",
            "http://bücher.example/",
        ] {
            let response = testing::fetch(handler, Request::new(uri, Method::Get)).await;
            assert_eq!(response.status_code(), 400, "{uri}");
        }
        for host in [
            "a.example/slow#",
            "x/w/uri?",
            "",
            ":80",
            "me@a.example",
            "a b",
            r"a\b",
        ] {
            let request = get().with_header("Host", host).unwrap();
            let response = testing::fetch(handler, request).await;
            assert_eq!(response.status_code(), 400, "{host}");
        }
        let mut twice = get().with_header("Host", "a.example").unwrap();
        twice.headers_mut().append("host", "b.example").unwrap();
        assert_eq!(testing::fetch(handler, twice).await.status_code(), 400);
        let right = get().with_header("Host", "[::1]:8080").unwrap();
        assert_eq!(testing::fetch(handler, right).await.text(), Ok("reached"));
    });
}

/// Compiles, which is the test: a handler called `fetch` hides the function of that name, and not from itself.
mod hidden {
    use pairway::*;

    #[event(fetch)]
    async fn fetch(req: Request) -> Result<Response> {
        let other = Request::new("http://other.example/", Method::Get);
        let response = fetch(other.with_headers(req.headers().clone())).await?;
        Response::ok(response.text()?)
    }

    pub(crate) async fn call(req: Request) -> Response {
        testing::fetch(fetch, req).await
    }
}

#[test]
fn a_handler_called_fetch_can_call_another_server() {
    testing::run(async {
        testing::outside(async |req: Request| Response::ok(req.uri()));
        let response = hidden::call(get()).await;
        assert_eq!(response.text(), Ok("http://other.example/"));
    });
}

#[test]
fn responses_that_have_no_body_lose_it() {
    testing::run(async {
        for status in [204, 205, 304] {
            let handler = async move || Response::ok("x").map(|ok| ok.with_status(status));
            let response = testing::fetch(handler, get()).await;
            assert_eq!((response.status_code(), response.text()), (status, Ok("")));
        }
    });
}

#[test]
fn a_connection_that_is_refused_says_with_which_status() {
    testing::run(async {
        let refuse = async || Response::error("no seat left", 409);
        let refused = testing::connect(refuse, "http://localhost/").await;
        assert_eq!(refused.unwrap_err(), Error::NotUpgraded(409));
    });
}
