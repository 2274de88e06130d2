//! What several nodes share does not go because the clock of one is wrong.

mod harness;

use harness::books::Books;
use harness::servers::postgres::PrivatePostgres;
use linkledger::catalog::draw_salt;
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use linkledger::store::{Location, Store};

const REJECTIONS: &str = "SELECT COUNT(*) FROM rejections";

#[test]
fn a_node_of_another_century_deletes_neither_salts_nor_rejections_of_the_others() {
    let location = Location::Postgres(PrivatePostgres::shared().database());
    let now = Clock::system().now();
    let wrong = Instant::parse("2099-06-01T12:00:00Z").expect("an instant");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let store = runtime.block_on(Store::open(&location)).expect("the store opens");
    let salts = |at| runtime.block_on(store.salts(at, draw_salt)).expect("salts");
    let forget = |at| runtime.block_on(store.forget_rejections(at)).expect("an answer");

    let before = salts(now);
    let there = salts(wrong);
    assert!(before.iter().all(|(day, salt)| there.get(day) == Some(salt)));

    let books = Books::at(location.clone());
    books.tamper(
        "INSERT INTO rejections (journal_num, seq, kind, reason, facts, rejected_at_ms)
         SELECT 1, days, 'click', 'unknown', '{}', CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT) - CAST(days AS BIGINT) * 86400000
         FROM (VALUES (1), (29), (31)) AS ages (days)",
    );
    assert_eq!(forget(wrong), 1, "by the store's clock");
    assert_eq!(forget(now), 0);
    assert_eq!(books.number(REJECTIONS), 2);
    runtime.block_on(store.close());
}
