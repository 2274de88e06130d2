//! Raw clicks in Postgres lie in partitions by UTC day; whatever happens to those, commits go on and every click counts.

mod harness;

use harness::history::History;
use harness::servers::postgres::PrivatePostgres;
use linkledger::domain::time::{DAY_MS, Instant};
use linkledger::store::{Location, Store};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, query, query_scalar};

/// Partitions besides the default one, in order.
async fn partitions(conn: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'clicks'::regclass AND relname <> 'clicks_default' ORDER BY relname";
    query_scalar(sql).fetch_all(conn).await.expect("partitions")
}

async fn count(conn: &mut PgConnection, sql: &'static str) -> i64 {
    query_scalar(sql).fetch_one(conn).await.expect(sql)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_that_start_at_once_make_each_partition_once() {
    let url = PrivatePostgres::shared().database();
    let now = Instant::parse("2026-11-27T23:59:59Z").expect("valid");
    let nodes: Vec<_> = (0..10)
        .map(|_| {
            let location = Location::Postgres(url.clone());
            tokio::spawn(async move {
                let store = Store::open(&location).await.expect("the store opens");
                let made = store.make_partitions(now).await.expect("partitions").made;
                store.close().await;
                made
            })
        })
        .collect();
    let mut made = Vec::new();
    for node in nodes {
        made.extend(node.await.expect("a node"));
    }
    made.sort();
    let expected = ["20261126", "20261127", "20261128", "20261129", "20261130"].map(|day| format!("clicks_d{day}"));
    assert_eq!(made, expected);
    let mut conn = PgConnection::connect(&url).await.expect("a connection");
    assert_eq!(partitions(&mut conn).await, expected);
    // Attached without leftovers: the index of the whole has one part in each, and no check is made twice.
    let sql = "SELECT COUNT(*) FROM pg_inherits WHERE inhparent = 'clicks_at'::regclass";
    assert_eq!(count(&mut conn, sql).await, 6);
    let sql = "SELECT COUNT(*) FROM pg_constraint WHERE conrelid = 'clicks_d20261127'::regclass AND contype = 'c'";
    assert_eq!(count(&mut conn, sql).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_of_a_day_without_a_partition_counts_and_keeps_its_day_in_the_default_one() {
    let mut history = History::new().await;
    let today = Instant::parse("2026-11-27T12:00:00Z").expect("valid");
    let tomorrow = Instant::from_ms(today.ms() + DAY_MS);
    history.commit(&[(1, tomorrow)]).await;
    for _ in 0..2 {
        let partitions = history.store.make_partitions(today).await.expect("partitions");
        let left: Vec<String> = partitions.left_in_default.iter().map(ToString::to_string).collect();
        assert_eq!(left, ["2026-11-28T00:00:00Z"]);
    }
    // The day before yesterday, today, and tomorrow again.
    history
        .commit(&[
            (1, Instant::from_ms(today.ms() - 2 * DAY_MS)),
            (1, today),
            (1, tomorrow),
        ])
        .await;
    assert_eq!(history.count("SELECT COUNT(*) FROM clicks").await, 4);
    assert_eq!(history.count("SELECT COUNT(*) FROM clicks_default").await, 3);
    assert_eq!(history.count("SELECT COUNT(*) FROM clicks_d20261127").await, 1);
    history.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_holds_the_default_partition_delays_a_partition_and_no_commit() {
    let mut history = History::new().await;
    let today = Instant::parse("2026-11-27T12:00:00Z").expect("valid");
    history.store.make_partitions(today).await.expect("partitions");
    let mut reader = PgConnection::connect(&history.url).await.expect("a connection");
    let mut report = reader.begin().await.expect("a transaction");
    query("SELECT COUNT(*) FROM clicks")
        .execute(&mut *report)
        .await
        .expect("a report");

    let later = Instant::from_ms(today.ms() + DAY_MS);
    let store = history.store.clone();
    let making = tokio::spawn(async move { store.make_partitions(later).await });
    history.commit(&[(1, today), (2, today)]).await;
    making.await.expect("no panic").expect_err("the lock was not to be had");
    assert_eq!(history.count("SELECT COUNT(*) FROM clicks_d20261127").await, 2);

    report.rollback().await.expect("the end of the report");
    let made = history.store.make_partitions(later).await.expect("partitions").made;
    assert_eq!(made, ["clicks_d20261201"]);
    history.close().await;
}
