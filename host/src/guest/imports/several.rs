//! Owns `send-several`: many messages, straight out of the guest's memory, with one call.

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, WasmList, WasmStr};

use super::send::{finish, stage};
use super::wit::types::Run;
use super::{GuestState, WitError};
use crate::config::size;
use crate::guest::effects::Effects;
use crate::guest::promise::{Promise, Route};
use crate::socket::end::Link;
use crate::socket::state::SendVerdict;
use crate::socket::{MessageRef, SocketId, codec};

/// Answers are put together where they are small: no more of them than twice what a batch has.
const BATCHES: usize = 2;

type Refusable<T> = wasmtime::Result<Result<T, WitError>>;

/// Put it in the place of the one that the bindings made.
pub(super) fn link(sockets: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    sockets.func_wrap(
        "send-several",
        |mut store: StoreContextMut<'_, GuestState>,
         (runs, lengths, text, bytes): (Vec<Run>, WasmList<u32>, WasmStr, WasmList<u8>)| {
            // Taken out while guest memory is borrowed from the same store.
            let mut effects = std::mem::take(&mut store.data_mut().effects);
            let sent = text.to_str(&store).and_then(|text| {
                let shape = (&runs[..], lengths.as_le_slice(&store));
                let contents = (&*text, bytes.as_le_slice(&store));
                send_several(store.data(), &mut effects, shape, contents)
            });
            store.data_mut().effects = effects;
            Ok((sent?,))
        },
    )
}

/// Stage those of these messages that their sockets take. Gives how many they are.
pub(super) fn send_several(
    state: &GuestState,
    effects: &mut Effects,
    (runs, lengths): (&[Run], &[u32]),
    (mut text, mut bytes): (&str, &[u8]),
) -> Refusable<u32> {
    if !fit(runs, lengths, text, bytes) {
        let text = "the runs, the lengths and the contents do not fit each other".to_owned();
        return Ok(Err(WitError::Other(text)));
    }
    let limits = &state.host.limits;
    let mut promise = std::mem::take(&mut effects.promise);
    let mut taken = 0;
    for (run, length) in each(runs, lengths) {
        let message = if run.is_text {
            let (own, rest) = text.split_at(length);
            text = rest;
            MessageRef::Text(own)
        } else {
            let (own, rest) = bytes.split_at(length);
            bytes = rest;
            MessageRef::Binary(own)
        };
        let from = effects.frames.len();
        if let Some(route) = promise.take(run.socket, length) {
            codec::message(route.outbox.format(), message, &mut effects.frames);
            effects.stage_frames(run.socket, &route.outbox, from, limits)?;
            taken += 1;
        } else if let Some(end) = state.accepted(run.socket) {
            let encoded = stage(&end, message, &mut effects.frames);
            taken += u32::from(finish(effects, limits, end, encoded, from)?.is_ok());
        }
    }
    Ok(Ok(taken))
}

/// Each message: its run, and its length.
fn each<'a>(runs: &'a [Run], lengths: &'a [u32]) -> impl Iterator<Item = (&'a Run, usize)> {
    let runs = runs
        .iter()
        .flat_map(|run| std::iter::repeat_n(run, run.messages as usize));
    runs.zip(lengths.iter().map(|length| *length as usize))
}

/// Whether the runs have the lengths, and the messages are all of the contents, with no text cut within a character.
fn fit(runs: &[Run], lengths: &[u32], text: &str, bytes: &[u8]) -> bool {
    let messages: u64 = runs.iter().map(|run| u64::from(run.messages)).sum();
    if messages != lengths.len() as u64 {
        return false;
    }
    let (mut text_end, mut bytes_end) = (0, 0);
    for (run, length) in each(runs, lengths) {
        if run.is_text {
            text_end += length;
            if !text.is_char_boundary(text_end) {
                return false;
            }
        } else {
            bytes_end += length;
        }
    }
    (text_end, bytes_end) == (text.len(), bytes.len())
}

impl GuestState {
    /// Promise room on the sockets of a batch. Gives how many bytes; none if one of them has no connection, or takes no
    /// messages.
    pub(in crate::guest) fn promise(&mut self, sockets: impl Iterator<Item = SocketId>) -> u32 {
        let limits = &self.host.limits;
        let hard = size(limits.outbox_hard_bytes);
        let answers = size(limits.batch_bytes).saturating_mul(BATCHES);
        let mut promise = Promise::of(answers.min(size(limits.turn_bytes)));
        for socket in sockets {
            if promise.last() == Some(socket) {
                continue;
            }
            let Some(end) = self.accepted(socket) else {
                return 0;
            };
            let Ok((SendVerdict::Take, Link::Wire(outbox))) = end.on_send() else {
                return 0;
            };
            promise.add(Route { end, outbox }, hard);
        }
        let bytes = u32::try_from(promise.bytes()).unwrap_or(u32::MAX);
        self.effects.promise = promise;
        bytes
    }
}
