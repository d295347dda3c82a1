//! Owns what a bound is, and makes [`Limits`](super::Limits) of the list of bounds.

/// One bound, as [`Limits::describe`](super::Limits::describe) lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitInfo {
    /// What it belongs to: `Sockets`, `Objects`, `Turns`, `Memory`, `Storage`, `HTTP`, `Outbound`, `Process`.
    pub group: &'static str,
    /// The field of [`Limits`](super::Limits), which is also the name on the command line.
    pub name: &'static str,
    /// The value in force.
    pub value: u64,
    /// It bounds the process as a whole, and not one of something.
    pub is_total: bool,
    /// What is bounded, and what happens when the bound is reached.
    pub doc: &'static str,
}

/// The list: groups, each with its title, and their bounds, of which totals of the process are marked.
macro_rules! limits {
    ($($group:literal: $($(#[doc = $doc:literal])+ $([$total:ident])? $name:ident = $default:expr;)+)+) => {
        /// Every bound there is: queues, sizes, counts, times. Units are in the names.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Limits {
            $($($(#[doc = $doc])+ pub $name: u64,)+)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($($name: $default,)+)+ }
            }
        }

        impl Limits {
            /// All bounds with their values, group by group.
            #[must_use]
            pub fn describe(&self) -> Vec<$crate::config::LimitInfo> {
                vec![$($($crate::config::LimitInfo {
                    group: $group,
                    name: stringify!($name),
                    value: self.$name,
                    is_total: [$(stringify!($total),)?].contains(&"total"),
                    doc: concat!($($doc),+).trim_ascii(),
                },)+)+]
            }

            pub(super) fn field(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $($(stringify!($name) => Some(&mut self.$name),)+)+
                    _ => None,
                }
            }
        }
    };
}

pub(super) use limits;
