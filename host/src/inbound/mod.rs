//! Owns what is particular to HTTP clients: which URI they ask for, how much memory and time they may take. Knows nothing of
//! workers.

mod bodies;
mod exchange;
pub(crate) mod reply;
mod stream;
pub(crate) mod target;

pub(crate) use self::bodies::Bodies;
pub(crate) use self::exchange::Exchange;
pub(crate) use self::stream::HttpStream;
