//! Does to `state`, `storage` and the sockets of an object what the SDK does not let one do, one thing for each path,
//! and answers with what came of it, a line each. As a stateless worker it passes requests on to the one object that
//! there is, but for `/outside`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use pairway_test_guests::bindings::exports::pairway::worker::events::{InstanceKind, Outcome};
use pairway_test_guests::sockets::KeepAlive;
use pairway_test_guests::state::{AutoResponse, Recipients};
use pairway_test_guests::storage::ListOptions;
use pairway_test_guests::{
    Error, Event, Guest, Request, RequestId, SocketId, WebSocket, accept, objects, outcome, path,
    plain, respond, sockets, state, storage, text, upgrade, web_socket_pair, worker,
};

struct BareObject;

thread_local! {
    static IS_OBJECT: Cell<bool> = const { Cell::new(false) };
    /// The requests that the object has not answered yet, by token.
    static PASSED_ON: RefCell<HashMap<u64, RequestId>> = RefCell::default();
    /// What `/leaving` has seen, for `/seen`.
    static SEEN: RefCell<Vec<String>> = RefCell::default();
}

impl Guest for BareObject {
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
    let lines = match path(request) {
        "/outside" => outside_an_object(),
        _ if !IS_OBJECT.get() => return pass_on(id, request),
        "/accepting" => accepting(),
        "/leaving" => return leaving(id),
        "/seen" => SEEN.with_borrow(Clone::clone),
        "/tags" => tags(),
        "/unknown" => unknown(),
        "/auto-response" => auto_response(),
        "/timeouts" => timeouts(),
        "/attachment" => attachment(),
        "/broadcast" => broadcast(),
        _ => vec!["unknown path".to_owned()],
    };
    respond(id, plain(200, &lines.join("\n"))).expect("a fit response");
}

fn pass_on(id: RequestId, request: &Request) {
    let object = objects::id_from_name("BARE", "the one").expect("the binding is configured");
    let token = objects::fetch("BARE", &object, request).expect("one request is not too many");
    PASSED_ON.with_borrow_mut(|passed_on| passed_on.insert(token, id));
}

fn completed(token: u64, outcome: Outcome) {
    let id = PASSED_ON.with_borrow_mut(|passed_on| passed_on.remove(&token));
    let (Some(id), Outcome::Response(response)) = (id, outcome) else {
        panic!("the object does not answer");
    };
    respond(id, response).expect("a fit response");
}

fn pair() -> (WebSocket, WebSocket) {
    web_socket_pair().expect("one pair is not too many")
}

fn durable(socket: &WebSocket) -> Result<(), Error> {
    state::accept_web_socket(socket, &[])
}

fn listed() -> Vec<SocketId> {
    state::get_web_sockets(None).expect("this is an object")
}

fn accepting() -> Vec<String> {
    let before = listed().len();
    let (client, server) = pair();
    let mut lines = vec![
        outcome(server.send(&text("not accepted"))),
        outcome(durable(&server)),
        outcome(durable(&server)),
        outcome(accept(&server)),
        outcome(durable(&client)),
        outcome(server.send(&text("now"))),
        format!("listed {}", listed().contains(&server.id())),
    ];
    let (_client, server) = pair();
    lines.extend([
        outcome(accept(&server)),
        outcome(durable(&server)),
        outcome(accept(&server)),
    ]);
    // It is the other end that is taken; this one can still be taken in the usual way.
    let (client, server) = pair();
    lines.extend([
        outcome(accept(&client)),
        outcome(durable(&server)),
        outcome(accept(&server)),
    ]);
    lines.push(format!("more {}", listed().len() - before));
    lines
}

