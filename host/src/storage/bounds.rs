//! Owns the bounds of storage. Knows nothing of the host's `Limits`, which they are filled from.

/// Every bound of storage. Units are in the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes of a key. More: `key-too-large`. Cloudflare: 2,048.
    pub(crate) key_bytes: u64,
    /// Bytes of a key and its value, and of a string, blob or row in SQL. More: `value-too-large`, or `sql`.
    /// Cloudflare: 2 MB.
    pub(crate) value_bytes: u64,
    /// Keys of one `get`, `put` or `delete`. More: `other`. Cloudflare: 128.
    pub(crate) keys_per_call: u64,
    /// Bytes that one `get`, `list` or `exec` gives back, as they stand in memory. More: `other` (`sql` for `exec`);
    /// ask for less at a time.
    pub(crate) result_bytes: u64,
    /// Transactions inside one another within a turn. More: `other`.
    pub(crate) transaction_depth: u64,
    /// Bytes of one object's database. More: the write fails with `storage`, and the turn is undone. Cloudflare:
    /// 10 GB.
    pub(crate) database_bytes: u64,
    /// Bytes of one object's database in memory, where there is no data directory. More: as above.
    pub(crate) memory_database_bytes: u64,
    /// Bytes of the databases of all objects. More: as above.
    pub(crate) storage_bytes: u64,
    /// And in memory.
    pub(crate) memory_storage_bytes: u64,
    /// Objects that have a database. More: the first write of another fails with `storage`.
    pub(crate) stored_objects: u64,
    /// Bytes of the text of one `exec`. More: `sql`. Cloudflare: 100 KB.
    pub(crate) sql_statement_bytes: u64,
    /// Parameters of a statement. More: `sql`. Cloudflare: 100.
    pub(crate) sql_parameters: u64,
    /// Columns of a table or a result. More: `sql`. Cloudflare: 100.
    pub(crate) sql_columns: u64,
    /// Arguments of a function in SQL. More: `sql`. Cloudflare: 32.
    pub(crate) sql_arguments: u64,
    /// Bytes of a pattern of LIKE or GLOB. More: `sql`. Cloudflare: 50.
    pub(crate) sql_pattern_bytes: u64,
    /// Depth of an expression in SQL. More: `sql`. It also bounds the stack that SQLite needs.
    pub(crate) sql_depth: u64,
    /// Instructions that a statement compiles to; generated columns and views can multiply. More: `sql`.
    pub(crate) sql_instructions: u64,
    /// Milliseconds that one `exec` may take. More: `sql`; if it was writing, the turn is undone.
    pub(crate) sql_ms: u64,
    /// Bytes of each value in a statement that uses a function whose time grows with the square of what it is given. More:
    /// `sql`.
    pub(crate) sql_quadratic_bytes: u64,
    /// Bytes that one `exec` may have in temporary files. More: `sql`; if it was writing, the turn is undone.
    pub(crate) sql_temp_bytes: u64,
    /// Milliseconds to wait for a database that another connection still holds. More: `storage`.
    pub(crate) busy_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            key_bytes: 2_048,
            value_bytes: 2 * 1024 * 1024,
            keys_per_call: 128,
            result_bytes: 64 * 1024 * 1024,
            transaction_depth: 64,
            database_bytes: 10 << 30,
            memory_database_bytes: 256 * 1024 * 1024,
            storage_bytes: 100 << 30,
            memory_storage_bytes: 1 << 30,
            stored_objects: 1_000_000,
            sql_statement_bytes: 100_000,
            sql_parameters: 100,
            sql_columns: 100,
            sql_arguments: 32,
            sql_pattern_bytes: 50,
            sql_depth: 100,
            sql_instructions: 250_000,
            sql_ms: 10_000,
            sql_quadratic_bytes: 48 * 1024,
            sql_temp_bytes: 1 << 30,
            busy_ms: 1_000,
        }
    }
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
