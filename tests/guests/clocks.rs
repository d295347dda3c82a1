//! Answers when its timers have gone off.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use pairway::*;

#[event(fetch)]
async fn fetch(req: Request, _env: Env, ctx: Context) -> Result<Response> {
    let milliseconds = req
        .query("ms")
        .and_then(|text| text.parse().ok())
        .unwrap_or(50);
    match req.path() {
        "/elapsed" => {
            let start = Instant::now();
            sleep(Duration::from_millis(milliseconds)).await;
            Response::ok(start.elapsed().as_millis().to_string())
        }
        "/order" => order().await,
        "/interval" => {
            let start = Instant::now();
            interval(Duration::from_millis(20))
                .take(3)
                .collect::<Vec<_>>()
                .await;
            Response::ok(start.elapsed().as_millis().to_string())
        }
        "/timeout" => {
            let outcome = timeout(Duration::from_millis(20), sleep(Duration::from_secs(60))).await;
            Response::ok(if outcome.is_err() {
                "elapsed"
            } else {
                "in time"
            })
        }
        // The work goes on after the response.
        "/wait-until" => {
            ctx.wait_until(sleep(Duration::from_millis(milliseconds)));
            Response::ok("answered")
        }
        "/many" => many().await,
        _ => Response::error("Not Found", 404),
    }
}

/// Timers that were started in one order go off in another.
async fn order() -> Result<Response> {
    let words = Rc::new(RefCell::new(Vec::new()));
    for (delay, word) in [(60, "third"), (0, "first"), (30, "second")] {
        let words = Rc::clone(&words);
        spawn_local(async move {
            sleep(Duration::from_millis(delay)).await;
            words.borrow_mut().push(word);
        });
    }
    sleep(Duration::from_millis(100)).await;
    Response::ok(words.borrow().join(" "))
}

/// A thousand at once, all of which are waited for.
async fn many() -> Result<Response> {
    let timers = (0..1000u64).map(|at| sleep(Duration::from_millis(at % 50)));
    let count = futures_util::future::join_all(timers).await.len();
    Response::ok(count.to_string())
}
