//! What an object sees of its values and its alarm.

use crate::Log;
use pairway::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

pub(crate) fn run(name: &str, log: &mut Log, storage: &Storage) -> Result<()> {
    let kv = storage.kv();
    match name {
        "values" => values(log, &kv),
        "several" => several(log, &kv),
        "lists" => lists(log, &kv),
        "keys" => keys(log, &kv),
        "limits" => limits(log, &kv),
        "bytes" => bytes(log, &kv),
        "not_finite" => not_finite(log, &kv),
        "transactions" => transactions(log, storage),
        "nested" => nested(log, storage),
        "delete_all" => delete_all(log, storage),
        "alarms" => alarms(log, storage),
        _ => Err("there is no such program".into()),
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Picture {
    name: String,
    #[serde(with = "serde_bytes")]
    pixels: Vec<u8>,
    size: Option<(f32, f32)>,
}

fn values(log: &mut Log, kv: &Kv) -> Result<()> {
    log.line("none", kv.get::<u8>("k")?);
    kv.put("k", &1)?;
    log.line("one", kv.get::<u8>("k")?);
    kv.put("k", "two")?;
    log.line("two", kv.get::<String>("k")?);
    log.line(
        "wrong type",
        matches!(kv.get::<u8>("k"), Err(Error::Json(_))),
    );
    kv.put("", &None::<u8>)?;
    log.line("empty key", (kv.get::<Option<u8>>("")?, kv.get_bytes("")?));
    log.line("deleted", (kv.delete("k")?, kv.delete("k")?));
    log.line("big", (kv.put("k", &i128::MIN), kv.get::<i128>("k")?));
    Ok(())
}

fn several(log: &mut Log, kv: &Kv) -> Result<()> {
    let picture = Picture {
        name: "a".to_owned(),
        pixels: vec![0, 255],
        size: Some((0.1, 1e10)),
    };
    kv.put_multiple(&picture)?;
    for key in ["name", "pixels", "size"] {
        log.line(key, kv.get_bytes(key)?);
    }
    log.line("a number", kv.put_multiple(&7).is_err());
    kv.put_multiple(&BTreeMap::from([("b", 1), ("a", 2)]))?;
    log.line("some", kv.get_multiple::<u8>(["a", "none", "b"])?);
    log.line("deleted", kv.delete_multiple(["a", "none", "name"])?);
    log.line("left", kv.keys()?);
    Ok(())
}

fn fill(kv: &Kv) -> Result<()> {
    for (number, key) in ["a", "b", "b1", "b2", "c", "é", "\u{ffff}", "\u{1f600}"]
        .into_iter()
        .enumerate()
    {
        kv.put(key, &number)?;
    }
    Ok(())
}

fn options() -> [(&'static str, ListOptions<'static>); 10] {
    let all = ListOptions::new;
    [
        ("all", all()),
        ("prefix", all().prefix("b")),
        ("start", all().start("b1")),
        ("after", all().start_after("b1")),
        ("end", all().end("b1")),
        ("range", all().start("b").end("c").prefix("b")),
        ("reverse", all().reverse(true)),
        ("limit", all().reverse(true).limit(2)),
        ("nothing", all().limit(0)),
        ("both", all().start("a").start_after("a")),
    ]
}

fn lists(log: &mut Log, kv: &Kv) -> Result<()> {
    log.line("empty", kv.list::<u8>()?);
    fill(kv)?;
    for (what, options) in options() {
        log.line(what, kv.list_with_options::<usize>(options));
    }
    log.line("wrong type", kv.list::<String>().is_err());
    Ok(())
}

fn keys(log: &mut Log, kv: &Kv) -> Result<()> {
    log.line("empty", kv.keys()?);
    fill(kv)?;
    kv.put_bytes("no JSON", [0xff])?;
    for (what, options) in options() {
        log.line(what, kv.keys_with_options(options));
    }
    Ok(())
}

fn limits(log: &mut Log, kv: &Kv) -> Result<()> {
    let (key, value) = ("k".repeat(2048), vec![0; 2 * 1024 * 1024]);
    log.line("longest key", kv.put_bytes(&key, [1]));
    let over = format!("{key}k");
    log.line(
        "long key",
        (
            kv.put_bytes(&over, [1]),
            kv.get_bytes(&over),
            kv.delete(&over),
        ),
    );
    log.line("largest", kv.put_bytes("k", &value[1..]));
    log.line("large", kv.put_bytes("k", &value));
    log.line("kept", kv.get_bytes("k")?.map(|bytes| bytes.len()));
    let many = || (0..129).map(|number| number.to_string());
    log.line(
        "many",
        (
            kv.delete_multiple(many()).is_err(),
            kv.get_multiple::<u8>(many()).is_err(),
        ),
    );
    log.line("most", kv.delete_multiple(many().skip(1))?);
    Ok(())
}

fn bytes(log: &mut Log, kv: &Kv) -> Result<()> {
    let all: Vec<u8> = (0..=255).cycle().take(1_500_000).collect();
    kv.put_bytes("raw", &all)?;
    log.line("raw", kv.get_bytes("raw")?.as_ref() == Some(&all));
    kv.put("typed", &ByteBuf::from(all.clone()))?;
    log.line(
        "typed",
        kv.get::<ByteBuf>("typed")? == Some(ByteBuf::from(all)),
    );
    kv.put_bytes("old", "[0,255]")?;
    log.line(
        "old",
        (kv.get::<ByteBuf>("old")?, kv.get::<Vec<u8>>("old")?),
    );
    let picture = Picture {
        name: "\"".to_owned(),
        pixels: vec![b'"', b'\\', 0xff, 0],
        size: None,
    };
    kv.put("picture", &picture)?;
    log.line("form", kv.get_bytes("picture")?);
    log.line("picture", kv.get("picture")? == Some(picture));
    Ok(())
}

fn not_finite(log: &mut Log, kv: &Kv) -> Result<()> {
    kv.put("v", &1.5)?;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        log.line("one", kv.put("v", &value));
        log.line(
            "several",
            kv.put_multiple(&BTreeMap::from([("u", 1.0), ("v", value)])),
        );
    }
    log.line("kept", (kv.get::<f64>("u")?, kv.get::<f64>("v")?));
    Ok(())
}

fn transactions(log: &mut Log, storage: &Storage) -> Result<()> {
    let kv = storage.kv();
    kv.put("a", &1)?;
    let kept = storage.transaction_sync(|| {
        kv.put("a", &2)?;
        kv.get::<u8>("a")
    });
    log.line("kept", (kept, kv.get::<u8>("a")?));
    let undone = storage.transaction_sync(|| {
        kv.delete_all()?;
        kv.put("b", &3)?;
        Err::<(), _>("no".into())
    });
    log.line("undone", (undone, kv.list::<u8>()?));
    Ok(())
}

fn nested(log: &mut Log, storage: &Storage) -> Result<()> {
    let kv = storage.kv();
    let outer = storage.transaction_sync(|| {
        kv.put("outer", &1)?;
        let inner = storage.transaction_sync(|| {
            kv.put("inner", &2)?;
            kv.put("outer", &2)?;
            Err::<(), _>("inner".into())
        });
        storage.transaction_sync(|| kv.put("second", &3))?;
        Ok(inner)
    });
    log.line("inner undone", (outer, kv.list::<u8>()?));
    let outer = storage.transaction_sync(|| {
        storage.transaction_sync(|| kv.put("third", &4))?;
        Err::<(), _>("outer".into())
    });
    log.line("outer undone", (outer, kv.keys()?));
    Ok(())
}

fn delete_all(log: &mut Log, storage: &Storage) -> Result<()> {
    let (kv, sql) = (storage.kv(), storage.sql());
    kv.put("a", &1)?;
    kv.set_alarm(Duration::from_secs(3600))?;
    sql.exec("CREATE TABLE t (a PRIMARY KEY); CREATE VIEW v AS SELECT a FROM t; INSERT INTO t VALUES (1)", None)?;
    let undone = storage.transaction_sync(|| {
        kv.delete_all()?;
        Err::<(), _>("no".into())
    });
    let count = sql.exec("SELECT count(*) FROM v", None)?.one::<u8>()?;
    log.line(
        "undone",
        (undone, kv.keys()?, count, kv.get_alarm()?.is_some()),
    );
    kv.delete_all()?;
    log.line("done", (kv.keys()?, kv.get_alarm()?.is_some()));
    log.line("tables", sql.exec("SELECT * FROM t", None).is_err());
    sql.exec("CREATE TABLE t (b)", None)?;
    log.line(
        "anew",
        sql.exec("SELECT count(*) FROM t", None)?.one::<u8>()?,
    );
    Ok(())
}

fn alarms(log: &mut Log, storage: &Storage) -> Result<()> {
    let kv = storage.kv();
    log.line("none", kv.get_alarm()?);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000_000);
    kv.set_alarm(time)?;
    log.line("set", kv.get_alarm()? == Some(time));
    kv.set_alarm(time + Duration::from_millis(1))?;
    log.line("later", kv.get_alarm()?.map(|later| later > time));
    let undone = storage.transaction_sync(|| {
        kv.delete_alarm()?;
        Err::<(), _>(Error::from(format!("{:?}", kv.get_alarm()?)))
    });
    log.line("undone", (undone, kv.get_alarm()?.is_some()));
    kv.delete_alarm()?;
    log.line("deleted", kv.get_alarm()?);
    Ok(())
}
