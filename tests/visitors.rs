//! Unique visitors: the same figures from folded sets as from raw clicks, whenever the fold ran.

mod harness;

use std::collections::BTreeMap;

use harness::api::Api;
use harness::books::Books;
use harness::service::Service;
use harness::tally::{Dice, Tally, Zone, ms};
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use linkledger::store::{Location, STORE_FILE, Store};
use serde_json::Value;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

const EVERYTHING: &str = "from=2026-10-01&to=2026-11-30";
/// Ends of a range within a day.
const ODD: &str = "from=2026-10-21T05:06:07Z&to=2026-10-27T01:02:03Z";

/// Visitors of every row of many reports, by question and key.
fn figures(api: &Api) -> BTreeMap<String, Value> {
    let mut figures = BTreeMap::new();
    for zone in Zone::ALL {
        for range in [EVERYTHING, ODD] {
            for by in [
                "total",
                "link",
                "campaign",
                "influencer,platform",
                "tier",
                "post",
                "browser",
                "hour",
                "day",
                "week",
                "month",
                "campaign,day",
                "month,influencer",
                "week,tier",
                "device,week",
            ] {
                let question = format!("by={by}&{range}&tz={}&limit=10000", zone.name());
                let report = api.get(&format!("/v1/reports?{question}")).expect(200);
                figures.insert(question.clone(), report["total"]["unique_visitors"].clone());
                for row in report["rows"].as_array().expect("rows") {
                    figures.insert(format!("{question} {}", row["key"]), row["unique_visitors"].clone());
                }
            }
        }
    }
    figures
}

#[test]
fn figures_do_not_depend_on_how_far_the_fold_has_come() {
    let clock = Clock::fixed(Instant::from_ms(ms("2026-10-20T11:22:33.444Z")));
    let service = Service::start_with(|setup| setup.clock(&clock));
    let api = service.api();
    let mut tally = Tally::stage(&api);
    let mut dice = Dice::new(8);
    tally.happen(&service, &clock, &mut dice, 120, 3_600_000);
    service.fold_visitors();
    // These wait when the first figures are told, unless the background was faster.
    tally.happen(&service, &clock, &mut dice, 120, 7_200_000);
    let half_folded = figures(&api);
    service.fold_visitors();
    let folded = figures(&api);
    let books = service.books();
    assert!(books.number("SELECT COUNT(*) FROM visitor_days") > 20);
    assert_eq!(books.number("SELECT COUNT(*) FROM unfolded_visits"), 0);
    books.unfold();
    let unfolded = figures(&api);
    assert_eq!(half_folded, unfolded);
    assert_eq!(folded, unfolded);
    let distinct = "SELECT COUNT(DISTINCT visitor || '/' || (at_ms / 86400000)) FROM clicks WHERE class = 0";
    let total = &unfolded[&format!("by=total&{EVERYTHING}&tz=UTC&limit=10000")];
    assert_eq!(*total, books.number(distinct));
    let by_link = "SELECT CAST(SUM(n) AS BIGINT) FROM (SELECT COUNT(DISTINCT visitor) AS n FROM clicks WHERE class = 0
        GROUP BY link_id, at_ms / 86400000) AS of_links";
    let links: i64 = unfolded
        .iter()
        .filter(|(key, _)| key.starts_with(&format!("by=link&{EVERYTHING}&tz=UTC")) && key.contains('{'))
        .map(|(_, visitors)| visitors.as_i64().expect("a count"))
        .sum();
    assert_eq!(links, books.number(by_link));
    service.stop();
}

#[test]
fn reports_read_folded_days_and_verify_recounts_them() {
    let clock = Clock::fixed(Instant::from_ms(ms("2026-10-20T11:22:33.444Z")));
    let service = Service::start_with(|setup| setup.clock(&clock));
    let api = service.api();
    let mut tally = Tally::stage(&api);
    tally.happen(&service, &clock, &mut Dice::new(9), 40, 60_000);
    service.fold_visitors();
    let visitors = |question: &str| {
        let report = api.get(&format!("/v1/reports?by=total&{question}")).expect(200);
        report["total"]["unique_visitors"].as_i64().expect("a count")
    };
    let (folded, counted) = (visitors(EVERYTHING), visitors(&format!("{EVERYTHING}&browser=")));
    assert!(folded > 1);
    assert_eq!(counted, 0, "no browser is without a name");
    let books = service.books();
    // An empty set for every link: a report of whole days believes it, verify does not.
    books.tamper(if books.are_in_postgres() {
        r"UPDATE visitor_days SET sketch = '\x0100'"
    } else {
        "UPDATE visitor_days SET sketch = X'0100'"
    });
    assert_eq!(visitors(EVERYTHING), 0);
    let whole = visitors("from=2026-10-20T00:00:01Z&to=2026-10-20T23:59:59Z");
    assert_eq!(whole, folded, "a piece of a day is counted from raw clicks");
    let mismatches = books.mismatches();
    assert_eq!(mismatches.len(), 6, "{mismatches:?}");
    assert!(mismatches[0].contains("0 visitors folded or waiting"), "{mismatches:?}");
    books.tamper("DELETE FROM visitor_days");
    assert_eq!(books.mismatches().len(), 6);
    books.wait_again();
    assert_eq!(books.mismatches(), Vec::<String>::new());
    assert_eq!(visitors(EVERYTHING), folded);
    service.fold_visitors();
    let _home = service.stop();
    // Nobody folds any more.
    books.unfold();
    assert_eq!(books.mismatches(), Vec::<String>::new());
    books.tamper("DELETE FROM unfolded_visits WHERE id = (SELECT MIN(id) FROM unfolded_visits)");
    let mismatches = books.mismatches();
    assert!(mismatches[0].contains("0 visitors folded or waiting"), "{mismatches:?}");
}

