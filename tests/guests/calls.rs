//! Turns bytes into calls, whatever they are: any function of the interface with any handle, size and order. A request's
//! body is the program; it is answered with the longest time that one call took, in milliseconds.

#[path = "calls/input.rs"]
mod input;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Instant;

use pairway_test_guests::bindings::exports::pairway::worker::events::{InstanceKind, Outcome};
use pairway_test_guests::sockets::{ConnectOptions, KeepAlive};
use pairway_test_guests::state::{AutoResponse, Recipients};
use pairway_test_guests::storage::{ListOptions, SqlValue};
use pairway_test_guests::{
    AcceptOptions, Event, Guest, Request, RequestId, Run, SocketId, WebSocket, http, objects, path,
    plain, respond, sockets, state, storage, timers, upgrade, web_socket_pair, worker,
};

use self::input::Input;

struct Calls;

#[derive(Default)]
struct Memory {
    handles: Vec<WebSocket>,
    ids: Vec<SocketId>,
    tokens: Vec<u64>,
    /// Requests that were passed on to an object, by token.
    passed_on: HashMap<u64, RequestId>,
    /// What is left of the program, for the events to come.
    rest: Vec<u8>,
}

thread_local! {
    static IS_OBJECT: Cell<bool> = const { Cell::new(false) };
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Guest for Calls {
    fn handle(events: Vec<Event>) {
        for event in events {
            match event {
                Event::Start(kind) => IS_OBJECT.set(matches!(kind, InstanceKind::Object(_))),
                Event::Fetch((id, request)) => fetch(id, &request),
                Event::Completed((token, outcome)) => completed(token, outcome),
                Event::Message((socket, _))
                | Event::Drain(socket)
                | Event::Open(socket)
                | Event::Close((socket, _))
                | Event::Error((socket, _)) => go_on(socket),
                Event::Alarm(_) => {
                    // A storage that fails is told by the next call.
                    drop(state::alarm_handled(true));
                }
            }
        }
    }
}

fn fetch(id: RequestId, request: &Request) {
    if path(request).starts_with("/object/") && !IS_OBJECT.get() {
        let object = objects::id_from_name("CALLS", path(request)).expect("it is bound");
        if let Ok(token) = objects::fetch("CALLS", &object, request) {
            MEMORY.with_borrow_mut(|memory| memory.passed_on.insert(token, id));
        }
        return;
    }
    let longest = run(&request.body, id);
    // A call of the program may have answered already.
    drop(respond(id, plain(200, &longest.to_string())));
}

fn completed(token: u64, outcome: Outcome) {
    let passed_on = MEMORY.with_borrow_mut(|memory| memory.passed_on.remove(&token));
    let Some(id) = passed_on else {
        return go_on(token);
    };
    let response = match outcome {
        Outcome::Response(response) => response,
        Outcome::Failed(error) => plain(500, &format!("{error:?}")),
        Outcome::Done => plain(500, "a request has a response"),
    };
    drop(respond(id, response));
}

/// What is left of the program runs when something happens, a little at a time.
fn go_on(id: u64) {
    let rest = MEMORY.with_borrow_mut(|memory| {
        let length = memory.rest.len().min(16);
        memory.rest.drain(..length).collect::<Vec<u8>>()
    });
    run(&rest, id);
}

/// Make the calls that these bytes are. Gives the longest time that one took.
fn run(program: &[u8], id: u64) -> u128 {
    let mut input = Input(program);
    let mut longest = 0;
    while let Some(code) = input.next() {
        if code == 255 {
            MEMORY.with_borrow_mut(|memory| memory.rest = input.0.to_vec());
            break;
        }
        let start = Instant::now();
        call(code % 48, &mut input, id);
        longest = longest.max(start.elapsed().as_millis());
    }
    longest
}

/// Use a handle, if there is one.
fn with(input: &mut Input<'_>, f: impl FnOnce(&WebSocket, &mut Input<'_>)) {
    let at = usize::from(input.byte());
    let handle = MEMORY.with_borrow_mut(|memory| match memory.handles.len() {
        0 => None,
        length => Some(memory.handles.swap_remove(at % length)),
    });
    if let Some(handle) = handle {
        f(&handle, input);
        MEMORY.with_borrow_mut(|memory| memory.handles.push(handle));
    }
}

