//! Owns whose task runs. In a host of its own an instance has its thread alone, and there is nothing to know; in a test the
//! objects share one, and what each of them keeps must be told apart.

#[cfg(not(target_family = "wasm"))]
use std::cell::Cell;

/// Whose something is. What no object is, is the worker's and the test's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner(#[cfg(not(target_family = "wasm"))] u64);

#[cfg(target_family = "wasm")]
impl Owner {
    /// Whose task runs.
    pub(crate) fn now() -> Self {
        Self()
    }

    /// Do this as theirs.
    pub(crate) fn act<T>(self, act: impl FnOnce() -> T) -> T {
        act()
    }
}

#[cfg(not(target_family = "wasm"))]
thread_local! {
    static NOW: Cell<Owner> = const { Cell::new(Owner(0)) };
}

#[cfg(not(target_family = "wasm"))]
impl Owner {
    /// Told apart by a number over zero.
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }

    /// Whose task runs.
    pub(crate) fn now() -> Self {
        NOW.get()
    }

    /// Do this as theirs.
    pub(crate) fn act<T>(self, act: impl FnOnce() -> T) -> T {
        /// Also if it panics: the thread runs other tests.
        struct Back(Owner);

        impl Drop for Back {
            fn drop(&mut self) {
                NOW.set(self.0);
            }
        }

        let _back = Back(NOW.replace(self));
        act()
    }
}
