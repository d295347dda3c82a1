//! Messages: what arrives is what was sent, whole and in order.

use tokio_tungstenite::tungstenite::Message;

use crate::COMMANDER;
use crate::support::{Client, Host, Observer, Raw, frames, pattern};

#[tokio::test]
async fn every_kind_of_message_comes_back_as_it_was() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/").await;
    let every_byte: Vec<u8> = (0..=255).collect();
    for message in [
        Message::text("text"),
        Message::binary(every_byte),
        Message::text(""),
        Message::binary(Vec::new()),
        Message::text("𝄞 is four bytes, é two, and \0 one"),
    ] {
        client.send(message.clone()).await;
        assert_eq!(client.message().await, message);
    }
}

#[tokio::test]
async fn lengths_around_those_of_the_frame_header_pass() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/").await;
    for length in [
        1,
        125,
        126,
        127,
        16_383,
        16_384,
        16_385,
        65_535,
        65_536,
        1 << 20,
    ] {
        let bytes = pattern(length);
        client.send(Message::binary(bytes.clone())).await;
        assert!(
            client.message().await.into_data() == bytes,
            "{length} bytes came back changed"
        );
    }
}

#[tokio::test]
async fn what_the_host_sends_is_neither_masked_nor_fragmented() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    for size in [10, 1_000, 100_000, 3_000_000] {
        raw.send(&format!("large {size}")).await;
        let frame = raw.frame().await;
        assert_eq!(
            (frame.first, frame.masked, frame.payload.len()),
            (frames::FIN | frames::BINARY, false, size)
        );
    }
}

#[tokio::test]
async fn two_thousand_pipelined_messages_come_back_in_order() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/").await;
    let words = || (0..2000).map(|at| format!("message {at}"));
    client.send_all(words()).await;
    for word in words() {
        client.expect(&word).await;
    }
}

#[tokio::test]
async fn pipelined_messages_of_all_sizes_come_back_in_order() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/").await;
    // Around the bounds of a batch: 64 events, 16 KiB.
    let sizes = || (0..200_usize).map(|at| [0, 1, 300, 5_000, 16_384, 40_000][at % 6]);
    client.send_all(sizes().map(|size| "x".repeat(size))).await;
    for size in sizes() {
        assert_eq!(client.text().await.len(), size);
    }
}

#[tokio::test]
async fn messages_are_handled_in_the_order_in_which_they_arrived_however_long_one_takes() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/").await;
    // The handler stalls while ten thousand messages arrive.
    let words = || (0..10_000).map(|at| format!("message {at}"));
    client
        .send_all(std::iter::once("stall 100".to_owned()).chain(words()))
        .await;
    client.expect("stalled").await;
    for word in words() {
        client.expect(&word).await;
    }
}

#[tokio::test]
async fn a_fragmented_message_arrives_whole_and_pings_are_answered_inside_it() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    // "é" is cut in two, and a fragment is empty.
    let (first, second) = ("begin é".as_bytes(), " end");
    raw.write(&frames::frame(frames::TEXT, &first[..first.len() - 1]))
        .await;
    raw.write(&frames::ping(b"inside")).await;
    assert_eq!(raw.frame().await.payload, b"inside");
    raw.write(&frames::frame(
        frames::CONTINUATION,
        &first[first.len() - 1..],
    ))
    .await;
    raw.write(&frames::frame(frames::CONTINUATION, b"")).await;
    raw.write(&frames::frame(
        frames::FIN | frames::CONTINUATION,
        second.as_bytes(),
    ))
    .await;
    raw.expect_text("begin é end").await;

    raw.write(&frames::frame(frames::BINARY, &[1, 2])).await;
    raw.write(&frames::frame(
        frames::FIN | frames::CONTINUATION,
        &[0xff, 3],
    ))
    .await;
    let frame = raw.frame().await;
    assert_eq!(
        (frame.first, frame.payload),
        (frames::FIN | frames::BINARY, vec![1, 2, 0xff, 3])
    );
}

#[tokio::test]
async fn a_frame_may_arrive_byte_by_byte() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    let long = "𝄞".repeat(50);
    for byte in [
        frames::text("slow"),
        frames::ping(b"p"),
        frames::text(&long),
    ]
    .concat()
    {
        raw.write(&[byte]).await;
    }
    raw.expect_text("slow").await;
    assert_eq!(raw.frame().await.first, frames::FIN | frames::PONG);
    raw.expect_text(&long).await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_and_never_seen_by_the_worker() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.send("settle").await;
    raw.expect_text("settle").await;
    let turns = host.counters.turns.get();
    for length in [0, 3, 125] {
        let payload = vec![b'p'; length];
        raw.write(&frames::ping(&payload)).await;
        let pong = raw.frame().await;
        assert_eq!(
            (pong.first, pong.masked, pong.payload),
            (frames::FIN | frames::PONG, false, payload)
        );
    }
    assert_eq!(host.counters.turns.get(), turns);
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_is_ignored() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    raw.write(&frames::frame(frames::FIN | frames::PONG, b"unsolicited"))
        .await;
    raw.send("next").await;
    raw.expect_text("next").await;
}