fn keep(handle: WebSocket) {
    MEMORY.with_borrow_mut(|memory| {
        memory.ids.push(handle.id());
        memory.handles.push(handle);
    });
}

fn take() -> Option<WebSocket> {
    MEMORY.with_borrow_mut(|memory| memory.handles.pop())
}

fn note<E>(token: Result<u64, E>) {
    MEMORY.with_borrow_mut(|memory| memory.tokens.extend(token));
}

/// One call. What comes of it is the host's to bound.
fn call(code: u8, input: &mut Input<'_>, id: u64) {
    match code {
        0..10 => end_call(code, input),
        10..24 => asking_call(code, input, id),
        24..34 => object_call(code, input),
        _ => storage_call(code, input),
    }
}

fn end_call(code: u8, input: &mut Input<'_>) {
    match code {
        0 => {
            if let Ok((first, second)) = web_socket_pair() {
                keep(first);
                keep(second);
            }
        }
        1 => with(input, |end, input| {
            let half_open = input.flag();
            drop(end.accept(AcceptOptions { half_open }));
        }),
        2 => with(input, |end, input| drop(end.send(&input.message()))),
        3 => with(input, |end, input| {
            let code = u16::try_from(input.number().min(65_535)).ok();
            drop(end.close(code, Some(&input.text())));
        }),
        4 => with(input, |end, _| drop(end.close(None, None))),
        5 => with(input, |end, input| match input.flag() {
            true => end.pause(),
            false => end.resume(),
        }),
        6 => with(input, |end, input| {
            drop(end.set_attachment(Some(&input.bytes())));
            drop(end.attachment());
        }),
        7 => with(input, |end, input| {
            drop(end.set_keep_alive(Some(KeepAlive {
                interval_ms: input.small(),
                timeout_ms: input.small(),
            })));
        }),
        8 => with(input, |end, _| {
            drop((end.url(), end.protocol(), end.extensions(), end.request()));
            std::hint::black_box((end.ready_state(), end.buffered_amount(), end.is_writable()));
        }),
        _ => drop(take()),
    }
}

fn asking_call(code: u8, input: &mut Input<'_>, id: u64) {
    match code {
        10 => {
            if let Some(handle) = sockets::get_web_socket(input.id()) {
                keep(handle);
            }
        }
        11 => drop(sockets::send(input.id(), &input.message())),
        12 => drop(sockets::broadcast(&input.ids(), &input.message())),
        13 => send_several(input),
        14 => {
            let urls = ["ws://127.0.0.1:9/", "ws://evil/", "x", "wss://127.0.0.1:9/"];
            let url = urls[usize::from(input.byte()) % urls.len()];
            let options = ConnectOptions {
                protocols: input.texts(),
                headers: input.headers(),
                hibernatable: input.flag().then(|| input.texts()),
            };
            if let Ok(handle) = sockets::connect(url, &options) {
                keep(handle);
            }
        }
        15 => note(timers::start(input.number())),
        16 => {
            let known = MEMORY.with_borrow_mut(|memory| memory.tokens.pop());
            timers::cancel(known.unwrap_or_else(|| input.number()));
        }
        17 => note(http::fetch(&input.request())),
        18 => {
            if let Some(end) = take() {
                drop(respond(id, upgrade(end)));
            }
        }
        19 => {
            let mut response = plain(200, "");
            response.status = u16::try_from(input.number().min(65_535)).unwrap_or(200);
            response.headers = input.headers();
            response.body = input.bytes();
            drop(respond(input.number(), response));
        }
        20 => drop(objects::id_from_name("CALLS", &input.text())),
        21 => drop(objects::id_from_string("CALLS", &input.text())),
        22 => drop(objects::new_unique_id(&input.text())),
        _ => {
            if let Ok(object) = objects::id_from_name("CALLS", "/object/0") {
                note(objects::fetch("CALLS", &object, &input.request()));
            }
        }
    }
}

