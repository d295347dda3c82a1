//! Owns how a database is emptied, and whether it is empty. Knows nothing of turns; what it does is part of the
//! transaction that is open.

use super::engine::Engine;

/// Virtual tables go first and take their shadow tables with them. SQLite's own tables stay.
const TABLES: &str = "SELECT name, 'TABLE' FROM pragma_table_list \
    WHERE schema = 'main' AND type IN ('virtual', 'table') \
    AND substr(name, 1, 7) <> 'sqlite_' AND substr(name, 1, 9) <> '_pairway_' ORDER BY type DESC";
const VIEWS: &str =
    "SELECT name, 'VIEW' FROM sqlite_schema WHERE type = 'view' AND '_pairway_' <> ''";

/// Delete everything that is the guest's.
pub(super) fn wipe(engine: &Engine) -> rusqlite::Result<()> {
    // Tables that refer to one another can then go in any order.
    engine
        .connection
        .execute_batch("PRAGMA defer_foreign_keys = ON;")?;
    for sql in [VIEWS, TABLES] {
        for (name, kind) in names(engine, sql)? {
            let name = name.replace('"', "\"\"");
            engine
                .connection
                .execute_batch(&format!("DROP {kind} \"{name}\";"))?;
        }
    }
    engine.connection.execute_batch(
        "DELETE FROM _pairway_kv;
         DELETE FROM _pairway_meta WHERE name <> 'format';
         PRAGMA user_version = 0;
         PRAGMA defer_foreign_keys = OFF;",
    )
}

fn names(engine: &Engine, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = engine.host(sql)?;
    let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    names.collect()
}

/// Whether there is nothing in the database that would be missed.
pub(super) fn is_empty(engine: &Engine) -> rusqlite::Result<bool> {
    let has_rows = "SELECT EXISTS (SELECT 1 FROM _pairway_kv) \
        OR EXISTS (SELECT 1 FROM _pairway_meta WHERE name <> 'format') \
        OR (SELECT user_version FROM pragma_user_version) <> 0";
    let has_rows: bool = engine.host(has_rows)?.query_row([], |row| row.get(0))?;
    Ok(!has_rows && names(engine, TABLES)?.is_empty() && names(engine, VIEWS)?.is_empty())
}
