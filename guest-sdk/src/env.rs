//! Owns [`Env`], the worker's configuration, and [`Context`], the request's.

use crate::error::{Error, Result};
use crate::namespace::ObjectNamespace;
use crate::sys;
use crate::task;
use std::fmt;
use std::ops::Deref;

/// What the worker was configured with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Env {
    _more_later: (),
}

impl Env {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A configured variable.
    ///
    /// # Errors
    ///
    /// [`Error::MissingVariable`] if there is none of that name.
    pub fn var(&self, name: &str) -> Result<Var> {
        sys::var(name)
            .map(Var)
            .ok_or_else(|| Error::MissingVariable(name.to_owned()))
    }

    /// A configured secret. The same as [`var`](Self::var); the name is that of workers-rs.
    ///
    /// # Errors
    ///
    /// As [`var`](Self::var).
    pub fn secret(&self, name: &str) -> Result<Var> {
        self.var(name)
    }

    /// The durable objects that are bound to that name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownNamespace`] if none are.
    pub fn durable_object(&self, binding: &str) -> Result<ObjectNamespace> {
        ObjectNamespace::bound(binding)
    }
}

/// The value of a variable: a text.
#[derive(Clone, PartialEq, Eq)]
pub struct Var(String);

/// Says nothing of the value, which may be a secret.
impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Var(..)")
    }
}

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for Var {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Var {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Var {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Var {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl From<Var> for String {
    fn from(var: Var) -> Self {
        var.0
    }
}

/// What a request's handler may ask for beside its response.
#[derive(Debug, Default)]
pub struct Context {
    _more_later: (),
}

impl Context {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Let this future go on after the response has left. [`spawn_local`](crate::spawn_local) under its name in
    /// workers-rs: here every task goes on.
    pub fn wait_until(&self, future: impl Future<Output = ()> + 'static) {
        task::spawn_local(future);
    }
}
