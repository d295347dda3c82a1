//! What sleeping does, told through the interface alone.

use futures_util::StreamExt;
use pairway::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    testing::run(async {
        let log: Rc<RefCell<Vec<u32>>> = Rc::default();
        for seconds in [3, 1, 2, 1] {
            let log = Rc::clone(&log);
            spawn_local(async move {
                sleep(SECOND * seconds).await;
                log.borrow_mut().push(seconds);
            });
        }
        sleep(SECOND * 4).await;
        assert_eq!(*log.borrow(), [1, 1, 2, 3]);
        assert_eq!(testing::elapsed(), SECOND * 4);
    });
}

#[test]
fn a_sleep_runs_from_its_call() {
    testing::run(async {
        let nap = sleep(SECOND);
        Delay::from(SECOND * 2).await;
        nap.await;
        assert_eq!(testing::elapsed(), SECOND * 2);
        sleep(Duration::ZERO).await;
        assert_eq!(testing::elapsed(), SECOND * 2);
    });
}

#[test]
fn what_nobody_waits_for_takes_no_time() {
    testing::run(async {
        drop(sleep(SECOND * 3600));
        assert_eq!(
            timeout(SECOND, std::future::pending::<()>()).await,
            Err(Error::Elapsed)
        );
        assert_eq!(timeout(SECOND, async { 7 }).await, Ok(7));
        assert_eq!(testing::elapsed(), SECOND);
    });
}

#[test]
fn an_interval_does_not_drift_and_leaves_out_what_was_missed() {
    testing::run(async {
        let mut beat = interval(SECOND);
        beat.tick().await;
        sleep(Duration::from_millis(300)).await;
        beat.next().await;
        assert_eq!(testing::elapsed(), SECOND * 2);
        sleep(Duration::from_millis(2500)).await;
        beat.tick().await;
        assert_eq!(
            testing::elapsed(),
            Duration::from_millis(4500),
            "one that was missed is there at once"
        );
        beat.tick().await;
        assert_eq!(testing::elapsed(), SECOND * 5, "and the others are not");
    });
}
