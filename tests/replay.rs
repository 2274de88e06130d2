//! `linkledger replay` of a recorded sample: what it prints equals a count made from the file.

mod harness;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::books::Books;
use harness::http::visit;
use harness::process::{run, verify};
use harness::service::Setup;
use harness::{directory, files};
use serde_json::Value;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample-clicks.jsonl")
}

/// What the file says, without the program's own reader.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    lines: u64,
    without_slug_or_url: u64,
    broken: u64,
    refused: u64,
    links: BTreeMap<String, u64>,
}

impl Counted {
    fn from_file() -> Self {
        let mut counted = Self::default();
        for line in std::fs::read_to_string(sample()).expect("the sample").lines() {
            if line.trim().is_empty() {
                continue;
            }
            counted.lines += 1;
            let Ok(Value::Object(line)) = serde_json::from_str(line) else {
                counted.broken += 1;
                continue;
            };
            match (line.get("h"), line.get("u")) {
                (Some(Value::String(slug)), Some(Value::String(url))) => {
                    let leads_nowhere = url.contains("192.168.") || url.starts_with("javascript:");
                    if leads_nowhere || slug.contains(' ') {
                        counted.refused += 1;
                    } else {
                        *counted.links.entry(slug.clone()).or_default() += 1;
                    }
                }
                (None, _) | (_, None) => counted.without_slug_or_url += 1,
                _ => counted.broken += 1,
            }
        }
        counted
    }

    fn clicks(&self) -> u64 {
        self.links.values().sum()
    }
}

/// The numbers in front of the printed lines: those above the table of links, and the table.
fn read(printed: &str) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let (above, table) = printed.split_once("    clicks  link\n").expect("the table's head");
    let numbers = |lines: &str| {
        lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let (number, text) = line.trim_start().split_once(' ').expect("a number and a text");
                (text.trim().to_owned(), number.parse().expect("a number"))
            })
            .collect()
    };
    (numbers(above), numbers(table))
}

#[test]
fn the_printed_counts_are_those_of_the_file() {
    let home = directory();
    let dir = home.path().join("data");
    let file = sample();
    let counted = Counted::from_file();
    // The sample holds what it is there for.
    assert!(counted.links["A6qOVH"] > counted.links["a6qovh"] && counted.links.len() == 6);
    assert!(counted.broken == 3 && counted.without_slug_or_url == 3 && counted.refused == 4);

    let replay = |more: &[&str]| {
        let mut arguments = vec!["replay", file.to_str().expect("a path")];
        arguments.extend(more);
        let output = run(&dir, &arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    // The second time every link is there already.
    for round in 1..=2 {
        let printed = replay(&[]);
        let (above, links) = read(&printed);
        assert_eq!(links, counted.links, "{printed}");
        assert_eq!(above["lines read"], counted.lines);
        for line in ["clicks sent", "answered with a redirect", "in the store"] {
            assert_eq!(above[line], counted.clicks(), "{line}: {printed}");
        }
        assert_eq!(above["links clicked"], 6);
        let left_out = |what: &str| -> u64 {
            above
                .iter()
                .filter(|(text, _)| text.starts_with("left out") && text.contains(what))
                .map(|(_, n)| n)
                .sum()
        };
        assert_eq!(left_out("without slug or url"), counted.without_slug_or_url);
        assert_eq!(left_out("not JSON"), counted.broken);
        assert_eq!(left_out("private"), 2, "{printed}");
        assert_eq!(
            left_out(""),
            counted.lines - counted.clicks(),
            "every line is accounted for: {printed}"
        );
        verify(&dir);
        let stored = u64::try_from(Books::of(&dir).clicks()).expect("a count");
        assert_eq!(stored, round * counted.clicks());
    }
    let top = replay(&["--top", "2", "--concurrency", "1"]);
    assert!(top.contains("         4  more links; --top 6 shows all"), "{top}");

    // Referrers keep neither queries nor `direct`; nothing of it is on the disk anywhere.
    let referrers = Books::of(&dir).texts("SELECT text FROM referrers");
    assert!(
        referrers.iter().any(|text| text == "http://www.facebook.com/l/abc"),
        "{referrers:?}"
    );
    assert!(!referrers.iter().any(|text| text == "direct"), "{referrers:?}");
    for file in files(&dir) {
        let held = std::fs::read(&file)
            .expect("a file")
            .windows(8)
            .any(|window| window == b"h=secret");
        assert!(!held, "{} holds a referrer's query", file.display());
    }

    let service = Setup::in_directory(&dir).start();
    let leads_to = |slug: &str| {
        let answer = harness::http::ask(service.redirect(), &visit(slug));
        answer.location().split("ll_click=").next().expect("a start").to_owned()
    };
    assert_eq!(leads_to("A6qOVH"), "http://www.example.gov/news/one?");
    assert_eq!(leads_to("a6qovh"), "http://www.example.gov/news/two?");
    assert_eq!(
        leads_to("zN3kQ2"),
        "https://data.example.org/path%20with%20spaces/report.pdf?"
    );
    service.stop();
}

#[test]
fn a_file_without_clicks_is_refused_with_the_form_that_is_wanted() {
    let home = directory();
    let dir = home.path().join("data");
    let file = home.path().join("file");
    for text in ["", "hello\n", "{\"_heartbeat_\":1}\n", "[]\n"] {
        std::fs::write(&file, text).expect("a file");
        let output = run(&dir, &["replay", file.to_str().expect("a path")]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains("`h` and `u`"), "{complaint}");
    }
    let output = run(&dir, &["replay", "/nonexistent/clicks.jsonl"]);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("/nonexistent/clicks.jsonl"),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}
