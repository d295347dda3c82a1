//! A durable object whose storage is worked by text messages, and by paths where no socket is wanted. What is refused is
//! answered with the error.

use std::collections::BTreeMap;
use std::time::Duration;

use pairway::*;

/// `/NAME` is an object of that name.
#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let name = req.path().split('/').nth(1).unwrap_or_default().to_owned();
    let object = env.durable_object("LEDGER")?.get_by_name(&name)?;
    object.fetch_with_request(req).await
}

#[durable_object]
struct Ledger {
    state: State,
}

impl DurableObject for Ledger {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, req: Request) -> Result<Response> {
        if req.is_upgrade() {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            self.state.accept_web_socket(&server)?;
            return Response::from_websocket(client);
        }
        let words: Vec<&str> = req.path().split('/').skip(2).collect();
        Response::ok(self.obey(&words.join(" ")).await?)
    }

    async fn websocket_message(&self, ws: WebSocket, message: Message) -> Result<()> {
        let Message::Text(command) = message else {
            return ws.send(message);
        };
        let outcome = self.obey(&command).await;
        ws.send(outcome.unwrap_or_else(|error| format!("{error:?}")))
    }
}

impl Ledger {
    async fn obey(&self, command: &str) -> Result<String> {
        let storage = self.state.storage();
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["put", key, value] => storage.put(key, value).await?,
            ["puts", ref pairs @ ..] => {
                let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
                storage
                    .put_multiple(pairs.collect::<BTreeMap<_, _>>())
                    .await?;
            }
            ["get", key] => return Ok(format!("{:?}", storage.get::<String>(key).await?)),
            ["gets", ref keys @ ..] => {
                let found = storage.get_multiple::<String>(keys).await?;
                return Ok(entries(found.into_iter()));
            }
            ["delete", key] => return Ok(storage.delete(key).await?.to_string()),
            ["deletes", ref keys @ ..] => {
                return Ok(storage.delete_multiple(keys).await?.to_string());
            }
            ["wipe"] => storage.delete_all().await?,
            ["list", ref words @ ..] => {
                let found = storage.list_with_options::<String>(options(words)?).await?;
                return Ok(entries(found.into_iter()));
            }
            // A value of so many bytes under a key of so many.
            ["large", key, value] => {
                let (key, value) = ("k".repeat(number(key)?), "v".repeat(number(value)?));
                storage.put(&key, value).await?;
            }
            ["get-many", count] => {
                let keys = (0..number::<u32>(count)?).map(|at| at.to_string());
                return Ok(storage
                    .get_multiple::<String>(keys)
                    .await?
                    .len()
                    .to_string());
            }
            ["increment"] => {
                let count = storage.get::<u64>("count").await?.unwrap_or_default() + 1;
                storage.put("count", count).await?;
                return Ok(count.to_string());
            }
            ["count"] => {
                let count = storage.get::<u64>("count").await?;
                return Ok(count.unwrap_or_default().to_string());
            }
            ["size"] => return Ok(storage.sql().database_size()?.to_string()),
            ["transaction", how] => return self.transaction(how).await,
            ["sql", ..] => return self.sql(&command["sql ".len()..]),
            _ => return Ok(command.to_owned()),
        }
        Ok("done".to_owned())
    }

    /// Writes `a`, and `b` in a transaction inside the transaction; ends them in the way that is named.
    async fn transaction(&self, how: &str) -> Result<String> {
        let (outer, inner) = how.split_once('-').unwrap_or((how, "commit"));
        let storage = self.state.storage();
        let ended = storage.transaction(async |txn: Transaction| {
            txn.put("a", "new").await?;
            let nested = txn.transaction(async |txn: Transaction| {
                txn.put("b", "new").await?;
                end(inner, &txn).await
            });
            let nested = nested.await;
            end(outer, &txn).await?;
            Ok(nested.is_ok())
        });
        let ended = match outer {
            "sync" => storage.transaction_sync(|| {
                storage.kv().put("a", "new")?;
                if inner == "error" {
                    Err("no".into())
                } else {
                    Ok(true)
                }
            }),
            _ => ended.await,
        };
        Ok(format!("{ended:?}"))
    }

    /// `STATEMENT`, or `STATEMENT ;; PARAMETER, PARAMETER`.
    fn sql(&self, text: &str) -> Result<String> {
        let (sql, parameters) = text.split_once(" ;; ").unwrap_or((text, ""));
        let parameters = parameters.split(", ").filter(|text| !text.is_empty());
        let parameters = parameters.map(parameter).collect::<Result<Vec<_>>>()?;
        let cursor = self.state.storage().sql().exec(sql, parameters)?;
        let mut answer = cursor.column_names().join(",");
        for row in cursor.raw() {
            let row: Vec<String> = row.iter().map(literal).collect();
            answer += &format!(" ({})", row.join(", "));
        }
        Ok(format!("{answer} +{}", cursor.rows_written()))
    }
}

async fn end(how: &str, transaction: &Transaction) -> Result<()> {
    match how {
        "error" => Err("no".into()),
        "rollback" => transaction.rollback(),
        "await" => {
            sleep(Duration::from_millis(1)).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn entries(found: impl Iterator<Item = (String, String)>) -> String {
    let found: Vec<String> = found.map(|(key, value)| format!("{key}={value}")).collect();
    found.join(" ")
}

fn options<'a>(words: &[&'a str]) -> Result<ListOptions<'a>> {
    let mut options = ListOptions::new();
    for word in words {
        options = match word.split_once('=') {
            Some(("start", key)) => options.start(key),
            Some(("after", key)) => options.start_after(key),
            Some(("end", key)) => options.end(key),
            Some(("prefix", key)) => options.prefix(key),
            Some(("limit", count)) => options.limit(number(count)?),
            _ => options.reverse(true),
        };
    }
    Ok(options)
}

fn parameter(text: &str) -> Result<SqlStorageValue> {
    Ok(
        match text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''))
        {
            Some(text) => text.into(),
            None if text == "null" => SqlStorageValue::Null,
            None if text == "true" => true.into(),
            None if text.starts_with('x') => text.as_bytes().into(),
            None if text.contains('.') => number::<f64>(text)?.into(),
            None => number::<i64>(text)?.into(),
        },
    )
}

fn literal(value: &SqlStorageValue) -> String {
    match value {
        SqlStorageValue::Null => "null".to_owned(),
        SqlStorageValue::Boolean(value) => value.to_string(),
        SqlStorageValue::Integer(value) => value.to_string(),
        SqlStorageValue::Float(value) => format!("{value:?}"),
        SqlStorageValue::String(text) => format!("'{text}'"),
        SqlStorageValue::Blob(bytes) => format!("blob {bytes:?}"),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| Error::from("not a number"))
}
