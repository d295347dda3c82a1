//! Bindings for guests that speak to the bare interface, and the few lines they share.
//!
//! Guests written with the SDK do not use this crate.

#[expect(
    missing_docs,
    reason = "generated code: the documentation stands in the WIT package"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "worker",
        pub_export_macro: true,
        default_bindings_module: "pairway_test_guests::bindings",
        generate_all,
    });
}

pub use bindings::exports::pairway::worker::events::{Event, Guest};
pub use bindings::pairway::worker::http::{Request, Response, respond};
pub use bindings::pairway::worker::sockets::{
    self, AcceptOptions, WebSocket, get_web_socket, web_socket_pair,
};
pub use bindings::pairway::worker::types::{
    CloseInfo, Error, Message, ReadyState, RequestId, Run, SocketId,
};
pub use bindings::pairway::worker::{http, objects, state, storage, timers};

/// A response without headers and socket.
pub fn plain(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        socket: None,
    }
}

/// The response that hands an end to the client.
pub fn upgrade(end: WebSocket) -> Response {
    Response {
        status: 101,
        headers: Vec::new(),
        body: Vec::new(),
        socket: Some(end),
    }
}

/// A text message.
pub fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

/// Accept an end in the usual way.
///
/// # Errors
///
/// The host's refusal.
pub fn accept(end: &WebSocket) -> Result<(), Error> {
    end.accept(AcceptOptions { half_open: false })
}

/// How a call ended, in a word: `ok`, or the case of the error with its payload.
pub fn outcome<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{error:?}").replace("Error::", ""),
    }
}

/// The path of a request, without the query.
pub fn path(request: &Request) -> &str {
    let after_scheme = request
        .uri
        .split_once("://")
        .map_or(request.uri.as_str(), |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("/", |at| &after_scheme[at..]);
    path.split(['?', '#']).next().unwrap_or(path)
}

/// Export a worker. Natively there is nothing to export it to; then it is only checked.
#[macro_export]
macro_rules! worker {
    ($worker:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::export!($worker);
        #[cfg(not(target_family = "wasm"))]
        const _: fn(Vec<$crate::Event>) = <$worker as $crate::Guest>::handle;
    };
}
