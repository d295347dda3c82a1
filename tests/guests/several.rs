//! Takes messages several at a time, as the bare interface gives them, and sends several with one call. Tells what it
//! sees to the socket on `/observe`.

#![allow(
    unsafe_code,
    reason = "generated: the exports of this world cannot stand in the library, or all guests would have them"
)]

use std::cell::Cell;

mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "quick-worker",
        generate_all,
    });
}

use bindings::exports::pairway::worker::events::{Event, Guest};
use bindings::exports::pairway::worker::messages::Guest as MessagesGuest;
use bindings::pairway::worker::http::{self, Response};
use bindings::pairway::worker::sockets::{self, AcceptOptions};
use bindings::pairway::worker::types::{Error, Message, Run, SocketId};

struct Several;

thread_local! {
    static OBSERVER: Cell<SocketId> = const { Cell::new(0) };
}

impl Guest for Several {
    fn handle(events: Vec<Event>) {
        for event in events {
            match event {
                Event::Fetch((id, request)) => fetch(id, request.uri.ends_with("/observe")),
                Event::Message((id, Message::Text(text))) => command(id, &text, 0),
                Event::Start(_)
                | Event::Open(_)
                | Event::Message(_)
                | Event::Close(_)
                | Event::Error(_)
                | Event::Drain(_)
                | Event::Alarm(_)
                | Event::Completed(_) => {}
            }
        }
    }
}

impl MessagesGuest for Several {
    fn take_text(socket: SocketId, text: String) {
        command(socket, &text, 0);
    }

    fn take_binary(_: SocketId, _: Vec<u8>) {}

    fn take_several(runs: Vec<Run>, lengths: Vec<u32>, text: String, _: Vec<u8>, room: u32) {
        let mut text = &text[..];
        let mut lengths = lengths.into_iter();
        for run in runs.iter().filter(|run| run.is_text) {
            for length in lengths.by_ref().take(run.messages as usize) {
                let (own, rest) = text.split_at(length as usize);
                text = rest;
                command(run.socket, own, room);
            }
        }
    }
}

fn fetch(id: u64, observes: bool) {
    let (client, server) = sockets::web_socket_pair().expect("one pair is not too many");
    let options = AcceptOptions { half_open: false };
    server.accept(options).expect("a new end can be accepted");
    if observes {
        OBSERVER.set(server.id());
    }
    let response = Response {
        status: 101,
        headers: Vec::new(),
        body: Vec::new(),
        socket: Some(client),
    };
    http::respond(id, response).expect("a fit response");
}

fn command(socket: SocketId, text: &str, room: u32) {
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        // What makes a batch of the next.
        ["and"] => {}
        ["mark"] => observe("mark"),
        ["room"] => observe(&format!("room {room}")),
        ["fill", size] => {
            let size = size.parse().expect("a number");
            let messages = room / (size + 16);
            let taken = send(
                &[(socket, false, messages)],
                &vec![size; messages as usize],
                "",
                &vec![0; (size * messages) as usize],
            );
            let one_more = sockets::send(socket, &Message::Binary(vec![0; size as usize]));
            observe(&format!("{taken} of {messages}, then {one_more:?}"));
        }
        ["close"] => {
            let socket = sockets::get_web_socket(socket).expect("it has sent this");
            socket.close(Some(1000), None).expect("a fit code");
        }
        ["mixed"] => {
            sockets::send(socket, &Message::Text("1".to_owned())).expect("it is open");
            let runs = [(socket, true, 1), (socket, false, 1), (socket, true, 2)];
            observe(&send(&runs, &[1, 2, 1, 3], "25€", b"34"));
            sockets::send(socket, &Message::Text("6".to_owned())).expect("it is open");
        }
        ["stranger"] => {
            let stranger = socket + 1_000_000;
            let runs = [(socket, true, 1), (stranger, true, 1), (socket, true, 1)];
            observe(&send(&runs, &[1, 1, 1], "abc", b""));
        }
        ["misfit", which] => {
            let (messages, lengths, text, bytes): (u32, &[u32], &str, &[u8]) = match which {
                "too-short" => (1, &[1], "ab", b""),
                "too-long" => (1, &[3], "ab", b""),
                "cut" => (2, &[1, 2], "€", b""),
                "binary" => (1, &[2], "ab", b"ab"),
                "few-lengths" => (2, &[2], "ab", b""),
                "many-lengths" => (1, &[1, 1], "ab", b""),
                "overflow" => (2, &[u32::MAX, u32::MAX], "ab", b""),
                _ => panic!("no such misfit: {which}"),
            };
            observe(&send(&[(socket, true, messages)], lengths, text, bytes));
        }
        _ => panic!("no such command: {text}"),
    }
}

/// How many were taken, or the host's refusal.
fn send(runs: &[(SocketId, bool, u32)], lengths: &[u32], text: &str, bytes: &[u8]) -> String {
    let runs: Vec<_> = runs
        .iter()
        .map(|(socket, is_text, messages)| Run {
            socket: *socket,
            is_text: *is_text,
            messages: *messages,
        })
        .collect();
    match sockets::send_several(&runs, lengths, text, bytes) {
        Ok(taken) => taken.to_string(),
        Err(Error::Other(why)) => why,
        Err(error) => format!("{error:?}"),
    }
}

fn observe(line: &str) {
    sockets::send(OBSERVER.get(), &Message::Text(line.to_owned())).expect("somebody observes");
}

#[cfg(target_family = "wasm")]
bindings::export!(Several with_types_in bindings);
#[cfg(not(target_family = "wasm"))]
const fn is_worker<T: Guest + MessagesGuest>() {}
#[cfg(not(target_family = "wasm"))]
const _: () = is_worker::<Several>();