#[tokio::test]
async fn handlers_of_one_socket_overlap_where_they_wait() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/").await;
    client
        .send_all(
            ["sleep 300 A", "sleep 100 B", "plain"]
                .into_iter()
                .map(str::to_owned),
        )
        .await;
    for word in ["start A", "start B", "plain", "end B", "end A"] {
        client.expect(word).await;
    }
}

#[tokio::test]
async fn a_long_text_of_wide_characters_comes_back_unharmed() {
    let host = Host::start(COMMANDER).await;
    let mut client = Client::connect(host.address, "/").await;
    // No two reads end at the same place within a character.
    let text = "a𝄞é€".repeat(100_000);
    client.send(text.clone()).await;
    assert!(client.text().await == text, "it came back changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_of_one_instance_reach_each_other_in_order() {
    const SENDERS: usize = 20;
    const MESSAGES: usize = 100;
    let host = Host::shared(COMMANDER).await;
    let mut observers = Vec::new();
    for _ in 0..3 {
        observers.push(Observer::connect(host.address).await);
    }
    let mut sending = Vec::new();
    for sender in 0..SENDERS {
        let mut client = Client::connect(host.address, "/").await;
        sending.push(tokio::spawn(async move {
            client
                .send_all((0..MESSAGES).map(|at| format!("echo {sender} {at}")))
                .await;
            for at in 0..MESSAGES {
                client.expect(&format!("{sender} {at}")).await;
            }
        }));
    }
    for sending in sending {
        sending.await.expect("every message comes back in order");
    }
    for mut observer in observers {
        let mut next = [0; SENDERS];
        for line in observer.lines().await {
            if line.starts_with("close") {
                continue;
            }
            let words: Vec<usize> = line
                .split(' ')
                .filter_map(|word| word.parse().ok())
                .collect();
            let [sender, at] = words[..] else {
                panic!("{line}")
            };
            assert_eq!(
                at,
                std::mem::replace(&mut next[sender], at + 1),
                "of {sender}"
            );
        }
        assert_eq!(next, [MESSAGES; SENDERS]);
    }
}

#[tokio::test]
async fn the_longest_form_of_a_header_may_arrive_byte_by_byte() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    let payload = pattern(70_000);
    let bytes = frames::binary(&payload);
    for byte in &bytes[..20] {
        raw.write(&[*byte]).await;
    }
    raw.write(&bytes[20..]).await;
    assert!(raw.frame().await.payload == payload, "it came back changed");
}

#[tokio::test]
async fn a_message_may_have_a_hundred_thousand_fragments() {
    let host = Host::start(COMMANDER).await;
    let mut raw = Raw::open(host.address, "/").await;
    let mut bytes = frames::frame(frames::TEXT, b"");
    bytes.extend(frames::frame(frames::CONTINUATION, b"").repeat(50_000));
    bytes.extend(frames::frame(frames::CONTINUATION, b"x").repeat(50_000));
    bytes.extend(frames::frame(frames::FIN | frames::CONTINUATION, b""));
    raw.write(&bytes).await;
    raw.expect_text(&"x".repeat(50_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_send_to_a_socket_and_its_own_answers_keep_their_order_each() {
    const SENDERS: usize = 10;
    let host = Host::shared(COMMANDER).await;
    let mut observer = Client::connect(host.address, "/observe").await;
    observer.ask("ready", "ready").await;
    let sending: Vec<_> = (0..SENDERS)
        .map(|sender| {
            tokio::spawn(async move {
                let mut client = Client::connect(host.address, "/").await;
                for at in 0..200 {
                    client
                        .ask(&format!("echo {sender} {at}"), &format!("{sender} {at}"))
                        .await;
                }
                client
            })
        })
        .collect();
    let mut next = [0; SENDERS];
    let mut answers = 0;
    while next != [200; SENDERS] {
        // Its own messages are in flight all the time.
        observer
            .send_all((0..10).map(|at| format!("own {}", answers + at)))
            .await;
        for _ in 0..10 {
            loop {
                let line = observer.text().await;
                let words: Vec<&str> = line.split(' ').collect();
                match words[..] {
                    ["own", at] => {
                        assert_eq!(at, answers.to_string());
                        answers += 1;
                        break;
                    }
                    ["message", "Open", "echo", sender, at] => {
                        let sender: usize = sender.parse().unwrap();
                        assert_eq!(at, next[sender].to_string(), "of {sender}");
                        next[sender] += 1;
                    }
                    _ => panic!("{line}"),
                }
            }
        }
    }
    for sending in sending {
        sending.await.expect("every message comes back in order");
    }
}
