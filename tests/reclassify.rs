//! After user agents' data changed: stored clicks are read again, and whatever was counted by them follows.

mod harness;

use std::process::{Child, Stdio};

use harness::books::Books;
use harness::engine;
use harness::http::{Request, ask};
use harness::process::{command, complaint, run};
use harness::service::Service;
use harness::tally::{Dice, Tally, ms};
use harness::wait_until;
use linkledger::agents::AGENT_DATA_VERSION;
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use linkledger::store::Store;
use serde_json::Value;

const RANGE: &str = "from=2026-10-01&to=2026-11-30&limit=10000";
/// Clicks of people by these agents, which an older version took for programs.
const PEOPLE: &str = "SELECT COUNT(*) FROM clicks JOIN user_agents ON user_agents.id = clicks.user_agent_id
    WHERE text LIKE '%visitor 3' AND flags & 7 = 0";
const PROGRAMS: &str = "SELECT COUNT(*) FROM clicks JOIN user_agents ON user_agents.id = clicks.user_agent_id
    WHERE text LIKE 'curl%'";
const STALE: &str = "SELECT COUNT(*) FROM user_agents WHERE version = 0";

/// A service on which people and programs have clicked for some weeks.
struct Scene {
    service: Service,
    books: Books,
}

impl Scene {
    fn new() -> Self {
        let clock = Clock::fixed(Instant::from_ms(ms("2026-10-20T11:22:33.444Z")));
        let service = Service::start_with(|setup| setup.clock(&clock));
        let mut tally = Tally::stage(&service.api());
        let mut dice = Dice::new(5);
        tally.happen(&service, &clock, &mut dice, 200, 7_200_000);
        let api = service.api();
        let links = api.get("/v1/links").expect(200);
        for link in links["data"].as_array().expect("links") {
            for agent in ["curl/8.5.0", "curl/8.6.0"] {
                let target = format!("/{}", link["slug"].as_str().expect("a slug"));
                let click = Request::get(target).header("User-Agent", agent);
                ask(service.redirect(), &click).click_id();
            }
        }
        service.wait_for_clicks(212);
        service.fold_visitors();
        let books = service.books();
        Self { service, books }
    }

    /// Every figure that hangs on how a user agent is read.
    fn figures(&self) -> Vec<Value> {
        let api = self.service.api();
        [
            "total",
            "link",
            "browser",
            "os",
            "device",
            "day",
            "hour",
            "campaign,week",
            "browser,day",
        ]
        .map(|by| api.get(&format!("/v1/reports?by={by}&{RANGE}")).expect(200))
        .to_vec()
    }

    /// Leaves the store as an older version would have: Mozilla's visitor 3 a program, curl a person, both with other
    /// families, and everything counted by that.
    fn age(&self) {
        for sql in [
            "UPDATE user_agents SET version = -1",
            "UPDATE user_agents SET class = 1, reason = 'guess', browser = 'Guess', os = 'Guess', device = 'other'
                WHERE text LIKE '%visitor 3'",
            "UPDATE user_agents SET class = 0, reason = '', browser = 'Guess', os = 'Guess', device = 'mobile'
                WHERE text LIKE 'curl%'",
            "UPDATE clicks SET class = 1, reason = 'guess' WHERE flags & 7 = 0
                AND user_agent_id IN (SELECT id FROM user_agents WHERE text LIKE '%visitor 3')",
            "UPDATE clicks SET class = 0, reason = '' WHERE flags & 7 = 0
                AND user_agent_id IN (SELECT id FROM user_agents WHERE text LIKE 'curl%')",
            "INSERT INTO facets (country, device, os, browser, referrer)
                SELECT country, device, os, browser, host FROM clicks
                    JOIN user_agents ON user_agents.id = clicks.user_agent_id
                    JOIN referrers ON referrers.id = clicks.referrer_id WHERE TRUE
                ON CONFLICT DO NOTHING",
            "DELETE FROM click_rollups",
            "INSERT INTO click_rollups
                SELECT link_id, at_ms - at_ms % 900000, 0, facets.id, COUNT(*),
                    SUM(CASE WHEN clicks.class = 0 THEN 1 ELSE 0 END), 0 FROM clicks
                    JOIN user_agents AS a ON a.id = clicks.user_agent_id
                    JOIN referrers ON referrers.id = clicks.referrer_id
                    JOIN facets ON facets.country = clicks.country AND facets.device = a.device AND facets.os = a.os
                        AND facets.browser = a.browser AND facets.referrer = referrers.host
                GROUP BY 1, 2, 3, 4",
        ] {
            self.books.tamper(sql);
        }
        self.books.unfold();
        self.service.fold_visitors();
        assert_eq!(self.books.mismatches(), Vec::<String>::new(), "old, but in order");
    }

    fn begin(&self) -> Child {
        let mut command = command(&self.service.dir);
        command.arg("reclassify").stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the binary starts")
    }

    /// Runs it to its end: the numbers that it prints.
    #[track_caller]
    fn reclassify(&self, more: &[&str]) -> Vec<i64> {
        let output = run(&self.service.dir, &[&["reclassify"], more].concat());
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).expect("text");
        let number = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
        printed.lines().map(|line| number(line).expect(line)).collect()
    }

    #[track_caller]
    fn agrees(&self, truth: &[Value]) {
        assert_eq!(self.books.mismatches(), Vec::<String>::new());
        for (told, true_) in self.figures().iter().zip(truth) {
            assert_eq!(told, true_);
        }
    }
}

