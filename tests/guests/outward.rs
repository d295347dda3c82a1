//! Connects and fetches as the texts say that it gets, a command a line and all lines of a text in one turn. Tells, a
//! line each, how the calls end and what happens to the sockets, which it numbers as they come.

use std::cell::RefCell;

use pairway_test_guests::bindings::exports::pairway::worker::events::Outcome;
use pairway_test_guests::sockets::ConnectOptions;
use pairway_test_guests::{
    CloseInfo, Event, Guest, Message, Request, RequestId, Response, SocketId, WebSocket, accept,
    http, outcome, respond, sockets, text, upgrade, web_socket_pair, worker,
};

struct Outward;

thread_local! {
    /// The socket that the commands come from.
    static CONTROL: RefCell<Option<WebSocket>> = const { RefCell::new(None) };
    static SOCKETS: RefCell<Vec<WebSocket>> = const { RefCell::new(Vec::new()) };
    /// Those whose messages are sent back instead of told.
    static ECHOES: RefCell<Vec<SocketId>> = const { RefCell::new(Vec::new()) };
}

impl Guest for Outward {
    fn handle(events: Vec<Event>) {
        for event in events {
            match event {
                Event::Fetch((id, _)) => control(id),
                Event::Open(id) => tell(&format!("open {} {}", number(id), state(number(id)))),
                Event::Message((id, message)) => on_message(id, &message),
                Event::Close((id, info)) => on_close(id, &info),
                Event::Error((id, why)) => tell(&format!("error {} {why}", number(id))),
                // That of the control says only that it was far behind.
                Event::Drain(id) if number(id) == usize::MAX => {}
                Event::Drain(id) => tell(&format!("drain {} {}", number(id), room(number(id)))),
                Event::Completed((_, Outcome::Response(response))) => on_response(response),
                Event::Completed((_, Outcome::Failed(error))) => {
                    tell(&format!("failed {}", outcome::<()>(Err(error))));
                }
                Event::Completed((_, Outcome::Done)) | Event::Start(_) | Event::Alarm(_) => {}
            }
        }
    }
}

fn control(id: RequestId) {
    let (client, server) = web_socket_pair().expect("one pair is not too many");
    accept(&server).expect("a new end can be accepted");
    respond(id, upgrade(client)).expect("a fit response");
    CONTROL.set(Some(server));
}

fn tell(line: &str) {
    CONTROL.with_borrow(|control| {
        let control = control.as_ref().expect("commands came from it");
        outcome(control.send(&text(line)));
    });
}

/// The number of a socket; that of none for the control.
fn number(id: SocketId) -> usize {
    SOCKETS.with_borrow(|sockets| {
        let found = sockets.iter().position(|socket| socket.id() == id);
        found.unwrap_or(usize::MAX)
    })
}

fn with<T>(number: usize, act: impl FnOnce(&WebSocket) -> T) -> T {
    SOCKETS.with_borrow(|sockets| act(&sockets[number]))
}

fn on_message(id: SocketId, message: &Message) {
    let number = number(id);
    if number == usize::MAX {
        let Message::Text(commands) = message else {
            panic!("commands are texts");
        };
        return commands.lines().for_each(command);
    }
    if ECHOES.with_borrow(|echoes| echoes.contains(&id)) {
        outcome(with(number, |socket| socket.send(message)));
        return;
    }
    match message {
        Message::Text(text) => tell(&format!("text {number} {text}")),
        Message::Binary(bytes) => tell(&format!("binary {number} {}", bytes.len())),
    }
}

fn on_close(id: SocketId, info: &CloseInfo) {
    let number = number(id);
    if number == usize::MAX {
        return;
    }
    let state = state(number);
    let sent = outcome(with(number, |socket| socket.send(&text("late"))));
    let CloseInfo {
        code,
        reason,
        was_clean,
    } = info;
    tell(&format!(
        "close {number} {code} {was_clean} {state} {sent} {reason}"
    ));
}

fn on_response(response: Response) {
    let headers = response.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
        .collect();
    let body = match response.body.len() {
        0..1_000 => String::from_utf8_lossy(&response.body).into_owned(),
        length => length.to_string(),
    };
    tell(&format!(
        "response {} {} {body}",
        response.status,
        headers.join(",")
    ));
    if let Some(socket) = response.socket {
        let socket = keep(socket);
        tell(&format!("socket {socket} {}", about(socket)));
    }
}

