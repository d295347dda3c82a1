//! The life of an object: its name, its sleep, its gate, its end.

use super::room::{Room, ask, join, state};
use super::{SECOND, log, take_log};
use pairway::*;

#[test]
fn ids_are_what_they_were_made_from() {
    testing::run(async {
        testing::bind_object::<Room>("ROOM");
        testing::bind_object::<Slow>("OTHER");
        testing::bind_object::<Room>("AGAIN");
        let env = Env::default();
        let (rooms, others) = (
            env.durable_object("ROOM").unwrap(),
            env.durable_object("OTHER").unwrap(),
        );
        let lobby = rooms.id_from_name("lobby").unwrap();
        assert_eq!(lobby, rooms.id_from_name("lobby").unwrap());
        assert_ne!(lobby, rooms.id_from_name("attic").unwrap());
        assert_ne!(lobby, others.id_from_name("lobby").unwrap());
        assert_ne!(rooms.unique_id().unwrap(), rooms.unique_id().unwrap());
        assert_eq!(lobby.name().as_deref(), Some("lobby"));
        let hex = lobby.to_string();
        assert!(
            hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{hex}"
        );
        let again = rooms.id_from_string(&hex).unwrap();
        assert_eq!((&again, again.name()), (&lobby, None));
        let refused = others.id_from_string(&hex).unwrap_err().to_string();
        assert!(refused.contains("of another class"), "{refused}");
        let by_another_binding = env.durable_object("AGAIN").unwrap();
        assert_eq!(by_another_binding.id_from_string(&hex), Ok(lobby));
        assert!(matches!(
            rooms.id_from_string("lobby"),
            Err(Error::InvalidObjectId(_))
        ));
        let unknown = env.durable_object("NO").unwrap_err();
        assert_eq!(unknown, Error::UnknownNamespace("NO".to_owned()));
    });
}

