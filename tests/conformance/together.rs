//! Messages of several sockets that come at the same time: they share a turn where they share an instance, and nobody can
//! tell but by the number of turns.

use crate::support::{Client, Host, Raw, frames, get, until, within};
use crate::{EXAMPLE_ECHO, ROOM, VAULT, WRECKER};

const SOCKETS: usize = 40;

async fn open(host: &Host, target: &str) -> Vec<Raw> {
    let mut open = Vec::new();
    for _ in 0..SOCKETS {
        open.push(Raw::open(host.address, target).await);
    }
    open
}

/// Each says something, before the host gets to read any of it: it has this thread, too.
async fn ask_all(sockets: &mut [Raw], round: usize) {
    for (at, socket) in sockets.iter_mut().enumerate() {
        socket.send(&format!("{round} {at}")).await;
    }
    for (at, socket) in sockets.iter_mut().enumerate() {
        socket.expect_text(&format!("{round} {at}")).await;
    }
}

#[tokio::test]
async fn what_is_there_at_the_same_time_shares_a_turn() {
    let host = Host::shared(EXAMPLE_ECHO).await;
    let mut sockets = open(&host, "/echo").await;
    for round in 0..5 {
        let (turns, events) = (host.counters.turns.get(), host.counters.events.get());
        ask_all(&mut sockets, round).await;
        assert_eq!(host.counters.turns.get(), turns + 1);
        assert_eq!(host.counters.events.get(), events + SOCKETS as u64);
    }
}

#[tokio::test]
async fn texts_and_binaries_that_share_a_turn_come_back_whole() {
    let host = Host::shared(EXAMPLE_ECHO).await;
    let mut sockets = open(&host, "/echo").await;
    let turns = host.counters.turns.get();
    let text = |at: usize| "ä€😀".repeat(at);
    for (at, socket) in sockets.iter_mut().enumerate() {
        let frame = match at % 3 {
            0 => frames::binary(text(at).as_bytes()),
            1 => frames::text(&text(at)),
            _ => frames::text(""),
        };
        socket.write(&frame).await;
    }
    for (at, socket) in sockets.iter_mut().enumerate() {
        match at % 3 {
            0 => {
                let frame = socket.frame().await;
                assert_eq!(frame.first, frames::FIN | frames::BINARY);
                assert_eq!(frame.payload, text(at).as_bytes());
            }
            1 => socket.expect_text(&text(at)).await,
            _ => socket.expect_text("").await,
        }
    }
    assert_eq!(host.counters.turns.get(), turns + 1);
}

#[tokio::test]
async fn a_turn_has_no_more_events_than_its_limit() {
    let host = Host::with(EXAMPLE_ECHO, |config| {
        config.sockets_per_instance = 10_000;
        config.limits.batch_events = 8;
    })
    .await;
    let mut sockets = open(&host, "/echo").await;
    let turns = host.counters.turns.get();
    ask_all(&mut sockets, 0).await;
    let ran = host.counters.turns.get() - turns;
    let (least, most) = (SOCKETS as u64 / 8, SOCKETS as u64 / 2);
    assert!((least..most).contains(&ran), "{ran}");
}

#[tokio::test]
async fn those_with_an_instance_each_have_a_turn_each() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let mut sockets = open(&host, "/echo").await;
    for round in 0..5 {
        let turns = host.counters.turns.get();
        ask_all(&mut sockets, round).await;
        assert_eq!(host.counters.turns.get(), turns + SOCKETS as u64);
    }
}

#[tokio::test]
async fn of_a_shared_turn_that_fails_only_the_messages_that_do_the_harm_are_lost() {
    let host = Host::start(WRECKER).await;
    let mut sockets = open(&host, "/a").await;
    for (at, socket) in sockets.iter_mut().enumerate() {
        let words = if at == 7 { "wreck panic" } else { "count 1" };
        let behind = if at == 7 { "count 2" } else { "count 3" };
        let messages = [words, behind].map(frames::text).concat();
        socket.write(&messages).await;
    }
    for (at, socket) in sockets.iter_mut().enumerate() {
        if at == 7 {
            socket.expect_failed(1011).await;
        } else {
            socket.expect_text("1").await;
            socket.expect_text("3").await;
        }
    }
    let told = get(host.address, "/a/facts").await;
    let counted = format!("(\"count\", {})", 2 * (SOCKETS - 1));
    assert!(told.text().contains(&counted), "{}", told.text());
}

