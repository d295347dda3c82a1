//! What sockets do, told through the interface alone: the Delivery and Close contracts of `wit/README.md`.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use futures_util::{SinkExt, StreamExt};
use pairway::*;
use std::time::Duration;

fn pair() -> (WebSocket, WebSocket) {
    let WebSocketPair { client, server } = WebSocketPair::new().unwrap();
    (client.accept().unwrap(), server.accept().unwrap())
}

fn half_open_pair() -> (WebSocket, WebSocket) {
    let WebSocketPair { client, server } = WebSocketPair::new().unwrap();
    (
        client.accept().unwrap(),
        server
            .accept_with(AcceptOptions { half_open: true })
            .unwrap(),
    )
}

fn clean(code: u16, reason: &str) -> CloseEvent {
    CloseEvent {
        code,
        reason: reason.to_owned(),
        was_clean: true,
    }
}

fn lost() -> CloseEvent {
    let reason = "WebSocket disconnected without sending Close frame.".to_owned();
    CloseEvent {
        code: 1006,
        reason,
        was_clean: false,
    }
}

async fn rest(socket: &mut WebSocket) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(message) = socket.recv().await.unwrap() {
        messages.push(message);
    }
    messages
}

#[test]
fn an_end_must_be_accepted_to_send_and_keeps_what_arrives_before() {
    testing::run(async {
        let WebSocketPair { client, server } = WebSocketPair::new().unwrap();
        assert_ne!(client.id(), server.id());
        assert_eq!(client.ready_state(), ReadyState::Open);
        assert_eq!(client.send("x"), Err(Error::NotAccepted));
        assert_eq!(client.close(), Err(Error::NotAccepted));
        let server = server.accept().unwrap();
        server.send("early").unwrap();
        server.send_binary([1]).unwrap();
        sleep(Duration::from_secs(1)).await;
        let mut client = client.accept().unwrap();
        assert_eq!(client.recv().await, Ok(Some("early".into())));
        assert_eq!(client.recv().await, Ok(Some(b"\x01".into())));
    });
}

#[test]
fn messages_arrive_whole_and_in_order() {
    testing::run(async {
        let (client, mut server) = pair();
        for number in 0..2000 {
            client.send(format!("{number}")).unwrap();
        }
        client.send("").unwrap();
        client.close().unwrap();
        let messages = rest(&mut server).await;
        assert_eq!(messages.len(), 2001);
        assert!(
            messages[..2000]
                .iter()
                .enumerate()
                .all(|(number, text)| text.text() == Some(&number.to_string()))
        );
        assert_eq!(messages[2000], Message::from(""));
    });
}

#[test]
fn the_peers_close_is_answered_with_its_own_code() {
    testing::run(async {
        for (code, reason) in [(1000, "bye"), (4999, "é")] {
            let (mut client, mut server) = pair();
            client.close_with(code, reason).unwrap();
            assert_eq!(client.ready_state(), ReadyState::Closing);
            assert_eq!(client.send("late"), Err(Error::Closed));
            assert_eq!(server.recv().await, Ok(None));
            assert_eq!(server.close_event(), Some(clean(code, reason)));
            assert_eq!(server.ready_state(), ReadyState::Closed);
            assert_eq!(server.send("late"), Err(Error::Closed));
            assert_eq!(server.close_with(4000, "mine"), Ok(()));
            assert_eq!(client.recv().await, Ok(None));
            assert_eq!(client.close_event(), Some(clean(code, reason)));
        }
    });
}

#[test]
fn a_close_without_a_code_is_1005_on_both_sides() {
    testing::run(async {
        let (mut client, mut server) = pair();
        client.close().unwrap();
        assert_eq!(server.recv().await, Ok(None));
        assert_eq!(server.close_event(), Some(clean(1005, "")));
        assert_eq!(server.close_echo(&server.close_event().unwrap()), Ok(()));
        assert_eq!(client.recv().await, Ok(None));
        assert_eq!(client.close_event(), Some(clean(1005, "")));
    });
}

