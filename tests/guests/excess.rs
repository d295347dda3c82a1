//! Asks for more than there is, one thing for each path, and answers with what the host said. Its objects do the same.
//!
//! `/to/NAME/REST` passes `/REST` on to an object of that name.

use std::cell::RefCell;
use std::collections::HashMap;

use pairway_test_guests::bindings::exports::pairway::worker::events::Outcome;
use pairway_test_guests::sockets::ConnectOptions;
use pairway_test_guests::{
    Event, Guest, Request, RequestId, Response, http, objects, outcome, path, plain, respond,
    sockets, state, timers, upgrade, web_socket_pair, worker,
};

struct Excess;

/// What is done when something that is under way has ended.
enum Then {
    /// Answer with what an object has answered.
    Answer(RequestId),
    /// Go on with the circle, so many objects deeper.
    Circle(RequestId, u32, &'static str),
}

thread_local! {
    static UNDER_WAY: RefCell<HashMap<u64, Then>> = RefCell::default();
}

impl Guest for Excess {
    fn handle(events: Vec<Event>) {
        for event in events {
            match event {
                Event::Fetch((id, request)) => fetch(id, &request),
                Event::Completed((token, outcome)) => completed(token, outcome),
                Event::Start(_)
                | Event::Message(_)
                | Event::Close(_)
                | Event::Open(_)
                | Event::Error(_)
                | Event::Drain(_)
                | Event::Alarm(_) => {}
            }
        }
    }
}

fn then(token: u64, then: Then) {
    UNDER_WAY.with_borrow_mut(|under_way| under_way.insert(token, then));
}

fn fetch(id: RequestId, request: &Request) {
    let words: Vec<&str> = path(request).split('/').skip(1).collect();
    let told = match words[..] {
        ["to", name, ..] => {
            let rest = words[2..].join("/");
            let request = Request {
                uri: format!("http://object/{rest}"),
                ..request.clone()
            };
            match objects::fetch("EXCESS", &object(name), &request) {
                Ok(token) => return then(token, Then::Answer(id)),
                refused => outcome(refused),
            }
        }
        ["headers" | "same" | "upgrade", ..] => match respond(id, large(&words)) {
            Ok(()) => return,
            refused => outcome(refused),
        },
        ["ask", count, size] => {
            let request = with_headers("http://object/", number(count), number(size));
            outcome(objects::fetch("EXCESS", &object("asked"), &request))
        }
        ["fetch", count, size] => {
            let request = with_headers("http://127.0.0.1:1/", number(count), number(size));
            outcome(http::fetch(&request))
        }
        ["connect", count, size] => {
            let options = ConnectOptions {
                protocols: Vec::new(),
                headers: headers(number(count), number(size)),
                hibernatable: None,
            };
            outcome(sockets::connect("ws://127.0.0.1:1/", &options))
        }
        ["circle", left] => return circle(id, left.parse().expect("a number"), "circle"),
        // The same with a timer in between, so that no request causes the next within its own turn.
        ["slowly", left] => {
            let token = timers::start(1).expect("one timer is not too many");
            let left = left.parse().expect("a number");
            return then(token, Then::Circle(id, left, "slowly"));
        }
        ["abort", size] => {
            let reason =
                "forged\n2026-01-01T00:00:00Z ERROR a line\r\u{85}\u{2028}\u{2029}\u{1b}[2J";
            outcome(state::abort(&reason.repeat(number(size) / reason.len())))
        }
        ["print", count, size] => {
            for _ in 0..number(count) {
                print(&"x".repeat(number(size)));
            }
            "printed".to_owned()
        }
        ["print-forged"] => {
            print("one\r\ntwo\u{85}\u{2028}\u{2029}\u{1b}[2Jthree\rfour");
            "printed".to_owned()
        }
        ["trap"] => panic!("asked to\nand forged"),
        _ => "unknown path".to_owned(),
    };
    respond(id, plain(200, &told)).expect("a fit response");
}

/// A response with many headers.
fn large(words: &[&str]) -> Response {
    match *words {
        ["headers", count, size] => Response {
            headers: headers(number(count), number(size)),
            ..plain(200, "all of them")
        },
        ["same", count] => Response {
            headers: vec![("x-same".to_owned(), Vec::new()); number(count)],
            ..plain(200, "all of them")
        },
        ["upgrade", count] => {
            let (client, _server) = web_socket_pair().expect("one pair is not too many");
            Response {
                headers: headers(number(count), 0),
                ..upgrade(client)
            }
        }
        _ => plain(404, "unknown path"),
    }
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

#[expect(clippy::print_stdout, reason = "what is printed is what is tested")]
fn print(line: &str) {
    println!("{line}");
}

/// Ask the other of two objects to go on, until nothing is left.
fn circle(id: RequestId, left: u32, how: &'static str) {
    let told = match left {
        0 => "bottom".to_owned(),
        _ => {
            let name = if left.is_multiple_of(2) {
                "even"
            } else {
                "odd"
            };
            let request = with_headers(&format!("http://object/{how}/{}", left - 1), 0, 0);
            match objects::fetch("EXCESS", &object(name), &request) {
                Ok(token) => return then(token, Then::Answer(id)),
                refused => format!("refused with {left} left: {}", outcome(refused)),
            }
        }
    };
    respond(id, plain(200, &told)).expect("a fit response");
}

fn completed(token: u64, outcome: Outcome) {
    let then = UNDER_WAY.with_borrow_mut(|under_way| under_way.remove(&token));
    match (then, outcome) {
        (Some(Then::Answer(id)), Outcome::Response(response)) => {
            respond(id, response).expect("a fit response");
        }
        (Some(Then::Answer(id)), Outcome::Failed(error)) => {
            let told = format!("failed: {error:?}");
            respond(id, plain(200, &told)).expect("a fit response");
        }
        (Some(Then::Circle(id, left, how)), Outcome::Done) => circle(id, left, how),
        // Nobody waits for what was only to be refused.
        _ => {}
    }
}

fn object(name: &str) -> String {
    objects::id_from_name("EXCESS", name).expect("the binding is configured")
}

fn headers(count: usize, size: usize) -> Vec<(String, Vec<u8>)> {
    (0..count)
        .map(|at| (format!("x-{at}"), vec![b'v'; size]))
        .collect()
}

fn with_headers(uri: &str, count: usize, size: usize) -> Request {
    Request {
        method: "GET".to_owned(),
        uri: uri.to_owned(),
        headers: headers(count, size),
        body: Vec::new(),
        peer: None,
    }
}

worker!(Excess);
