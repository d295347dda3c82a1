//! Owns the names under which a worker reaches durable objects: each binding leads to a class. Plain data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One class of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) name: Arc<str>,
    /// How long an object of it may be idle before it loses its instance.
    pub(crate) hibernate_after: Duration,
}

/// The classes, by the names of their bindings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Namespaces(BTreeMap<String, Class>);

impl Namespaces {
    pub(crate) fn bind(&mut self, binding: String, class: Class) {
        self.0.insert(binding, class);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, binding: &str) -> Option<&Class> {
        self.0.get(binding)
    }

    /// The class of that name, whatever binding leads to it.
    pub(crate) fn class(&self, name: &str) -> Option<&Class> {
        self.0.values().find(|class| *class.name == *name)
    }

    pub(crate) fn has_class(&self, name: &str) -> bool {
        self.class(name).is_some()
    }
}
