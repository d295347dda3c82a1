//! The worker of the differential suite: what it does it does under the real host, as a component, and natively under
//! `pairway::testing`, and what it says of it must be the same.
//!
//! A program says what it sees, line by line: nothing that depends on time or chance, such as an id. What needs a client is
//! in the suite itself, `tests/conformance/differential`.

mod clients;
mod gates;
mod objects;
mod outbound;
mod sockets;
mod sql;
mod storage;
mod worker;

pub use gates::Gated;
pub use objects::{Brittle, Stage};

use pairway::*;
use std::fmt::Debug;

/// What a program has seen.
#[derive(Debug, Default)]
pub struct Log(Vec<String>);

impl Log {
    /// Something is so.
    pub fn line(&mut self, what: &str, is: impl Debug) {
        self.0.push(format!("{what}: {is:?}"));
    }

    /// All of it, a line each.
    #[must_use]
    pub fn text(self) -> String {
        self.0.join("\n")
    }

    /// How the program ended, if it did not end well.
    pub fn end(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.line("failed", error);
        }
    }
}

/// `/run/PROGRAM` runs one in the worker, `/stage/NAME/run/PROGRAM` in an object; `/outside/…` stands for another server.
///
/// # Errors
///
/// Those of the object that is asked.
#[event(fetch)]
pub async fn serve(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let path = req.path().to_owned();
    let words: Vec<&str> = path.split('/').skip(1).collect();
    match words[..] {
        ["run", program] => {
            let mut log = Log::default();
            let result = run(program, &mut log, &env).await;
            log.end(result);
            Response::ok(log.text())
        }
        ["client", kind] => clients::serve(kind, &req),
        ["outside", ..] => outbound::outside(&req).await,
        [class @ ("stage" | "brittle" | "gated"), name, ..] => {
            let namespace = env.durable_object(&class.to_uppercase())?;
            namespace.get_by_name(name)?.fetch_with_request(req).await
        }
        _ => Response::error("there is no such thing", 404),
    }
}

async fn run(program: &str, log: &mut Log, env: &Env) -> Result<()> {
    let Some((area, name)) = program.split_once('.') else {
        return Err("a program is AREA.NAME".into());
    };
    match area {
        "sockets" => sockets::run(name, log).await,
        "worker" => worker::run(name, log, env).await,
        "outbound" => outbound::run(name, log, env).await,
        _ => Err("there is no such area".into()),
    }
}
