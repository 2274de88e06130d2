//! First starts, restarts, second processes, damaged files.

mod harness;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use harness::api::{id, slug};
use harness::books::{Books, ClickIds};
use harness::http::{Request, ask, visit};
use harness::process::{Process, command, complaint, verify};
use harness::{directory, engine, files, metrics, wait_until};
use linkledger::journal::{JournalEntry, discover, segments};
use serde_json::{Value, json};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn the_first_start_prints_all_that_one_needs_and_keeps_its_secrets_private() {
    if !engine::makes_its_secret() {
        return;
    }
    let home = directory();
    let dir = home.path().join("deep/data");
    let process = Process::start_with(&dir, |command| command.env_remove("LINKLEDGER_OPERATOR_KEY"));
    wait_until("the last line is printed", || process.printed().contains("by=total'"));
    let greeting = process.printed();
    let keys: Vec<_> = greeting
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("llk_"))
        .collect();
    assert_eq!(keys.len(), 1, "{greeting}");
    let key = keys[0].to_owned();
    let lines: Vec<_> = greeting.lines().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 3, "{greeting}");
    for address in [process.redirect(), process.api().address, process.metrics] {
        assert!(greeting.contains(&address.to_string()), "{greeting}");
    }
    // The three lines as a shell runs them.
    let shown: Vec<Value> = lines
        .iter()
        .map(|line| {
            let output = Command::new("sh").args(["-c", line]).output().expect("a shell");
            if !output.status.success() && !has_curl() {
                eprintln!("SKIPPED: there is no curl here, so the printed lines were NOT tried");
                return Value::Null;
            }
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {line}: {output:?}"))
        })
        .collect();
    if has_curl() {
        assert_eq!(
            (&shown[0]["handle"], &shown[1]["name"]),
            (&json!("ada"), &json!("First campaign")),
            "{shown:?}"
        );
        assert_eq!(shown[2]["total"]["clicks"], 0, "{shown:?}");
    }
    let api = process.api().with_key(&key);
    assert_eq!(api.get("/v1/brands").expect(200)["data"][0]["name"], "default");

    assert_eq!(mode(&dir), 0o700);
    for name in ["secret", "lock"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    assert_eq!(
        std::fs::read_to_string(dir.join("lock")).expect("the lock").trim(),
        process.id().to_string()
    );
    for file in files(&dir) {
        let bytes = std::fs::read(&file).expect("a file");
        let holds_the_key = bytes.windows(key.len()).any(|window| window == key.as_bytes());
        assert!(!holds_the_key, "{} holds the key", file.display());
    }
    process.terminate();

    // The key is shown once, and goes on working.
    let process = Process::start_with(&dir, |command| command.env_remove("LINKLEDGER_OPERATOR_KEY"));
    assert!(!process.printed().contains("llk_") && !process.printed().contains("curl"));
    assert_eq!(process.api().with_key(&key).get("/v1/links").status, 200);
    process.terminate();
}