#[test]
fn what_was_sent_before_a_close_arrives_and_so_does_what_the_peer_still_sends() {
    testing::run(async {
        let (mut client, mut server) = half_open_pair();
        client.send("question").unwrap();
        client.close_with(1000, "").unwrap();
        assert_eq!(rest(&mut server).await, ["question".into()]);
        assert_eq!(server.ready_state(), ReadyState::Closing);
        server.send("answer").unwrap();
        server.close_with(3000, "done").unwrap();
        assert_eq!(server.ready_state(), ReadyState::Closed);
        assert_eq!(rest(&mut client).await, ["answer".into()]);
        assert_eq!(client.close_event(), Some(clean(3000, "done")));
    });
}

#[test]
fn a_peer_that_never_answers_is_lost_after_ten_seconds() {
    testing::run(async {
        let (mut client, server) = half_open_pair();
        client.close_with(1000, "").unwrap();
        assert_eq!(client.recv().await, Ok(None));
        assert_eq!(client.close_event(), Some(lost()));
        assert_eq!(testing::elapsed(), Duration::from_secs(10));
        assert_eq!(server.send("into the void"), Ok(()));
    });
}

#[test]
fn only_valid_codes_and_reasons_close() {
    testing::run(async {
        let (client, _server) = pair();
        for code in [0, 999, 1004, 1005, 1006, 1015, 5000] {
            assert_eq!(
                client.close_with(code, ""),
                Err(Error::InvalidCloseCode(code))
            );
        }
        let long = "é".repeat(62);
        assert!(matches!(
            client.close_with(1000, &long),
            Err(Error::InvalidCloseReason(_))
        ));
        assert!(matches!(
            client.close_raw(None, Some("why")),
            Err(Error::InvalidCloseReason(_))
        ));
        assert_eq!(
            client.ready_state(),
            ReadyState::Open,
            "a refusal changes nothing"
        );
        assert_eq!(client.close_with(1000, &long[..122]), Ok(()));
        assert_eq!(client.close_with(4000, "again"), Ok(()));
        assert_eq!(
            client.close_with(999, ""),
            Err(Error::InvalidCloseCode(999)),
            "checked also when closed"
        );
    });
}

#[test]
fn a_lost_connection_is_1006_once_and_swallows_what_is_sent() {
    testing::run(async {
        let (client, mut server) = pair();
        client.send("last").unwrap();
        testing::disconnect(&client);
        assert_eq!(rest(&mut server).await, ["last".into()]);
        assert_eq!(server.close_event(), Some(lost()));
        assert_eq!(
            server.ready_state(),
            ReadyState::Open,
            "as it was, while the event is handled"
        );
        assert_eq!(server.send("gone"), Ok(()));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(server.ready_state(), ReadyState::Closed);
        assert_eq!(server.recv().await, Ok(None));
    });
}

#[test]
fn a_broken_protocol_is_an_error_once_and_no_close() {
    testing::run(async {
        let (mut client, mut server) = pair();
        let mut events = server.events();
        testing::break_protocol(&client);
        assert!(matches!(server.recv().await, Err(Error::SocketFailed(_))));
        assert_eq!(server.recv().await, Ok(None));
        assert_eq!(server.close_event(), None);
        assert!(matches!(
            events.next().await,
            Some(Ok(WebsocketEvent::Error(_)))
        ));
        assert!(events.next().await.is_none());
        assert_eq!(client.recv().await, Ok(None));
        assert_eq!(
            client.close_event().unwrap().close_code(),
            CloseCode::ProtocolError
        );
    });
}

#[test]
fn events_tell_messages_and_the_end() {
    testing::run(async {
        let (client, server) = pair();
        client.send("x").unwrap();
        client.close_with(1000, "bye").unwrap();
        let events: Vec<_> = server.events().map(|event| event.unwrap()).collect().await;
        assert_eq!(
            events,
            [
                WebsocketEvent::Message("x".into()),
                WebsocketEvent::Close(clean(1000, "bye"))
            ]
        );
    });
}

