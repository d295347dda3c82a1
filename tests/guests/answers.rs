//! Answers HTTP requests without making a socket.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use pairway::*;

thread_local! {
    static REQUESTS: Cell<u32> = const { Cell::new(0) };
}

#[event(fetch)]
async fn fetch(mut req: Request, env: Env, _ctx: Context) -> Result<Response> {
    REQUESTS.set(REQUESTS.get() + 1);
    match req.path() {
        "/expected-upgrade" => {
            Response::error("Expected Upgrade", 426)?.with_header("Upgrade", "websocket")
        }
        "/forbidden" => Response::error("no", 403),
        "/request" => describe(&mut req).await,
        "/echo" => Response::from_bytes(req.bytes().await?),
        "/status" => Ok(Response::ok("a body")?.with_status(number(&req, "code")?)),
        "/bytes" => Response::from_bytes(vec![b'x'; number(&req, "count")?]),
        "/large" => Response::from_bytes(vec![b'x'; 3 << 20]),
        "/headers" => response_headers(),
        "/sleep" => {
            let milliseconds = req
                .query("ms")
                .and_then(|text| text.parse().ok())
                .unwrap_or(100);
            sleep(Duration::from_millis(milliseconds)).await;
            Response::ok("slept")
        }
        "/fail" => Err(Error::from("the handler failed")),
        "/bad-response" => Ok(Response::ok("out of range")?.with_status(700)),
        "/late-upgrade" => {
            let milliseconds = req
                .query("ms")
                .and_then(|text| text.parse().ok())
                .unwrap_or(100);
            sleep(Duration::from_millis(milliseconds)).await;
            let (mut socket, response) = req.upgrade()?.accept()?;
            socket.send("welcome")?;
            spawn(async move {
                while socket.recv().await?.is_some() {}
                Ok(())
            });
            Ok(response)
        }
        "/upgrade-helper" => {
            let (mut socket, response) = req.upgrade()?.protocol("chat").accept()?;
            socket.send("welcome")?;
            spawn(async move {
                while socket.recv().await?.is_some() {}
                Ok(())
            });
            Ok(response)
        }
        "/var" => Response::ok(env.var("GREETING")?.to_string()),
        "/vars" => Response::ok(
            std::env::vars()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        "/log-flood" => {
            for at in 0..100 {
                console_log!("{at:>100}");
            }
            Response::ok("logged")
        }
        "/log" => {
            console_log!("a line on {}", "stdout");
            console_error!("a line on {}", "stderr");
            Response::ok("logged")
        }
        "/reach" => Response::ok(reach().join("\n")),
        "/count" => Response::ok(REQUESTS.get().to_string()),
        _ => Response::error("Not Found", 404),
    }
}

/// A number of the query.
fn number<T: std::str::FromStr>(req: &Request, name: &str) -> Result<T> {
    let number = req.query(name).and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::from("a number is missing"))
}

/// What the worker sees of a request, a line each.
async fn describe(req: &mut Request) -> Result<Response> {
    let mut lines = vec![
        format!("method {:?}", req.method()),
        format!("uri {}", req.uri()),
        format!("peer {}", req.peer().unwrap_or("none")),
    ];
    lines.extend(
        req.headers()
            .entries()
            .map(|(name, value)| format!("header {name}: {value}")),
    );
    lines.push(format!("body {}", req.text().await?));
    Response::ok(lines.join("\n"))
}

fn response_headers() -> Result<Response> {
    let mut response = Response::ok("body")?
        .with_header("X-Custom", "passes")?
        .with_header("Content-Length", "400")?
        .with_header("Transfer-Encoding", "chunked")?
        .with_header("Connection", "close")?
        .with_header("Upgrade", "h2c")?;
    response.headers_mut().append("Set-Cookie", "a=1")?;
    response.headers_mut().append("Set-Cookie", "b=2")?;
    Ok(response)
}

/// What the worker gets of the machine it runs on.
fn reach() -> Vec<String> {
    let outcome =
        |word: &str, is_ok: bool| format!("{word} {}", if is_ok { "reached" } else { "refused" });
    vec![
        outcome("file", std::fs::read("/etc/hostname").is_ok()),
        outcome("folder", std::fs::read_dir("/").is_ok()),
        outcome("new file", std::fs::write("/tmp/pairway", "text").is_ok()),
        outcome(
            "network",
            std::net::TcpStream::connect("127.0.0.1:1").is_ok(),
        ),
        outcome(
            "listener",
            std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
        ),
        format!("arguments {}", std::env::args().count()),
        outcome(
            "clock",
            std::time::SystemTime::UNIX_EPOCH
                .elapsed()
                .is_ok_and(|time| time.as_secs() > 1_700_000_000),
        ),
        outcome(
            "random",
            std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish()
                != 0,
        ),
    ]
}
