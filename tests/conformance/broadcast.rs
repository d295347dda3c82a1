//! One message to many sockets of an object.

use tokio_tungstenite::tungstenite::Message;

use crate::ROOM;
use crate::hibernatable::bare;
use crate::support::{Client, Host, Raw, frames, get, pattern, until, within};

async fn member(host: &Host, tags: &str) -> Client {
    let target = format!("/room/lobby/socket?tags={tags}");
    Client::connect(host.address, &target).await
}

#[tokio::test]
async fn it_reaches_all_those_with_a_tag_and_nobody_who_is_left_out() {
    let host = Host::start(ROOM).await;
    let mut red = member(&host, "red").await;
    let mut both = member(&host, "red,blue").await;
    let mut blue = member(&host, "blue").await;
    let mut elsewhere = Client::connect(host.address, "/room/elsewhere").await;
    for (command, reached) in [
        ("all a", [true, true, true]),
        ("tagged red b", [true, true, false]),
        ("tagged blue c", [false, true, true]),
        ("others d", [false, true, true]),
        ("others-tagged red e", [false, true, false]),
        ("others-tagged blue f", [false, true, true]),
        ("without blue g", [true, false, false]),
        ("without red h", [false, false, true]),
        ("without nobody i", [true, true, true]),
        ("tagged nobody j", [false, false, false]),
        ("tagged  k", [false, false, false]),
    ] {
        red.send(command).await;
        let word = command
            .split(' ')
            .next_back()
            .expect("the last word is sent");
        for (client, reached) in [&mut red, &mut both, &mut blue].into_iter().zip(reached) {
            if reached {
                client.expect(word).await;
            }
        }
        let count = reached.iter().filter(|reached| **reached).count();
        red.expect(&format!("reached {count}")).await;
    }
    // What is not for them has not come.
    for client in [&mut both, &mut blue, &mut elsewhere] {
        client.ask("the end", "the end").await;
    }
}

#[tokio::test]
async fn sockets_that_are_closing_and_standard_ones_are_passed_over() {
    assert_eq!(bare("/broadcast").await, ["1", "0", "1", "0", "2"]);
    let host = Host::start(ROOM).await;
    let mut client = member(&host, "").await;
    let mut standard = Client::connect(host.address, "/room/lobby/standard").await;
    standard.ask("hello", "standard hello").await;
    let mut closing = Raw::open(host.address, "/").await;
    closing.send("close 4000 bye").await;
    closing.expect_close(4000, "bye").await;
    client.ask("all hello", "hello").await;
    client.expect("reached 1").await;
    standard.ask("next", "standard next").await;
    closing.write(&frames::close(4000, "bye")).await;
    closing.expect_end().await;
}

#[tokio::test]
async fn it_keeps_its_place_among_what_a_socket_is_sent_alone() {
    let host = Host::start(ROOM).await;
    let mut client = member(&host, "").await;
    let mut other = member(&host, "").await;
    client.send("between 200").await;
    for at in 0..200 {
        client.expect(&format!("own {at}")).await;
        client.expect(&format!("all {at}")).await;
        other.expect(&format!("all {at}")).await;
    }
    client.expect("reached 400").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sockets_get_all_messages_in_the_same_order() {
    const SENDERS: usize = 10;
    const MESSAGES: usize = 50;
    let host = Host::start(ROOM).await;
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(member(&host, "listener").await);
    }
    let sending: Vec<_> = (0..SENDERS)
        .map(|sender| {
            tokio::spawn(async move {
                let mut client = Client::connect(host.address, "/").await;
                for at in 0..MESSAGES {
                    client.send(format!("tagged listener {sender}:{at}")).await;
                }
                for _ in 0..MESSAGES {
                    client.expect("reached 3").await;
                }
            })
        })
        .collect();
    let mut orders = Vec::new();
    for listener in &mut listeners {
        let mut order = Vec::new();
        while order.len() < SENDERS * MESSAGES {
            order.push(listener.text().await);
        }
        orders.push(order);
    }
    for sending in sending {
        sending.await.expect("every broadcast is answered");
    }
    assert!(orders[0] == orders[1] && orders[1] == orders[2]);
    for sender in 0..SENDERS {
        let begin = format!("{sender}:");
        let own: Vec<_> = orders[0]
            .iter()
            .filter(|word| word.starts_with(&begin))
            .collect();
        let expected: Vec<_> = (0..MESSAGES).map(|at| format!("{sender}:{at}")).collect();
        assert!(own.into_iter().eq(&expected), "of {sender}");
    }
}

