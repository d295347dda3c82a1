//! Asks for much of one thing, for each path, and answers with what came of it. The path's first word says whether the
//! stateless worker does it, or the one object that there is.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hint::black_box;

use pairway_test_guests::bindings::exports::pairway::worker::events::{InstanceKind, Outcome};
use pairway_test_guests::sockets::ConnectOptions;
use pairway_test_guests::state::Recipients;
use pairway_test_guests::{
    Error, Event, Guest, Message, Request, RequestId, Run, WebSocket, accept, http, objects,
    outcome, path, plain, respond, sockets, state, text, timers, upgrade, web_socket_pair, worker,
};

struct Greedy;

#[derive(Default)]
struct Memory {
    /// Requests that were passed on to the object, by token.
    passed_on: HashMap<u64, RequestId>,
    ends: Vec<WebSocket>,
    hoard: Vec<Vec<u8>>,
}

thread_local! {
    static IS_OBJECT: Cell<bool> = const { Cell::new(false) };
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Guest for Greedy {
    fn handle(events: Vec<Event>) {
        for event in events {
            match event {
                Event::Start(kind) => IS_OBJECT.set(matches!(kind, InstanceKind::Object(_))),
                Event::Fetch((id, request)) => fetch(id, &request),
                Event::Completed((token, outcome)) => completed(token, outcome),
                Event::Message(_)
                | Event::Close(_)
                | Event::Open(_)
                | Event::Error(_)
                | Event::Drain(_)
                | Event::Alarm(_) => {}
            }
        }
    }
}

fn fetch(id: RequestId, request: &Request) {
    let words: Vec<&str> = path(request).split('/').skip(1).collect();
    if words[0] == "object" && !IS_OBJECT.get() {
        let object = objects::id_from_name("GREEDY", "the one").expect("it is bound");
        let token = objects::fetch("GREEDY", &object, request).expect("it is one");
        MEMORY.with_borrow_mut(|memory| memory.passed_on.insert(token, id));
        return;
    }
    let number = |at: usize| -> usize { words[at].parse().expect("a number") };
    let answer = match words[1] {
        "protocols" => protocols(number(2)),
        "headers" => headers(number(2)),
        "except" => except(number(2)),
        "recipients" => recipients(number(2)),
        "empty-messages" => empty_messages(number(2)),
        "names" => names(number(2), number(3)),
        "fetches" => taken(number(2), |_| small_fetch(number(3))),
        "outside" => taken(number(2), |_| outside_fetch(number(3))),
        "attachments" => attachments(number(2)),
        "tags" => tags(number(2)),
        "event-timeouts" => taken(number(2), |n| {
            state::set_event_timeout(u32::try_from(n).ok())
        }),
        "broadcasts" => broadcasts(number(2)),
        "pairs" => pairs(number(2)),
        "handles" => taken(number(2), |_| keep(web_socket_pair()?)),
        "timers" => taken(number(2), |_| timers::start(500).map(drop)),
        "pauses" => pauses(number(2)),
        "hoard" => hoard(number(2)),
        "body" => return answer_with(id, &vec![b'x'; number(2)]),
        "page" => "well".to_owned(),
        "socket" => return answer_with_socket(id),
        other => format!("unknown path {other}"),
    };
    answer_with(id, answer.as_bytes());
}

fn answer_with(id: RequestId, body: &[u8]) {
    let mut response = plain(200, "");
    response.body = body.to_vec();
    if let Err(error) = respond(id, response) {
        respond(id, plain(500, &format!("{error:?}"))).expect("this is small");
    }
}

/// A socket that is accepted and answers nothing.
fn answer_with_socket(id: RequestId) {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    accept(&server).expect("it is new");
    respond(id, upgrade(client)).expect("a fit response");
    MEMORY.with_borrow_mut(|memory| memory.ends.push(server));
}

fn completed(token: u64, outcome: Outcome) {
    let Some(id) = MEMORY.with_borrow_mut(|memory| memory.passed_on.remove(&token)) else {
        return;
    };
    match outcome {
        Outcome::Response(response) => respond(id, response).expect("a fit response"),
        Outcome::Failed(error) => {
            respond(id, plain(500, &format!("{error:?}"))).expect("a fit response");
        }
        Outcome::Done => panic!("a request has a response"),
    }
}

/// How often this is taken, and the first refusal.
fn taken(times: usize, mut f: impl FnMut(usize) -> Result<(), Error>) -> String {
    for at in 0..times {
        if let Err(error) = f(at) {
            return format!("{at} {}", outcome::<()>(Err(error)));
        }
    }
    format!("{times} ok")
}

fn keep((first, second): (WebSocket, WebSocket)) -> Result<(), Error> {
    MEMORY.with_borrow_mut(|memory| memory.ends.extend([first, second]));
    Ok(())
}

fn protocols(count: usize) -> String {
    outcome(sockets::connect(
        "ws://127.0.0.1:9/",
        &ConnectOptions {
            protocols: (0..count).map(|at| at.to_string()).collect(),
            headers: Vec::new(),
            hibernatable: None,
        },
    ))
}

fn headers(count: usize) -> String {
    outcome(sockets::connect(
        "ws://127.0.0.1:9/",
        &ConnectOptions {
            protocols: Vec::new(),
            headers: (0..count)
                .map(|at| (format!("x-{at}"), vec![b'x'; 10]))
                .collect(),
            hibernatable: None,
        },
    ))
}

/// A broadcast to a thousand hibernatable sockets but for so many ids.
fn except(count: usize) -> String {
    for _ in 0..1000 {
        let (client, server) = web_socket_pair().expect("a thousand are not too many");
        state::accept_web_socket(&server, &[]).expect("it is new");
        keep((client, server)).expect("it is kept");
    }
    let recipients = Recipients {
        tag: None,
        except: (1 << 40..).take(count).collect(),
    };
    match state::broadcast(&recipients, &text("hello")) {
        Ok(reached) => reached.to_string(),
        Err(error) => outcome::<()>(Err(error)),
    }
}

/// One id, many times.
fn recipients(count: usize) -> String {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    accept(&server).expect("it is new");
    let message = Message::Binary(vec![0; 4096]);
    let reached = sockets::broadcast(&vec![server.id(); count], &message);
    keep((client, server)).expect("it is kept");
    reached.to_string()
}

/// Calls, each to the same socket.
fn broadcasts(count: usize) -> String {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    accept(&server).expect("it is new");
    let message = Message::Binary(vec![0; 4096]);
    let reached = (0..count).filter(|_| sockets::broadcast(&[server.id()], &message) == 1);
    let reached = reached.count();
    keep((client, server)).expect("it is kept");
    reached.to_string()
}

fn empty_messages(count: usize) -> String {
    let run = Run {
        socket: 1,
        messages: u32::try_from(count).expect("it fits"),
        is_text: true,
    };
    match sockets::send_several(&[run], &vec![0; count], "", &[]) {
        Ok(taken) => taken.to_string(),
        Err(error) => outcome::<()>(Err(error)),
    }
}

fn names(count: usize, bytes: usize) -> String {
    let name = "n".repeat(bytes);
    taken(count, |at| {
        objects::id_from_name("GREEDY", &format!("{at}{name}")).map(drop)
    })
}

fn request(body: usize) -> Request {
    Request {
        method: "POST".to_owned(),
        uri: "http://objects.test/object/page".to_owned(),
        headers: Vec::new(),
        body: vec![0; body],
        peer: None,
    }
}

fn small_fetch(body: usize) -> Result<(), Error> {
    let object = objects::id_from_name("GREEDY", "the one")?;
    objects::fetch("GREEDY", &object, &request(body)).map(drop)
}

fn outside_fetch(body: usize) -> Result<(), Error> {
    let mut request = request(body);
    request.uri = "http://127.0.0.1:9/".to_owned();
    http::fetch(&request).map(drop)
}

fn attachments(times: usize) -> String {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    state::accept_web_socket(&server, &[]).expect("it is new");
    let answer = taken(times, |at| {
        server.set_attachment(Some(&vec![u8::try_from(at % 256).unwrap_or(0); 16_384]))
    });
    keep((client, server)).expect("it is kept");
    answer
}

fn tags(times: usize) -> String {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    state::accept_web_socket(&server, &[]).expect("it is new");
    let answer = taken(times, |at| {
        state::set_tags(server.id(), &[format!("{at:0>200}")])
    });
    keep((client, server)).expect("it is kept");
    answer
}

/// So many pairs, both ends of which are accepted and one paused, filled. Gives the bytes that were taken in all.
fn pairs(count: usize) -> String {
    let message = Message::Binary(vec![0; 1 << 20]);
    let mut taken = 0_usize;
    for _ in 0..count {
        let Ok((first, second)) = web_socket_pair() else {
            break;
        };
        accept(&first).expect("it is new");
        accept(&second).expect("it is new");
        second.pause();
        while first.send(&message).is_ok() {
            taken += 1 << 20;
        }
        keep((first, second)).expect("it is kept");
    }
    taken.to_string()
}

fn pauses(times: usize) -> String {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    accept(&server).expect("it is new");
    for _ in 0..times {
        server.pause();
    }
    keep((client, server)).expect("it is kept");
    "done".to_owned()
}

fn hoard(mebibytes: usize) -> String {
    MEMORY.with_borrow_mut(|memory| {
        let hoard = black_box(vec![1; mebibytes << 20]);
        memory.hoard.push(hoard);
    });
    "kept".to_owned()
}

worker!(Greedy);
