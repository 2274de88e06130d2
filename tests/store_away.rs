//! Starting, and going on, without a store: from the snapshot, and until the store comes.

mod harness;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread;

use harness::api::{Api, problem, sale, slug};
use harness::books::Books;
use harness::engine::is_embedded;
use harness::http::{Request, ask, visit};
use harness::process::{Process, command, complaint, verify};
use harness::servers::postgres::PrivatePostgres;
use harness::{directory, metrics, wait_until};
use linkledger::store::{Location, STORE_FILE};
use serde_json::{Value, json};

fn start(dir: &Path, database: &str, arguments: &[&str]) -> Process {
    Process::start_with(dir, |command| {
        command.env("LINKLEDGER_DATABASE_URL", database).args(arguments)
    })
}

fn ready(metrics: SocketAddr) -> Value {
    ask(metrics, &Request::get("/readyz")).expect(200)
}

/// A process that serves from its snapshot, and does all that it can.
fn serves_without_its_store(process: &Process, slug: &str, order: &str) {
    let click_id = ask(process.redirect(), &visit(slug)).click_id();
    let api = process.api();
    api.post("/v1/conversions", &sale(order, Some(&click_id), 1000))
        .expect(202);
    refuses_changes(&api);
    let told = ready(process.metrics);
    assert_eq!(
        (&told["status"], &told["store"], &told["from_snapshot"]),
        (&json!("ready"), &json!("down"), &json!(true))
    );
    assert_eq!(metrics::count(process.metrics, "linkledger_store_up"), 0);
}

fn refuses_changes(api: &Api) {
    for answer in [
        api.get("/v1/links"),
        api.post("/v1/influencers", &json!({"handle": "late", "name": "Late"})),
    ] {
        problem(&answer, 503);
        assert!(answer.header("retry-after").is_some());
    }
}

fn becomes_whole(process: &Process, orders: i64, books: &Books) {
    wait_until("the node is whole", || ready(process.metrics)["from_snapshot"] == false);
    wait_until("every order is counted", || {
        books.number("SELECT COUNT(*) FROM conversions WHERE state = 'attributed'") == orders
    });
    process.api().get("/v1/links").expect(200);
    wait_until("the store is told to be up", || ready(process.metrics)["store"] == "up");
}

#[test]
fn a_node_starts_without_its_postgres_and_becomes_whole_when_it_comes() {
    let home = directory();
    let postgres = PrivatePostgres::new();
    let database = postgres.database();
    let books = || Books::at(Location::Postgres(database.clone()));
    let process = start(home.path(), &database, &[]);
    let api = process.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    process.terminate();

    postgres.stop_immediate();
    let process = start(home.path(), &database, &[]);
    serves_without_its_store(&process, &slug, "while-down");
    postgres.start();
    becomes_whole(&process, 1, &books());
    process.terminate();

    postgres.freeze();
    let process = start(home.path(), &database, &[]);
    serves_without_its_store(&process, &slug, "while-frozen");
    postgres.thaw();
    becomes_whole(&process, 2, &books());

    // And with connections that were open before.
    postgres.freeze();
    refuses_changes(&process.api());
    let click_id = ask(process.redirect(), &visit(&slug)).click_id();
    let order = sale("while-frozen-again", Some(&click_id), 1000);
    process.api().post("/v1/conversions", &order).expect(202);
    postgres.thaw();
    becomes_whole(&process, 3, &books());
    process.terminate();
    assert_eq!(books().mismatches(), Vec::<String>::new());
}