#[test]
fn a_socket_is_a_stream_and_a_sink() {
    testing::run(async {
        let (client, server) = pair();
        spawn(async move {
            let (mut sender, receiver) = server.split();
            let mut answers = receiver
                .map(|message| Ok(Message::from(message?.text().unwrap_or("?").to_uppercase())));
            sender.send_all(&mut answers).await
        });
        let mut client = client;
        client.feed("a".into()).await.unwrap();
        client.feed(b"b".into()).await.unwrap();
        assert_eq!(client.next().await, Some(Ok("A".into())));
        assert_eq!(client.next().await, Some(Ok("?".into())));
        SinkExt::close(&mut client).await.unwrap();
        assert_eq!(client.next().await, None);
    });
}

#[test]
fn the_last_handle_closes_and_a_clone_keeps_open() {
    testing::run(async {
        let (mut client, server) = pair();
        let clone = server.clone();
        drop(server);
        clone.send("still here").unwrap();
        drop(clone);
        assert_eq!(rest(&mut client).await, ["still here".into()]);
        assert_eq!(
            client.close_event().unwrap().close_code(),
            CloseCode::GoingAway
        );
    });
}

#[test]
fn an_end_that_is_dropped_takes_the_other_with_it() {
    testing::run(async {
        let WebSocketPair { client, server } = WebSocketPair::new().unwrap();
        let mut server = server.accept().unwrap();
        drop(client);
        assert_eq!(server.recv().await, Ok(None));
        let event = server.close_event().unwrap();
        assert_eq!((event.code, event.was_clean), (1011, true));
    });
}

#[test]
fn who_does_not_receive_is_not_sent_more_than_fits() {
    testing::run(async {
        let (mut client, mut server) = pair();
        let chunk = Message::from(vec![0; 256 * 1024]);
        let mut sent = 0;
        // Nobody receives: the inbox fills, the socket is paused, then the outbox fills.
        while timeout(Duration::from_secs(1), client.ready())
            .await
            .is_ok()
        {
            client.send(chunk.clone()).unwrap();
            sent += 1;
        }
        assert!(client.buffered_amount() > 1024 * 1024);
        let refusal = loop {
            match client.send(chunk.clone()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(refusal, Error::OutboxFull(waiting) if waiting == client.buffered_amount()),
            "{refusal}"
        );
        // Who waits is woken as soon as there is room.
        let waiting = spawn_ready(client.clone());
        for _ in 0..sent {
            assert_eq!(server.recv().await, Ok(Some(chunk.clone())));
        }
        assert_eq!(waiting.try_recv().unwrap(), Ok(()));
        assert_eq!(client.buffered_amount(), 0);
        client.close().unwrap();
        assert_eq!(client.recv().await, Ok(None));
    });
}

fn spawn_ready(mut socket: WebSocket) -> std::sync::mpsc::Receiver<Result<()>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    spawn_local(async move { sender.send(socket.ready().await).unwrap() });
    receiver
}

#[test]
fn two_receivers_of_one_socket_share_its_messages_and_both_see_its_end() {
    testing::run(async {
        let (client, server) = pair();
        let (mut one, mut two) = (server.clone(), server);
        let both = futures_util::future::join(rest(&mut one), rest(&mut two));
        for number in 0..4 {
            client.send(format!("{number}")).unwrap();
        }
        client.close().unwrap();
        let (first, second) = both.await;
        assert_eq!(first.len() + second.len(), 4);
    });
}

#[test]
fn a_timeout_loses_no_message() {
    testing::run(async {
        let (client, mut server) = pair();
        assert_eq!(
            timeout(Duration::from_secs(5), server.recv()).await,
            Err(Error::Elapsed)
        );
        client.send("late").unwrap();
        assert_eq!(
            timeout(Duration::from_secs(5), server.recv()).await,
            Ok(Ok(Some("late".into())))
        );
    });
}
