//! Folds, reports and a reclassification beside workers that go on committing: no visitor and no click is lost or
//! counted twice, whoever comes between.

mod harness;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::books::Books;
use harness::engine;
use harness::http::{Request, ask};
use harness::service::Service;
use linkledger::agents::{self, AGENT_DATA_VERSION};
use linkledger::domain::agent::Agent;
use linkledger::domain::click::{ClickClass, ClickFlags};
use linkledger::domain::time::Instant;
use linkledger::store::Store;
use linkledger::store::commit::{Batch, ClickRow, Committer, JournalPart};
use linkledger::worker;

const PERSON: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";
const PROGRAM: &str = "curl/8.5.0";
/// The first instants of the quarters that are clicked in: two of one UTC day, one of the next.
const QUARTERS_MS: [i64; 3] = [1_793_318_400_000, 1_793_319_300_000, 1_793_404_800_000];
const LINKS: i64 = 3;
const CLICKS_OF_A_BATCH: i64 = 40;

/// A worker with a journal of its own, which nobody but it reads.
struct Clicker {
    store: Store,
    committer: Committer,
    number: i64,
    seq: i64,
    /// How it takes the program: as its own data say, or as older ones did.
    program: Arc<Agent>,
}

impl Clicker {
    async fn new(dir: &Path, number: i64, version: i64, program: Agent) -> Self {
        let store = Store::open(&engine::location(dir)).await.expect("the store opens");
        Self {
            committer: Committer::new(store.clone(), version),
            store,
            number,
            seq: 0,
            program: Arc::new(program),
        }
    }

    fn click(&self, place: i64, seq: i64) -> ClickRow {
        let quarter = usize::try_from(place % 3).expect("a place");
        let (text, agent) = if place % 4 == 0 {
            (PROGRAM, Arc::clone(&self.program))
        } else {
            (PERSON, Arc::new(agents::read(PERSON)))
        };
        let (class, reason) = agent.class_of(ClickFlags::from_bits(0));
        ClickRow {
            part: 0,
            seq,
            at_ms: QUARTERS_MS[quarter] + place * 1000,
            clock_at_ms: None,
            link_id: 1 + place % LINKS,
            state: 0,
            flags: 0,
            class: class.code(),
            human: class == ClickClass::Human,
            reason,
            // Every third visit is one of a few visitors who come again and again.
            visitor: if seq % 3 == 0 {
                place
            } else {
                self.number * 1_000_000 + seq
            },
            country: "DE".into(),
            user_agent: text.into(),
            agent,
            referrer: Box::default(),
            language: Box::default(),
        }
    }

    async fn commit(&mut self) {
        let after_seq = self.seq;
        self.seq += CLICKS_OF_A_BATCH;
        let part = JournalPart {
            journal: format!("00000000-0000-4000-8000-{:012}", self.number),
            tag: u32::try_from(self.number).expect("a tag"),
            purpose: "redirect",
            after_seq,
            last_seq: self.seq,
            clicks: CLICKS_OF_A_BATCH,
            others: 0,
            lost: None,
        };
        let clicks = (1..=CLICKS_OF_A_BATCH).map(|place| self.click(place, after_seq + place));
        let batch = Batch {
            shard: self.number,
            clicks: clicks.collect(),
            parts: vec![part],
            ..Batch::default()
        };
        let now = Instant::from_ms(QUARTERS_MS[2] + 900_000);
        self.committer.commit(batch, now).await.expect("a commit");
    }

    async fn commit_until(mut self, done: Arc<AtomicBool>) -> i64 {
        while !done.load(Ordering::SeqCst) {
            self.commit().await;
        }
        self.store.close().await;
        self.seq
    }
}

