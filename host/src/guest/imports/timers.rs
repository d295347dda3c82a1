//! Owns the imports of `wit/timers.wit`.

use std::time::Duration;

use super::ends::full;
use super::wit::timers::Host;
use super::{GuestState, WitError};
use crate::guest::effects::Staged;
use crate::guest::request::Token;
use crate::guest::store::cost;

impl Host for GuestState {
    fn start(&mut self, delay_ms: u64) -> wasmtime::Result<Result<Token, WitError>> {
        let limits = &self.host.limits;
        if delay_ms > limits.timer_ms {
            return Ok(Err(WitError::TimeoutTooLong(limits.timer_ms)));
        }
        if self.timers.len() as u64 >= limits.timers {
            let limit = u32::try_from(limits.timers).unwrap_or(u32::MAX);
            return Ok(Err(WitError::TooManyTimers(limit)));
        }
        if !self.effects.keep_one() || !self.kept.try_add(cost::TIMER) {
            return Ok(Err(full()));
        }
        let token = self.next_id();
        self.timers.insert(token);
        self.keep_depth(token);
        let delay = Duration::from_millis(delay_ms);
        let staged = Staged::StartTimer { token, delay };
        self.effects.push(staged, &self.host.limits)?;
        Ok(Ok(token))
    }

    fn cancel(&mut self, token: Token) -> wasmtime::Result<()> {
        if self.forget(token) {
            self.depths.remove(&token);
            let staged = Staged::Cancel { token };
            self.effects.stage(staged, &self.host.limits)?;
        }
        Ok(())
    }
}