#[test]
fn a_node_without_a_snapshot_waits_for_its_store_and_says_so() {
    let home = directory();
    let postgres = PrivatePostgres::new();
    let database = postgres.database();
    postgres.stop_immediate();
    // The probes answer while nothing else does, so their address must be known beforehand.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let metrics = free.local_addr().expect("an address");
    drop(free);
    let (dir, url) = (home.path().to_owned(), database.clone());
    let starting = thread::spawn(move || {
        Process::start_with(&dir, |command| {
            command
                .env("LINKLEDGER_DATABASE_URL", &url)
                .env("LINKLEDGER_METRICS_ADDR", metrics.to_string())
        })
    });
    wait_until("the probes say what is waited for", || {
        harness::http::once(metrics, &Request::get("/readyz"))
            .is_ok_and(|answer| answer.status == 503 && answer.json()["status"] == "waiting for the store")
    });
    assert_eq!(ask(metrics, &Request::get("/livez")).status, 200);
    postgres.start();
    let process = starting.join().expect("it serves");
    let api = process.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    ask(process.redirect(), &visit(&slug)).click_id();
    process.terminate();

    // A worker needs no links: it is there, and works when it can.
    postgres.stop_immediate();
    let other = directory();
    let worker = start(other.path(), &database, &["serve", "--role", "worker"]);
    assert_eq!(ready(worker.metrics)["store"], "down");
    assert_eq!(metrics::count(worker.metrics, "linkledger_store_up"), 0);
    postgres.start();
    wait_until("the worker finds its store", || ready(worker.metrics)["store"] == "up");
    worker.terminate();
}

#[test]
fn links_that_a_restored_store_has_lost_keep_serving_and_are_named_until_they_are_made_again() {
    let home = directory();
    let postgres = PrivatePostgres::new();
    let database = postgres.database();
    let process = start(home.path(), &database, &[]);
    let api = process.api();
    let stage = api.stage();
    let kept = slug(&api.link(&stage, &json!({})));
    let backup = postgres.base_backup("backup");
    let lost = json!({"slug": "lost-later"});
    api.link(&stage, &lost);
    postgres.restore(&backup);
    let orphans = |process: &Process| ready(process.metrics)["orphaned_slugs"].clone();
    wait_until("the lost link is named", || orphans(&process) == json!(["lost-later"]));
    for slug in [kept.as_str(), "lost-later"] {
        ask(process.redirect(), &visit(slug)).click_id();
    }
    process.terminate();

    let process = start(home.path(), &database, &[]);
    assert_eq!(orphans(&process), json!(["lost-later"]));
    ask(process.redirect(), &visit("lost-later")).click_id();
    process.api().link(&stage, &lost);
    assert_eq!(ready(process.metrics)["orphaned_links"], 0);
    process.terminate();
}

#[test]
fn a_node_that_was_away_sees_what_a_restored_store_has_come_to_since() {
    let home = directory();
    let postgres = PrivatePostgres::new();
    let database = postgres.database();
    let started = |name: &str| start(&home.path().join(name), &database, &[]);
    let away = started("away");
    let stage = away.api().stage();
    let backup = postgres.base_backup("backup");
    away.api().link(&stage, &json!({"slug": "lost-later"}));
    away.terminate();
    postgres.restore(&backup);

    // More changes than the first node has seen, so that the feed's head lies beyond its position.
    let other = started("other");
    let made = ["after-1", "after-2", "after-3"];
    for slug in made {
        other.api().link(&stage, &json!({"slug": slug}));
    }
    let away = started("away");
    for slug in made {
        ask(away.redirect(), &visit(slug)).click_id();
    }
    assert_eq!(ready(away.metrics)["orphaned_slugs"], json!(["lost-later"]));
    away.terminate();
    other.terminate();
}

#[test]
fn a_node_starts_on_a_damaged_file_if_it_has_a_snapshot_and_else_says_what_is_wrong() {
    if !is_embedded("the file is SQLite's") {
        return;
    }
    let home = directory();
    let process = Process::start(home.path());
    let api = process.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    process.terminate();
    let file = home.path().join(STORE_FILE);
    let whole = std::fs::read(&file).expect("the store");
    std::fs::write(&file, vec![b'x'; 64 << 10]).expect("a damaged store");

    let process = Process::start(home.path());
    serves_without_its_store(&process, &slug, "while-damaged");
    std::fs::write(&file, &whole).expect("the store again");
    becomes_whole(&process, 1, &Books::of(home.path()));
    process.terminate();
    verify(home.path());

    std::fs::write(&file, vec![b'x'; 64 << 10]).expect("a damaged store");
    std::fs::remove_file(home.path().join("catalog.snapshot")).expect("a snapshot");
    let said = complaint(&command(home.path()).output().expect("it runs"));
    assert!(said.contains("not a database"), "{said}");
}
