//! Owns the tasks: a small executor for one thread. Tasks are polled when woken, until none is. Knows no host.
//!
//! No borrow is held while a task is polled or dropped, since both run the worker's code, which may spawn and wake.

mod nest;
mod owner;

pub(crate) use self::nest::{Nest, run_now_in};
pub(crate) use self::owner::Owner;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

/// A future that stays on its thread.
pub(crate) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A task outside its slot while it is polled, so that a wake-up costs no reference count.
struct Task {
    future: LocalFuture<()>,
    place: Place,
    owner: Owner,
}

/// A slot, and the waker for whoever is in it.
struct Place {
    waker: Waker,
    handle: Arc<Handle>,
}

impl Place {
    /// Whether it can be used for another task as it is: no waker is left, here or elsewhere, that would wake it.
    fn is_clean(&self) -> bool {
        // Its own, and its waker's.
        Arc::strong_count(&self.handle) == 2 && !self.handle.woken.load(Relaxed)
    }
}

/// What wakers hold. A slot is used again; the generation tells its tasks apart.
struct Handle {
    slot: usize,
    generation: u64,
    woken: AtomicBool,
}

struct Executor {
    /// `None`: free, or being polled.
    slots: Vec<(u64, Option<Task>)>,
    free: Vec<usize>,
    ready: VecDeque<(usize, u64)>,
    /// Of a task that is over: most handlers run to their end at once, and need no more than this one place.
    spare: Option<Place>,
}

thread_local! {
    static EXECUTOR: RefCell<Executor> = const { RefCell::new(Executor::new()) };
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Relaxed) {
            // Gone only while the thread ends.
            let _gone = EXECUTOR.try_with(|executor| {
                let mut executor = executor.borrow_mut();
                executor.ready.push_back((self.slot, self.generation));
            });
        }
    }
}

impl Executor {
    const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            spare: None,
        }
    }

    /// A place for a task that counts as not woken.
    fn place(&mut self) -> Place {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let handle = Arc::new(Handle {
            slot,
            generation: self.slots[slot].0,
            woken: AtomicBool::new(false),
        });
        Place {
            waker: Waker::from(Arc::clone(&handle)),
            handle,
        }
    }

    fn insert(&mut self, future: LocalFuture<()>) {
        let place = self.place();
        place.handle.woken.store(true, Relaxed);
        self.ready
            .push_back((place.handle.slot, place.handle.generation));
        let owner = Owner::now();
        self.put_back(Task {
            future,
            place,
            owner,
        });
    }

    /// The next task that was woken, out of its slot.
    fn next(&mut self) -> Option<Task> {
        while let Some((slot, generation)) = self.ready.pop_front() {
            if let Some(entry) = self.slots.get_mut(slot)
                && entry.0 == generation
                && let Some(task) = entry.1.take()
            {
                return Some(task);
            }
        }
        None
    }

    fn put_back(&mut self, task: Task) {
        let slot = task.place.handle.slot;
        self.slots[slot].1 = Some(task);
    }

    fn release(&mut self, place: Place) {
        if self.spare.is_none() && place.is_clean() {
            self.spare = Some(place);
        } else {
            let slot = place.handle.slot;
            self.slots[slot].0 += 1;
            self.free.push(slot);
        }
    }
}

/// [`spawn`](crate::spawn()) for a future that cannot fail.
pub fn spawn_local(future: impl Future<Output = ()> + 'static) {
    spawn_boxed(Box::pin(future));
}

fn spawn_boxed(future: LocalFuture<()>) {
    EXECUTOR.with_borrow_mut(|executor| executor.insert(future));
}

/// Poll this future at once, before the tasks that wait for their turn. It becomes a task only if it is not ready.
pub(crate) fn run_now(future: LocalFuture<()>) {
    let place = EXECUTOR.with_borrow_mut(Executor::place);
    let owner = Owner::now();
    poll(Task {
        future,
        place,
        owner,
    });
}

/// Poll the woken tasks until none is.
pub(crate) fn run_until_idle() {
    while let Some(task) = EXECUTOR.with_borrow_mut(Executor::next) {
        // Before the poll: a wake-up during it counts.
        task.place.handle.woken.store(false, Relaxed);
        poll(task);
    }
}

fn poll(mut task: Task) {
    let mut cx = Context::from_waker(&task.place.waker);
    match task.owner.act(|| task.future.as_mut().poll(&mut cx)) {
        Poll::Pending => EXECUTOR.with_borrow_mut(|executor| executor.put_back(task)),
        Poll::Ready(()) => {
            let Task { future, place, .. } = task;
            drop(future);
            EXECUTOR.with_borrow_mut(|executor| executor.release(place));
        }
    }
}

