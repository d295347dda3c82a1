//! Owns the classes of durable objects that the worker has. They are known by pointers to functions alone, so that a
//! worker without classes is not linked with what objects need.

use crate::instance::Instance;
use crate::namespace::ObjectId;
use crate::object::DurableObject;
use crate::sys;
#[cfg(target_family = "wasm")]
use crate::sys::Event;
use std::cell::RefCell;

#[derive(Clone, Copy)]
pub(crate) struct Class {
    name: &'static str,
    pub(crate) begin: fn(sys::Object, ObjectId) -> Instance,
    #[cfg(target_family = "wasm")]
    pub(crate) turn: fn(&Instance, &mut dyn Iterator<Item = Event>),
}

thread_local! {
    static CLASSES: RefCell<Vec<Class>> = const { RefCell::new(Vec::new()) };
}

impl Class {
    pub(crate) fn of<T: DurableObject>() -> Self {
        Self {
            name: T::NAME,
            begin: Instance::new::<T>,
            #[cfg(target_family = "wasm")]
            turn: Instance::turn,
        }
    }

    /// The class that the host names; of several the last.
    ///
    /// # Panics
    ///
    /// If the worker has none of that name: its configuration is wrong.
    pub(crate) fn named(name: &str) -> Self {
        CLASSES.with_borrow(|classes| {
            let found = classes.iter().rfind(|class| class.name == name);
            found.copied().unwrap_or_else(|| {
                let names: Vec<_> = classes.iter().map(|class| class.name).collect();
                let names = names.join(", ");
                panic!("the worker has no durable object `{name}`; it has: {names}")
            })
        })
    }
}

/// For `#[durable_object]`: the worker has this class. Called by the constructors of the module, before any event.
pub fn on_class<T: DurableObject>() {
    CLASSES.with_borrow_mut(|classes| classes.push(Class::of::<T>()));
}

/// Forget the classes, as the end of an instance does.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn clear() {
    CLASSES.take();
}