#[tokio::test]
async fn answers_keep_their_place_among_broadcasts_and_before_a_close() {
    let host = Host::start(ROOM).await;
    let mut raw = Raw::open(host.address, "/room/a").await;
    let turns = host.counters.turns.get();
    let messages = ["between 3", "state", "between 3", "close 4000 bye"];
    raw.write(&messages.map(frames::text).concat()).await;
    for is_first in [true, false] {
        for at in 0..3 {
            raw.expect_text(&format!("own {at}")).await;
            raw.expect_text(&format!("all {at}")).await;
        }
        raw.expect_text("reached 3").await;
        if is_first {
            raw.expect_text("Open").await;
        }
    }
    raw.expect_close(4000, "bye").await;
    assert_eq!(host.counters.turns.get(), turns + 1);
}

#[tokio::test]
async fn a_close_stays_behind_the_messages_before_it() {
    let host = Host::shared(EXAMPLE_ECHO).await;
    let mut sockets = open(&host, "/echo").await;
    for socket in &mut sockets {
        let mut bytes = frames::text("last words");
        bytes.extend(frames::close(4000, "bye"));
        socket.write(&bytes).await;
    }
    for socket in &mut sockets {
        socket.expect_text("last words").await;
        socket.expect_close(4000, "bye").await;
    }
}

#[tokio::test]
async fn a_close_that_comes_while_a_shared_turn_runs_does_not_overtake_what_it_sends() {
    let host = Host::start(WRECKER).await;
    let mut sockets = open(&host, "/a").await;
    let turns = host.counters.turns.get();
    for (at, socket) in sockets.iter_mut().enumerate() {
        let words = if at == 7 { "leave" } else { "count 1" };
        socket.send(words).await;
    }
    until("the turn to begin", || host.counters.turns.get() > turns).await;
    sockets[7].write(&frames::close(1000, "")).await;
    sockets[7].expect_text("bye").await;
    sockets[7].expect_close(4000, "left").await;
    for (at, socket) in sockets.iter_mut().enumerate() {
        if at != 7 {
            socket.expect_text("1").await;
        }
    }
}

#[tokio::test]
async fn a_peer_whose_message_is_in_a_long_turn_does_not_count_as_silent() {
    let host = Host::start(WRECKER).await;
    let mut sockets = open(&host, "/a").await;
    for socket in &mut sockets {
        socket.send("watched").await;
    }
    for socket in &mut sockets {
        socket.expect_text("watched").await;
    }
    let turns = host.counters.turns.get();
    // It burns ten times what a silent peer has.
    for (at, socket) in sockets.iter_mut().enumerate() {
        socket.send(if at == 0 { "burn" } else { "me" }).await;
    }
    sockets[1].expect_text("  Open").await;
    assert_eq!(host.counters.turns.get(), turns + 1);
    assert_eq!(host.counters.dead_peers.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_socket_keeps_its_order_whoever_runs_its_turns() {
    const MESSAGES: usize = 200;
    let host = Host::start(VAULT).await;
    let mut talking = Vec::new();
    for at in 0..SOCKETS {
        let mut client = Client::connect(host.address, "/a").await;
        talking.push(tokio::spawn(async move {
            for number in 0..MESSAGES {
                client.send(format!("plain {at} {number}")).await;
            }
            for number in 0..MESSAGES {
                client.expect(&format!("plain {at} {number}")).await;
            }
        }));
    }
    for talking in talking {
        within("everybody to be answered", talking)
            .await
            .expect("each gets its own, in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_turns_write_to_a_socket_keeps_its_order_and_stays_whole_however_slowly_it_is_read() {
    const MEMBERS: usize = 12;
    const MESSAGES: usize = 150;
    let host = Host::start(ROOM).await;
    let mut members = Vec::new();
    for at in 0..MEMBERS {
        members.push(if at % 2 == 0 {
            Raw::open_narrow(host.address, "/room/a").await
        } else {
            Raw::open(host.address, "/room/a").await
        });
    }
    // Nobody reads before all is said, so that some of it is written in parts.
    for number in 0..MESSAGES {
        for (at, member) in members.iter_mut().enumerate() {
            member.send(&format!("each {at} {number}")).await;
        }
    }
    for member in &mut members {
        let mut next = [0; MEMBERS];
        while next != [MESSAGES; MEMBERS] {
            let frame = member.frame().await;
            let text = String::from_utf8(frame.payload).expect("the host sends UTF-8");
            let words: Vec<&str> = text.split(' ').collect();
            let [from, number, padding] = words[..] else {
                // How many the sender has reached.
                assert_eq!(text, format!("reached {MEMBERS}"));
                continue;
            };
            let from: usize = from.parse().expect("a number");
            assert_eq!(number, next[from].to_string(), "from {from}");
            assert_eq!(padding.len(), 137 * next[from] % 4000);
            next[from] += 1;
        }
    }
}
