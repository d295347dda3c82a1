//! Owns the imports that this version does not serve yet: durable objects, their state and storage. Each
//! answers `unsupported` with its own name; none traps.

use wasmtime::component::Resource;

use super::wit::{objects, state, storage};
use super::{GuestState, WitError};
use crate::guest::store::Handle;

type Unserved<T> = wasmtime::Result<Result<T, WitError>>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape that the generated traits ask for"
)]
fn unserved<T>(name: &str) -> Unserved<T> {
    Ok(Err(WitError::Unsupported(name.to_owned())))
}

impl objects::Host for GuestState {
    fn id_from_name(&mut self, _namespace: String, _name: String) -> Unserved<String> {
        unserved("objects.id-from-name")
    }

    fn new_unique_id(&mut self, _namespace: String) -> Unserved<String> {
        unserved("objects.new-unique-id")
    }

    fn id_from_string(&mut self, _namespace: String, _text: String) -> Unserved<String> {
        unserved("objects.id-from-string")
    }

    fn fetch(
        &mut self,
        _namespace: String,
        _id: String,
        _request: objects::Request,
    ) -> Unserved<u64> {
        unserved("objects.fetch")
    }
}

impl state::Host for GuestState {
    fn accept_web_socket(&mut self, _socket: Resource<Handle>, _tags: Vec<String>) -> Unserved<()> {
        unserved("state.accept-web-socket")
    }

    fn get_web_sockets(&mut self, _tag: Option<String>) -> Unserved<Vec<u64>> {
        unserved("state.get-web-sockets")
    }

    fn get_tags(&mut self, _socket: u64) -> Unserved<Vec<String>> {
        unserved("state.get-tags")
    }

    fn set_tags(&mut self, _socket: u64, _tags: Vec<String>) -> Unserved<()> {
        unserved("state.set-tags")
    }

    fn broadcast(&mut self, _to: state::Recipients, _message: state::Message) -> Unserved<u32> {
        unserved("state.broadcast")
    }

    fn set_auto_response(&mut self, _pair: Option<state::AutoResponse>) -> Unserved<()> {
        unserved("state.set-auto-response")
    }

    fn get_auto_response(&mut self) -> Unserved<Option<state::AutoResponse>> {
        unserved("state.get-auto-response")
    }

    fn get_auto_response_time(&mut self, _socket: u64) -> Unserved<Option<u64>> {
        unserved("state.get-auto-response-time")
    }

    fn set_event_timeout(&mut self, _timeout_ms: Option<u32>) -> Unserved<()> {
        unserved("state.set-event-timeout")
    }

    fn get_event_timeout(&mut self) -> Unserved<Option<u32>> {
        unserved("state.get-event-timeout")
    }

    fn set_alarm(&mut self, _time: Option<u64>) -> Unserved<()> {
        unserved("state.set-alarm")
    }

    fn get_alarm(&mut self) -> Unserved<Option<u64>> {
        unserved("state.get-alarm")
    }

    fn alarm_handled(&mut self, _succeeded: bool) -> Unserved<()> {
        unserved("state.alarm-handled")
    }

    fn close_gate(&mut self) -> Unserved<()> {
        unserved("state.close-gate")
    }

    fn open_gate(&mut self) -> Unserved<()> {
        unserved("state.open-gate")
    }

    fn set_running(&mut self, _handlers: u32) -> Unserved<()> {
        unserved("state.set-running")
    }

    fn abort(&mut self, _reason: String) -> Unserved<()> {
        unserved("state.abort")
    }
}

impl storage::Host for GuestState {
    fn get(&mut self, _keys: Vec<String>) -> Unserved<Vec<Option<Vec<u8>>>> {
        unserved("storage.get")
    }

    fn put(&mut self, _entries: Vec<(String, Vec<u8>)>) -> Unserved<()> {
        unserved("storage.put")
    }

    fn delete(&mut self, _keys: Vec<String>) -> Unserved<u32> {
        unserved("storage.delete")
    }

    fn list(&mut self, _options: storage::ListOptions) -> Unserved<Vec<(String, Vec<u8>)>> {
        unserved("storage.list")
    }

    fn delete_all(&mut self) -> Unserved<()> {
        unserved("storage.delete-all")
    }

    fn begin(&mut self) -> Unserved<()> {
        unserved("storage.begin")
    }

    fn commit(&mut self) -> Unserved<()> {
        unserved("storage.commit")
    }

    fn rollback(&mut self) -> Unserved<()> {
        unserved("storage.rollback")
    }

    fn exec(
        &mut self,
        _sql: String,
        _parameters: Vec<storage::SqlValue>,
    ) -> Unserved<storage::SqlResult> {
        unserved("storage.exec")
    }
}