fn keep(socket: WebSocket) -> usize {
    SOCKETS.with_borrow_mut(|sockets| {
        sockets.push(socket);
        sockets.len() - 1
    })
}

fn state(number: usize) -> String {
    let state = with(number, WebSocket::ready_state);
    format!("{state:?}").replace("ReadyState::", "")
}

fn about(number: usize) -> String {
    let state = state(number);
    with(number, |socket| {
        let (url, protocol) = (socket.url().unwrap_or_default(), socket.protocol());
        format!("{state} {url} [{protocol}] [{}]", socket.extensions())
    })
}

/// How full the outbox is, and whether to go on sending.
fn room(number: usize) -> String {
    with(number, |socket| {
        format!("{} {}", socket.buffered_amount(), socket.is_writable())
    })
}

fn command(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let at = |word: &str| word.parse::<usize>().expect("a number");
    let told = match words[..] {
        ["connect", url, ref options @ ..] => connect(url, options),
        ["fetch", method, url, ref options @ ..] => fetch(method, url, options),
        ["send", number, ..] => {
            let message = text(line.splitn(3, ' ').last().unwrap_or_default());
            outcome(with(at(number), |socket| socket.send(&message)))
        }
        ["bytes", number, size] => {
            let message = Message::Binary((0..251).cycle().take(at(size)).collect());
            outcome(with(at(number), |socket| socket.send(&message)))
        }
        ["fill", number, size] => fill(at(number), at(size)),
        ["close", number] => outcome(with(at(number), |socket| socket.close(None, None))),
        ["close", number, code, reason] => {
            let code = code.parse().expect("a code");
            outcome(with(at(number), |socket| {
                socket.close(Some(code), Some(reason))
            }))
        }
        ["accept", number] => outcome(with(at(number), accept)),
        ["echo", number] => {
            let id = with(at(number), WebSocket::id);
            ECHOES.with_borrow_mut(|echoes| echoes.push(id));
            "ok".to_owned()
        }
        ["about", number] => about(at(number)),
        ["room", number] => room(at(number)),
        ["pause", number] => {
            with(at(number), WebSocket::pause);
            "ok".to_owned()
        }
        ["resume", number] => {
            with(at(number), WebSocket::resume);
            "ok".to_owned()
        }
        ["die"] => panic!("asked to"),
        _ => panic!("no command: {line:?}"),
    };
    tell(&format!("{} {told}", words[0]));
}

/// The options of that name, which stand there as `name=value`.
fn named<'a>(options: &'a [&'a str], name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = options.iter().filter_map(|option| option.split_once('='));
    pairs
        .filter(move |(own, _)| *own == name)
        .map(|(_, value)| value)
}

fn headers(options: &[&str]) -> Vec<(String, Vec<u8>)> {
    named(options, "header")
        .filter_map(|header| header.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn connect(url: &str, options: &[&str]) -> String {
    let tags = named(options, "tag").map(str::to_owned).collect::<Vec<_>>();
    let connect = ConnectOptions {
        protocols: named(options, "protocol").map(str::to_owned).collect(),
        headers: headers(options),
        hibernatable: (!tags.is_empty()).then_some(tags),
    };
    match sockets::connect(url, &connect) {
        Ok(socket) => {
            let number = keep(socket);
            format!("{number} {}", state(number))
        }
        Err(refused) => outcome::<()>(Err(refused)),
    }
}

fn fetch(method: &str, url: &str, options: &[&str]) -> String {
    outcome(http::fetch(&Request {
        method: method.to_owned(),
        uri: url.to_owned(),
        headers: headers(options),
        body: named(options, "body").next().unwrap_or_default().into(),
        peer: None,
    }))
}

/// Send until the host refuses.
fn fill(number: usize, size: usize) -> String {
    let message = Message::Binary(vec![0; size]);
    let mut taken = 0;
    with(number, |socket| {
        loop {
            match socket.send(&message) {
                Ok(()) => taken += 1,
                Err(refused) => return format!("{taken} {}", outcome::<()>(Err(refused))),
            }
        }
    })
}

worker!(Outward);
