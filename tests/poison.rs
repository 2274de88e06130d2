//! A record that the store refuses takes its place as a rejection, one of a later release waits; everything around them
//! counts.

mod harness;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use harness::api::sale;
use harness::engine::SECRET;
use harness::shop::Shop;
use harness::{directory, wait_until};
use linkledger::agents::Agents;
use linkledger::clock::Clock;
use linkledger::domain::click_id::ClickIdKeys;
use linkledger::domain::email_hash::EmailKey;
use linkledger::domain::secret::Secrets;
use linkledger::journal::{JournalId, Purpose, Record};
use linkledger::metrics::Metrics;
use linkledger::shutdown::Shutdown;
use linkledger::store::{Location, Store};
use linkledger::stream::{Feed, FeedError, Items, Lot, Progress, Stretch};
use linkledger::worker::Worker;
use serde_json::json;

/// Makes the store refuse one order, as a constraint that somebody added or a broken trigger would.
fn refuse_one_order(shop: &Shop) {
    let books = shop.service.books();
    if books.are_in_postgres() {
        books.alter(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'this order is refused'; END $$",
        );
        books.alter(
            "CREATE TRIGGER refuse BEFORE INSERT ON conversions FOR EACH ROW WHEN (NEW.external_id = 'poison')
                EXECUTE FUNCTION refuse()",
        );
    } else {
        books.alter(
            "CREATE TRIGGER refuse BEFORE INSERT ON conversions WHEN NEW.external_id = 'poison'
                BEGIN SELECT RAISE(ABORT, 'this order is refused'); END",
        );
    }
}

fn take_back(shop: &Shop) {
    let books = shop.service.books();
    books.alter(if books.are_in_postgres() {
        "DROP TRIGGER refuse ON conversions"
    } else {
        "DROP TRIGGER refuse"
    });
}

#[test]
fn an_order_that_the_store_refuses_stops_nothing_and_can_be_sent_in_again() {
    let shop = Shop::open();
    refuse_one_order(&shop);
    let click = shop.click();
    let orders: Vec<_> = (0..40)
        .map(|number| match number {
            17 => sale("poison", Some(&click), 700),
            number => sale(&format!("order-{number}"), Some(&click), 100),
        })
        .collect();
    shop.api.post("/v1/conversions", &json!(orders)).expect(202);
    let later = shop.click();
    wait_until("every record is decided", || {
        shop.service.books().number("SELECT COUNT(*) FROM rejections") == 1
            && shop.service.books().number("SELECT COUNT(*) FROM conversions") == 39
    });
    shop.service.wait_for_clicks(2);
    let rejections = shop.api.get("/v1/rejections").expect(200);
    let rejection = &rejections["data"][0];
    assert_eq!(rejection["reason"], "refused_by_store");
    assert_eq!(rejection["kind"], "conversion");
    assert!(shop.service.count("linkledger_worker_retries_total") > 0);

    // Whoever made the mistake takes it back, and sends the order in again.
    take_back(&shop);
    let id = rejection["id"].as_str().expect("an id");
    shop.api
        .post(&format!("/v1/rejections/{id}/retry"), &json!({}))
        .expect(202);
    wait_until("the order is counted", || {
        shop.service.books().number("SELECT COUNT(*) FROM conversions") == 40
    });
    assert_ne!(click, later);
    shop.service.stop();
}

/// Hands out everything at once, more than anybody asked for, as large batches of a stream do.
struct Brimming {
    stretches: Vec<Stretch>,
    handed_out: bool,
    held: HashSet<JournalId>,
}

impl Feed for Brimming {
    const DRAINS: bool = true;

    async fn poll(&mut self, _: usize) -> Result<Lot, FeedError> {
        let mut lot = Lot::default();
        if !std::mem::replace(&mut self.handed_out, true) {
            lot.stretches.clone_from(&self.stretches);
            lot.stretches.retain(|stretch| !self.held.contains(&stretch.journal));
        }
        Ok(lot)
    }

    async fn done(&mut self) {}

    fn rewind(&mut self) {
        self.handed_out = false;
        self.held.clear();
    }

    fn hold(&mut self, journal: JournalId) {
        self.held.insert(journal);
    }
}

fn stretch(journal: JournalId, records: u64, version: u8) -> Stretch {
    let record = |seq| Record {
        seq,
        version,
        kind: 1,
        payload: Vec::new(),
    };
    Stretch {
        journal,
        tag: 1,
        purpose: Purpose::Redirect,
        after_seq: 0,
        items: Items::Records((1..=records).map(record).collect()),
    }
}

#[tokio::test]
async fn what_stands_behind_many_records_of_a_later_release_is_committed() {
    let home = directory();
    let store = Store::open(&Location::Directory(home.path().to_owned()))
        .await
        .expect("a store");
    let [newer, known] = [1, 2].map(|byte| JournalId::from_bytes([byte; 16]));
    let secrets = Secrets::parse(SECRET).expect("a secret");
    let worker = Worker {
        store: store.clone(),
        feed: Brimming {
            stretches: vec![stretch(newer, 100_000, 250), stretch(known, 1, 1)],
            handed_out: false,
            held: HashSet::new(),
        },
        agents: Agents::default(),
        keys: Arc::new(ClickIdKeys::new(&secrets)),
        email_key: Arc::new(EmailKey::new(&secrets)),
        progress: Progress::default(),
        clock: Clock::system(),
        metrics: Metrics::new(),
    };
    let (shutdown, stopping) = Shutdown::new();
    shutdown.begin();
    worker.run(stopping, Duration::MAX).await;
    let cursors = [
        store.cursor(&newer.to_string()).await,
        store.cursor(&known.to_string()).await,
    ];
    assert_eq!(cursors.map(|cursor| cursor.expect("a cursor")), [0, 1]);
    store.close().await;
}
