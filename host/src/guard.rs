//! Owns the catching of panics. A panic is a mistake of the host's own: whoever has taken work for others catches it there,
//! answers for the work, and goes on with the next. Knows nothing of what the work is.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use futures_util::future::CatchUnwind;

use crate::counters::Counters;
use crate::printable::Printable;

/// What a panic leaves behind.
pub(crate) type Payload = Box<dyn Any + Send>;

/// A panic that was caught, and is in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    /// Put a panic into the log and the books. `work` says what was being done; where in the code it was stands in the
    /// record of the process's own panic hook.
    pub(crate) fn note(counters: &Counters, work: impl Display, payload: Payload) -> Self {
        let text = text(&*payload);
        counters.panics.add(1);
        tracing::error!("the host failed in {}: {text}", Printable(&work));
        // Its destructor is not ours either.
        drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
        Self(text)
    }
}

/// What a panic said.
fn text(payload: &(dyn Any + Send)) -> String {
    let text = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "a panic without a message",
    };
    Printable(text).to_string()
}

/// Await some work; its panic becomes an error. What the work had borrowed may be half done then, and is to be given up.
///
/// Not an `async fn`, which would hold the work twice.
pub(crate) fn catch<F: Future>(work: F) -> CatchUnwind<AssertUnwindSafe<F>> {
    AssertUnwindSafe(work).catch_unwind()
}

/// The same for work that does not wait.
pub(crate) fn catch_now<T>(work: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_text_and_counts() {
        let counters = Counters::default();
        let note = |payload| Panicked::note(&counters, "a test", payload);
        let fine = catch(async { 7 }).await.map_err(note);
        assert_eq!(fine, Ok(7));
        let number = 3;
        let failed = catch(async { panic!("no. {number}\nforged") }).await;
        let failed: Result<(), _> = failed.map_err(note);
        assert_eq!(failed.unwrap_err().to_string(), "no. 3\\nforged");
        let failed: Result<(), _> = catch_now(|| panic!("at once")).map_err(note);
        assert_eq!(failed.unwrap_err().to_string(), "at once");
        let failed: Result<(), _> = catch_now(|| std::panic::panic_any(7)).map_err(note);
        assert_eq!(failed.unwrap_err().to_string(), "a panic without a message");
        assert_eq!(counters.panics.get(), 3);
    }
}
