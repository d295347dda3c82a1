//! What a room does when a socket sends it a text. What is no command comes back.

use std::time::{Duration, UNIX_EPOCH};

use pairway::*;

use super::{Room, name_of, outcome, room};

impl Room {
    pub(super) async fn obey(&self, ws: &WebSocket, command: &str) -> Result<()> {
        let words: Vec<&str> = command.split(' ').collect();
        let told = match self.tell(ws, &words) {
            None => self.tell_of_auto_response(ws, &words),
            told => told,
        };
        if let Some(answer) = told {
            return ws.send(answer?);
        }
        if let Some(done) = close(ws, &words) {
            return done;
        }
        if let Some(sent) = self.broadcast(ws, &words) {
            return ws.send(format!("reached {}", sent?));
        }
        match words[..] {
            ["note"] => Ok(()),
            ["close-all", code, reason] => {
                let code: u16 = number(code)?;
                let mut members = self.members(None).into_iter();
                members.try_for_each(|socket| socket.close_with(code, reason))
            }
            ["flood", count] => {
                (0..number::<u32>(count)?).try_for_each(|at| ws.send(format!("f{at}")))
            }
            ["sleep", milliseconds, word] => {
                ws.send(format!("start {word}"))?;
                sleep(Duration::from_millis(number(milliseconds)?)).await;
                ws.send(format!("end {word}"))
            }
            ["wait"] => {
                ws.send("waiting")?;
                self.latch.wait().await;
                self.observe(&format!("released {}", outcome(ws.send("released"))));
                Ok(())
            }
            // Until `/room/latch/release`.
            ["gate"] => {
                ws.send("gate closed")?;
                let latch = room(&self.env, "latch")?;
                let released = async move {
                    let url = "http://room.test/room/latch/wait";
                    latch.fetch_with_str(url).await.map(drop)
                };
                self.state.block_concurrency_while(released).await?;
                ws.send("gate open")
            }
            ["fail"] => {
                ws.send("sent before the failure")?;
                self.state
                    .broadcast("broadcast before the failure")
                    .send()?;
                ws.set_tags(["set before the failure"])?;
                ws.serialize_attachment("left before the failure")?;
                Err(Error::from("the handler failed"))
            }
            _ => ws.send(command),
        }
    }

    /// About the socket, and what is kept with it.
    fn tell(&self, ws: &WebSocket, words: &[&str]) -> Option<Result<String>> {
        let done = |result| Some(Ok(outcome(result)));
        match *words {
            ["instance"] => Some(Ok(self.instance.clone())),
            ["state"] => Some(Ok(format!("{:?}", ws.ready_state()))),
            ["uri"] => Some(Ok(ws.request_uri().unwrap_or_default())),
            ["header", name] => {
                let headers = ws.request_headers().unwrap_or_default();
                Some(Ok(headers.get(name).unwrap_or_default()))
            }
            ["tags"] => Some(self.state.get_tags(ws).map(|tags| format!("{tags:?}"))),
            ["set-tags", ref tags @ ..] => done(ws.set_tags(tags)),
            ["add-tag", tag] => done(ws.add_tag(tag)),
            ["remove-tag", tag] => Some(ws.remove_tag(tag).map(|was_there| was_there.to_string())),
            ["found", tag] => Some(Ok(self
                .state
                .get_websockets_with_tag(tag)
                .contains(ws)
                .to_string())),
            ["attach", value] => done(ws.serialize_attachment(value)),
            ["attach-size", size] => match number(size) {
                Ok(size) => done(ws.serialize_attachment(&"x".repeat(size))),
                Err(error) => Some(Err(error)),
            },
            ["attachment"] => Some(ws.deserialize_attachment::<String>().map(
                |value| match value {
                    Some(value) if value.len() > 100 => value.len().to_string(),
                    value => format!("{value:?}"),
                },
            )),
            ["keep-alive", interval, timeout] => {
                let keep_alive = || -> Result<KeepAlive> {
                    Ok(KeepAlive {
                        interval: Duration::from_millis(number(interval)?),
                        timeout: Duration::from_millis(number(timeout)?),
                    })
                };
                done(keep_alive().and_then(|keep_alive| ws.set_keep_alive(keep_alive)))
            }
            ["keep-alive"] => done(ws.set_keep_alive(None)),
            _ => None,
        }
    }

