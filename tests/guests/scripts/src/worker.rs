//! What a worker without sockets sees: time, its environment, the names of objects, and how objects answer it.

use crate::Log;
use pairway::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

pub(crate) async fn run(name: &str, log: &mut Log, env: &Env) -> Result<()> {
    match name {
        "sleepers" => sleepers(log).await,
        "intervals" => intervals(log).await,
        "environment" => environment(log, env),
        "ids" => ids(log, env),
        "faults" => faults(log, env).await,
        "constructors" => constructors(log, env).await,
        "aborts" => aborts(log, env).await,
        "overlap" => overlap(log, env).await,
        "gate_order" => gate_order(log, env).await,
        "passed_on" => passed_on(log, env).await,
        _ => Err("there is no such program".into()),
    }
}

async fn sleepers(log: &mut Log) -> Result<()> {
    let order: Rc<RefCell<Vec<u64>>> = Rc::default();
    for ms in [30, 10, 20, 0] {
        let order = Rc::clone(&order);
        spawn(async move {
            sleep(Duration::from_millis(ms)).await;
            order.borrow_mut().push(ms);
            Ok(())
        });
    }
    let before = SystemTime::now();
    sleep(Duration::from_millis(60)).await;
    log.line("order", order.take());
    log.line("the clock of std goes on", before <= SystemTime::now());
    let never = timeout(Duration::from_millis(1), std::future::pending::<()>());
    log.line("never", never.await);
    log.line("at once", timeout(Duration::ZERO, async { 7 }).await);
    Ok(())
}

async fn intervals(log: &mut Log) -> Result<()> {
    let mut ticks = interval(Duration::from_millis(2));
    for _ in 0..3 {
        ticks.tick().await;
    }
    log.line("ticked", 3);
    Delay::from(Duration::from_millis(1)).await;
    Ok(())
}

fn environment(log: &mut Log, env: &Env) -> Result<()> {
    log.line("missing", env.var("NO_SUCH_THING"));
    log.line("there", env.var("GREETING").map(|value| value.to_string()));
    log.line("secret", env.secret("GREETING")? == "hello");
    log.line("binding", env.durable_object("NO").map(drop));
    Ok(())
}

fn ids(log: &mut Log, env: &Env) -> Result<()> {
    let (stage, other) = (env.durable_object("STAGE")?, env.durable_object("GATED")?);
    let id = stage.id_from_name("a")?;
    log.line("name", (id.name(), id.to_string().len()));
    log.line("same", id == stage.id_from_name("a")?);
    log.line(
        "others",
        (
            id == stage.id_from_name("b")?,
            id == other.id_from_name("a")?,
        ),
    );
    log.line("unique", stage.unique_id()? == stage.unique_id()?);
    let again = stage.id_from_string(&id.to_string().to_uppercase())?;
    log.line("again", (again == id, again.name()));
    log.line("foreign", other.id_from_string(&id.to_string()).is_err());
    log.line("wrong", stage.id_from_string("a"));
    Ok(())
}

async fn ask(env: &Env, path: &str) -> Result<(u16, String)> {
    let mut words = path.split('/').skip(1);
    let (class, name) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let stub = env
        .durable_object(&class.to_uppercase())?
        .get_by_name(name)?;
    let response = stub.fetch_with_str(&format!("http://object{path}")).await?;
    Ok((response.status_code(), response.text()?.to_owned()))
}

async fn faults(log: &mut Log, env: &Env) -> Result<()> {
    log.line("well", ask(env, "/stage/faults/say/hello").await);
    log.line("error", ask(env, "/stage/faults/fail").await);
    log.line("later", ask(env, "/stage/faults/fail-later").await);
    log.line("no upgrade", ask(env, "/stage/faults/standard").await);
    log.line(
        "refused",
        ask(env, "/stage/faults/status/99").await.is_err(),
    );
    log.line("404", ask(env, "/stage/faults/status/404").await);
    log.line("well", ask(env, "/stage/faults/say/goodbye").await);
    Ok(())
}

async fn constructors(log: &mut Log, env: &Env) -> Result<()> {
    log.line("made", ask(env, "/brittle/c/well").await);
    log.line("broken", ask(env, "/brittle/c/break").await);
    log.line("not made", ask(env, "/brittle/c/well").await);
    log.line("made anew", ask(env, "/brittle/c/well").await);
    Ok(())
}

async fn aborts(log: &mut Log, env: &Env) -> Result<()> {
    log.line("counted", ask(env, "/stage/aborts/count").await);
    log.line("counted", ask(env, "/stage/aborts/count").await);
    log.line("said before", ask(env, "/stage/aborts/abort").await);
    log.line("anew", ask(env, "/stage/aborts/count").await);
    log.line("waits", ask(env, "/stage/aborts/abort-and-wait").await);
    log.line("anew", ask(env, "/stage/aborts/count").await);
    Ok(())
}

async fn overlap(log: &mut Log, env: &Env) -> Result<()> {
    let slow = ask(env, "/stage/overlap/slow/200");
    let quick = ask(env, "/stage/overlap/slow/5");
    let (slow, quick) = futures_util::future::join(slow, quick).await;
    log.line("answers", (slow?, quick?));
    log.line("order", ask(env, "/stage/overlap/heard").await);
    Ok(())
}

async fn gate_order(log: &mut Log, env: &Env) -> Result<()> {
    let first = ask(env, "/stage/gate/gate/10");
    let second = ask(env, "/stage/gate/say/held");
    let (first, second) = futures_util::future::join(first, second).await;
    log.line("answers", (first?, second?));
    log.line("order", ask(env, "/stage/gate/heard").await);
    log.line("failing gate", ask(env, "/stage/gate/gate-fails").await);
    log.line("anew", ask(env, "/stage/gate/heard").await);
    Ok(())
}

/// An object asks another, and itself.
async fn passed_on(log: &mut Log, env: &Env) -> Result<()> {
    log.line("other", ask(env, "/stage/p/ask/q/say/hello").await);
    log.line("itself", ask(env, "/stage/p/ask/p/say/hello").await);
    log.line("failing", ask(env, "/stage/p/ask/q/fail").await);
    log.line("caught", ask(env, "/stage/p/try/q/fail").await);
    Ok(())
}
