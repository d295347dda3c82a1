//! Gives the host responses that break the Response contract, and tells the client what the host said.

use std::cell::RefCell;

use pairway_test_guests::{
    Event, Guest, RequestId, Response, WebSocket, accept, http, outcome, path, plain, respond,
    text, timers, upgrade, web_socket_pair, worker,
};

struct Responses;

thread_local! {
    static KEPT: RefCell<Vec<WebSocket>> = const { RefCell::new(Vec::new()) };
    static LATER: RefCell<Vec<RequestId>> = const { RefCell::new(Vec::new()) };
}

impl Guest for Responses {
    fn handle(events: Vec<Event>) {
        for event in events {
            match event {
                Event::Fetch((id, request)) => fetch(id, path(&request)),
                Event::Completed(_) => {
                    for id in LATER.take() {
                        answer(id, "later");
                    }
                }
                Event::Start(_)
                | Event::Open(_)
                | Event::Message(_)
                | Event::Close(_)
                | Event::Error(_)
                | Event::Drain(_)
                | Event::Alarm(_) => {}
            }
        }
    }
}

fn fetch(id: RequestId, path: &str) {
    let refused = match path {
        "/101-without-socket" => plain(101, ""),
        "/101-with-body" => Response {
            body: b"body".to_vec(),
            ..upgrade(end())
        },
        "/200-with-socket" => Response {
            status: 200,
            ..upgrade(end())
        },
        "/accepted" => upgrade(accepted_end()),
        "/99" => plain(99, ""),
        "/199" => plain(199, ""),
        "/600" => plain(600, ""),
        "/header-name" => header("a b", b"value"),
        "/header-value" => header("name", b"a\r\nb"),
        "/silent" => return,
        "/accepted-and-silent" => {
            outcome(respond(id, upgrade(accepted_end())));
            return;
        }
        "/later" => {
            LATER.with_borrow_mut(|later| later.push(id));
            timers::start(20).expect("one timer is not too many");
            return;
        }
        "/hold" => {
            LATER.with_borrow_mut(|later| later.push(id));
            timers::start(60_000).expect("one timer is not too many");
            return;
        }
        "/both-ends" => return both_ends(id),
        "/twice" => return twice(id),
        "/fail" => {
            http::fail(id, "not for clients").expect("the request waits");
            assert_eq!(
                outcome(http::fail(id, "again")),
                format!("UnknownRequest({id})")
            );
            assert_eq!(
                outcome(respond(id, plain(200, ""))),
                format!("UnknownRequest({id})")
            );
            return;
        }
        _ => return answer(id, "fine"),
    };
    answer(id, &outcome(respond(id, refused)));
}

fn answer(id: RequestId, body: &str) {
    respond(id, plain(200, body)).expect("a refused response leaves the request waiting");
}

/// The second answer's outcome can only be told over the socket that the first one made.
fn twice(id: RequestId) {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    accept(&server).expect("a new end can be accepted");
    respond(id, upgrade(client)).expect("a fit response");
    let second = outcome(respond(id, plain(200, "second")));
    server
        .send(&text(&second))
        .expect("an accepted end takes messages");
    keep(server);
}

/// One end answers this request, the other the one that is held.
fn both_ends(id: RequestId) {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    respond(id, upgrade(client)).expect("a fit response");
    let held = LATER.take().pop().expect("a request is held");
    answer(held, &outcome(respond(held, upgrade(server))));
}

fn end() -> WebSocket {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    keep(server);
    client
}

/// Both ends of the pair are accepted here.
fn accepted_end() -> WebSocket {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    accept(&server).expect("a new end can be accepted");
    accept(&client).expect("a new end can be accepted");
    keep(server);
    client
}

fn header(name: &str, value: &[u8]) -> Response {
    Response {
        headers: vec![(name.to_owned(), value.to_vec())],
        ..plain(200, "")
    }
}

fn keep(socket: WebSocket) {
    KEPT.with_borrow_mut(|kept| kept.push(socket));
}

worker!(Responses);
