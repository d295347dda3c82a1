//! Does one thing to the ends of a pair for each path, and answers with what came of it, a line each.

use std::cell::RefCell;

use pairway_test_guests::sockets::ConnectOptions;
use pairway_test_guests::{
    AcceptOptions, CloseInfo, Event, Guest, Message, Request, RequestId, SocketId, WebSocket,
    accept, get_web_socket, http, outcome, path, plain, respond, sockets, state, storage, text,
    timers, upgrade, web_socket_pair, worker,
};

struct Ends;

/// What the guest remembers between turns.
#[derive(Default)]
struct Memory {
    kept: Vec<WebSocket>,
    /// The request that waits for `closes_left` sockets to be over.
    waiting: Option<RequestId>,
    closes_left: usize,
    lines: Vec<String>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Guest for Ends {
    fn handle(events: Vec<Event>) {
        for event in events {
            match event {
                Event::Fetch((id, request)) => fetch(id, path(&request)),
                Event::Message((socket, message)) => on_message(socket, &message),
                Event::Close((socket, info)) => on_close(socket, &info),
                Event::Completed(_) => accept_second(),
                Event::Start(_)
                | Event::Open(_)
                | Event::Error(_)
                | Event::Drain(_)
                | Event::Alarm(_) => {}
            }
        }
    }
}

fn fetch(id: RequestId, path: &str) {
    let lines = match path {
        "/birth" => birth(),
        "/unaccepted" => unaccepted(),
        "/validation" => validation(),
        "/attachment" => attachment(),
        "/outside" => outside_an_object(),
        "/outside-hosts" => outside_hosts(),
        "/broadcast" => broadcast(),
        "/many" => many(),
        "/timers" => many_timers(),
        "/local" => return local(id),
        "/kept" => return kept(id),
        "/dropped" => return dropped(id),
        "/swapped" => return swapped(id),
        "/left" => return left(id),
        _ => vec!["unknown path".to_owned()],
    };
    respond(id, plain(200, &lines.join("\n"))).expect("a fit response");
}

fn pair() -> (WebSocket, WebSocket) {
    web_socket_pair().expect("one pair is not too many")
}

fn birth() -> Vec<String> {
    let (first, second) = pair();
    let (third, _fourth) = pair();
    let mut lines: Vec<String> = [&first, &second]
        .into_iter()
        .map(|end| {
            let (url, protocol, extensions) = (end.url(), end.protocol(), end.extensions());
            format!(
                "{:?} {url:?} {protocol:?} {extensions:?} {}",
                end.ready_state(),
                end.buffered_amount()
            )
        })
        .collect();
    lines.push(format!(
        "distinct {}",
        first.id() != second.id() && second.id() != third.id() && first.id() != 0
    ));
    lines.push(format!("unknown id {}", get_web_socket(u64::MAX).is_none()));
    lines
}

fn unaccepted() -> Vec<String> {
    let (end, _other) = pair();
    vec![
        outcome(end.send(&text("early"))),
        outcome(sockets::send(end.id(), &text("early"))),
        outcome(end.close(None, None)),
        outcome(accept(&end)),
        outcome(accept(&end)),
        outcome(end.send(&text("now"))),
        outcome(sockets::send(end.id(), &text("now"))),
        outcome(sockets::send(u64::MAX, &text("to nobody"))),
    ]
}

/// Arguments of `close` are checked also after the first `close`.
fn validation() -> Vec<String> {
    let (end, _other) = pair();
    outcome(accept(&end));
    let fits = "é".repeat(61) + "x";
    let too_long = "é".repeat(62);
    vec![
        outcome(end.close(Some(999), None)),
        outcome(end.close(None, Some("no code"))),
        outcome(end.close(Some(1000), Some(&too_long))),
        outcome(end.send(&text("still open"))),
        outcome(end.close(Some(4000), Some(&fits))),
        format!("{:?}", end.ready_state()),
        outcome(end.send(&text("after close"))),
        outcome(end.close(Some(4001), Some("second"))),
        outcome(end.close(Some(1005), None)),
        outcome(end.close(None, Some("no code"))),
        outcome(end.close(Some(4001), Some(&too_long))),
    ]
}

fn attachment() -> Vec<String> {
    let (end, _other) = pair();
    let kept = |end: &WebSocket| {
        end.attachment()
            .map_or("none".to_owned(), |bytes| bytes.len().to_string())
    };
    let mut lines = vec![kept(&end)];
    for size in [16_384, 16_385, 0] {
        lines.push(outcome(end.set_attachment(Some(&vec![7; size]))));
        lines.push(kept(&end));
    }
    lines.push(outcome(end.set_attachment(None)));
    lines.push(kept(&end));
    lines
}

fn outside_an_object() -> Vec<String> {
    let (end, _other) = pair();
    vec![
        outcome(state::accept_web_socket(&end, &[])),
        outcome(state::get_web_sockets(None)),
        outcome(state::get_tags(end.id())),
        outcome(state::set_auto_response(None)),
        outcome(state::get_alarm()),
        outcome(state::close_gate()),
        outcome(state::abort("no object")),
        outcome(storage::get(&["key".to_owned()])),
        // The end stayed as it was.
        outcome(accept(&end)),
    ]
}

/// What this host may leave out.
fn outside_hosts() -> Vec<String> {
    let options = ConnectOptions {
        protocols: Vec::new(),
        headers: Vec::new(),
        hibernatable: None,
    };
    let request = Request {
        method: "GET".to_owned(),
        uri: "http://127.0.0.1:1/".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        peer: None,
    };
    vec![
        outcome(sockets::connect("ws://127.0.0.1:1/", &options)),
        outcome(http::fetch(&request)),
    ]
}

fn broadcast() -> Vec<String> {
    let (first, second) = pair();
    let (third, fourth) = pair();
    for end in [&first, &third] {
        outcome(accept(end));
    }
    let closed = pair().0;
    outcome(accept(&closed));
    outcome(closed.close(None, None));
    let to = [
        first.id(),
        third.id(),
        second.id(),
        fourth.id(),
        closed.id(),
        u64::MAX,
    ];
    vec![sockets::broadcast(&to, &text("to all")).to_string()]
}

/// Make pairs until the host refuses, but not for ever.
fn many() -> Vec<String> {
    let mut pairs = Vec::new();
    let mut last = web_socket_pair();
    while let (Ok(pair), true) = (last, pairs.len() < 1_000) {
        pairs.push(pair);
        last = web_socket_pair();
    }
    vec![pairs.len().to_string(), outcome(web_socket_pair())]
}

/// Start timers until the host refuses, and one that is too long.
fn many_timers() -> Vec<String> {
    let mut tokens = Vec::new();
    let refusal = loop {
        match timers::start(50_000) {
            Ok(token) => tokens.push(token),
            Err(error) => break outcome::<()>(Err(error)),
        }
    };
    let count = tokens.len().to_string();
    tokens.into_iter().for_each(timers::cancel);
    vec![count, refusal, outcome(timers::start(u64::MAX))]
}

/// Both ends stay here; the response waits until both are over.
fn local(id: RequestId) {
    let (first, second) = pair();
    outcome(accept(&first));
    outcome(first.send(&text("sent before the other end was accepted")));
    outcome(accept(&second));
    outcome(second.send(&Message::Binary(vec![1, 2, 3])));
    outcome(first.close(Some(4001), Some("bye")));
    wait_for(id, vec![first, second], 2);
}

/// The second end is accepted in a later turn.
fn kept(id: RequestId) {
    let (first, second) = pair();
    outcome(accept(&first));
    for word in ["one", "two", "three"] {
        outcome(first.send(&text(word)));
    }
    outcome(first.close(None, None));
    timers::start(20).expect("one timer is not too many");
    wait_for(id, vec![first, second], 2);
}

fn accept_second() {
    MEMORY.with_borrow(|memory| outcome(accept(&memory.kept[1])));
}

/// The second end is dropped, neither accepted nor sent.
fn dropped(id: RequestId) {
    let (first, second) = pair();
    outcome(accept(&first));
    drop(second);
    wait_for(id, vec![first], 1);
}

fn wait_for(id: RequestId, sockets: Vec<WebSocket>, closes_left: usize) {
    MEMORY.with_borrow_mut(|memory| {
        *memory = Memory {
            kept: sockets,
            waiting: Some(id),
            closes_left,
            lines: Vec::new(),
        }
    });
}

/// The end that by convention is the server's goes to the client.
fn swapped(id: RequestId) {
    let (first, second) = pair();
    outcome(accept(&first));
    outcome(first.send(&text("from the first end")));
    respond(id, upgrade(second)).expect("a fit response");
    MEMORY.with_borrow_mut(|memory| memory.kept.push(first));
}

/// Whatever handle is left of an end that left in a response, it is used up.
fn left(id: RequestId) {
    let (client, server) = pair();
    outcome(server.accept(AcceptOptions { half_open: false }));
    let other_handle = get_web_socket(client.id());
    respond(id, upgrade(client)).expect("a fit response");
    let word = other_handle.map_or("no handle".to_owned(), |end| outcome(accept(&end)));
    outcome(server.send(&text(&word)));
    MEMORY.with_borrow_mut(|memory| memory.kept.push(server));
}

fn on_message(socket: SocketId, message: &Message) {
    let line = match message {
        Message::Text(text) => format!("message {text}"),
        Message::Binary(bytes) => format!("message {bytes:?}"),
    };
    note(socket, &line);
}

fn on_close(socket: SocketId, info: &CloseInfo) {
    note(
        socket,
        &format!("close {} {} {}", info.code, info.was_clean, info.reason),
    );
    MEMORY.with_borrow_mut(|memory| {
        memory.closes_left = memory.closes_left.saturating_sub(1);
        if memory.closes_left == 0
            && let Some(id) = memory.waiting.take()
        {
            // Between sockets there is no order.
            memory.lines.sort_by_key(|line| line.chars().next());
            respond(id, plain(200, &memory.lines.join("\n"))).expect("a fit response");
        }
    });
}

/// Add a line that begins with the number of the end.
fn note(socket: SocketId, line: &str) {
    MEMORY.with_borrow_mut(|memory| {
        let number = memory
            .kept
            .iter()
            .position(|end| end.id() == socket)
            .map_or(0, |at| at + 1);
        memory.lines.push(format!("{number} {line}"));
    });
}

worker!(Ends);
