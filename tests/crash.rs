//! `kill -9` under load at random moments: what a client received is in the books exactly once.
//!
//! Four rounds by default; `LINKLEDGER_CRASH_ROUNDS=20 cargo test --test crash` is the long form.

mod harness;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use harness::api::{Api, Stage, id, sale, slug};
use harness::books::{Books, ClickIds};
use harness::http::{Answer, Connection, Cut, ask, once, visit};
use harness::process::{Addresses, Process, command, verify};
use harness::{KEY, directory, random_below, wait_until};
use serde_json::json;

const ROUNDS: u64 = 4;
const FIRST_LINKS: usize = 20;

/// A click whose 302 was received to its blank line.
struct Answered {
    slug: String,
    click_id: String,
    /// The conversion that was acknowledged with 202 for it, if one was.
    converted: Option<String>,
}

/// What the clients know, which is all that the service has promised.
#[derive(Default)]
struct Log {
    clicks: Mutex<Vec<Answered>>,
    /// Slugs whose 201 was received, with the link's id.
    links: Mutex<Vec<(String, String)>>,
    clicks_in_flight: AtomicUsize,
    conversions_in_flight: AtomicUsize,
    /// Answers received in this round.
    answers: AtomicUsize,
    /// Set before the process is told to end: only then may an exchange fail.
    ending: AtomicBool,
    /// Exchanges that failed although they began before, or in the middle of their answer.
    broken: AtomicUsize,
}

