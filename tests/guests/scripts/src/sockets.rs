//! What the two ends of a pair say to each other, both held by the worker.

use crate::Log;
use futures_util::{SinkExt, StreamExt};
use pairway::*;
use std::time::Duration;

pub(crate) async fn run(name: &str, log: &mut Log) -> Result<()> {
    match name {
        "birth" => birth(log),
        "messages" => messages(log).await,
        "codes" => codes(log).await,
        "no_code" => no_code(log).await,
        "invalid_closes" => invalid_closes(log),
        "half_open" => half_open(log).await,
        "both_close" => both_close(log).await,
        "late_sends" => late_sends(log).await,
        "last_handle" => last_handle(log).await,
        "failing_task" => failing_task(log).await,
        "dropped_end" => dropped_end(log).await,
        "kept_until_accepted" => kept_until_accepted(log).await,
        "closed_before_accepted" => closed_before_accepted(log).await,
        "attachments" => attachments(log),
        "events" => events(log).await,
        "streams" => streams(log).await,
        "timeouts" => timeouts(log).await,
        "accepted_twice" => accepted_twice(log),
        _ => Err("there is no such program".into()),
    }
}

fn pair() -> Result<(WebSocket, WebSocket)> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    Ok((client.accept()?, server.accept()?))
}

async fn rest(log: &mut Log, who: &str, socket: &mut WebSocket) -> Result<()> {
    while let Some(message) = socket.recv().await? {
        log.line(who, message);
    }
    log.line(who, (socket.close_event(), socket.ready_state()));
    Ok(())
}

fn birth(log: &mut Log) -> Result<()> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    log.line("states", (client.ready_state(), server.ready_state()));
    log.line("ids differ", client.id() != server.id());
    log.line("send", client.send("x"));
    log.line("close", (client.close(), client.close_with(999, "")));
    log.line("tags", client.tags().is_err());
    let (client, server) = (client.accept()?, server.accept()?);
    log.line("url", (client.url(), server.url()));
    log.line("protocol", (client.protocol(), client.extensions()));
    log.line("request", (client.request_uri(), client.request_headers()));
    log.line("buffered", client.buffered_amount());
    Ok(())
}

async fn messages(log: &mut Log) -> Result<()> {
    let (client, mut server) = pair()?;
    for number in 0..100 {
        client.send(number.to_string())?;
    }
    client.send("")?;
    client.send_binary([])?;
    client.send_binary([0, 255])?;
    client.send_json(&("a", 1))?;
    let lent = Message::from("é");
    client.send(&lent)?;
    client.send(lent)?;
    client.close_with(1000, "all")?;
    rest(log, "server", &mut server).await
}

async fn codes(log: &mut Log) -> Result<()> {
    for code in [1000, 1001, 1003, 1011, 1014, 3000, 4999] {
        let (mut client, mut server) = pair()?;
        client.close_with(code, "why")?;
        log.line(
            "closing",
            (code, client.ready_state(), server.ready_state()),
        );
        rest(log, "server", &mut server).await?;
        rest(log, "client", &mut client).await?;
    }
    Ok(())
}

async fn no_code(log: &mut Log) -> Result<()> {
    let (mut client, mut server) = pair()?;
    client.close()?;
    rest(log, "server", &mut server).await?;
    if let Some(event) = server.close_event() {
        log.line("echo", server.close_echo(&event));
    }
    rest(log, "client", &mut client).await
}

fn invalid_closes(log: &mut Log) -> Result<()> {
    let (client, _server) = pair()?;
    for code in [0, 999, 1004, 1005, 1006, 1015, 5000, u16::MAX] {
        log.line("code", (code, client.close_with(code, "")));
    }
    let long = "é".repeat(62);
    log.line("long", client.close_with(1000, &long).is_err());
    log.line("reason alone", client.close_raw(None, Some("x")).is_err());
    log.line("state", client.ready_state());
    log.line("fits", client.close_with(1000, &long[..122]));
    log.line("again", client.close_with(4000, "x"));
    log.line("wrong again", client.close_with(999, ""));
    log.line("state", client.ready_state());
    Ok(())
}

async fn half_open(log: &mut Log) -> Result<()> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let mut client = client.accept()?;
    let mut server = server.accept_with(AcceptOptions { half_open: true })?;
    client.send("question")?;
    client.close_with(1000, "asked")?;
    rest(log, "server", &mut server).await?;
    log.line("answer", server.send("answer"));
    log.line(
        "close",
        (server.close_with(3000, "done"), server.ready_state()),
    );
    log.line("late", server.send("late"));
    rest(log, "client", &mut client).await
}

async fn both_close(log: &mut Log) -> Result<()> {
    let (mut client, mut server) = pair()?;
    client.send("c")?;
    server.send("s")?;
    client.close_with(4001, "client")?;
    server.close_with(4002, "server")?;
    rest(log, "server", &mut server).await?;
    rest(log, "client", &mut client).await
}