    fn tell_of_auto_response(&self, ws: &WebSocket, words: &[&str]) -> Option<Result<String>> {
        let answer = match *words {
            ["auto", request, response] => outcome(self.state.set_auto_response(request, response)),
            // Of so many bytes, made of two-byte characters as far as that goes.
            ["auto-size", request, response] => {
                let text = |size| {
                    number(size).map(|size: usize| "é".repeat(size / 2) + &"x".repeat(size % 2))
                };
                let set = text(request)
                    .and_then(|request| self.state.set_auto_response(request, text(response)?));
                outcome(set)
            }
            ["auto-none"] => outcome(self.state.clear_auto_response()),
            ["auto-pair"] => self.state.get_websocket_auto_response().map_or_else(
                || "none".to_owned(),
                |pair| match (pair.request(), pair.response()) {
                    (request, response) if request.len() + response.len() > 100 => {
                        format!("{} {}", request.len(), response.len())
                    }
                    (request, response) => format!("{request:?} {response:?}"),
                },
            ),
            ["auto-time"] => {
                let time = self.state.get_websocket_auto_response_timestamp(ws);
                let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                since.map_or_else(|| "none".to_owned(), |since| since.as_millis().to_string())
            }
            _ => return None,
        };
        Some(Ok(answer))
    }

    /// To how many it went.
    fn broadcast(&self, ws: &WebSocket, words: &[&str]) -> Option<Result<u32>> {
        Some(match *words {
            ["all", text] => self.state.broadcast(text).send(),
            ["tagged", tag, text] => self.state.broadcast(text).tag(tag).send(),
            ["others", text] => self.state.broadcast(text).except(ws).send(),
            ["others-tagged", tag, text] => self.state.broadcast(text).tag(tag).except(ws).send(),
            // Without all that have this tag.
            ["without", tag, text] => {
                let except = self.state.get_websockets_with_tag(tag);
                let broadcast = self.state.broadcast(text);
                except
                    .iter()
                    .fold(broadcast, |broadcast, socket| broadcast.except(socket))
                    .send()
            }
            ["all-binary", size] => {
                number(size).and_then(|size| self.state.broadcast(pattern(size)).send())
            }
            // To each by itself.
            ["each", from, at] => number::<usize>(at).and_then(|at| {
                let members = self.state.get_websockets();
                for member in &members {
                    member.send(format!("{from} {at} {}", "x".repeat(137 * at % 4000)))?;
                }
                Ok(u32::try_from(members.len()).expect("a room is small"))
            }),
            // Between what this socket is sent alone.
            ["between", count] => number::<u32>(count).and_then(|count| {
                let mut reached = 0;
                for at in 0..count {
                    ws.send(format!("own {at}"))?;
                    reached += self.state.broadcast(format!("all {at}")).send()?;
                }
                Ok(reached)
            }),
            _ => return None,
        })
    }
}

fn close(ws: &WebSocket, words: &[&str]) -> Option<Result<()>> {
    Some(match *words {
        ["close"] => ws.close(),
        ["close", code, reason] => number::<u16>(code).and_then(|code| ws.close_with(code, reason)),
        ["close-and-send"] => (|| {
            ws.send("last")?;
            ws.close_with(4001, "first")?;
            ws.close_with(4002, "second")?;
            match ws.send("more") {
                Err(error) if name_of(&error) == "Closed" => Ok(()),
                other => Err(Error::from(format!("not refused: {other:?}"))),
            }
        })(),
        _ => return None,
    })
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| Error::from("not a number"))
}

/// So many bytes, in which it shows when some are missing, doubled or swapped.
fn pattern(length: usize) -> Vec<u8> {
    (0..251).cycle().take(length).collect()
}