fn rounds() -> u64 {
    std::env::var("LINKLEDGER_CRASH_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    fn any_slug(&self) -> String {
        let links = lock(&self.links);
        let place = usize::try_from(random_below(links.len() as u64)).expect("small");
        links[place].0.clone()
    }

    /// Sends a request whose failure means that the service is ending.
    fn exchange(&self, send: impl FnOnce() -> Result<Answer, Cut>) -> Result<Answer, Cut> {
        let began_before = !self.ending.load(Ordering::SeqCst);
        let outcome = send();
        if let Err(cut) = outcome {
            self.refuse_early_end(cut);
            if began_before || cut == Cut::HalfAnAnswer {
                self.broken.fetch_add(1, Ordering::SeqCst);
            }
        }
        outcome
    }

    fn refuse_early_end(&self, cut: Cut) {
        let ending = self.ending.load(Ordering::SeqCst);
        assert!(ending, "{cut:?} before anybody ended the service");
    }

    fn answered(&self, slug: String, click_id: String, converted: Option<String>) {
        lock(&self.clicks).push(Answered {
            slug,
            click_id,
            converted,
        });
        self.answers.fetch_add(1, Ordering::SeqCst);
    }

    /// Clicks until the service is gone: `reuse` keeps its connection, as browsers and proxies do.
    fn click(&self, process: &Addresses, reuse: bool) {
        let mut kept: Option<Connection> = None;
        loop {
            let mut connection = match kept.take().map_or_else(|| Connection::open(process.redirect), Ok) {
                Ok(connection) => connection,
                Err(cut) => return self.refuse_early_end(cut),
            };
            let slug = self.any_slug();
            match self.exchange(|| connection.exchange(&visit(&slug))) {
                Ok(answer) => self.answered(slug, answer.click_id(), None),
                Err(_) => {
                    self.clicks_in_flight.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
            kept = (reuse && !connection.closing).then_some(connection);
        }
    }

    /// Clicks and buys: each 302 is followed by a conversion with its click id.
    fn buy(&self, process: &Addresses, name: &str) {
        let api = process.api();
        for number in 0.. {
            let slug = self.any_slug();
            let click_id = match self.exchange(|| once(process.redirect, &visit(&slug))) {
                Ok(answer) => answer.click_id(),
                Err(cut) => {
                    if cut != Cut::NotConnected {
                        self.clicks_in_flight.fetch_add(1, Ordering::SeqCst);
                    }
                    return;
                }
            };
            let order = format!("{name}-{number}");
            let order = sale(&order, Some(&click_id), 1999);
            match self.exchange(|| api.try_post("/v1/conversions", &order)) {
                Ok(answer) => {
                    let conversion = id(&answer.expect(202));
                    self.answered(slug, click_id, Some(conversion));
                }
                Err(cut) => {
                    self.answered(slug, click_id, None);
                    if cut != Cut::NotConnected {
                        self.conversions_in_flight.fetch_add(1, Ordering::SeqCst);
                    }
                    return;
                }
            }
        }
    }

    fn mint(&self, process: &Addresses, stage: &Stage) {
        let api = process.api();
        loop {
            match self.exchange(|| api.try_post("/v1/links", &stage.link(&json!({})))) {
                Ok(answer) => {
                    let link = answer.expect(201);
                    lock(&self.links).push((slug(&link), id(&link)));
                    self.answers.fetch_add(1, Ordering::SeqCst);
                }
                Err(_) => return,
            }
        }
    }

    /// No slug that was ever promised is unknown; asking is a click like any other.
    fn visit_every_link(&self, process: &Process) {
        let links = lock(&self.links).clone();
        for (slug, _) in links {
            let answer = ask(process.redirect(), &visit(&slug));
            assert_eq!(answer.status, 302, "{slug} after a restart: {}", answer.text());
            self.answered(slug, answer.click_id(), None);
        }
    }

    /// Loads a process from seven clients until `end` has ended it.
    fn under_load(&self, process: Process, stage: &Stage, round: u64, end: impl FnOnce(Process)) {
        self.ending.store(false, Ordering::SeqCst);
        self.answers.store(0, Ordering::SeqCst);
        // The clients only need addresses; the process itself is consumed by its end.
        let view = &process.addresses();
        std::thread::scope(|scope| {
            for client in 0..4 {
                scope.spawn(move || self.click(view, client % 2 == 0));
            }
            for client in 0..2 {
                scope.spawn(move || self.buy(view, &format!("order-{round}-{client}")));
            }
            scope.spawn(move || self.mint(view, stage));
            let enough = 100 + usize::try_from(random_below(1500)).expect("small");
            wait_until("the clients are answered", || {
                self.answers.load(Ordering::SeqCst) >= enough
            });
            self.ending.store(true, Ordering::SeqCst);
            end(process);
        });
    }
}

fn first_links(api: &Api, log: &Log) -> Stage {
    let stage = api.stage();
    let made = (0..FIRST_LINKS).map(|_| api.link(&stage, &json!({})));
    lock(&log.links).extend(made.map(|link| (slug(&link), id(&link))));
    stage
}

/// Every received click id is one row of its link and time; nothing else is there but what was
/// under way when the process died. The same for conversions.
fn compare(dir: &Path, log: &Log) {
    let (books, ids) = (Books::of(dir), ClickIds::of(dir));
    let numbers: BTreeMap<String, i64> = lock(&log.links)
        .iter()
        .map(|(slug, id)| {
            let id: linkledger::domain::id::LinkId = id.parse().expect("a link's id");
            (slug.clone(), id.number())
        })
        .collect();
    let stored = books.clicks_by_place();
    let answered = lock(&log.clicks);
    for click in answered.iter() {
        let read = ids.read(&click.click_id);
        let rows = stored.get(&(read.tag, read.seq)).map_or(&[][..], Vec::as_slice);
        assert_eq!(
            rows.len(),
            1,
            "click {} of {} is stored {} times",
            click.click_id,
            click.slug,
            rows.len()
        );
        assert_eq!((rows[0].link, rows[0].at_ms), (read.link.number(), read.at.ms()));
        assert_eq!(rows[0].link, numbers[&click.slug]);
    }
    let unanswered = books.clicks() - answered.len();
    let in_flight = log.clicks_in_flight.load(Ordering::SeqCst);
    assert!(
        unanswered <= in_flight,
        "{unanswered} clicks that nobody made, {in_flight} were in flight"
    );

    let mut acknowledged: Vec<String> = answered.iter().filter_map(|click| click.converted.clone()).collect();
    acknowledged.sort();
    let attributed = books.texts("SELECT id FROM conversions WHERE state = 'attributed' ORDER BY id");
    let missing: Vec<_> = acknowledged
        .iter()
        .filter(|id| attributed.binary_search(id).is_err())
        .collect();
    assert!(missing.is_empty(), "acknowledged and not attributed: {missing:?}");
    let conversions = usize::try_from(books.number("SELECT COUNT(*) FROM conversions")).expect("a count");
    let unacknowledged = conversions - acknowledged.len();
    let in_flight_conversions = log.conversions_in_flight.load(Ordering::SeqCst);
    assert!(
        unacknowledged <= in_flight_conversions,
        "{unacknowledged} conversions that nobody was promised"
    );
    assert_eq!(
        books.number("SELECT COUNT(*) FROM lost_ranges"),
        0,
        "nothing may be declared lost"
    );
    eprintln!(
        "{} answered clicks, {unanswered} unanswered of {in_flight} in flight; {} conversions, {unacknowledged} \
         unacknowledged of {in_flight_conversions} in flight; {} links",
        answered.len(),
        acknowledged.len(),
        numbers.len(),
    );
}

#[test]
fn whatever_was_answered_before_a_kill_is_in_the_books_exactly_once() {
    let home = directory();
    let dir = home.path().join("data");
    let log = Log::default();
    let mut process = Process::start(&dir);
    let stage = first_links(&process.api(), &log);
    for round in 0..rounds() {
        log.under_load(process, &stage, round, Process::kill);
        verify(&dir);
        process = Process::start(&dir);
        log.visit_every_link(&process);
    }
    let expected = lock(&log.clicks).len();
    wait_until("the journals are drained", || Books::of(&dir).clicks() >= expected);
    process.terminate();
    verify(&dir);
    compare(&dir, &log);
}

#[test]
fn sigterm_finishes_every_request_that_it_took_and_counts_exactly_those() {
    let home = directory();
    let dir = home.path().join("data");
    let log = Log::default();
    let process = Process::start(&dir);
    let stage = first_links(&process.api(), &log);
    log.under_load(process, &stage, 0, Process::terminate);
    verify(&dir);
    assert_eq!(
        log.broken.load(Ordering::SeqCst),
        0,
        "requests taken before the signal and not answered"
    );
    // Not one click or conversion more than the clients were told of.
    log.clicks_in_flight.store(0, Ordering::SeqCst);
    log.conversions_in_flight.store(0, Ordering::SeqCst);
    compare(&dir, &log);
}

#[test]
fn a_kill_during_the_first_starts_leaves_nothing_that_keeps_the_next_from_starting() {
    let home = directory();
    for _ in 0..2 * rounds() {
        let dir = home.path().join(format!("data-{}", random_below(u64::MAX)));
        for _ in 0..3 {
            let mut child = command(&dir)
                .env("LINKLEDGER_OPERATOR_KEY", KEY)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the binary starts");
            // The moment of the fault: anywhere between the first instruction and serving.
            std::thread::sleep(Duration::from_micros(random_below(60_000)));
            child.kill().expect("a child to kill");
            child.wait().expect("a dead child");
        }
        let process = Process::start(&dir);
        let api = process.api();
        let slug = slug(&api.link(&api.stage(), &json!({})));
        let click_id = ask(process.redirect(), &visit(&slug)).click_id();
        let stored = api.convert(&sale("o", Some(&click_id), 100)).expect(200);
        assert_eq!(stored["state"], "attributed");
        process.terminate();
        verify(&dir);
    }
}
