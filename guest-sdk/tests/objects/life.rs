//! The life of an object: its name, its sleep, its gate, its end.

use super::room::{Room, ask, join, state};
use super::{SECOND, log, take_log};
use pairway::*;

#[test]
fn ids_are_what_they_were_made_from() {
    testing::run(async {
        testing::bind_object::<Room>("ROOM");
        testing::bind_object::<Room>("OTHER");
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
        assert_eq!(
            others.id_from_string(&hex),
            Err(Error::InvalidObjectId(hex))
        );
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
            log(format!("{:?}", blocked.await));
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
            async move { stub.fetch_with_str(&url).await.unwrap() }
        };
        let (first, second) = futures_util::future::join(fetch("/a"), fetch("/b")).await;
        assert_eq!((first.text(), second.text()), (Ok("7"), Ok("7")));
        assert_eq!(testing::elapsed(), SECOND);
        assert_eq!(take_log(), ["ready", "/a", "/b"]);
        assert_eq!(fetch("/fail").await.status_code(), 500);
        assert_eq!(fetch("/c").await.status_code(), 200);
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