#[tokio::test]
async fn messages_of_every_size_and_kind_come_whole() {
    let host = Host::start(ROOM).await;
    let mut client = member(&host, "").await;
    let mut others = [member(&host, "").await, member(&host, "").await];
    client.ask("all ", "").await;
    client.expect("reached 3").await;
    for other in &mut others {
        other.expect("").await;
    }
    for size in [0, 1, 125, 126, 65_535, 65_536, 5_000_000] {
        client.send(format!("all-binary {size}")).await;
        for other in [&mut client].into_iter().chain(&mut others) {
            let message = other.message().await;
            assert!(
                message == Message::binary(pattern(size)),
                "{size} bytes came changed"
            );
        }
        client.expect("reached 3").await;
    }
}

#[tokio::test]
async fn it_reaches_a_socket_whose_101_is_still_to_come() {
    let host = Host::start(ROOM).await;
    let mut before = member(&host, "").await;
    let mut joining = Client::connect(host.address, "/room/lobby/joined").await;
    joining.expect("joined").await;
    before.expect("joined").await;
    before.ask("hello", "hello").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_passed_over_until_it_does() {
    const SIZE: usize = 100_000;
    let host = Host::with(ROOM, |config| {
        config.limits.outbox_soft_bytes = 200_000;
        config.limits.outbox_hard_bytes = 400_000;
    })
    .await;
    let mut slow = Raw::open_narrow(host.address, "/").await;
    let mut other = member(&host, "").await;
    let mut client = member(&host, "").await;
    let mut taken = 0;
    let mut refused = 0;
    // What the network holds on the way is the system's affair; three in a row are the outbox.
    while refused < 3 {
        client.send(format!("all-binary {SIZE}")).await;
        for reader in [&mut client, &mut other] {
            let message = reader.message().await;
            assert!(message == Message::binary(pattern(SIZE)), "it came changed");
        }
        match &client.text().await[..] {
            "reached 3" => {
                taken += 1;
                refused = 0;
            }
            "reached 2" => refused += 1,
            line => panic!("{line}"),
        }
    }
    for at in 0..taken {
        let frame = slow.frame().await;
        assert!(
            frame.payload == pattern(SIZE),
            "{at} of {taken} came changed"
        );
    }
    client.ask("all again", "again").await;
    client.expect("reached 3").await;
    slow.expect_text("again").await;
    assert_eq!(get(host.address, "/room/lobby/count").await.text(), "3");
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_1013_in_the_end_and_nobody_else() {
    let host = Host::with(ROOM, |config| {
        config.limits.outbox_soft_bytes = 200_000;
        config.limits.outbox_hard_bytes = 400_000;
        config.limits.outbox_stall_ms = 300;
    })
    .await;
    let _slow = Raw::open_narrow(host.address, "/").await;
    let mut client = member(&host, "").await;
    within("the slow one to be given up", async {
        while get(host.address, "/room/lobby/states").await.text() == "Open Open" {
            client.send("all-binary 100000").await;
            assert_eq!(client.message().await.len(), 100_000);
            let line = client.text().await;
            assert!(line.starts_with("reached"), "{line}");
        }
    })
    .await;
    client.ask("all alone", "alone").await;
    client.expect("reached 1").await;
}

#[tokio::test]
async fn it_reaches_the_sockets_of_an_object_that_has_just_woken() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 100).await;
    let mut client = member(&host, "red").await;
    let mut sleepers = Vec::new();
    for _ in 0..5 {
        sleepers.push(member(&host, "blue").await);
    }
    for hibernations in 1..3 {
        until("the object to hibernate", || {
            host.counters.hibernations.get() == hibernations
        })
        .await;
        client.send("tagged blue hello").await;
        for sleeper in &mut sleepers {
            sleeper.expect("hello").await;
        }
        client.expect("reached 5").await;
    }
}

#[tokio::test]
async fn it_reaches_three_hundred() {
    let host = Host::start(ROOM).await;
    let mut members = Vec::new();
    for _ in 0..300 {
        members.push(member(&host, "").await);
    }
    for word in ["first", "second"] {
        members[0].send(format!("all {word}")).await;
        for member in &mut members {
            member.expect(word).await;
        }
        members[0].expect("reached 300").await;
    }
}
