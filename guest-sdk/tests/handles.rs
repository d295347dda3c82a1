//! What is done with a handle of a socket: what is sent and left with it, and what becomes of the socket without it.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use pairway::*;
use std::time::Duration;

type LocalTask = std::pin::Pin<Box<dyn Future<Output = Result<()>>>>;

fn pair() -> (WebSocket, WebSocket) {
    let WebSocketPair { client, server } = WebSocketPair::new().unwrap();
    (client.accept().unwrap(), server.accept().unwrap())
}

async fn rest(socket: &mut WebSocket) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(message) = socket.recv().await.unwrap() {
        messages.push(message);
    }
    messages
}

#[test]
fn a_task_that_fails_closes_the_sockets_that_it_held_with_1011_and_one_that_ends_well_with_1001() {
    testing::run(async {
        let close_code = async |task: fn(WebSocket) -> LocalTask| {
            let (mut client, server) = pair();
            spawn(task(server));
            assert_eq!(client.recv().await, Ok(None));
            client.close_event().unwrap().code
        };
        let code = close_code(|mut server| {
            Box::pin(async move {
                timeout(Duration::from_secs(1), server.recv())
                    .await?
                    .map(drop)
            })
        });
        assert_eq!(code.await, 1011);
        let code = close_code(|server| {
            Box::pin(async move {
                sleep(Duration::from_secs(1)).await;
                drop(server);
                Ok(())
            })
        });
        assert_eq!(code.await, 1001);
        // What it lets go of before it fails was a goodbye.
        let code = close_code(|server| {
            Box::pin(async move {
                drop(server);
                sleep(Duration::from_secs(1)).await;
                Err("too late".into())
            })
        });
        assert_eq!(code.await, 1001);
        // What it closes itself stays closed as it is.
        let code = close_code(|server| {
            Box::pin(async move {
                server.close_with(4000, "")?;
                Err("closed".into())
            })
        });
        assert_eq!(code.await, 4000);
        // What somebody else holds as well goes on.
        let (mut client, server) = pair();
        let other = server.clone();
        spawn(async move {
            server.send("failing")?;
            Err("alone".into())
        });
        assert_eq!(client.recv().await, Ok(Some("failing".into())));
        other.send("here").unwrap();
        assert_eq!(client.recv().await, Ok(Some("here".into())));
    });
}

#[test]
fn whatever_is_a_message_is_sent_borrowed_or_not() {
    testing::run(async {
        let (client, mut server) = pair();
        let (text, bytes) = (String::from("a"), vec![1_u8]);
        let message = Message::from("b");
        client.send(&message).unwrap();
        client.send(message).unwrap();
        client.send("c").unwrap();
        client.send(&text).unwrap();
        client.send(text).unwrap();
        client.send(&bytes).unwrap();
        client.send(&bytes[..]).unwrap();
        client.send(b"\x01").unwrap();
        client.send(bytes).unwrap();
        client.close().unwrap();
        let texts = ["b", "b", "c", "a", "a"].map(Message::from);
        let received = rest(&mut server).await;
        assert_eq!(received[..5], texts);
        assert!(
            received[5..]
                .iter()
                .all(|message| message.bytes() == Some(&[1]))
        );
        assert_eq!(received.len(), 9);
    });
}

#[test]
fn attachments_stay_with_the_socket() {
    testing::run(async {
        let WebSocketPair { client, server } = WebSocketPair::new().unwrap();
        let _client = client.accept().unwrap();
        assert_eq!(server.deserialize_attachment::<String>(), Ok(None));
        server.serialize_attachment("before").unwrap();
        let server = server.accept().unwrap();
        assert_eq!(
            server.deserialize_attachment::<String>(),
            Ok(Some("before".to_owned()))
        );
        let large = "x".repeat(20_000);
        assert_eq!(
            server.serialize_attachment(&large),
            Err(Error::AttachmentTooLarge(16_384))
        );
        assert_eq!(
            server.deserialize_attachment::<String>(),
            Ok(Some("before".to_owned()))
        );
        assert!(matches!(
            server.deserialize_attachment::<u8>(),
            Err(Error::Json(_))
        ));
        assert!(matches!(
            server.serialize_attachment(&f32::INFINITY),
            Err(Error::Json(_))
        ));
        assert_eq!(server.attachment_bytes().unwrap(), br#""before""#);
    });
}

#[test]
fn an_attachment_may_be_bytes() {
    testing::run(async {
        let WebSocketPair {
            client: _client,
            server,
        } = WebSocketPair::new().unwrap();
        assert_eq!(server.attachment_bytes(), None);
        server.set_attachment_bytes([0, 255]).unwrap();
        let server = server.accept().unwrap();
        assert_eq!(server.attachment_bytes(), Some(vec![0, 255]));
        let full: Vec<u8> = (0..=255).cycle().take(16_384).collect();
        server.set_attachment_bytes(&full).unwrap();
        let over = server.set_attachment_bytes(vec![0; 16_385]);
        assert_eq!(over, Err(Error::AttachmentTooLarge(16_384)));
        assert_eq!(server.attachment_bytes(), Some(full.clone()));
        let bytes = serde_bytes::ByteBuf::from(&full[..16_000]);
        server.serialize_attachment(&bytes).unwrap();
        assert_eq!(server.deserialize_attachment(), Ok(Some(bytes)));
    });
}
