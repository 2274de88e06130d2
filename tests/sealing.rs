//! Raw clicks in Postgres are dropped after a retention, day by day, and everything that was known of them still is.

mod harness;

use std::time::Duration;

use harness::api::sale;
use harness::history::History;
use harness::servers::postgres::PrivatePostgres;
use harness::service::{Service, Setup};
use harness::{directory, wait_until};
use linkledger::agents::AGENT_DATA_VERSION;
use linkledger::clock::Clock;
use linkledger::domain::time::{DAY_MS, Instant};
use linkledger::store::Sealing;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, query};

const RETENTION_DAYS: u32 = 3;

/// So many days before the history's now, at an hour of the day.
fn days_ago(days: i64, hour: i64) -> Instant {
    let midnight = History::now().utc_day() * DAY_MS;
    Instant::from_ms(midnight - days * DAY_MS + hour * 3_600_000)
}

impl History {
    /// Clicks of five days of which two are older than the retention: three each, of two visitors.
    async fn week() -> Self {
        let mut history = Self::new().await;
        for days in (1..=5).rev() {
            history
                .store
                .make_partitions(days_ago(days, 0))
                .await
                .expect("partitions");
            history
                .commit(&[(1, days_ago(days, 1)), (2, days_ago(days, 2)), (1, days_ago(days, 3))])
                .await;
        }
        history.fold().await;
        history
    }

    async fn fold(&self) {
        while self.store.fold_visitors().await.expect("folded") {}
    }

    /// What became of every day that is old enough, in order. The first partition, of the day before the first click,
    /// holds none.
    async fn seal(&self) -> Vec<Sealing> {
        let mut sealings = Vec::new();
        for day in self
            .store
            .days_to_seal(Self::now(), RETENTION_DAYS)
            .await
            .expect("days")
        {
            sealings.push(self.store.seal_day(day, Self::now()).await.expect("an answer"));
        }
        sealings.retain(|sealing| *sealing != Sealing::Sealed(0));
        sealings
    }

