//! Owns the memory of tasks that are over at once, which the next of their kind use again.

use super::{EXECUTOR, Executor, Owner, Task};
use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The memory of a future that was ready at once, for the next of its kind: most handlers of messages are.
#[derive(Default)]
pub(crate) struct Nest(Option<Box<dyn Any>>);

/// [`run_now`](super::run_now) for a future that may find its memory in a nest.
pub(crate) fn run_now_in<F>(nest: &RefCell<Nest>, future: F)
where
    F: Future<Output = ()> + 'static,
{
    // Taken out while it is used: no borrow is held while the worker's code runs.
    let spare = nest.take().0;
    let mut home: Box<Pin<Box<Option<F>>>> = match spare.map(Box::<dyn Any>::downcast) {
        Some(Ok(mut home)) => {
            Pin::set(&mut home, Some(future));
            home
        }
        Some(Err(_)) | None => Box::new(Box::pin(Some(future))),
    };
    let place = EXECUTOR.with_borrow_mut(Executor::place);
    let mut cx = Context::from_waker(&place.waker);
    match poll_home(&mut home, &mut cx) {
        Poll::Ready(()) => {
            Pin::set(&mut home, None);
            nest.replace(Nest(Some(home)));
            EXECUTOR.with_borrow_mut(|executor| executor.release(place));
        }
        Poll::Pending => {
            let future = Box::pin(poll_fn(move |cx| poll_home(&mut home, cx)));
            EXECUTOR.with_borrow_mut(|executor| {
                executor.put_back(Task {
                    future,
                    place,
                    owner: Owner::now(),
                });
            });
        }
    }
}

fn poll_home<F: Future<Output = ()>>(
    home: &mut Pin<Box<Option<F>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let future = home.as_mut().as_pin_mut();
    future.map_or(Poll::Ready(()), |future| future.poll(cx))
}

#[cfg(test)]
mod tests {
    use super::super::{clear, run_until_idle};
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn a_future_that_is_ready_at_once_leaves_its_memory_to_the_next_and_one_that_waits_keeps_it() {
        /// Says where it lies, and waits for one wake-up if it is to.
        async fn lie(log: Rc<RefCell<Vec<usize>>>, mut waits: bool) {
            let here = Cell::new(0_u8);
            log.borrow_mut().push(std::ptr::from_ref(&here).addr());
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::take(&mut waits) {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
            log.borrow_mut().push(std::ptr::from_ref(&here).addr());
        }
        let nest = RefCell::default();
        let run = |waits| {
            let log = Rc::default();
            run_now_in(&nest, lie(Rc::clone(&log), waits));
            log
        };
        let first = run(false);
        let waiting = run(true);
        assert_eq!(waiting.borrow()[0], first.borrow()[0]);
        let beside = run(false);
        assert_ne!(beside.borrow()[0], waiting.borrow()[0]);
        run_until_idle();
        let stayed = waiting.borrow();
        assert_eq!(stayed[..], [stayed[0]; 2], "and came to its end");
        clear();
    }
}
