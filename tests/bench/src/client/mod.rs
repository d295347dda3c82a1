//! Owns the clients: what each says over its connection, and how it checks what comes back. They know no load.

mod echo;
mod fanout;
mod sleeper;

pub(crate) use echo::Echoer;
pub(crate) use fanout::{Bulletin, Publisher, Subscriber};
pub(crate) use sleeper::Sleeper;
