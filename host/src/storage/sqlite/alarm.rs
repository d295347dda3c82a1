//! Owns an object's alarm, in the table `_pairway_meta` of its own database. Knows nothing of the index of all
//! alarms.

use super::engine::Engine;
use crate::storage::store::Alarm;

const GET: &str =
    "SELECT name, value FROM _pairway_meta WHERE name IN ('alarm_due_ms', 'alarm_retry_count')";
const SET: &str = "INSERT OR REPLACE INTO _pairway_meta (name, value) \
                   VALUES ('alarm_due_ms', ?1), ('alarm_retry_count', ?2)";
const REMOVE: &str =
    "DELETE FROM _pairway_meta WHERE name IN ('alarm_due_ms', 'alarm_retry_count')";

pub(super) fn get(engine: &Engine) -> rusqlite::Result<Option<Alarm>> {
    let mut statement = engine.host(GET)?;
    let mut rows = statement.query([])?;
    let mut due_ms = None;
    let mut retry_count = 0;
    while let Some(row) = rows.next()? {
        match row.get_ref(0)?.as_str()? {
            "alarm_due_ms" => due_ms = Some(as_ms(row.get(1)?)),
            _ => retry_count = row.get(1)?,
        }
    }
    Ok(due_ms.map(|due_ms| Alarm {
        due_ms,
        retry_count,
    }))
}

pub(super) fn set(engine: &Engine, alarm: Option<Alarm>) -> rusqlite::Result<()> {
    let Some(alarm) = alarm else {
        return engine.run(REMOVE);
    };
    let parameters = (as_integer(alarm.due_ms), alarm.retry_count);
    engine.host(SET)?.execute(parameters).map(drop)
}

/// A time as SQLite can hold it; the last that it can is as good as never.
pub(super) fn as_integer(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

pub(super) fn as_ms(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}