/// The response has left with the client's end when the server's end is to be taken.
fn leaving(id: RequestId) {
    let (taken, _server) = pair();
    outcome(durable(&taken));
    let mut seen = vec![outcome(respond(id, upgrade(taken)))];
    let (client, server) = pair();
    seen.push(outcome(respond(id, upgrade(client))));
    seen.push(outcome(durable(&server)));
    SEEN.set(seen);
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn tags() -> Vec<String> {
    let (_client, server) = pair();
    let numbered = |count: u32| (0..count).map(|at| at.to_string()).collect::<Vec<_>>();
    let (long, too_long) = ("é".repeat(128), "é".repeat(129));
    let told = || {
        state::get_tags(server.id())
            .map_or_else(|error| format!("{error:?}"), |tags| tags.join(","))
    };
    let with_twin = [numbered(10), named(&["0"])].concat();
    let refused = [
        numbered(11),
        with_twin,
        named(&[&too_long]),
        named(&["fits", &"x".repeat(257)]),
    ];
    let mut lines: Vec<String> = refused
        .iter()
        .map(|tags| outcome(state::accept_web_socket(&server, tags)))
        .collect();
    // The refusals have left the end as it was.
    lines.push(outcome(server.send(&text("not accepted"))));
    let twins = named(&["b", "a", "", "b", "", "a"]);
    lines.extend([outcome(state::accept_web_socket(&server, &twins)), told()]);
    lines.extend(
        refused
            .iter()
            .map(|tags| outcome(state::set_tags(server.id(), tags))),
    );
    lines.push(told());
    for tags in [
        numbered(10),
        named(&[&long, &"x".repeat(256)]),
        named(&["c", "b", "c"]),
    ] {
        lines.push(outcome(state::set_tags(server.id(), &tags)));
    }
    lines.push(told());
    lines.extend(["a", "b"].map(|tag| {
        let found = state::get_web_sockets(Some(tag)).unwrap_or_default();
        format!("found by {tag} {}", found.contains(&server.id()))
    }));
    lines
}

/// Ids of no hibernatable socket: of no socket at all, of one nobody has taken, of a standard one.
fn unknown() -> Vec<String> {
    let (_client, free) = pair();
    let (_client, standard) = pair();
    outcome(accept(&standard));
    let mut lines = Vec::new();
    for id in [0, u64::MAX, free.id(), standard.id()] {
        let refusals = [
            outcome(state::get_tags(id)),
            outcome(state::set_tags(id, &[])),
            outcome(state::get_auto_response_time(id)),
        ];
        lines.extend(refusals.map(|refusal| refusal.replace(&id.to_string(), "id")));
    }
    lines
}

fn auto_response() -> Vec<String> {
    let set = |request: String, response: String| {
        let pair = AutoResponse { request, response };
        outcome(state::set_auto_response(Some(&pair)))
    };
    let told = || match state::get_auto_response() {
        Ok(Some(pair)) => format!("{} {}", pair.request.len(), pair.response.len()),
        other => format!("{other:?}"),
    };
    let text = |characters: usize| "é".repeat(characters);
    vec![
        told(),
        set(text(1024), text(1024)),
        set(text(1025), text(1)),
        set(text(1), text(1025)),
        set("x".repeat(2049), text(1)),
        told(),
        set(String::new(), String::new()),
        told(),
        outcome(state::set_auto_response(None)),
        told(),
    ]
}

fn timeouts() -> Vec<String> {
    let mut lines = vec![format!("{:?}", state::get_event_timeout())];
    for timeout_ms in [Some(604_800_000), Some(604_800_001), Some(0), Some(5), None] {
        lines.push(outcome(state::set_event_timeout(timeout_ms)));
        lines.push(format!("{:?}", state::get_event_timeout()));
    }
    let (_client, server) = pair();
    outcome(durable(&server));
    let day = 24 * 60 * 60 * 1000;
    for (interval_ms, timeout_ms) in [(7 * day, 7 * day), (7 * day + 1, 1), (1, 7 * day + 1)] {
        let keep_alive = KeepAlive {
            interval_ms,
            timeout_ms,
        };
        lines.push(outcome(server.set_keep_alive(Some(keep_alive))));
    }
    lines
}

fn attachment() -> Vec<String> {
    let (_client, server) = pair();
    let told = || {
        server
            .attachment()
            .map_or("none".to_owned(), |bytes| bytes.len().to_string())
    };
    let mut lines = vec![told(), outcome(server.set_attachment(Some(b"early")))];
    outcome(durable(&server));
    lines.push(told());
    for size in [16_384, 16_385, 0] {
        lines.push(outcome(server.set_attachment(Some(&vec![7; size]))));
        lines.push(told());
    }
    lines.extend([outcome(server.set_attachment(None)), told()]);
    lines
}

/// To a socket that is open, one that is closing, and a standard one.
fn broadcast() -> Vec<String> {
    let (_first, open) = pair();
    let (_second, closing) = pair();
    let (_third, standard) = pair();
    outcome(state::accept_web_socket(&open, &named(&["a"])));
    outcome(state::accept_web_socket(&closing, &named(&["a"])));
    outcome(accept(&standard));
    outcome(closing.close(Some(4000), None));
    let to = |tag: Option<&str>, except: &[SocketId]| {
        let recipients = Recipients {
            tag: tag.map(str::to_owned),
            except: except.to_vec(),
        };
        let reached = state::broadcast(&recipients, &text("to all"));
        reached.map_or_else(|error| format!("{error:?}"), |reached| reached.to_string())
    };
    let both = [open.id(), open.id(), u64::MAX];
    vec![
        to(Some("a"), &[]),
        to(Some("b"), &[]),
        to(Some("a"), &[closing.id(), standard.id()]),
        to(Some("a"), &both),
        sockets::broadcast(&[open.id(), closing.id(), standard.id()], &text("to these"))
            .to_string(),
    ]
}

/// Every function of `state` and `storage`, by a stateless worker.
fn outside_an_object() -> Vec<String> {
    let (_client, end) = pair();
    let everybody = Recipients {
        tag: None,
        except: Vec::new(),
    };
    let everything = ListOptions {
        start: None,
        start_after: None,
        end: None,
        prefix: None,
        reverse: false,
        limit: None,
    };
    let keys = ["key".to_owned()];
    vec![
        outcome(durable(&end)),
        outcome(state::get_web_sockets(None)),
        outcome(state::get_tags(end.id())),
        outcome(state::set_tags(end.id(), &[])),
        outcome(state::broadcast(&everybody, &text("to all"))),
        outcome(state::set_auto_response(None)),
        outcome(state::get_auto_response()),
        outcome(state::get_auto_response_time(end.id())),
        outcome(state::set_event_timeout(None)),
        outcome(state::get_event_timeout()),
        outcome(state::set_alarm(None)),
        outcome(state::get_alarm()),
        outcome(state::alarm_handled(true)),
        outcome(state::close_gate()),
        outcome(state::open_gate()),
        outcome(state::set_running(0)),
        outcome(state::abort("no object")),
        outcome(storage::get(&keys)),
        outcome(storage::put(&[("key".to_owned(), Vec::new())])),
        outcome(storage::delete(&keys)),
        outcome(storage::list(&everything)),
        outcome(storage::list_keys(&everything)),
        outcome(storage::delete_all()),
        outcome(storage::begin()),
        outcome(storage::commit()),
        outcome(storage::rollback()),
        outcome(storage::exec("SELECT 1", &[])),
        outcome(storage::database_size()),
        // The end stayed as it was.
        outcome(accept(&end)),
    ]
}

worker!(BareObject);
