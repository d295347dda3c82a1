//! Owns the bound on a guest's linear memory, and remembers whether the guest ran into it: a guest that is
//! refused memory traps a moment later, and its user should be told why.

use wasmtime::ResourceLimiter;

/// Bounds the memory of one instance, all its linear memories and tables together.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    used: usize,
    pub(crate) was_denied: bool,
}

impl Memory {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            used: 0,
            was_denied: false,
        }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let after = self.used.saturating_add(desired.saturating_sub(current));
        if after > self.max {
            self.was_denied = true;
            return Ok(false);
        }
        self.used = after;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A function reference takes 16 bytes at most; a table of them may take what a memory may.
        Ok(desired <= self.max / 16)
    }
}
