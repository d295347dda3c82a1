//! The sockets of an object: who is reached, and what the host does by itself.

use super::room::{ask, join, room, state};
use super::{SECOND, take_log};
use pairway::*;

#[test]
fn a_worker_passes_a_socket_on_to_its_object() {
    testing::run(async {
        let _lobby = room("lobby");
        let worker = async |req: Request, env: Env| {
            let stub = env.durable_object("ROOM")?.get_by_name("lobby")?;
            stub.fetch_with_request(req).await
        };
        let mut client = testing::connect(worker, "http://localhost/x?tag=a")
            .await
            .unwrap();
        assert_eq!(client.recv().await, Ok(Some("welcome".into())));
        assert_eq!(
            ask(&mut client, "where").await,
            "http://localhost/x?tag=a websocket"
        );
        assert_eq!(ask(&mut client, "tags").await, r#"["member","a"]"#);
        assert_eq!(ask(&mut client, "same").await, "true");
        assert!(ask(&mut client, "recv").await.contains("AlreadyAccepted"));
        client.close_with(4000, "bye").unwrap();
        assert_eq!(client.recv().await, Ok(None));
        assert_eq!(client.close_event().unwrap().code, 4000);
        assert_eq!(take_log(), ["new", r#"close 4000 true 3 "a" Closed 1"#]);
    });
}

#[test]
fn a_broadcast_reaches_whom_it_names() {
    testing::run(async {
        let (mut ada, mut bob, mut eve) = (
            join("r", "a").await,
            join("r", "b").await,
            join("other", "e").await,
        );
        assert_eq!(ask(&mut ada, "say hello").await, "1");
        assert_eq!(bob.recv().await, Ok(Some("hello".into())));
        ada.send_binary([1, 2]).unwrap();
        for client in [&mut ada, &mut bob] {
            assert_eq!(client.recv().await, Ok(Some(b"\x01\x02".into())));
        }
        assert_eq!(ask(&mut eve, "say hello").await, "0");
    });
}

#[test]
fn tags_can_be_changed() {
    testing::run(async {
        let mut ada = join("r", "a").await;
        let state = state();
        let found = |tag: &str| state.get_websockets_with_tag(tag).len();
        let socket = state.get_websockets().pop().unwrap();
        assert_eq!(
            (found("member"), found("a"), found("b"), found("")),
            (1, 1, 0, 0)
        );
        socket.add_tag("b").unwrap();
        socket.add_tag("b").unwrap();
        assert_eq!(socket.remove_tag("a"), Ok(true));
        assert_eq!(socket.remove_tag("a"), Ok(false));
        assert_eq!((found("a"), found("b")), (0, 1));
        let many: Vec<_> = (0..11).map(|number| number.to_string()).collect();
        assert_eq!(socket.set_tags(&many), Err(Error::TooManyTags(10)));
        assert_eq!(
            socket.set_tags(["é".repeat(129)]),
            Err(Error::TagTooLong(256))
        );
        assert_eq!(ask(&mut ada, "tags").await, r#"["member","b"]"#);
        assert_eq!(ada.tags(), Err(Error::UnknownSocket(ada.id())));
        take_log();
    });
}

#[test]
fn an_end_is_accepted_once_and_then_is_the_objects() {
    testing::run(async {
        let _ada = join("r", "a").await;
        let state = state();
        let WebSocketPair { client, server } = WebSocketPair::new().unwrap();
        assert_eq!(server.send("x"), Err(Error::NotAccepted));
        let many = ["x"; 11];
        let socket = state.accept_websocket_with_tags(&server, &many).unwrap();
        assert_eq!((socket.id(), socket.tags()), (server.id(), server.tags()));
        assert_eq!(server.tags(), Ok(vec!["x".to_owned()]));
        assert_eq!(
            state.accept_web_socket(&server),
            Err(Error::AlreadyAccepted)
        );
        assert_eq!(state.accept_web_socket(&client), Err(Error::AlreadyUsed));
        assert_eq!(state.get_websockets().len(), 2);
        socket.send("w").unwrap();
        server.send("x").unwrap();
        server.send_text("y").unwrap();
        server.send_binary([1]).unwrap();
        server.send_json(&[1]).unwrap();
        let mut client = client.accept().unwrap();
        let expected = [
            "w".into(),
            "x".into(),
            "y".into(),
            b"\x01".into(),
            "[1]".into(),
        ];
        for message in expected {
            assert_eq!(client.recv().await, Ok(Some(message)));
        }
        server.close_with(4000, "y").unwrap();
        assert_eq!(server.ready_state(), ReadyState::Closing);
        assert_eq!(server.accept().unwrap_err(), Error::AlreadyAccepted);
        assert_eq!(client.recv().await, Ok(None));
        assert_eq!(client.close_event().unwrap().code, 4000);
        sleep(SECOND).await;
        assert_eq!(state.get_websockets().len(), 1);
        take_log();
    });
}

#[test]
fn an_auto_response_wakes_nobody() {
    testing::run(async {
        let mut ada = join("r", "a").await;
        let state = state();
        assert_eq!(state.get_websocket_auto_response(), None);
        let pair = WebSocketRequestResponsePair::new("ping", "pong").unwrap();
        state.set_websocket_auto_response(&pair).unwrap();
        assert_eq!(state.get_websocket_auto_response(), Some(pair));
        let large = "x".repeat(2049);
        assert_eq!(
            state.set_auto_response("x", large),
            Err(Error::AutoResponseTooLarge(2048))
        );
        let socket = state.get_websockets().pop().unwrap();
        assert_eq!(state.get_websocket_auto_response_timestamp(&socket), None);
        testing::hibernate();
        take_log();
        assert_eq!(ask(&mut ada, "ping").await, "pong");
        assert_eq!(take_log().len(), 0, "nobody woke");
        assert!(
            state
                .get_websocket_auto_response_timestamp(&socket)
                .is_some()
        );
        assert_eq!(ask(&mut ada, "count").await, "1", "nor saw it");
        ada.send_binary("ping").unwrap();
        assert_eq!(ada.recv().await, Ok(Some(b"ping".into())));
        state.clear_auto_response().unwrap();
        assert_eq!(
            ask(&mut ada, "ping").await,
            "ping",
            "told to all, as any other text"
        );
        take_log();
    });
}
