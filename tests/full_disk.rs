//! No room for the journal: visitors are sent on, what is not recorded is counted, shops are asked
//! to come again, and room is all that it takes to go on.

mod harness;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::api::{Api, problem, sale, slug};
use harness::books::{Books, ClickIds};
use harness::http::{Connection, Request, ask, visit};
use harness::process::{Process, verify};
use harness::{directory, engine, metrics, wait_until};
use serde_json::json;

const JOURNALED: &str = "linkledger_clicks_journaled_total";
const COMMITTED: &str = "linkledger_clicks_committed_total";
const DROPPED: &str = "linkledger_clicks_dropped_total{reason=\"journal_full\"}";

/// A small file system for the journals; gone when the test is over, however it ends.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(dir: &Path) -> Option<Self> {
        Self::mount_of(dir, "1m")
    }

    fn mount_of(dir: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(dir).expect("a directory");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(dir)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir.to_owned()));
        }
        eprintln!("SKIPPED: cannot mount a small tmpfs here, so a full disk was NOT tested");
        None
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a filler");
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("the filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _best_effort = Command::new("umount").arg(&self.0).status();
    }
}

/// What the visitors of a process received.
struct Visitors {
    slug: String,
    click_ids: Vec<String>,
}

impl Visitors {
    fn new(api: &Api) -> Self {
        Self {
            slug: slug(&api.link(&api.stage(), &json!({}))),
            click_ids: Vec::new(),
        }
    }

    /// Every one of them is sent on, on several connections so that each thread has its part.
    fn come(&mut self, process: &Process, count: usize, header_bytes: usize) {
        let open = |_| Connection::open(process.redirect()).expect("a connection");
        let mut connections: Vec<_> = (0..4).map(open).collect();
        let mut request = visit(&self.slug);
        if header_bytes > 0 {
            request.headers[0].1 = "A".repeat(header_bytes);
        } else {
            request = Request::get(request.target);
        }
        for number in 0..count {
            let answer = connections[number % 4].exchange(&request).expect("an answer");
            self.click_ids.push(answer.click_id());
        }
    }

    fn answered(&self) -> u64 {
        self.click_ids.len() as u64
    }

    /// The ids of clicks that the journal had room for.
    fn recorded(&self, dir: &Path) -> Vec<(u32, u64)> {
        let ids = ClickIds::of(dir);
        let places = self.click_ids.iter().map(|id| ids.read(id));
        places
            .filter(|read| read.seq > 0)
            .map(|read| (read.tag, read.seq))
            .collect()
    }
}

/// Sells until the journal is full; what was accepted.
fn sell_until_full(api: &Api, name: &str) -> usize {
    for number in 0..10_000 {
        let answer = api.post("/v1/conversions", &sale(&format!("{name}-{number}"), None, 100));
        if answer.status == 202 {
            continue;
        }
        problem(&answer, 503);
        let seconds: u32 = answer
            .header("retry-after")
            .expect("Retry-After")
            .parse()
            .expect("seconds");
        assert!(seconds > 0);
        return number;
    }
    panic!("the journal never became full");
}

fn count(process: &Process, series: &str) -> u64 {
    metrics::count(process.metrics, series)
}

fn conversions(dir: &Path) -> usize {
    usize::try_from(Books::of(dir).number("SELECT COUNT(*) FROM conversions")).expect("a count")
}

/// Exactly the clicks with a place in their id are in the store, each once.
fn compare(dir: &Path, visitors: &Visitors) {
    let stored = Books::of(dir).clicks_by_place();
    let recorded = visitors.recorded(dir);
    assert_eq!(stored.len(), recorded.len());
    for place in recorded {
        assert_eq!(stored.get(&place).map(Vec::len), Some(1), "{place:?}");
    }
}

