//! A durable object that is woken by its alarm. What its handler does stands in storage as its script; that it ran, too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pairway::*;

/// `/NAME` is an object of that name.
#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let name = req.path().split('/').nth(1).unwrap_or_default().to_owned();
    let object = env.durable_object("SLEEPER")?.get_by_name(&name)?;
    object.fetch_with_request(req).await
}

#[durable_object]
struct Sleeper {
    state: State,
    /// How many handlers of the alarm are under way.
    handlers: std::cell::Cell<u32>,
}

impl DurableObject for Sleeper {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            handlers: std::cell::Cell::default(),
        }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        if req.is_upgrade() {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            self.state.accept_web_socket(&server)?;
            return Response::from_websocket(client);
        }
        let words: Vec<&str> = req.path().split('/').skip(2).collect();
        Response::ok(self.obey(&words)?)
    }

    async fn alarm(&self, info: AlarmInfo) -> Result<()> {
        self.handlers.set(self.handlers.get() + 1);
        let result = self.handle(info).await;
        self.handlers.set(self.handlers.get() - 1);
        result
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        let words: Vec<&str> = message.text().unwrap_or_default().split(' ').collect();
        ws.send(self.obey(&words)?)
    }
}

impl Sleeper {
    /// A line for each time that the alarm went off: when, in milliseconds; how many handlers ran; how often it was
    /// tried before; whether it was early; and what `get_alarm` says.
    async fn handle(&self, info: AlarmInfo) -> Result<()> {
        let storage = self.state.storage();
        let mut fired: Vec<String> = storage.get("fired").await?.unwrap_or_default();
        let (time, scheduled) = (unix_ms(SystemTime::now()), unix_ms(info.scheduled_time));
        let early = if time < scheduled { "early" } else { "due" };
        let (handlers, retries) = (self.handlers.get(), info.retry_count);
        let line = format!("{time} {handlers} {retries} {early} {}", self.next()?);
        let first = fired.is_empty();
        fired.push(line);
        storage.put("fired", &fired).await?;
        self.state
            .broadcast(format!("alarm {}", fired.len()))
            .send()?;
        let script: String = storage.get("script").await?.unwrap_or_default();
        match script.split(' ').collect::<Vec<_>>()[..] {
            ["fail", times] if info.retry_count < number(times)? => Err("not this time".into()),
            ["again", ms] if first => storage.set_alarm(milliseconds(ms)?).await,
            ["again", ms, "and", "fail"] if first => {
                storage.set_alarm(milliseconds(ms)?).await?;
                Err("but set anew".into())
            }
            ["delete", "all"] => storage.delete_all().await,
            ["slowly", ms] if first => {
                storage.set_alarm(Duration::ZERO).await?;
                sleep(milliseconds(ms)?).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn obey(&self, words: &[&str]) -> Result<String> {
        let storage = self.state.storage();
        let kv = storage.kv();
        match *words {
            ["set", ms] => kv.set_alarm(number::<i64>(ms)?)?,
            ["set-past"] => kv.set_alarm(UNIX_EPOCH + Duration::from_secs(1))?,
            ["delete"] => kv.delete_alarm()?,
            ["wipe"] => kv.delete_all()?,
            ["get"] => return self.next(),
            ["script", ref words @ ..] => kv.put("script", &words.join(" "))?,
            ["fired"] => {
                let fired: Option<Vec<String>> = kv.get("fired")?;
                return Ok(fired.unwrap_or_default().join("\n"));
            }
            _ => return Ok(words.join(" ")),
        }
        Ok("done".to_owned())
    }

    /// When the alarm is due, in seconds from now.
    fn next(&self) -> Result<String> {
        let due = self.state.storage().kv().get_alarm()?;
        Ok(due.map_or("none".to_owned(), |due| {
            let from_now = unix_ms(due) - unix_ms(SystemTime::now());
            format!("{}", (from_now + 500) / 1000)
        }))
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| Error::from("not a number"))
}

fn milliseconds(word: &str) -> Result<Duration> {
    Ok(Duration::from_millis(number(word)?))
}