async fn late_sends(log: &mut Log) -> Result<()> {
    let (client, mut server) = pair()?;
    client.send("before")?;
    client.close_with(1000, "")?;
    log.line("closing", (client.send("after"), client.ready_state()));
    server.send("still arrives")?;
    rest(log, "server", &mut server).await?;
    log.line("closed", (server.send("x"), server.close_with(4000, "x")));
    let mut client = client;
    rest(log, "client", &mut client).await?;
    log.line("closed", (client.send("x"), client.close()));
    Ok(())
}

async fn last_handle(log: &mut Log) -> Result<()> {
    let (mut client, server) = pair()?;
    let clone = server.clone();
    drop(server);
    clone.send("still here")?;
    drop(clone);
    rest(log, "client", &mut client).await?;
    // What has not been read when the last handle goes is lost.
    let (client, mut server) = pair()?;
    server.send("unread")?;
    drop(client);
    rest(log, "server", &mut server).await
}

async fn failing_task(log: &mut Log) -> Result<()> {
    let (mut client, mut server) = pair()?;
    spawn(async move {
        server.recv().await?;
        Err("as the script says".into())
    });
    client.send("fail")?;
    rest(log, "failed", &mut client).await?;
    let (mut client, mut server) = pair()?;
    spawn(async move { server.recv().await.map(drop) });
    client.send("end well")?;
    rest(log, "ended", &mut client).await
}

async fn dropped_end(log: &mut Log) -> Result<()> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let mut server = server.accept()?;
    server.send("unheard")?;
    drop(client);
    rest(log, "server", &mut server).await
}

async fn kept_until_accepted(log: &mut Log) -> Result<()> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let server = server.accept()?;
    server.send("early")?;
    sleep(Duration::from_millis(5)).await;
    server.send("later")?;
    let mut client = client.accept()?;
    server.send("last")?;
    server.close_with(1000, "")?;
    rest(log, "client", &mut client).await
}

async fn closed_before_accepted(log: &mut Log) -> Result<()> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let mut server = server.accept()?;
    server.send("before")?;
    server.close_with(4000, "early")?;
    rest(log, "server", &mut server).await?;
    log.line("client", client.ready_state());
    let mut client = client.accept()?;
    rest(log, "client", &mut client).await
}

fn attachments(log: &mut Log) -> Result<()> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    log.line("none", server.deserialize_attachment::<u8>());
    server.serialize_attachment(&("a", 1))?;
    let server = server.accept()?;
    log.line("kept", server.deserialize_attachment::<(String, u8)>());
    log.line("bytes", server.attachment_bytes());
    log.line("too large", server.set_attachment_bytes([0; 16_385]));
    log.line("NaN", server.serialize_attachment(&f64::NAN).is_err());
    log.line("kept", server.deserialize_attachment::<(String, u8)>());
    log.line("largest", server.set_attachment_bytes([0; 16_384]));
    log.line("other end", client.attachment_bytes());
    Ok(())
}

async fn events(log: &mut Log) -> Result<()> {
    let (client, server) = pair()?;
    client.send("x")?;
    client.close_with(1000, "bye")?;
    let events: Vec<_> = server.events().collect().await;
    log.line("server", events);
    let events: Vec<_> = client.events().collect().await;
    log.line("client", events);
    Ok(())
}

async fn streams(log: &mut Log) -> Result<()> {
    let (mut client, server) = pair()?;
    spawn(async move {
        let (mut sender, receiver) = server.split();
        let mut answers = receiver
            .map(|message| Ok(Message::from(message?.text().unwrap_or("?").to_uppercase())));
        sender.send_all(&mut answers).await
    });
    client.feed("a".into()).await?;
    client.feed(b"b".into()).await?;
    log.line("answer", client.next().await);
    log.line("answer", client.next().await);
    SinkExt::close(&mut client).await?;
    log.line("end", client.next().await);
    log.line("event", client.close_event());
    Ok(())
}

async fn timeouts(log: &mut Log) -> Result<()> {
    let (client, mut server) = pair()?;
    let short = Duration::from_millis(5);
    log.line("nothing", timeout(short, server.recv()).await);
    client.send("late")?;
    log.line(
        "something",
        timeout(Duration::from_secs(10), server.recv()).await,
    );
    Ok(())
}

fn accepted_twice(log: &mut Log) -> Result<()> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    let (id, other) = (client.id(), server.id());
    let client = client.accept()?;
    log.line("same", (client.id() == id, client.id() == other));
    let clone = client.clone();
    log.line("equal", (clone == client, server.ready_state()));
    log.line(
        "not an object",
        (client.tags().is_err(), client.add_tag("x").is_err()),
    );
    Ok(())
}