    async fn mismatches(&self) -> Vec<String> {
        let verified = self
            .store
            .verify(AGENT_DATA_VERSION, |_| ())
            .await
            .expect("verify answers");
        verified
            .mismatches
            .into_iter()
            .map(|m| format!("{}: {}", m.check, m.detail))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_day_is_sealed_and_dropped_and_the_books_agree() {
    let mut history = History::week().await;
    assert_eq!(history.seal().await, [Sealing::Sealed(3), Sealing::Sealed(3)]);
    assert_eq!(history.count("SELECT COUNT(*) FROM clicks").await, 9);
    assert_eq!(
        history
            .count("SELECT CAST(SUM(clicks) AS BIGINT) FROM click_rollups")
            .await,
        15
    );
    assert_eq!(history.count("SELECT COUNT(*) FROM pg_class WHERE relname IN ('clicks_d20261122', 'clicks_d20261123', 'clicks_d20261124')").await, 1);
    assert_eq!(history.mismatches().await, Vec::<String>::new());
    // Nothing more is old enough.
    assert!(history.seal().await.is_empty());
    history.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_of_a_sealed_day_still_commits_and_counts_and_is_sealed_in_its_turn() {
    let mut history = History::week().await;
    history.seal().await;
    history
        .commit(&[(3, days_ago(5, 4)), (1, days_ago(5, 5)), (4, days_ago(-4, 1))])
        .await;
    assert_eq!(history.count("SELECT COUNT(*) FROM clicks_default").await, 3);
    assert_eq!(history.mismatches().await, Vec::<String>::new());

    let waits = Sealing::Waits("visitors are still to be folded");
    assert_eq!(history.seal().await, [waits]);
    history.fold().await;
    assert_eq!(history.seal().await, [Sealing::Sealed(2)]);
    assert_eq!(
        history
            .count("SELECT clicks FROM sealed_days ORDER BY utc_day LIMIT 1")
            .await,
        5
    );
    // What is not old stays, although it lies in the default partition, too.
    assert_eq!(history.count("SELECT COUNT(*) FROM clicks_default").await, 1);
    assert_eq!(history.mismatches().await, Vec::<String>::new());
    history.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_whose_books_do_not_agree_is_kept() {
    for (tampering, told) in [
        (
            "UPDATE click_rollups SET clicks = clicks + 1 WHERE quarter_ms < 1795392000000",
            "rolled up",
        ),
        (
            "UPDATE click_rollups SET human = 0 WHERE quarter_ms < 1795392000000",
            "rolled up",
        ),
        // The sums of the day agree, those of its quarters do not.
        (
            "UPDATE clicks SET at_ms = at_ms + 7200000 WHERE at_ms < 1795392000000",
            "quarter",
        ),
        (
            "UPDATE clicks SET visitor = visitor + 5 WHERE at_ms < 1795392000000",
            "visitors",
        ),
    ] {
        let mut history = History::week().await;
        history.tamper(tampering).await;
        let sealings = history.seal().await;
        let [Sealing::Mismatch(mismatch), Sealing::Sealed(3)] = &sealings[..] else {
            panic!("{tampering}: {sealings:?}");
        };
        assert!(mismatch.contains(told), "{tampering}: {mismatch}");
        assert_eq!(history.count("SELECT COUNT(*) FROM clicks").await, 12, "{tampering}");
        history.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_is_still_checked() {
    for tampering in [
        "UPDATE click_rollups SET clicks = clicks + 1 WHERE quarter_ms < 1795392000000",
        "UPDATE sealed_days SET human = human - 1",
        "UPDATE sealed_clicks SET clicks = clicks - 1",
        "DELETE FROM visitor_days WHERE utc_day IN (SELECT utc_day FROM sealed_days)",
    ] {
        let mut history = History::week().await;
        history.seal().await;
        history.tamper(tampering).await;
        assert!(!history.mismatches().await.is_empty(), "{tampering}");
        history.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_under_way_keeps_its_day_from_being_dropped_under_it() {
    let history = History::week().await;
    let mut late = PgConnection::connect(&history.url).await.expect("a connection");
    let mut commit = late.begin().await.expect("a transaction");
    // As a commit does whose click was long on its way.
    let insert = "INSERT INTO clicks SELECT * FROM clicks_d20261122 LIMIT 1";
    query(insert).execute(&mut *commit).await.expect("a click");
    // Every old day waits, because dropping it would keep this commit's table from it.
    let sealings = history.seal().await;
    let waits = Sealing::Waits("others hold its locks");
    assert!(
        sealings.len() >= 2 && sealings.iter().all(|sealing| *sealing == waits),
        "{sealings:?}"
    );
    commit.rollback().await.expect("undone");
    assert_eq!(history.seal().await, [Sealing::Sealed(3), Sealing::Sealed(3)]);
    assert_eq!(history.mismatches().await, Vec::<String>::new());
    history.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_seal_and_commit_at_once_lose_and_repeat_nothing() {
    let mut history = History::week().await;
    let sealers: Vec<_> = (0..4)
        .map(|_| {
            let store = history.store.clone();
            tokio::spawn(async move {
                let mut sealed = 0;
                loop {
                    let days = store.days_to_seal(History::now(), RETENTION_DAYS).await.expect("days");
                    if days.is_empty() {
                        return sealed;
                    }
                    for day in days {
                        match store.seal_day(day, History::now()).await.expect("an answer") {
                            Sealing::Sealed(clicks) => sealed += clicks,
                            Sealing::Waits(_) => {
                                store.fold_visitors().await.expect("folded");
                            }
                            Sealing::Mismatch(mismatch) => panic!("{mismatch}"),
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    let mut late = 0;
    while !sealers.iter().all(|sealer| sealer.is_finished()) && late < 200 {
        history.commit(&[(late, days_ago(5, 6)), (late, days_ago(0, 6))]).await;
        late += 1;
    }
    let mut sealed = 0;
    for sealer in sealers {
        sealed += sealer.await.expect("a sealer");
    }
    history.fold().await;
    for sealing in history.seal().await {
        let Sealing::Sealed(clicks) = sealing else {
            panic!("{sealing:?}")
        };
        sealed += clicks;
    }
    assert_eq!(sealed, 6 + late);
    assert_eq!(
        history
            .count("SELECT CAST(SUM(clicks) AS BIGINT) FROM sealed_days")
            .await,
        6 + late
    );
    assert_eq!(history.mismatches().await, Vec::<String>::new());
    history.close().await;
}

#[test]
fn reports_over_sealed_days_tell_what_is_known_and_say_what_is_not() {
    let home = directory();
    let database = PrivatePostgres::shared().database();
    let clock = Clock::fixed(Instant::parse("2026-11-10T12:00:30Z").expect("valid"));
    let start = |retention: &str| -> Service {
        let setup = Setup::in_directory(&home.path().join("data")).clock(&clock);
        setup
            .set("DATABASE_URL", &database)
            .set("CLICKS_RETENTION_DAYS", retention)
            .start()
    };
    let service = start("0");
    let api = service.api();
    let stage = api.stage();
    let link = api.link(&stage, &json!({}));
    let slug = harness::api::slug(&link);
    let click = service.visit(&slug).click_id();
    service.visit(&slug);
    api.convert(&sale("early", Some(&click), 500)).expect(200);
    service.wait_for_clicks(2);
    service.fold_visitors();
    let report = |service: &Service, question: &str| -> Value {
        service
            .api()
            .get(&format!("/v1/reports?from=2026-11-10&to=2026-11-10&{question}"))
            .expect(200)
    };
    let by_day = report(&service, "by=day,link");
    let by_browser = report(&service, "by=browser");
    assert_eq!(by_browser["rows"][0]["unique_visitors"], 1);
    assert_eq!(by_browser["rows"][0]["revenue"], 500);
    service.stop();

    clock.set(Instant::parse("2026-11-20T12:00:00Z").expect("valid"));
    let service = start("5");
    wait_until("the day is sealed", || {
        service.books().number("SELECT COUNT(*) FROM sealed_days") == 1
    });
    assert_eq!(service.books().number("SELECT COUNT(*) FROM clicks"), 0);
    assert_eq!(report(&service, "by=day,link"), by_day);
    let sealed = report(&service, "by=browser");
    for (what, before, now) in [
        ("row", &by_browser["rows"][0], &sealed["rows"][0]),
        ("total", &by_browser["total"], &sealed["total"]),
    ] {
        let (mut before, mut now) = (before.clone(), now.clone());
        if what == "row" {
            assert_eq!(now["unique_visitors"], Value::Null);
            before["unique_visitors"].take();
        }
        assert_eq!(before.take(), now.take(), "{what}");
    }
    assert_eq!(report(&service, "by=hour")["rows"][0]["unique_visitors"], Value::Null);
    assert_eq!(
        report(&service, "by=day&tz=America/New_York")["total"]["unique_visitors"],
        Value::Null
    );
    let odd = "/v1/reports?by=total&from=2026-11-10T12:00:10Z&to=2026-11-10T13:00:00Z";
    let refused = service.api().get(odd).expect(409);
    assert!(
        refused["detail"]
            .as_str()
            .expect("a text")
            .contains("quarter of an hour"),
        "{refused}"
    );
    let whole = "/v1/reports?by=total&from=2026-11-10T12:00:00Z&to=2026-11-10T13:00:00Z";
    assert_eq!(service.api().get(whole).expect(200)["total"]["clicks"], 2);
    service.stop();
}