async fn fold_until(store: Store, done: Arc<AtomicBool>) {
    while !done.load(Ordering::SeqCst) || store.unfolded_clicks().await.expect("an answer") > 0 {
        if !store.fold_visitors().await.expect("a fold") {
            tokio::task::yield_now().await;
        }
    }
    store.close().await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

/// Visitors by link and day, from raw clicks; what the sets must hold.
fn distinct(books: &Books) -> BTreeMap<(i64, i64), i64> {
    let sql = "SELECT link_id, at_ms / 86400000, COUNT(DISTINCT visitor) FROM clicks WHERE class = 0 GROUP BY 1, 2";
    let rows = books.rows(sql);
    rows.iter()
        .map(|row| {
            use sqlx::Row as _;
            ((row.get(0), row.get(1)), row.get(2))
        })
        .collect()
}

#[test]
fn two_that_fold_at_once_beside_workers_lose_no_visitor() {
    let dir = harness::directory();
    let runtime = runtime();
    let done = Arc::new(AtomicBool::new(false));
    runtime.block_on(async {
        let mut workers = Vec::new();
        for number in 1..=3 {
            workers.push(Clicker::new(dir.path(), number, AGENT_DATA_VERSION, agents::read(PROGRAM)).await);
        }
        let mut folders = Vec::new();
        for _ in 0..2 {
            let store = Store::open(&engine::location(dir.path()))
                .await
                .expect("the store opens");
            folders.push(tokio::spawn(fold_until(store, Arc::clone(&done))));
        }
        let working = workers.into_iter().map(|mut worker| {
            tokio::spawn(async move {
                for _ in 0..40 {
                    worker.commit().await;
                }
                worker.store.close().await;
            })
        });
        for worker in working.collect::<Vec<_>>() {
            worker.await.expect("a worker");
        }
        done.store(true, Ordering::SeqCst);
        for folder in folders {
            folder.await.expect("a folder");
        }
    });
    let books = Books::of(dir.path());
    assert_eq!(books.clicks(), 3 * 40 * 40);
    assert_eq!(books.number("SELECT COUNT(*) FROM unfolded_visits"), 0);
    assert_eq!(books.mismatches(), Vec::<String>::new());
    // Two bytes of head and eight for each visitor of an exact set.
    let sql = if books.are_in_postgres() {
        "SELECT (CAST(SUM(octet_length(sketch)) AS BIGINT) - 2 * COUNT(*)) / 8 FROM visitor_days"
    } else {
        "SELECT (SUM(length(sketch)) - 2 * COUNT(*)) / 8 FROM visitor_days"
    };
    assert_eq!(books.number(sql), distinct(&books).values().sum::<i64>());
}

#[test]
fn a_reclassification_beside_workers_and_folds_counts_every_click_once() {
    let dir = harness::directory();
    let runtime = runtime();
    let done = Arc::new(AtomicBool::new(false));
    let moved = runtime.block_on(async {
        // An older version took the program for a person.
        let person = Agent {
            browser: "Guess".to_owned(),
            ..agents::read(PERSON)
        };
        let mut old = Clicker::new(dir.path(), 9, -1, person).await;
        for _ in 0..5 {
            old.commit().await;
        }
        let store = old.store.clone();
        let mut others = Vec::new();
        for number in 1..=3 {
            let worker = Clicker::new(dir.path(), number, AGENT_DATA_VERSION, agents::read(PROGRAM)).await;
            others.push(tokio::spawn(worker.commit_until(Arc::clone(&done))));
        }
        let folding = Store::open(&engine::location(dir.path()))
            .await
            .expect("the store opens");
        let folder = tokio::spawn(fold_until(folding, Arc::clone(&done)));
        let mut moved = Vec::new();
        for all in [false, true, true] {
            let told = worker::reclassify(&store, all, |_| ())
                .await
                .expect("it comes to its end");
            moved.push((told.moved.to_people, told.moved.to_programs));
        }
        done.store(true, Ordering::SeqCst);
        for worker in others {
            assert!(worker.await.expect("a worker") > 0);
        }
        folder.await.expect("a folder");
        store.close().await;
        moved
    });
    assert_eq!(moved, [(0, 50), (0, 0), (0, 0)]);
    let books = Books::of(dir.path());
    assert_eq!(books.mismatches(), Vec::<String>::new());
    let negative = "SELECT COUNT(*) FROM click_rollups WHERE clicks < 0 OR human < 0 OR inactive < 0";
    assert_eq!(books.number(negative), 0);
}

#[test]
fn a_report_that_is_asked_during_a_fold_misses_nobody() {
    let service = Service::start();
    let shop = service.api().stage();
    let slug = harness::api::slug(&service.api().link(&shop, &serde_json::json!({})));
    for visitor in 1..=60 {
        let agent = format!("{PERSON} visitor {visitor}");
        let click = Request::get(format!("/{slug}")).header("User-Agent", &agent);
        ask(service.redirect(), &click).click_id();
        service.wait_for_clicks(visitor);
        let dir = &service.dir;
        std::thread::scope(|scope| {
            let folding = scope.spawn(|| {
                runtime().block_on(async {
                    let store = Store::open(&engine::location(dir)).await.expect("the store opens");
                    store.fold_visitors().await.expect("a fold");
                    store.close().await;
                });
            });
            let api = service.api();
            loop {
                let ended = folding.is_finished();
                let report = api.get("/v1/reports?by=total").expect(200);
                assert_eq!(report["total"]["unique_visitors"], visitor);
                if ended {
                    break;
                }
            }
        });
    }
    service.stop();
}
