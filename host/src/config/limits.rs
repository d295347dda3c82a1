//! Owns the list of every bound there is: its name, its default, and the sentence that says what happens when it is reached.

use super::machine::share;
use super::table::limits;

limits! {
    "Sockets":
    /// Bytes of one received message, whole. A larger one: Close 1009, `error`. Cloudflare: 32 MiB.
    message_bytes = 32 * 1024 * 1024;
    /// Bytes that wait for a slow client before its connection is no longer read, and below which `drain`
    /// is delivered.
    outbox_soft_bytes = 1024 * 1024;
    /// Bytes that wait for a slow client before `send` is refused with `outbox-full`. One larger message
    /// is taken into an empty outbox.
    outbox_hard_bytes = 16 * 1024 * 1024;
    /// Milliseconds that an outbox may stay above its soft bound while its client reads less than a sixteenth of that
    /// bound; then Close 1013.
    outbox_stall_ms = 30_000;
    /// Bytes of messages that wait for `accept` or `resume` before the connection is no longer read.
    held_bytes = 1024 * 1024;
    /// Bytes of a Close reason. RFC 6455, 5.5.
    close_reason_bytes = 123;
    /// Milliseconds that a peer has to answer a Close once it has left, or to read more of what stands before
    /// it; then its connection is dropped (1006).
    close_timeout_ms = 10_000;
    /// Milliseconds that an ended connection may take to be read to its end, so that the last frames are
    /// not lost to a reset.
    linger_ms = 2_000;
    /// Bytes left with a socket by `set-attachment`. More: `attachment-too-large`. Cloudflare: 16,384.
    attachment_bytes = 16_384;
    /// Tags of a hibernatable socket. More: `too-many-tags`. Cloudflare: 10.
    tags = 10;
    /// Bytes of UTF-8 of a tag. More: `tag-too-long`. Cloudflare: 256.
    tag_bytes = 256;
    /// Bytes of UTF-8 of each side of an auto-response. More: `auto-response-too-large`. Cloudflare: 2,048.
    auto_response_bytes = 2_048;
    /// Messages a second that are read of one socket, pings counting as such; it is read no faster. 0: as fast as they come.
    messages_per_second = 0;
    /// Sockets that one instance may hold. More: `too-many-sockets`. Cloudflare: 32,768 an object.
    sockets = 32_768;
    /// Milliseconds of silence after which the system probes whether a peer's machine is still there, and as many that
    /// its answer may take; then its connection is lost (1006).
    tcp_keep_alive_ms = 60_000;

    "Objects":
    /// Milliseconds without an event after which an object that nothing holds loses its instance. Cloudflare: 10 s.
    hibernate_after_ms = 10_000;
    /// Milliseconds that an object's gate may be closed (`block_concurrency_while`); then the object is reset.
    /// Cloudflare: 30 s.
    gate_ms = 30_000;
    /// Bytes of UTF-8 of an object's name. More: `other`.
    object_name_bytes = 2_048;
    /// Milliseconds that an object waits for a place among the instances, all of which are at work; then 503, and
    /// Close 1013 for the sockets that had something for it.
    instance_wait_ms = 10_000;
    /// Times that a failed alarm is tried again; then it is given up. Cloudflare: 6.
    alarm_retries = 6;
    /// Milliseconds before the first retry of an alarm; each further one waits twice as long. Cloudflare: 2 s.
    alarm_backoff_ms = 2_000;
    /// Requests from object to object that may stand behind one another. More: `fetch` fails with `other`. Cloudflare: 16.
    object_depth = 16;
    /// Objects with an instance at a time; each may have a database open, which takes three descriptors. At the bound idle
    /// ones hibernate, and others wait as for a place among the instances. Lowered at the start to what the bound on
    /// descriptors leaves.
    [total] objects_awake = 10_000;

    "Turns":
    /// Events that one turn takes; more wait for the next.
    batch_events = 64;
    /// Bytes of messages that one turn takes; a larger message is a turn by itself. Twice as many are promised for answers.
    batch_bytes = 64 * 1024;
    /// Milliseconds of CPU time that a turn may use; then the instance dies. Cloudflare: 30 s.
    turn_cpu_ms = 30_000;
    /// Milliseconds from begin to end that a turn may take, blocking calls included; then the instance
    /// dies.
    turn_wall_ms = 60_000;
    /// Bytes that one turn may send, over all sockets. More: `send` is refused with `outbox-full`.
    turn_bytes = 256 * 1024 * 1024;
    /// Things that one turn may ask for. More: the instance dies.
    turn_effects = 1_000_000;
    /// Bytes of the text with which a worker fails a request. More: the rest is cut off.
    failure_bytes = 4 * 1024;
    /// Requests to objects and servers that one instance may have under way. More: refused.
    operations = 1_000;
    /// Timers that one instance may have under way. More: `too-many-timers`.
    timers = 10_000;
    /// Milliseconds of the longest timer, a week. More: `timeout-too-long`.
    timer_ms = 604_800_000;

    "Memory":
    /// Bytes of linear memory of one instance. More: the allocation fails in the guest. Cloudflare: 128 MB.
    memory_bytes = 128 * 1024 * 1024;
    /// Bytes of the guest's stack. More: the instance dies.
    stack_bytes = 512 * 1024;
    /// Bytes that the host keeps for one instance: what a turn has asked for, what it may have to take back, bodies of
    /// requests and responses, queues between its own sockets, timers, handles, names. More: the call is refused with
    /// `other` (`send` with `outbox-full`); one that cannot be refused ends the instance.
    instance_host_bytes = 256 * 1024 * 1024;
    /// Bytes of linear memory of all instances, but for what each begins with. At the bound idle objects hibernate first;
    /// then requests get 503, and an instance that has more than its share and grows is refused memory. Three tenths
    /// of the memory.
    [total] guests_total_bytes = share(30);
    /// Milliseconds that an instance which grows waits for others to make room, where all together have as much as they
    /// may; then it is refused memory.
    memory_wait_ms = 1_000;
    /// Bytes that the host keeps for all instances together, as for one. At the bound: as for one. A twentieth of the
    /// memory.
    [total] host_total_bytes = share(5);
    /// Bytes of messages that wait for slow clients, over all connections. At the bound a `send` is refused
    /// with `outbox-full`, unless it is short and nothing waits for that client, and the connections with the most are dropped (1006). A tenth of the memory.
    [total] outbox_total_bytes = share(10);
    /// Bytes of received messages that wait for workers, over all connections. At the bound a connection that has messages
    /// waiting is no longer read, and one that brings more is closed with 1013. A twentieth of the memory.
    [total] held_total_bytes = share(5);
    /// Compressed messages that are inflated at a time, of those that grow beyond 64 KiB. More wait.
    [total] inflating = 2;
    /// Bytes of bodies of HTTP requests and responses under way, over all connections, of which requests take half at most.
    /// At the bound clients that have taken nothing of their response for a tenth of `response_stall_ms` are dropped, the
    /// longest first; then 503 takes the place of a request or response, and `fetch` fails. A twentieth of the memory.
    [total] body_total_bytes = share(5);

    "Storage":
    /// Bytes of a key. More: `key-too-large`. Cloudflare: 2,048.
    key_bytes = 2_048;
    /// Bytes of a key and its value, and of a string, blob or row in SQL. More: `value-too-large`, or `sql`.
    /// Cloudflare: 2 MB.
    value_bytes = 2 * 1024 * 1024;
    /// Keys of one `get`, `put` or `delete`. More: `other`. Cloudflare: 128.
    keys_per_call = 128;
    /// Bytes that one `get`, `list` or `exec` gives back, as they stand in memory. More: `other` (`sql` for `exec`);
    /// ask for less at a time.
    result_bytes = 64 * 1024 * 1024;
    /// Transactions inside one another within a turn. More: `other`.
    transaction_depth = 64;
    /// Bytes of one object's database. More: the write fails with `storage`, and the turn is undone. Cloudflare:
    /// 10 GB.
    database_bytes = 10 << 30;
    /// Bytes of one object's database in memory, where there is no data directory. More: as above.
    memory_database_bytes = 256 * 1024 * 1024;
    /// Bytes of the databases of all objects of the worker; their logs, of up to 256 KiB each at rest, come on top. A write that
    /// would make a database larger than a quarter of what is left fails with `storage`, and the turn is undone.
    [total] storage_bytes = 100 << 30;
    /// Bytes of the databases of all objects in memory, where there is no data directory. More: as above. A tenth of the
    /// memory.
    [total] memory_storage_bytes = share(10);
    /// Objects of the worker that have a database. More: the first write of another fails with `storage`.
    [total] stored_objects = 1_000_000;
    /// Bytes of the text of one `exec`. More: `sql`. Cloudflare: 100 KB.
    sql_statement_bytes = 100_000;
    /// Parameters of a statement. More: `sql`. Cloudflare: 100.
    sql_parameters = 100;
    /// Columns of a table or a result. More: `sql`. Cloudflare: 100.
    sql_columns = 100;
    /// Arguments of a function in SQL. More: `sql`. Cloudflare: 32.
    sql_arguments = 32;
    /// Bytes of a pattern of LIKE or GLOB. More: `sql`. Cloudflare: 50.
    sql_pattern_bytes = 50;
    /// Depth of an expression in SQL. More: `sql`. It also bounds the stack that SQLite needs.
    sql_depth = 100;
    /// Instructions that a statement compiles to; generated columns and views can multiply. More: `sql`.
    sql_instructions = 250_000;
    /// Milliseconds that one `exec` may take. More: `sql`; if it was writing, the turn is undone.
    sql_ms = 10_000;
    /// Calls of `exec` that run at a time, each on a thread of its own. More wait, within `sql_ms`; then `sql`.
    sql_threads = 4;
    /// Bytes of each value in a statement that uses a function whose time grows with the square of what it is given:
    /// `json_patch`, `unhex`, `snippet`, `highlight`. More: `sql`.
    sql_quadratic_bytes = 48 * 1024;
    /// Bytes that one `exec` may write to temporary files, as for sorting what does not fit in memory. More: `sql`; if it
    /// was writing, the turn is undone.
    sql_temp_bytes = 1 << 30;
    /// Milliseconds to wait for a database that another connection still holds. More: `storage`.
    busy_ms = 1_000;

    "HTTP":
    /// Bytes of a request's head. More: 431.
    request_head_bytes = 16 * 1024;
    /// Headers of a request. More: 431.
    request_headers = 100;
    /// Milliseconds in which a request's head must be complete, from its first byte on, or from the start of the connection
    /// for the first; then the connection is dropped.
    request_head_ms = 10_000;
    /// Milliseconds that a connection may idle between requests; then it is closed. Longer than the 60 to 75 s after which
    /// proxies usually close it themselves, so that none sends a request into a connection that is being closed.
    http_idle_ms = 90_000;
    /// Bytes of a request's body. More: 413.
    request_body_bytes = 10 * 1024 * 1024;
    /// Milliseconds in which a request's body must be complete; then 408.
    request_body_ms = 30_000;
    /// Headers of a response, or of a request, that the worker makes. More: `invalid-response` from `respond`, `other` from
    /// `fetch` and `connect`.
    worker_headers = 1_000;
    /// Bytes of the head of a response, or of a request, that the worker makes. More: as above. Cloudflare: 128 KB.
    worker_head_bytes = 128 * 1024;
    /// Bytes of the body of a worker's response. More: `invalid-response`.
    worker_response_bytes = 64 * 1024 * 1024;
    /// Milliseconds in which a client takes nothing of a response; then its connection is dropped. One that takes it slowly
    /// has all the time it needs.
    response_stall_ms = 30_000;

    "Outbound":
    /// Outbound connections of the worker, those being opened included. More: `connect` and `fetch` fail with `other`.
    /// Lowered at the start to what the bound on descriptors leaves.
    [total] outbound_connections = 10_000;
    /// Milliseconds that `connect` has until its socket is open, and `fetch` until it has a connection; then it fails.
    connect_ms = 10_000;
    /// Milliseconds that `fetch` has until the response is whole; then it fails.
    fetch_ms = 30_000;
    /// Bytes of the body of a response to `fetch`. More: it fails.
    response_body_bytes = 10 * 1024 * 1024;
    /// Bytes of the head of a response to `connect` or `fetch`. More: it fails.
    response_head_bytes = 16 * 1024;
    /// Headers of a response to `connect` or `fetch`. More: it fails.
    response_headers = 100;
    /// Subprotocols that `connect` may offer. More: `invalid-protocol`.
    protocols = 100;
    /// Bytes of a subprotocol that `connect` offers. More: `invalid-protocol`.
    protocol_bytes = 256;
    /// Names of hosts that are looked up at a time, each on a thread. More wait, within their own time.
    [total] lookups = 64;

    "Process":
    /// Instances alive at a time. More: 503. Linux's `vm.max_map_count` of 65,530 ends near 9,700; each
    /// thousand adds two milliseconds to the start.
    [total] instances = 5_000;
    /// Connections open at a time. More wait, unaccepted, until one ends. Lowered at the start to what the bound on
    /// descriptors leaves.
    [total] connections = 50_000;
    /// Connections that one address may have open, an IPv6 network of 64 bits counting as one. More: dropped as they come.
    /// As many as there are at all, since clients behind one proxy share an address; lower it where there is none.
    connections_per_address = 50_000;
    /// Of these, those that have not completed a request's head, nor TLS before it. More: dropped as they come.
    handshakes_per_address = 4_096;
    /// Milliseconds in which a client must be done with its TLS handshake; then the connection is dropped.
    tls_handshake_ms = 10_000;
    /// Bytes of messages that have not come to their end, over all connections. More: Close 1013 for the connection that
    /// brings more. A twentieth of the memory.
    [total] unfinished_bytes = share(5);
    /// Bytes a second of records about the worker that reach the log, over all its instances: its output, its faults. Each
    /// record counts with 128 bytes beside its text, which ends at 8 KiB. The rest is dropped, and counted there.
    log_bytes_per_second = 64 * 1024;
    /// Bytes of records that wait for standard error. More are dropped, and counted in the log once it can be written again.
    [total] log_queue_bytes = 1024 * 1024;
    /// Milliseconds that the end of the process waits for standard error to take the last records; then they are lost.
    log_flush_ms = 2_000;
    /// Milliseconds that a shutdown waits for sockets to close and responses to leave.
    drain_ms = 10_000;
}