#[test]
fn hibernation_forgets_the_value_and_nothing_else() {
    testing::run(async {
        let mut ada = join("r", "a").await;
        assert_eq!(ask(&mut ada, "count").await, "1");
        assert_eq!(ask(&mut ada, "count").await, "2");
        assert_eq!(testing::hibernate(), 1);
        assert_eq!(testing::hibernate(), 0);
        assert_eq!(ask(&mut ada, "count").await, "1");
        testing::hibernate();
        assert_eq!(ask(&mut ada, "who").await, "a");
        assert_eq!(ask(&mut ada, "tags").await, r#"["member","a"]"#);
        testing::hibernate();
        testing::disconnect(&ada);
        sleep(SECOND).await;
        assert_eq!(
            take_log(),
            [
                "new",
                "new",
                "new",
                "new",
                r#"close 1006 false 51 "a" Open 1"#
            ]
        );
        assert_eq!(ask(&mut join("r", "b").await, "say x").await, "0");
    });
}

#[test]
fn what_runs_keeps_the_object_awake_and_the_next_message_does_not_wait() {
    testing::run(async {
        let mut ada = join("r", "a").await;
        ada.send("sleep 3").unwrap();
        assert_eq!(ask(&mut ada, "count").await, "2");
        assert_eq!(testing::hibernate(), 0);
        assert_eq!(ada.recv().await, Ok(Some("slept".into())));
        assert_eq!(testing::elapsed(), SECOND * 3);
        assert_eq!(testing::hibernate(), 1);
        take_log();
    });
}

#[test]
fn a_handler_that_fails_changes_nothing_else() {
    testing::run(async {
        let mut ada = join("r", "a").await;
        assert_eq!(ask(&mut ada, "fail").await, "before");
        assert_eq!(ask(&mut ada, "count").await, "2");
        testing::break_protocol(&ada);
        assert_eq!(ada.recv().await, Ok(None));
        assert_eq!(
            take_log(),
            ["new", "error the socket failed: Protocol error Ok(())"]
        );
    });
}

#[test]
fn an_abort_resets_the_object() {
    testing::run(async {
        let (ada, mut bob) = (join("r", "a").await, join("r", "b").await);
        ada.send("abort").unwrap();
        ada.send("count").unwrap();
        assert_eq!(bob.recv().await, Ok(None));
        assert_eq!(bob.close_event().unwrap().code, 1006);
        assert_eq!(ask(&mut join("r", "c").await, "say x").await, "0");
        assert_eq!(take_log(), ["new", "new"]);
    });
}

/// Says when it runs, and until when.
#[durable_object(websocket)]
struct Slow {
    state: State,
}

impl DurableObject for Slow {
    fn new(state: State, _env: Env) -> Self {
        state.block_concurrency_while(async {
            sleep(SECOND).await;
            log("ready");
            Ok(())
        });
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        log(req.path());
        if req.path() == "/fail" {
            let blocked = self
                .state
                .block_concurrency_while(async { Err::<(), _>("no".into()) });
            let blocked = blocked.await;
            log(format!("{blocked:?}"));
            blocked?;
        }
        let value = self.state.block_concurrency_while(async { Ok(7) }).await?;
        Response::ok(value.to_string())
    }
}

#[test]
fn while_the_gate_is_closed_events_wait_in_order() {
    testing::run(async {
        testing::bind_object::<Slow>("SLOW");
        let stub = Env::default()
            .durable_object("SLOW")
            .unwrap()
            .get_by_name("")
            .unwrap();
        let fetch = |path: &str| {
            let (stub, url) = (stub.clone(), format!("http://slow{path}"));
            async move { stub.fetch_with_str(&url).await }
        };
        let (first, second) = futures_util::future::join(fetch("/a"), fetch("/b")).await;
        assert_eq!(
            (first.unwrap().text(), second.unwrap().text()),
            (Ok("7"), Ok("7"))
        );
        assert_eq!(testing::elapsed(), SECOND);
        assert_eq!(take_log(), ["ready", "/a", "/b"]);
        assert_eq!(
            fetch("/fail").await.unwrap_err(),
            Error::Other("no".to_owned())
        );
        assert_eq!(fetch("/c").await.unwrap().status_code(), 200);
        assert_eq!(
            take_log(),
            ["/fail", r#"Err(RustError("no"))"#, "ready", "/c"]
        );
    });
}

#[test]
fn a_handler_of_a_socket_that_takes_too_long_is_given_up() {
    testing::run(async {
        let mut ada = join("r", "a").await;
        let state = state();
        assert_eq!(state.get_hibernatable_websocket_event_timeout(), None);
        state
            .set_hibernatable_websocket_event_timeout(SECOND * 2)
            .unwrap();
        assert!(matches!(
            state.set_hibernatable_websocket_event_timeout(SECOND * 604_801),
            Err(Error::TimeoutTooLong(604_800_000))
        ));
        ada.send("sleep 3").unwrap();
        sleep(SECOND * 5).await;
        assert_eq!(ask(&mut ada, "count").await, "2");
        testing::hibernate();
        ada.send("sleep 3").unwrap();
        assert_eq!(ask(&mut ada, "sleep 1").await, "slept");
        let state = self::state();
        assert_eq!(
            state.get_hibernatable_websocket_event_timeout(),
            Some(SECOND * 2)
        );
        take_log();
    });
}

/// Fails in the way that its path names.
#[durable_object]
struct Failing {
    state: State,
}

impl DurableObject for Failing {
    fn try_new(state: State, _env: Env) -> Result<Self> {
        log("try_new");
        let kv = state.storage().kv();
        if kv.delete("broken")? {
            return Err("it was broken".into());
        }
        Ok(Self { state })
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        match req.path() {
            "/fail" => Err("as asked".into()),
            "/upgrade" => req.upgrade()?.accept().map(|(_, response)| response),
            "/refused" => Ok(Response::ok("x")?.with_status(99)),
            "/abort" => {
                self.state.abort("as asked")?;
                Response::ok("said before")
            }
            "/break" => {
                self.state.storage().kv().put("broken", &true)?;
                self.state.abort("to be made anew")?;
                Response::ok("broken")
            }
            "/join" => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                self.state.accept_web_socket(&server)?.send("welcome")?;
                Response::from_websocket(client)
            }
            _ => Response::ok("well"),
        }
    }
}

#[test]
fn whoever_asks_an_object_whose_handler_fails_is_told_what_was_wrong() {
    testing::run(async {
        testing::bind_object::<Failing>("FAILING");
        let namespace = Env::default().durable_object("FAILING").unwrap();
        let stub = namespace.get_by_name("").unwrap();
        let ask = async |path: &str| {
            let response = stub.fetch_with_str(&format!("http://f{path}")).await?;
            Ok((response.status_code(), response.text()?.to_owned()))
        };
        let ok = |status, text: &str| Ok::<_, Error>((status, text.to_owned()));
        assert_eq!(ask("/fail").await, Err(Error::Other("as asked".to_owned())));
        let refused = ask("/refused").await.unwrap_err().to_string();
        assert!(refused.starts_with("invalid response: "), "{refused}");
        assert_eq!(
            ask("/upgrade").await,
            ok(426, "Expected Upgrade: websocket")
        );
        // Through a worker it is what any error is to its client.
        let worker = async move |req: Request| stub.fetch_with_request(req).await;
        let request = Request::new("http://f/fail", Method::Get);
        let response = testing::fetch(worker, request).await;
        assert_eq!(
            (response.status_code(), response.text()),
            (500, Ok("Internal Server Error"))
        );
        assert_eq!(take_log(), ["try_new"]);
    });
}

#[test]
fn an_object_that_cannot_be_made_fails_who_wakes_it_and_is_made_anew_for_the_next() {
    testing::run(async {
        testing::bind_object::<Failing>("FAILING");
        let namespace = Env::default().durable_object("FAILING").unwrap();
        let stub = namespace.get_by_name("").unwrap();
        let ask = async |path: &str| {
            let response = stub.fetch_with_str(&format!("http://f{path}")).await?;
            Ok::<_, Error>(response.text()?.to_owned())
        };
        let mut client = testing::connect(stub.clone(), "http://f/join")
            .await
            .unwrap();
        assert_eq!(client.recv().await, Ok(Some("welcome".into())));
        assert_eq!(ask("/abort").await, Ok("said before".to_owned()));
        assert_eq!(client.recv().await, Ok(None));
        assert_eq!(client.close_event().unwrap().code, 1006);
        assert_eq!(ask("/break").await, Ok("broken".to_owned()));
        let why = "the object could not be made: it was broken";
        assert_eq!(ask("/").await, Err(Error::Other(why.to_owned())));
        assert_eq!(ask("/").await, Ok("well".to_owned()));
        assert_eq!(take_log(), ["try_new"; 4]);
    });
}

/// Holds on to what its path names.
#[durable_object]
struct Holder {
    held: std::cell::RefCell<Vec<WebSocket>>,
}

impl DurableObject for Holder {
    fn new(_state: State, _env: Env) -> Self {
        Self {
            held: std::cell::RefCell::default(),
        }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        match req.path() {
            "/standard" => {
                let (socket, response) = req.upgrade()?.accept()?;
                self.held.borrow_mut().push(socket);
                return Ok(response);
            }
            "/pair" => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                let both = [client.accept()?, server.accept()?];
                self.held.borrow_mut().extend(both);
            }
            "/outbound" => {
                let socket = WebSocket::connect("ws://example.org/").await?;
                self.held.borrow_mut().push(socket);
            }
            "/let-go" => self.held.borrow_mut().clear(),
            "/timer" => spawn(async {
                sleep(SECOND).await;
                log("a second later");
                std::future::pending().await
            }),
            "/operation" => spawn(async {
                let slow = Request::new("http://example.org/slow", Method::Get);
                fetch(slow).await.map(drop)
            }),
            "/spawned" => spawn(std::future::pending()),
            _ => {}
        }
        Response::ok("")
    }
}

