//! Goes wrong in the way that a text command or the path names. `WHEN=start` in its variables: at once.

use std::hint::black_box;
use std::time::Duration;

use pairway::*;

#[event(start)]
fn start() {
    if std::env::var("WHEN").is_ok_and(|when| when == "start") {
        go_wrong("panic");
    }
}

#[event(fetch)]
async fn fetch(req: Request, _env: Env, _ctx: Context) -> Result<Response> {
    if req.path() == "/wait" {
        sleep(Duration::from_secs(60)).await;
    }
    if req.path() == "/answer-then-panic" {
        // Polled in the turn in which the response is given.
        spawn(async {
            go_wrong("panic");
            Ok(())
        });
        return Response::ok("never leaves");
    }
    if !req.is_upgrade() {
        go_wrong(req.path().trim_start_matches('/'));
        return Response::ok("alive");
    }
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let mut socket = server.accept()?;
    spawn(async move {
        while let Some(message) = socket.recv().await? {
            // What is sent in a turn that goes wrong never leaves.
            socket.send(message.clone())?;
            if let Message::Text(command) = &message {
                go_wrong(command);
            }
        }
        Ok(())
    });
    Response::from_websocket(client)
}

fn go_wrong(how: &str) {
    match how {
        "panic" => panic!("asked to"),
        "loop" => loop {
            black_box(());
        },
        "memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "stack" => {
            black_box(deeper(0));
        }
        "burn" => {
            let start = std::time::Instant::now();
            while start.elapsed().as_millis() < 100 {}
        }
        "too much at once" => assert!(Vec::<u8>::new().try_reserve(1 << 30).is_err()),
        "nap" => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
}

fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX {
        0
    } else {
        deeper(depth + 1) + frame[63]
    }
}
