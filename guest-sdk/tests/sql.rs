//! What the database of an object does in a test, told through the interface alone.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use pairway::*;
use std::cell::RefCell;

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Gives its state out.
#[durable_object]
struct Vault {
    state: State,
}

impl DurableObject for Vault {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _req: Request) -> Result<Response> {
        STATE.set(Some(self.state.clone()));
        Response::empty()
    }
}

async fn storage(name: &str) -> Storage {
    testing::bind_object::<Vault>("VAULT");
    let namespace = Env::default().durable_object("VAULT").unwrap();
    let stub = namespace.get_by_name(name).unwrap();
    stub.fetch_with_str("http://vault/").await.unwrap();
    STATE.with_borrow(Clone::clone).unwrap().storage()
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Line {
    author: String,
    picture: Option<Vec<u8>>,
}

#[test]
fn sql_works_in_tests() {
    testing::run(async {
        let vault = storage("a").await;
        let sql = vault.sql();
        sql.exec(
            "CREATE TABLE lines (author TEXT UNIQUE, picture BLOB)",
            None,
        )
        .unwrap();
        let picture = vec![0_u8, 255];
        let written = sql.exec(
            "INSERT INTO lines VALUES ('Ada', NULL), (?, ?)",
            ("Bob", picture.clone()),
        );
        assert_eq!(written.unwrap().rows_written(), 2);
        let select = "SELECT * FROM lines WHERE author = ?";
        let bob = Line {
            author: "Bob".to_owned(),
            picture: Some(picture.clone()),
        };
        assert_eq!(sql.exec(select, ["Bob"]).unwrap().one(), Ok(Some(bob)));
        assert_eq!(sql.exec(select, ["Eve"]).unwrap().one(), Ok(None::<Line>));
        assert!(matches!(
            sql.exec(select, ["Eve"]).unwrap().one::<Line>(),
            Err(Error::Row(_))
        ));
        let pictures = sql
            .exec("SELECT picture FROM lines ORDER BY author", None)
            .unwrap();
        assert_eq!(pictures.to_array(), Ok(vec![None, Some(picture.clone())]));
        assert_eq!(sql.exec("SELECT x'00ff'", None).unwrap().one(), Ok(picture));
        assert!(vault.sql().database_size().unwrap() > 0);
        testing::hibernate();
        let count = storage("a")
            .await
            .sql()
            .exec("SELECT count(*) FROM lines", None);
        assert_eq!(count.unwrap().one(), Ok(2));
        assert!(
            storage("b")
                .await
                .sql()
                .exec("SELECT * FROM lines", None)
                .is_err()
        );
    });
}

#[test]
fn sql_is_all_or_nothing_and_in_the_same_transactions_as_keys() {
    testing::run(async {
        let vault = storage("a").await;
        let (sql, kv) = (vault.sql(), vault.kv());
        let count = || {
            sql.exec("SELECT count(*) FROM t", None)
                .unwrap()
                .one::<u32>()
        };
        sql.exec("CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)", None)
            .unwrap();
        let failed = sql.exec("INSERT INTO t VALUES (2); INSERT INTO t VALUES (1)", None);
        assert!(matches!(failed, Err(Error::Sql(ref why)) if why.contains("UNIQUE")));
        assert_eq!(count(), Ok(1));
        let undone = vault.transaction_sync(|| {
            kv.put("k", &1)?;
            sql.exec("INSERT INTO t VALUES (2)", None)?;
            vault.transaction_sync(|| sql.exec("INSERT INTO t VALUES (3)", None))?;
            Err::<(), _>(Error::Utf8)
        });
        assert_eq!(
            (undone, count(), kv.get::<u8>("k")),
            (Err(Error::Utf8), Ok(1), Ok(None))
        );
        let other = storage("b").await;
        let undone = other.transaction_sync(|| {
            other.sql().exec("CREATE TABLE t (a)", None)?;
            Err::<(), _>(Error::Utf8)
        });
        assert_eq!(undone, Err(Error::Utf8));
        assert!(other.sql().exec("SELECT * FROM t", None).is_err());
        vault.delete_all().await.unwrap();
        assert!(sql.exec("SELECT * FROM t", None).is_err());
    });
}

#[test]
fn sql_is_refused_what_the_host_refuses() {
    testing::run(async {
        let sql = storage("a").await.sql();
        for refused in [
            "BEGIN",
            "COMMIT",
            "SAVEPOINT x",
            "ATTACH ':memory:' AS other",
            "CREATE TEMP TABLE t (a)",
            "PRAGMA journal_mode = OFF",
            "SELECT * FROM _pairway_kv",
            "SELECT load_extension('x')",
            "",
            "SELEC",
            "SELECT ?",
        ] {
            let answer = sql.exec(refused, None);
            assert!(matches!(answer, Err(Error::Sql(_))), "{refused}");
        }
        let late = sql.exec("SELECT ?; SELECT 1", [1]);
        let why = "only the last statement can have parameters".to_owned();
        assert_eq!(late.unwrap_err(), Error::Sql(why));
        assert!(sql.exec("SELECT 1", [1]).is_err());
    });
}