fn send_several(input: &mut Input<'_>) {
    let (ids, text) = (input.ids(), input.text());
    let is_text = input.flag();
    let runs: Vec<_> = ids
        .into_iter()
        .take(5000)
        .map(|socket| Run {
            socket,
            is_text,
            messages: input.small(),
        })
        .collect();
    let lengths = vec![input.small(); input.size()];
    drop(sockets::send_several(
        &runs,
        &lengths,
        &text,
        text.as_bytes(),
    ));
}

fn object_call(code: u8, input: &mut Input<'_>) {
    match code {
        24 => with(input, |end, input| {
            drop(state::accept_web_socket(end, &input.texts()));
        }),
        25 => drop(state::set_tags(input.id(), &input.texts())),
        26 => {
            let tag = input.flag().then(|| input.text());
            drop(state::get_web_sockets(tag.as_deref()));
        }
        27 => {
            let recipients = Recipients {
                tag: input.flag().then(|| input.text()),
                except: input.ids(),
            };
            drop(state::broadcast(&recipients, &input.message()));
        }
        28 => {
            let pair = AutoResponse {
                request: input.text(),
                response: input.text(),
            };
            drop(state::set_auto_response(Some(&pair)));
            drop(state::get_auto_response());
        }
        29 => drop(state::set_event_timeout(Some(input.small()))),
        30 => {
            drop(state::set_alarm(input.flag().then(|| input.number())));
            drop(state::get_alarm());
        }
        31 => {
            drop(state::close_gate());
            if input.flag() {
                drop(state::open_gate());
            }
        }
        32 => drop(state::set_running(input.small())),
        _ => {
            if input.byte() == 0 {
                drop(state::abort(&input.text()));
            }
        }
    }
}

fn storage_call(code: u8, input: &mut Input<'_>) {
    match code {
        34 | 35 => {
            let keys = input.texts();
            let value = input.bytes();
            let entries: Vec<_> = keys
                .into_iter()
                .map(|key| (key, value.clone()))
                .take(200)
                .collect();
            drop(storage::put(&entries));
        }
        36 => drop(storage::get(&input.texts())),
        37 => drop(storage::delete(&input.texts())),
        38 => drop(storage::list(&ListOptions {
            start: input.flag().then(|| input.text()),
            start_after: input.flag().then(|| input.text()),
            end: input.flag().then(|| input.text()),
            prefix: input.flag().then(|| input.text()),
            reverse: input.flag(),
            limit: input.flag().then(|| input.small()),
        })),
        39 => drop(storage::delete_all()),
        40 => drop(storage::begin()),
        41 => drop(storage::commit()),
        42 => drop(storage::rollback()),
        43 => drop(storage::database_size()),
        _ => {
            let statements = [
                "SELECT 1",
                "CREATE TABLE t (x)",
                "INSERT INTO t VALUES (?)",
                "SELECT * FROM t ORDER BY x",
                "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) SELECT max(x) FROM c",
                "SELECT instr(?, 'b'), replace(?1, 'a', 'b')",
                "nonsense",
                "PRAGMA journal_mode = DELETE",
            ];
            let sql = statements[usize::from(input.byte()) % statements.len()];
            let parameters = match input.byte() % 3 {
                0 => Vec::new(),
                1 => vec![SqlValue::Text(input.text())],
                _ => vec![SqlValue::Blob(input.bytes())],
            };
            drop(storage::exec(sql, &parameters));
        }
    }
}

worker!(Calls);