#[test]
fn on_a_full_disk_visitors_go_on_and_room_is_enough_to_record_again() {
    let home = directory();
    let dir = home.path().join("data");
    let Some(disk) = SmallDisk::mount(&dir.join("journals")) else {
        return;
    };
    let process = Process::start_with(&dir, |command| command.env("LINKLEDGER_REDIRECT_THREADS", "2"));
    let api = process.api();
    let mut visitors = Visitors::new(&api);
    visitors.come(&process, 40, 100);
    let mut sold = 0;
    for round in 0..3 {
        disk.fill();
        visitors.come(&process, 200, 100);
        assert!(count(&process, DROPPED) > 0, "the disk is not full");
        assert_eq!(
            count(&process, JOURNALED) + count(&process, DROPPED),
            visitors.answered()
        );
        sold += sell_until_full(&api, &format!("full-{round}"));
        assert_eq!(ask(process.metrics, &Request::get("/readyz")).status, 200);
        // The visitor whose click was dropped may still buy.
        let dropped = visitors.click_ids.last().expect("an id").clone();
        assert_eq!(ClickIds::of(&dir).read(&dropped).seq, 0, "the last click found no room");

        disk.make_room();
        let before = count(&process, JOURNALED);
        visitors.come(&process, 60, 100);
        assert_eq!(count(&process, JOURNALED), before + 60, "there is room again");
        let stored = api
            .convert(&sale(&format!("room-{round}"), Some(&dropped), 100))
            .expect(200);
        assert_eq!(stored["state"], "attributed");
        sold += 1;
    }
    assert_eq!(
        count(&process, JOURNALED) + count(&process, DROPPED),
        visitors.answered()
    );
    wait_until("everything is committed", || {
        count(&process, COMMITTED) == count(&process, JOURNALED)
    });
    let dropped = count(&process, DROPPED);
    process.terminate();
    verify(&dir);
    compare(&dir, &visitors);
    assert_eq!(Books::of(&dir).clicks() as u64 + dropped, visitors.answered());
    assert_eq!(conversions(&dir), sold);
    drop(disk);
}

#[test]
fn a_store_that_had_no_room_takes_changes_and_commits_again_without_a_restart() {
    if !engine::is_embedded("the store's own disk is full, and Postgres has another") {
        return;
    }
    let home = directory();
    let Some(disk) = SmallDisk::mount_of(&home.path().join("disk"), "6m") else {
        return;
    };
    let dir = home.path().join("disk/data");
    let process = Process::start(&dir);
    let api = process.api();
    let stage = api.stage();
    let slug = slug(&api.link(&stage, &json!({})));
    disk.fill();
    let campaign = format!("/v1/campaigns/{}", stage.campaign);
    let refused = (0..200).filter(|number| api.patch(&campaign, &json!({"name": format!("n{number}")})).status == 503);
    assert!(refused.count() > 0, "the disk is not full");
    assert_eq!(ask(process.redirect(), &visit(&slug)).status, 302);
    disk.make_room();
    // Every connection of the store has had its failure by now; each must be good again.
    for number in 0..20 {
        api.patch(&campaign, &json!({"name": format!("room{number}")}))
            .expect(200);
    }
    api.convert(&sale("room", None, 100)).expect(200);
    process.terminate();
    verify(&dir);
}

#[test]
fn at_its_cap_the_journal_counts_what_it_drops_and_goes_on_once_the_store_has_caught_up() {
    let home = directory();
    let dir = home.path();
    let start = |roles: &str| {
        Process::start_with(dir, |command| {
            command
                .env("LINKLEDGER_JOURNAL_MAX_BYTES", "1048576")
                .env("LINKLEDGER_JOURNAL_SEGMENT_BYTES", "65536")
                .env("LINKLEDGER_REDIRECT_THREADS", "2")
                .args(["serve", "--role", roles])
        })
    };
    // Without a worker nothing is confirmed, so nothing may be deleted.
    let process = start("redirect,api");
    let api = process.api();
    let mut visitors = Visitors::new(&api);
    visitors.come(&process, 2500, 500);
    assert!(count(&process, DROPPED) > 100, "the journal is not full");
    let sold = sell_until_full(&api, "full");
    // Down to the last byte.
    visitors.come(&process, 100, 0);
    assert_eq!(
        count(&process, JOURNALED) + count(&process, DROPPED),
        visitors.answered()
    );
    process.terminate();
    let mut journaled = visitors.recorded(dir).len() as u64;
    assert_eq!(Books::of(dir).clicks(), 0);

    // A start with a full journal serves at once, and drains.
    let process = start("redirect,api,worker");
    let before = visitors.answered();
    visitors.come(&process, 20, 500);
    let recorded = count(&process, JOURNALED);
    assert_eq!(recorded + count(&process, DROPPED), visitors.answered() - before);
    wait_until("the old journals are committed", || {
        count(&process, COMMITTED) >= journaled
    });
    let api = process.api();
    let mut sold_later = 0;
    wait_until("there is room for a conversion again", || {
        let answer = api.post("/v1/conversions", &sale(&format!("later-{sold_later}"), None, 100));
        sold_later += usize::from(answer.status == 202);
        answer.status == 202
    });
    let before = count(&process, JOURNALED);
    visitors.come(&process, 40, 500);
    assert_eq!(count(&process, JOURNALED), before + 40, "every thread has room again");
    journaled += count(&process, JOURNALED);
    wait_until("everything is committed", || count(&process, COMMITTED) == journaled);
    process.terminate();
    verify(dir);
    compare(dir, &visitors);
    assert_eq!(conversions(dir), sold + sold_later);
}
