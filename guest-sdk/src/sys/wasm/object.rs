//! Owns what a durable object asks of its host, over the bindings: its state, its storage, and the way to others.

use super::super::{List, Payload, Rows};
use super::error::error;
use super::{Socket, answers, parameter};
use crate::bindings::pairway::worker::{objects, sockets, state, storage};
use crate::error::Result;
use crate::request::Request;
use crate::value::SqlStorageValue;
use storage::{SqlValueParam, SqlValueResult};

/// The object that this instance is. There is one: the handle of the other host says which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object;

/// Its sockets.
#[expect(clippy::unused_self, reason = "the interface of the other host")]
impl Object {
    pub(crate) fn accept(self, socket: &Socket, tags: &[&str]) -> Result<()> {
        state::accept_web_socket(socket.raw(), tags).map_err(error)
    }

    pub(crate) fn sockets(self, tag: Option<&str>) -> Result<Vec<u64>> {
        state::get_web_sockets(tag).map_err(error)
    }

    /// Whether it is one of them. Others may be known to this instance as well.
    pub(crate) fn has_socket(self, id: u64) -> bool {
        state::get_tags(id).is_ok()
    }

    /// A handle of one of them.
    pub(crate) fn socket(self, id: u64) -> Option<Socket> {
        sockets::get_web_socket(id).map(Socket::from_raw)
    }

    pub(crate) fn broadcast(
        self,
        tag: Option<&str>,
        except: &[u64],
        payload: Payload<'_>,
    ) -> Result<u32> {
        answers::flush();
        state::broadcast(state::Recipients { tag, except }, payload.into()).map_err(error)
    }

    pub(crate) fn set_auto_response(self, pair: Option<(&str, &str)>) -> Result<()> {
        let pair = pair.map(|(request, response)| state::AutoResponseParam { request, response });
        state::set_auto_response(pair).map_err(error)
    }

    pub(crate) fn auto_response(self) -> Result<Option<(String, String)>> {
        let pair = state::get_auto_response().map_err(error)?;
        Ok(pair.map(|pair| (pair.request, pair.response)))
    }

    pub(crate) fn auto_response_time(self, socket: u64) -> Result<Option<u64>> {
        state::get_auto_response_time(socket).map_err(error)
    }

    pub(crate) fn set_event_timeout(self, timeout_ms: Option<u32>) -> Result<()> {
        state::set_event_timeout(timeout_ms).map_err(error)
    }

    pub(crate) fn event_timeout(self) -> Result<Option<u32>> {
        state::get_event_timeout().map_err(error)
    }
}

/// Its life.
#[expect(clippy::unused_self, reason = "the interface of the other host")]
impl Object {
    pub(crate) fn close_gate(self) -> Result<()> {
        state::close_gate().map_err(error)
    }

    pub(crate) fn open_gate(self) -> Result<()> {
        state::open_gate().map_err(error)
    }

    pub(crate) fn set_running(self, handlers: u32) -> Result<()> {
        state::set_running(handlers).map_err(error)
    }

    pub(crate) fn abort(self, reason: &str) -> Result<()> {
        state::abort(reason).map_err(error)
    }

    pub(crate) fn set_alarm(self, time_ms: Option<u64>) -> Result<()> {
        state::set_alarm(time_ms).map_err(error)
    }

    pub(crate) fn alarm(self) -> Result<Option<u64>> {
        state::get_alarm().map_err(error)
    }

    pub(crate) fn alarm_handled(self, succeeded: bool) -> Result<()> {
        state::alarm_handled(succeeded).map_err(error)
    }
}

/// Its storage.
#[expect(clippy::unused_self, reason = "the interface of the other host")]
impl Object {
    pub(crate) fn get(self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        storage::get(keys).map_err(error)
    }

    pub(crate) fn put(self, entries: &[(&str, &[u8])]) -> Result<()> {
        storage::put(entries).map_err(error)
    }

    pub(crate) fn delete(self, keys: &[&str]) -> Result<u32> {
        storage::delete(keys).map_err(error)
    }

    pub(crate) fn delete_all(self) -> Result<()> {
        storage::delete_all().map_err(error)
    }

    pub(crate) fn list(self, list: List<'_>) -> Result<Vec<(String, Vec<u8>)>> {
        storage::list(options(list)).map_err(error)
    }

    pub(crate) fn list_keys(self, list: List<'_>) -> Result<Vec<String>> {
        storage::list_keys(options(list)).map_err(error)
    }

    pub(crate) fn begin(self) -> Result<()> {
        storage::begin().map_err(error)
    }

    pub(crate) fn commit(self) -> Result<()> {
        storage::commit().map_err(error)
    }

    pub(crate) fn rollback(self) -> Result<()> {
        storage::rollback().map_err(error)
    }

    pub(crate) fn exec(self, sql: &str, parameters: &[SqlStorageValue]) -> Result<Rows> {
        let parameters: Vec<_> = parameters.iter().map(sql_parameter).collect();
        let result = storage::exec(sql, &parameters).map_err(error)?;
        let rows = result.rows.into_iter();
        Ok(Rows {
            columns: result.columns,
            rows: rows
                .map(|row| row.into_iter().map(value).collect())
                .collect(),
            rows_written: result.rows_written,
        })
    }

    pub(crate) fn database_size(self) -> Result<u64> {
        storage::database_size().map_err(error)
    }
}

fn options(list: List<'_>) -> storage::ListOptions<'_> {
    storage::ListOptions {
        start: list.start,
        start_after: list.start_after,
        end: list.end,
        prefix: list.prefix,
        reverse: list.reverse,
        limit: list.limit,
    }
}

fn sql_parameter(value: &SqlStorageValue) -> SqlValueParam<'_> {
    match value {
        SqlStorageValue::Null => SqlValueParam::Null,
        SqlStorageValue::Boolean(value) => SqlValueParam::Integer(i64::from(*value)),
        SqlStorageValue::Integer(value) => SqlValueParam::Integer(*value),
        SqlStorageValue::Float(value) => SqlValueParam::Real(*value),
        SqlStorageValue::String(text) => SqlValueParam::Text(text),
        SqlStorageValue::Blob(bytes) => SqlValueParam::Blob(bytes),
    }
}

fn value(value: SqlValueResult) -> SqlStorageValue {
    match value {
        SqlValueResult::Null => SqlStorageValue::Null,
        SqlValueResult::Integer(value) => SqlStorageValue::Integer(value),
        SqlValueResult::Real(value) => SqlStorageValue::Float(value),
        SqlValueResult::Text(text) => SqlStorageValue::String(text),
        SqlValueResult::Blob(bytes) => SqlStorageValue::Blob(bytes),
    }
}

pub(crate) fn object_id(namespace: &str, name: &str) -> Result<String> {
    objects::id_from_name(namespace, name).map_err(error)
}

pub(crate) fn new_object_id(namespace: &str) -> Result<String> {
    objects::new_unique_id(namespace).map_err(error)
}

pub(crate) fn check_object_id(namespace: &str, text: &str) -> Result<String> {
    objects::id_from_string(namespace, text).map_err(error)
}

/// Returns the token of the operation.
pub(crate) fn fetch_object(namespace: &str, id: &str, request: &Request) -> Result<u64> {
    answers::flush();
    let headers: Vec<_> = request.headers.iter().collect();
    objects::fetch(namespace, id, parameter(request, &headers)).map_err(error)
}