fn has_curl() -> bool {
    Command::new("curl")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

#[test]
fn a_second_process_on_the_same_directory_is_refused_and_harms_nothing() {
    let home = directory();
    let process = Process::start(home.path());
    for arguments in [
        &[][..],
        &["serve", "--role", "worker"],
        &["replay", "tests/data/sample-clicks.jsonl"],
    ] {
        let mut second = command(home.path());
        let output = second
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("it runs");
        let complaint = complaint(&output);
        assert!(complaint.contains(&format!("process {}", process.id())), "{complaint}");
        assert!(complaint.contains("LINKLEDGER_DATA_DIR"), "{complaint}");
    }
    let api = process.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    ask(process.redirect(), &visit(&slug)).location();
    process.terminate();
    verify(home.path());
}

#[test]
fn two_processes_on_one_address_are_told_which_setting_to_change() {
    let (home, other) = (directory(), directory());
    let process = Process::start(home.path());
    let taken = process.redirect().to_string();
    for setting in [
        "LINKLEDGER_REDIRECT_ADDR",
        "LINKLEDGER_API_ADDR",
        "LINKLEDGER_METRICS_ADDR",
    ] {
        let output = command(other.path()).env(setting, &taken).output().expect("it runs");
        let complaint = complaint(&output);
        assert!(complaint.contains(setting) && complaint.contains(&taken), "{complaint}");
    }
    process.terminate();
}

#[test]
fn a_start_without_a_worker_leaves_its_journals_to_the_next_full_start() {
    let home = directory();
    let process = Process::start_with(home.path(), |command| command.args(["serve", "--role", "redirect,api"]));
    let api = process.api();
    let links: Vec<String> = {
        let stage = api.stage();
        (0..3).map(|_| slug(&api.link(&stage, &json!({})))).collect()
    };
    let mut clicks = Vec::new();
    for slug in links.iter().cycle().take(50) {
        clicks.push(ask(process.redirect(), &visit(slug)).click_id());
    }
    let lead = json!({"event": "lead", "external_id": "l", "click_id": clicks[0]});
    let lead = id(&api.post("/v1/conversions", &lead).expect(202));
    process.terminate();
    verify(home.path());
    assert_eq!(Books::of(home.path()).clicks(), 0);

    // A worker alone has nothing to redirect with, and commits all the same.
    let worker = Process::start_with(home.path(), |command| command.args(["serve", "--role", "worker"]));
    assert!(worker.redirect.is_none() && worker.api.is_none());
    assert_eq!(
        ask(worker.metrics, &Request::get("/readyz")).expect(200)["status"],
        "ready"
    );
    wait_until("the journals are drained", || Books::of(home.path()).clicks() == 50);
    worker.terminate();
    verify(home.path());
    let (stored, ids) = (Books::of(home.path()).clicks_by_place(), ClickIds::of(home.path()));
    for click in &clicks {
        let read = ids.read(click);
        assert_eq!(stored[&(read.tag, read.seq)].len(), 1);
    }
    assert_eq!(
        Books::of(home.path()).texts("SELECT id FROM conversions WHERE state = 'attributed'"),
        [lead]
    );
}

#[test]
fn a_restart_keeps_secret_links_and_keys_and_a_damaged_snapshot_costs_nothing() {
    if !engine::makes_its_secret() {
        return;
    }
    let home = directory();
    let snapshot = home.path().join("catalog.snapshot");
    let mut process = Process::start(home.path());
    let api = process.api();
    let stage = api.stage();
    let slugs: Vec<String> = (0..30).map(|_| slug(&api.link(&stage, &json!({})))).collect();
    let first = ask(process.redirect(), &visit(&slugs[0])).click_id();
    let secret = std::fs::read(home.path().join("secret")).expect("a secret");
    process.terminate();
    let good = std::fs::read(&snapshot).expect("a stopping process writes its snapshot");

    let middle = good.len() / 2;
    let mut flipped = good.clone();
    flipped[middle] ^= 0x10;
    let damaged: [(&str, Option<Vec<u8>>); 6] = [
        ("untouched", Some(good.clone())),
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("cut short", Some(good[..middle].to_vec())),
        ("one bit changed", Some(flipped)),
        ("something else", Some(b"not a snapshot at all".to_vec())),
    ];
    for (name, bytes) in damaged {
        match bytes {
            Some(bytes) => std::fs::write(&snapshot, bytes).expect("a file"),
            None => std::fs::remove_file(&snapshot).expect("a file"),
        }
        process = Process::start(home.path());
        assert_eq!(metrics::count(process.metrics, "linkledger_links_loaded"), 30, "{name}");
        for slug in &slugs {
            assert_eq!(ask(process.redirect(), &visit(slug)).status, 302, "{name}");
        }
        let order = harness::api::sale(name, Some(&first), 100);
        assert_eq!(
            process.api().convert(&order).expect(200)["state"],
            "attributed",
            "{name}"
        );
        let told = process.complained().contains("snapshot");
        assert_eq!(
            told,
            !matches!(name, "untouched" | "missing"),
            "{name}: {}",
            process.complained()
        );
        process.terminate();
    }
    assert_eq!(std::fs::read(home.path().join("secret")).expect("a secret"), secret);
    verify(home.path());
}

#[test]
fn a_secret_that_cannot_be_one_is_refused_and_left_alone() {
    if !engine::makes_its_secret() {
        return;
    }
    let home = directory();
    std::fs::write(home.path().join("secret"), "too short\n").expect("a file");
    let complaint = complaint(&command(home.path()).output().expect("it runs"));
    assert!(
        complaint.contains("secret") && complaint.contains("openssl rand -hex 32"),
        "{complaint}"
    );
    assert_eq!(
        std::fs::read(home.path().join("secret")).expect("a file"),
        b"too short\n"
    );
}

#[test]
fn journals_of_the_dead_go_when_they_are_confirmed_and_their_retention_is_over() {
    let home = directory();
    // Without the traces of those that were retired.
    let journals = || {
        let found = discover(&home.path().join("journals")).expect("journals");
        let oldest_seq = |entry: &JournalEntry| segments(&entry.dir).ok()?.first().map(|oldest| oldest.first_seq);
        let is_trace = |entry: &JournalEntry| !entry.live && oldest_seq(entry).is_some_and(|seq| seq > 1);
        found.iter().filter(|entry| !is_trace(entry)).count()
    };
    let keeping = |hours: &str| {
        let hours = hours.to_owned();
        Process::start_with(home.path(), |command| {
            command
                .env("LINKLEDGER_JOURNAL_RETENTION_HOURS", hours)
                .env("LINKLEDGER_REDIRECT_THREADS", "2")
        })
    };
    let mut process = keeping("24");
    let api = process.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    for starts in 1..=3 {
        for _ in 0..20 {
            ask(process.redirect(), &visit(&slug)).click_id();
        }
        process.kill();
        // Two redirect threads and the API.
        assert_eq!(journals(), 3 * starts, "confirmed or not, they are kept for a day");
        process = keeping("24");
    }
    process.kill();
    let process = keeping("0");
    wait_until("only the journals of the living are left", || journals() == 3);
    process.terminate();
    verify(home.path());
    assert_eq!(
        Books::of(home.path()).clicks(),
        60,
        "nothing went before it was confirmed"
    );
}

#[test]
fn a_default_brand_that_was_archived_stays_so_and_keeps_nothing_from_starting() {
    let home = directory();
    let process = Process::start(home.path());
    let api = process.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    let brand = id(&api.get("/v1/brands").expect(200)["data"][0]);
    assert_eq!(api.delete(&format!("/v1/brands/{brand}")).status, 204);
    process.terminate();
    let process = Process::start(home.path());
    assert_eq!(
        process.api().get("/v1/links").status,
        403,
        "there is no default brand any more"
    );
    assert_eq!(process.api().post("/v1/brands", &json!({"name": "next"})).status, 201);
    assert_eq!(process.api().for_brand("next").get("/v1/links").status, 200);
    // People hold its links in hand.
    assert_eq!(ask(process.redirect(), &visit(&slug)).status, 302);
    process.terminate();
    verify(home.path());
}