/// End every task, as the end of an instance does.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn clear() {
    // Dropping a task may wake or spawn others: they fall into a new executor, until nothing is left.
    loop {
        let executor = EXECUTOR.replace(Executor::new());
        if executor.slots.iter().all(|slot| slot.1.is_none()) {
            return;
        }
    }
}

/// End the tasks of one owner, as the end of its instance does.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn end(owner: Owner) {
    let of_owner = |slot: &mut (u64, Option<Task>)| slot.1.take_if(|task| task.owner == owner);
    let tasks: Vec<_> = EXECUTOR.with_borrow_mut(|executor| {
        let slots = executor.slots.iter_mut();
        slots.filter_map(of_owner).collect()
    });
    for Task { future, place, .. } in tasks {
        // Outside the borrow: it may wake others.
        drop(future);
        EXECUTOR.with_borrow_mut(|executor| executor.release(place));
    }
}

/// The wakers of those who wait for the same thing: mostly one, for which nothing is allocated.
#[derive(Default)]
pub(crate) struct Waiters {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Waiters {
    pub(crate) fn add(&mut self, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) if self.more.iter().any(|other| other.will_wake(waker)) => {}
            Some(_) => self.more.push(waker.clone()),
        }
    }

    /// Take them all out, to be woken when no borrow is held: a waker may be a stranger's.
    #[must_use]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(crate) fn wake(self) {
        if let Some(first) = self.first {
            first.wake();
        }
        for waker in self.more {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;

    #[test]
    fn a_task_runs_when_it_is_woken_and_only_then() {
        let polls = Rc::new(Cell::new(0));
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        spawn_local({
            let (polls, waker) = (Rc::clone(&polls), Rc::clone(&waker));
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                *waker.borrow_mut() = Some(cx.waker().clone());
                if polls.get() == 2 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
        });
        let run = || {
            run_until_idle();
            polls.get()
        };
        assert_eq!(
            polls.get(),
            0,
            "not before the code that spawned it gives way"
        );
        assert_eq!((run(), run()), (1, 1));
        let waker = waker.borrow().clone().unwrap();
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!((run(), run()), (2, 2), "two wake-ups are one poll");
        waker.wake();
        assert_eq!(run(), 2, "it is over");
    }

    #[test]
    fn a_task_may_spawn_and_wake_itself() {
        let log: Rc<RefCell<Vec<&str>>> = Rc::default();
        let outer = Rc::clone(&log);
        spawn_local(async move {
            let inner = Rc::clone(&outer);
            spawn_local(async move { inner.borrow_mut().push("inner") });
            outer.borrow_mut().push("before");
            let mut yielded = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            outer.borrow_mut().push("after");
        });
        run_until_idle();
        assert_eq!(*log.borrow(), ["before", "inner", "after"]);
    }

    #[test]
    fn what_is_ready_at_once_leaves_its_place_unless_somebody_could_wake_it() {
        let is_left = || EXECUTOR.with_borrow(|executor| executor.spare.is_some());
        run_now(Box::pin(async {}));
        assert!(is_left());
        let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
        let keep = Rc::clone(&kept);
        run_now(Box::pin(poll_fn(move |cx| {
            *keep.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(())
        })));
        assert!(!is_left());
        run_now(Box::pin(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(())
        })));
        assert!(!is_left());
        run_until_idle();
        clear();
    }

    #[test]
    fn what_is_not_ready_at_once_is_a_task() {
        let done = Rc::new(Cell::new(false));
        let flag = Rc::clone(&done);
        let mut yielded = false;
        run_now(Box::pin(poll_fn(move |cx| {
            if std::mem::replace(&mut yielded, true) {
                flag.set(true);
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        assert!(!done.get());
        run_until_idle();
        assert!(done.get());
        clear();
    }

    #[test]
    fn a_slot_is_used_again_and_old_wakers_do_not_reach_its_new_task() {
        let old: Rc<RefCell<Option<Waker>>> = Rc::default();
        let keep = Rc::clone(&old);
        spawn_local(poll_fn(move |cx| {
            *keep.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(())
        }));
        run_until_idle();
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        spawn_local(poll_fn(move |_| {
            count.set(count.get() + 1);
            Poll::Pending
        }));
        run_until_idle();
        old.borrow_mut().take().unwrap().wake();
        run_until_idle();
        assert_eq!(polls.get(), 1);
        assert_eq!(EXECUTOR.with(|executor| executor.borrow().slots.len()), 1);
        clear();
    }
}
