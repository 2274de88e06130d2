//! The schema in Postgres, wherever the database stands.

mod harness;

use harness::books::Books;
use harness::servers::postgres::PrivatePostgres;
use harness::wait_until;
use linkledger::store::{Location, Store};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

#[test]
fn a_node_that_may_not_migrate_keeps_no_other_node_from_it() {
    let location = Location::Postgres(PrivatePostgres::shared().database());
    block_on(async {
        Store::open(&location).await.expect("the store opens").close().await;
    });
    let books = Books::at(location.clone());
    books.tamper(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of a later version', true, 'x', 0)",
    );
    block_on(async {
        let refused = Store::at(&location).expect("a place");
        refused.prepare().await.expect_err("the schema is newer");
        // While its connections are still open.
        tokio::task::block_in_place(|| {
            wait_until("nobody holds the lock of migrations", || {
                let held = "SELECT COUNT(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                    WHERE locktype = 'advisory' AND datname = current_database()";
                books.number(held) == 0
            });
        });
        refused.close().await;
    });
}

#[test]
fn a_database_that_was_made_again_is_known_as_another_store() {
    let location = Location::Postgres(PrivatePostgres::shared().database());
    let head = || async {
        let store = Store::open(&location).await.expect("the store opens");
        let head = store.feed_head().await.expect("a head");
        store.close().await;
        head
    };
    let (first, same) = block_on(async { (head().await, head().await) });
    assert_eq!(first, same);
    // As `pg_restore --clean` goes about it, while the server runs on.
    let books = Books::at(location.clone());
    books.alter("DROP SCHEMA linkledger_views, public CASCADE");
    books.alter("CREATE SCHEMA public");
    let again = block_on(head());
    assert_eq!(again.seq, first.seq);
    assert_ne!(again.store, first.store);
}

#[test]
fn every_text_is_compared_by_its_bytes_whatever_the_locale_of_the_database() {
    let location = Location::Postgres(PrivatePostgres::shared().database());
    block_on(async {
        let store = Store::open(&location).await.expect("the store opens");
        store.close().await;
    });
    let books = Books::at(location);
    // The database itself would put them otherwise, or this test would show nothing.
    let of_the_database = books.texts("SELECT word FROM (VALUES ('a'), ('B')) AS words (word) ORDER BY word");
    assert_eq!(of_the_database, ["a", "B"]);
    let texts = books.texts(
        "SELECT attrelid::regclass::text || '.' || attname || ' ' || collname
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_collation ON pg_collation.oid = attcollation
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
            AND relname <> '_sqlx_migrations'",
    );
    let (by_bytes, otherwise): (Vec<_>, Vec<_>) = texts.into_iter().partition(|text| text.ends_with(" C"));
    assert_eq!(otherwise, Vec::<String>::new(), "written without COLLATE \"C\"");
    assert!(by_bytes.contains(&"links.slug C".to_owned()), "{by_bytes:?}");
}
