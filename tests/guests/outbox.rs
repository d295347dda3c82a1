//! Fills its outbox, pauses its inbox, and tells what it sees to the sockets on `/observe`.

use std::cell::RefCell;

use pairway_test_guests::{
    Event, Guest, Message, RequestId, SocketId, WebSocket, accept, get_web_socket, outcome, path,
    respond, text, timers, upgrade, web_socket_pair, worker,
};

struct Outbox;

thread_local! {
    static OBSERVERS: RefCell<Vec<WebSocket>> = const { RefCell::new(Vec::new()) };
    static SOCKETS: RefCell<Vec<WebSocket>> = const { RefCell::new(Vec::new()) };
}

impl Guest for Outbox {
    fn handle(events: Vec<Event>) {
        for event in events {
            match event {
                Event::Fetch((id, request)) => fetch(id, path(&request)),
                Event::Message((id, message)) => command(id, &message),
                Event::Drain(id) => observe(&format!("drain {}", room(&socket(id)))),
                Event::Close((id, info)) => {
                    let outcome = outcome(socket(id).send(&text("too late")));
                    observe(&format!("close {} {} {outcome}", info.code, info.was_clean));
                }
                Event::Completed(_) => resume_all(),
                Event::Start(_) | Event::Open(_) | Event::Error(_) | Event::Alarm(_) => {}
            }
        }
    }
}

fn fetch(id: RequestId, path: &str) {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    accept(&server).expect("a new end can be accepted");
    respond(id, upgrade(client)).expect("a fit response");
    let sockets = if path == "/observe" {
        &OBSERVERS
    } else {
        &SOCKETS
    };
    sockets.with_borrow_mut(|sockets| sockets.push(server));
}

fn command(id: SocketId, message: &Message) {
    let socket = socket(id);
    let words: Vec<&str> = match message {
        Message::Text(text) => text.split(' ').collect(),
        Message::Binary(_) => Vec::new(),
    };
    match words[..] {
        ["send", size] => {
            let message = Message::Binary(vec![0; size.parse().expect("a number")]);
            socket.send(&message).expect("one message is not too many");
        }
        ["fill", size] => fill(&socket, size.parse().expect("a number")),
        ["fill-and-try-others", size] => {
            let size = size.parse().expect("a number");
            fill(&socket, size);
            SOCKETS.with_borrow(|sockets| {
                for other in sockets.iter().filter(|other| other.id() != id) {
                    let outcome = outcome(other.send(&Message::Binary(vec![0; size])));
                    observe(&format!("other {outcome}"));
                }
            });
        }
        ["die"] => panic!("asked to"),
        ["room"] => observe(&format!("room {}", room(&socket))),
        ["pause", milliseconds] => {
            socket.pause();
            timers::start(milliseconds.parse().expect("a number"))
                .expect("one timer is not too many");
        }
        _ => {
            outcome(socket.send(message));
        }
    }
}

/// Send until the host refuses.
fn fill(socket: &WebSocket, size: usize) {
    let message = Message::Binary(vec![0; size]);
    let mut taken = 0;
    let refusal = loop {
        match socket.send(&message) {
            Ok(()) => taken += 1,
            Err(error) => break outcome::<()>(Err(error)),
        }
    };
    observe(&format!("full {taken} {refusal} {}", room(socket)));
}

/// How full the outbox is, and whether to go on sending.
fn room(socket: &WebSocket) -> String {
    format!("{} {}", socket.buffered_amount(), socket.is_writable())
}

fn resume_all() {
    SOCKETS.with_borrow(|sockets| {
        for socket in sockets {
            outcome(socket.send(&text("resumed")));
            socket.resume();
        }
    });
}

fn socket(id: SocketId) -> WebSocket {
    get_web_socket(id).expect("an event names a socket of this instance")
}

fn observe(line: &str) {
    OBSERVERS.with_borrow(|observers| {
        for observer in observers {
            outcome(observer.send(&text(line)));
        }
    });
}

worker!(Outbox);