#[test]
fn many_visitors_of_a_day_are_folded_in_steps_and_counted_within_two_percent() {
    let service = Service::start();
    let api = service.api();
    let stage = api.stage();
    for _ in 0..3 {
        api.link(&stage, &serde_json::json!({}));
    }
    // Twenty thousand for each link, with hashes as uniform as real ones.
    let books = service.books();
    books.tamper(if books.are_in_postgres() {
        "INSERT INTO clicks (at_ms, journal_num, seq, link_id, state, flags, class, reason, visitor, country,
            user_agent_id, referrer_id, language_id)
        SELECT 1793000000000, 1, i + 1, link, 0, 0, 0, '', ('x' || left(md5(i::text), 16))::bit(64)::bigint, '', 1, 1, 1
            FROM generate_series(0, 59999) AS n (i)
                JOIN (SELECT id AS link, ROW_NUMBER() OVER (ORDER BY id) - 1 AS place FROM links) AS l ON place = i % 3"
    } else {
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59999)
        INSERT INTO clicks (at_ms, journal_num, seq, link_id, state, flags, class, reason, visitor, country,
            user_agent_id, referrer_id, language_id)
        SELECT 1793000000000, 1, i + 1, link, 0, 0, 0, '', random(), '', 1, 1, 1
            FROM n JOIN (SELECT id AS link, ROW_NUMBER() OVER (ORDER BY id) - 1 AS place FROM links) ON place = i % 3"
    });
    books.tamper("INSERT INTO user_agents VALUES (1, 'x', 1, 0, '', 'x', 'x', 'other')");
    books.wait_again();
    let expected = |report: &Value, count: i64| {
        let told = report["unique_visitors"].as_i64().expect("a count");
        assert!((told - count).abs() * 50 <= count, "{told} for {count}");
    };
    let report = || api.get("/v1/reports?by=link&from=2026-10-01&to=2026-11-30").expect(200);
    // Links without rollups have no row but the total knows them.
    let before = report();
    expected(&before["total"], 60_000);
    service.fold_visitors();
    let after = report();
    assert_eq!(after["total"]["unique_visitors"], before["total"]["unique_visitors"]);
    let stored = books.numbers("SELECT LENGTH(sketch) FROM visitor_days");
    assert_eq!(stored, [49_154; 3]);
    books.tamper("DELETE FROM clicks");
    books.tamper("DELETE FROM visitor_days");
    books.tamper("DELETE FROM user_agents");
    service.stop();
}

/// The schema as it was when the fold's position was a row number, with its own migrations.
async fn old_store(path: &std::path::Path) -> SqliteConnection {
    let files = [
        ("ledger", include_str!("../migrations/sqlite/0001_ledger.sql")),
        ("product", include_str!("../migrations/sqlite/0002_product.sql")),
        ("visitors", include_str!("../migrations/sqlite/0003_visitors.sql")),
    ];
    let migrations = (1..).zip(files).map(|(version, (name, sql))| {
        let sql = sqlx::SqlStr::from_static(sql);
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    let options = SqliteConnectOptions::new().filename(path.join(STORE_FILE));
    let mut conn = options.create_if_missing(true).connect().await.expect("a file");
    let migrator = Migrator::with_migrations(migrations.collect());
    migrator.run(&mut conn).await.expect("the old schema");
    conn
}

#[test]
fn clicks_that_an_older_version_left_unfolded_wait_in_the_queue_after_the_update() {
    // Link, UTC day, class and visitor by row; the first two are folded.
    const CLICKS: [(i64, i64, i64, i64); 7] = [
        (7, 20746, 0, 1),
        (7, 20746, 1, 2),
        (7, 20746, 0, 1),
        (7, 20746, 0, -1),
        (i64::MAX, 20746, 0, i64::MIN),
        (7, 20747, 0, 1),
        (7, 20747, 1, 9),
    ];
    let dir = harness::directory();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let location = Location::Directory(dir.path().to_owned());
    let store = runtime.block_on(async {
        let mut old = old_store(dir.path()).await;
        for (link, day, class, visitor) in CLICKS {
            let sql = "INSERT INTO clicks VALUES ($1, NULL, 1, 1, $2, 0, 0, $3, '', $4, '', 1, 1, 1)";
            let click = sqlx::query(sql).bind(day * 86_400_000 + 1).bind(link).bind(class);
            click.bind(visitor).execute(&mut old).await.expect("a click");
        }
        for sql in [
            "INSERT INTO visitor_days VALUES (20746, 7, X'01000100000000000000')",
            "UPDATE click_marks SET folded_rowid = 2",
        ] {
            sqlx::query(sql).execute(&mut old).await.expect(sql);
        }
        old.close().await.expect("closes");
        Store::open(&location).await.expect("the update")
    });
    let books = Books::at(location);
    let waiting = books.rows("SELECT utc_day, clicks FROM unfolded_visits ORDER BY utc_day");
    let waiting: Vec<(i64, i64)> = waiting.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(waiting, [(20746, 3), (20747, 1)]);
    assert!(!books.tables().contains(&"click_marks".to_owned()));
    // The other checks do not like clicks without a journal.
    let of_visitors = || {
        let told = books.mismatches().into_iter();
        told.filter(|told| told.contains("visitors")).collect::<Vec<String>>()
    };
    assert_eq!(of_visitors(), Vec::<String>::new());
    runtime.block_on(async {
        while store.fold_visitors().await.expect("a fold") {}
        store.close().await;
    });
    assert_eq!(of_visitors(), Vec::<String>::new());
    let sets = books.numbers("SELECT (LENGTH(sketch) - 2) / 8 FROM visitor_days ORDER BY utc_day, link_id");
    assert_eq!(sets, [2, 1, 1]);
}
