//! What the storage and the alarm of an object do, told through the interface alone.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use pairway::*;
use serde::Serialize;
use std::cell::RefCell;
use std::time::{Duration, SystemTime};

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static ALARMS: RefCell<Vec<(u64, u32)>> = const { RefCell::new(Vec::new()) };
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Gives its state out, and writes its alarms down.
#[durable_object]
struct Vault {
    state: State,
}

impl DurableObject for Vault {
    fn new(state: State, _env: Env) -> Self {
        STATE.set(Some(state.clone()));
        Self { state }
    }

    async fn fetch(&self, _req: Request) -> Result<Response> {
        Response::ok(self.state.id().name().unwrap_or_default())
    }

    /// Fails as often as storage says.
    async fn alarm(&self, info: AlarmInfo) -> Result<()> {
        let alarm = (testing::elapsed().as_secs(), info.retry_count);
        ALARMS.with_borrow_mut(|alarms| alarms.push(alarm));
        assert_eq!(self.state.storage().get_alarm().await, Ok(None));
        let kv = self.state.storage().kv().clone();
        let failures: u32 = kv.get("failures")?.unwrap_or(0);
        kv.put("failures", &failures.saturating_sub(1))?;
        if failures > 0 {
            Err("not yet".into())
        } else {
            Ok(())
        }
    }
}

async fn storage(name: &str) -> Storage {
    testing::bind_object::<Vault>("VAULT");
    let stub = Env::default()
        .durable_object("VAULT")
        .unwrap()
        .get_by_name(name)
        .unwrap();
    let response = stub.fetch_with_str("http://vault/").await.unwrap();
    assert_eq!(response.text(), Ok(name));
    STATE.with_borrow(Clone::clone).unwrap().storage()
}

#[test]
fn values_come_back_as_they_were_put_and_survive_hibernation() {
    testing::run(async {
        let vault = storage("a").await;
        assert_eq!(vault.get::<u32>("x").await, Ok(None));
        vault.put("x", 7).await.unwrap();
        vault.put("name", "é").await.unwrap();
        assert_eq!(
            storage("b").await.get::<u32>("x").await,
            Ok(None),
            "each object has its own"
        );
        testing::hibernate();
        let vault = storage("a").await;
        assert_eq!(vault.get("x").await, Ok(Some(7)));
        assert_eq!(vault.kv().get("name"), Ok(Some("é".to_owned())));
        assert!(matches!(
            vault.get::<u32>("name").await,
            Err(Error::Json(_))
        ));
        assert_eq!(vault.delete("x").await, Ok(true));
        assert_eq!(vault.delete("x").await, Ok(false));
    });
}

#[derive(Serialize)]
struct Settings {
    colour: &'static str,
    size: &'static str,
}

#[test]
fn many_values_go_at_once() {
    testing::run(async {
        let vault = storage("a").await;
        let settings = Settings {
            colour: "red",
            size: "big",
        };
        vault.put_multiple(&settings).await.unwrap();
        assert!(matches!(vault.put_multiple(7).await, Err(Error::Json(_))));
        let found = vault
            .get_multiple::<String>(["size", "weight"])
            .await
            .unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("size".to_owned(), "big".to_owned())]
        );
        assert_eq!(
            vault
                .delete_multiple(vec!["size", "weight", "colour"])
                .await,
            Ok(2)
        );
        assert_eq!(vault.list::<String>().await, Ok(Vec::new()));
    });
}

#[test]
fn lists_are_what_their_options_name() {
    testing::run(async {
        let vault = storage("a").await;
        for (number, key) in ["a", "b1", "b2", "b3", "c"].into_iter().enumerate() {
            vault.put(key, number).await.unwrap();
        }
        let keys = async |options| {
            let list = vault.list_with_options::<usize>(options).await.unwrap();
            list.into_iter()
                .map(|(key, _)| key)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let all = ListOptions::new;
        assert_eq!(keys(all()).await, "a b1 b2 b3 c");
        assert_eq!(keys(all().prefix("b")).await, "b1 b2 b3");
        assert_eq!(keys(all().start("b2").end("c")).await, "b2 b3");
        assert_eq!(keys(all().start_after("b2")).await, "b3 c");
        assert_eq!(keys(all().reverse(true).limit(2)).await, "c b3");
        let both = vault
            .list_with_options::<usize>(all().start("a").start_after("a"))
            .await;
        assert!(matches!(both, Err(Error::Other(_))));
    });
}

#[test]
fn a_transaction_is_kept_whole_or_not_at_all() {
    testing::run(async {
        let vault = storage("a").await;
        let kept = vault.transaction(async |txn| {
            txn.put("a", 1).await?;
            txn.transaction(|txn| async move {
                txn.put("b", 2).await?;
                txn.rollback()
            })
            .await?;
            txn.get::<u32>("a").await
        });
        assert_eq!(kept.await, Ok(Some(1)));
        let failed = vault.transaction(async |txn| {
            txn.delete_all().await?;
            Err::<(), _>(Error::from("no"))
        });
        assert_eq!(failed.await, Err("no".into()));
        let slept = vault.transaction(async |txn| {
            txn.put("c", 3).await?;
            sleep(SECOND).await;
            Ok(())
        });
        assert!(matches!(slept.await, Err(Error::RustError(_))));
        let sync = vault.transaction_sync(|| {
            vault.kv().put("d", &4)?;
            Err::<(), _>(Error::Utf8)
        });
        assert_eq!(sync, Err(Error::Utf8));
        assert_eq!(vault.list().await, Ok(vec![("a".to_owned(), 1)]));
    });
}

#[test]
fn an_alarm_goes_off_when_it_is_due_and_wakes_its_object() {
    testing::run(async {
        let vault = storage("a").await;
        vault.set_alarm(SECOND * 100).await.unwrap();
        vault.set_alarm(5000).await.unwrap();
        assert!(vault.get_alarm().await.unwrap().is_some());
        testing::hibernate();
        sleep(SECOND * 10).await;
        assert_eq!(ALARMS.take(), [(5, 0)]);
        assert_eq!(vault.get_alarm().await, Ok(None));
        vault.set_alarm(SystemTime::UNIX_EPOCH).await.unwrap();
        vault.delete_alarm().await.unwrap();
        sleep(SECOND).await;
        vault.set_alarm(-1).await.unwrap();
        sleep(SECOND).await;
        assert_eq!(ALARMS.take(), [(11, 0)]);
    });
}

#[test]
fn an_alarm_that_fails_is_tried_again_later_and_later() {
    testing::run(async {
        let vault = storage("a").await;
        vault.put("failures", 2).await.unwrap();
        vault.set_alarm(SECOND).await.unwrap();
        sleep(SECOND * 3600).await;
        assert_eq!(ALARMS.take(), [(1, 0), (3, 1), (7, 2)]);
        vault.put("failures", 99).await.unwrap();
        vault.set_alarm(0).await.unwrap();
        sleep(SECOND * 3600).await;
        assert_eq!(ALARMS.take().len(), 7);
    });
}

#[test]
fn sql_is_not_for_tests() {
    testing::run(async {
        let vault = storage("a").await;
        let answer = vault.sql().exec("SELECT ?", params![1, "two", None::<i64>]);
        assert!(matches!(answer, Err(Error::Unsupported(_))));
    });
}