#[test]
fn classes_rollups_and_visitors_follow_what_user_agents_say_now() {
    let scene = Scene::new();
    let truth = scene.figures();
    let agents = scene.books.number("SELECT COUNT(*) FROM user_agents");
    scene.age();
    assert_ne!(scene.figures(), truth);
    let (people, programs) = (scene.books.number(PEOPLE), scene.books.number(PROGRAMS));
    assert!(people > 10 && programs == 12, "{people}, {programs}");
    assert_eq!(scene.reclassify(&[]), [agents, 3, people, programs]);
    scene.agrees(&truth);
    assert_eq!(scene.reclassify(&[]), [0, 0, 0, 0], "there is nothing left to do");
    assert_eq!(scene.reclassify(&["--all"]), [agents, agents, 0, 0]);
    scene.agrees(&truth);
    scene.service.stop();
}

#[test]
fn a_run_that_is_killed_leaves_books_that_agree_and_is_run_again() {
    let scene = Scene::new();
    let truth = scene.figures();
    scene.age();
    let moved = "SELECT COUNT(*) FROM clicks JOIN user_agents ON user_agents.id = clicks.user_agent_id
        WHERE text LIKE '%visitor 3' AND clicks.class = 0";
    let people = scene.books.number(PEOPLE);
    for round in 0..2 {
        let mut child = scene.begin();
        let before = scene.books.number(moved);
        wait_until("it is under way", || {
            scene.books.number(STALE) > 0 && (round == 0 || scene.books.number(moved) > before)
        });
        child.kill().expect("a child to kill");
        child.wait().expect("a dead child");
        assert!(scene.books.number(STALE) > 0, "it was killed in the middle");
        assert!(scene.books.number(moved) < people);
        assert_eq!(scene.books.mismatches(), Vec::<String>::new(), "round {round}");
    }
    let moved_before = scene.books.number(moved);
    let printed = scene.reclassify(&[]);
    assert_eq!((printed[0], printed[1]), (3, 3), "only what was left");
    assert_eq!(printed[2], people - moved_before);
    scene.agrees(&truth);
    scene.service.stop();
}

#[test]
fn it_runs_beside_a_service_that_goes_on_counting() {
    let scene = Scene::new();
    scene.age();
    let links = scene.service.api().get("/v1/links").expect(200);
    let slug = links["data"][0]["slug"].as_str().expect("a slug").to_owned();
    let mut child = scene.begin();
    let mut clicks = 212;
    while child.try_wait().expect("a child").is_none() {
        scene.service.visit(&slug).click_id();
        clicks += 1;
        scene.service.wait_for_clicks(clicks);
        scene.service.fold_visitors();
    }
    assert!(child.wait().expect("it ended").success());
    assert!(clicks > 213, "it ended before anything could happen beside it");
    assert_eq!(
        scene.books.numbers("SELECT DISTINCT version FROM user_agents"),
        [AGENT_DATA_VERSION]
    );
    let human = "SELECT CAST(SUM(human) AS BIGINT) FROM click_rollups";
    assert_eq!(
        scene.books.number(human),
        scene.books.number("SELECT COUNT(*) FROM clicks WHERE class = 0")
    );
    // Stopping verifies the books.
    scene.service.stop();
}

#[test]
fn what_does_not_agree_with_user_agents_is_told_and_all_is_made_anew() {
    let scene = Scene::new();
    let truth = scene.figures();
    let tampered = [
        (
            "UPDATE clicks SET class = 1 WHERE class = 0 AND seq = (SELECT MIN(seq) FROM clicks WHERE class = 0)",
            "a click's class",
        ),
        (
            "UPDATE click_rollups SET facet_id = (SELECT MAX(id) FROM facets)",
            "by facet",
        ),
        ("DELETE FROM visitor_days", "visitors"),
    ];
    // Rollups of one facet each, so that the second does not collide.
    scene.books.tamper(
        "DELETE FROM click_rollups WHERE EXISTS (SELECT 1 FROM click_rollups AS other
            WHERE other.link_id = click_rollups.link_id AND other.quarter_ms = click_rollups.quarter_ms
                AND other.facet_id < click_rollups.facet_id)",
    );
    for (sql, told) in tampered {
        scene.books.tamper(sql);
        let mismatches = scene.books.mismatches();
        assert!(
            mismatches.iter().any(|one| one.contains(told)),
            "{told}: {mismatches:?}"
        );
    }
    scene.reclassify(&["--all"]);
    scene.agrees(&truth);
    scene.service.stop();
}

#[test]
fn only_one_runs_at_a_time() {
    let service = Service::start();
    let lock = std::fs::File::create(service.dir.join("reclassify.lock")).expect("a file");
    lock.lock().expect("the lock");
    let told = complaint(&run(&service.dir, &["reclassify"]));
    assert!(told.contains("another `linkledger reclassify`"), "{told}");
    drop(lock);
    // On another machine there is another file, and the same Postgres.
    if engine::on_postgres() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let location = engine::location(&service.dir);
        let store = runtime.block_on(Store::open(&location)).expect("the store opens");
        let claim = runtime.block_on(store.claim_reclassification()).expect("an answer");
        assert!(claim.is_some());
        let told = complaint(&run(&service.dir, &["reclassify"]));
        assert!(told.contains("another `linkledger reclassify`"), "{told}");
        drop(claim);
        runtime.block_on(store.close());
    }
    harness::wait_until("nobody claims it", || {
        run(&service.dir, &["reclassify"]).status.success()
    });
    service.stop();
}