#[test]
fn what_holds_an_instance_in_the_host_holds_it_in_a_test() {
    testing::run(async {
        testing::bind_object::<Holder>("HOLDER");
        testing::outside(async |req: Request| {
            if req.path() == "/slow" {
                sleep(SECOND * 5).await;
                return Response::ok("");
            }
            let (mut socket, response) = req.upgrade()?.accept()?;
            spawn(async move { socket.recv().await.map(drop) });
            Ok(response)
        });
        let namespace = Env::default().durable_object("HOLDER").unwrap();
        let stub = namespace.get_by_name("").unwrap();
        let ask = async |path: &str| {
            let url = format!("http://h{path}");
            stub.fetch_with_str(&url).await.unwrap()
        };
        for path in ["/", "/pair", "/spawned"] {
            ask(path).await;
            assert_eq!(testing::hibernate(), 1, "{path}");
        }
        let client = testing::connect(stub.clone(), "http://h/standard")
            .await
            .unwrap();
        assert_eq!(testing::hibernate(), 0);
        client.close().unwrap();
        sleep(SECOND).await;
        assert_eq!(testing::hibernate(), 1);
        ask("/outbound").await;
        assert_eq!(testing::hibernate(), 0);
        ask("/let-go").await;
        sleep(SECOND).await;
        assert_eq!(testing::hibernate(), 1);
        ask("/timer").await;
        assert_eq!(testing::hibernate(), 0);
        sleep(SECOND * 2).await;
        assert_eq!(take_log(), ["a second later"]);
        assert_eq!(testing::hibernate(), 1);
        ask("/operation").await;
        assert_eq!(testing::hibernate(), 0);
        sleep(SECOND * 10).await;
        assert_eq!(testing::hibernate(), 1);
    });
}
