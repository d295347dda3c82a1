//! Counters by name: each is a durable object whose number is in its storage, and is set to zero by an alarm. Whoever
//! watches gets each new number over a WebSocket.

use pairway::*;
use std::time::Duration;

#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let name = req.path().split('/').nth(1).unwrap_or_default();
    if name.is_empty() {
        return Response::error("Name a counter: GET /NAME, POST /NAME/increment.", 404);
    }
    let counter = env.durable_object("COUNTER")?.get_by_name(name)?;
    counter.fetch_with_request(req).await
}

#[durable_object]
struct Counter {
    state: State,
}

impl DurableObject for Counter {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        let path: Vec<&str> = req.path().split('/').skip(2).collect();
        match (req.method(), path.as_slice()) {
            (Method::Get, []) => Response::ok(self.get().await?.to_string()),
            (Method::Post, ["increment"]) => {
                let number = self.get().await? + 1;
                self.set(number).await?;
                Response::ok(number.to_string())
            }
            (Method::Post, ["reset-in", seconds]) => {
                let Ok(seconds) = seconds.parse() else {
                    return Response::error("How many seconds?", 400);
                };
                let storage = self.state.storage();
                storage.set_alarm(Duration::from_secs(seconds)).await?;
                Response::ok(format!("zero in {seconds} s"))
            }
            (Method::Get, ["live"]) => {
                req.upgrade()?; // a plain GET gets a 426
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                self.state.accept_web_socket(&server)?;
                server.send(self.get().await?.to_string())?;
                Response::from_websocket(client)
            }
            _ => Response::error(
                "A counter has /increment, /reset-in/SECONDS and /live.",
                404,
            ),
        }
    }

    async fn alarm(&self, _info: AlarmInfo) -> Result<()> {
        self.set(0).await
    }
}

impl Counter {
    async fn get(&self) -> Result<u64> {
        Ok(self.state.storage().get("number").await?.unwrap_or(0))
    }

    async fn set(&self, number: u64) -> Result<()> {
        self.state.storage().put("number", number).await?;
        self.state.broadcast(number.to_string()).send()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(method: Method, path: &str) -> (u16, String) {
        let request = Request::new(format!("http://localhost{path}"), method);
        let response = testing::fetch(fetch, request).await;
        (response.status_code(), response.text().unwrap().to_owned())
    }

    #[test]
    fn each_name_counts_for_itself_and_remembers() {
        testing::run(async {
            testing::bind_object::<Counter>("COUNTER");
            for number in 1..=3 {
                let answer = ask(Method::Post, "/a/increment").await;
                assert_eq!(answer, (200, number.to_string()));
                assert_eq!(testing::hibernate(), 1);
            }
            assert_eq!(ask(Method::Get, "/a").await, (200, "3".to_owned()));
            assert_eq!(ask(Method::Get, "/b").await, (200, "0".to_owned()));
            assert_eq!(ask(Method::Get, "/a/live").await.0, 426);
            assert_eq!(ask(Method::Post, "/a/reset-in/soon").await.0, 400);
            assert_eq!(ask(Method::Get, "/").await.0, 404);
        });
    }

    #[test]
    fn who_watches_sees_each_number_and_the_alarm_sets_it_to_zero() {
        testing::run(async {
            testing::bind_object::<Counter>("COUNTER");
            let uri = "http://localhost/a/live";
            let mut live = testing::connect(fetch, uri).await.unwrap();
            ask(Method::Post, "/a/increment").await;
            ask(Method::Post, "/a/reset-in/5").await;
            for number in ["0", "1", "0"] {
                assert_eq!(live.recv().await, Ok(Some(Message::from(number))));
            }
            assert_eq!(testing::elapsed(), Duration::from_secs(5));
            assert_eq!(ask(Method::Get, "/a").await, (200, "0".to_owned()));
        });
    }
}
