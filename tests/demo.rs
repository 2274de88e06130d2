//! `linkledger demo` as a user runs it: what it prints, where it lives, and what it leaves to look at.

mod harness;

use std::path::Path;

use harness::books::Books;
use harness::process::{Process, command, complaint, run, verify};
use harness::{directory, engine};

const SMALL: [&str; 5] = ["demo", "--clicks", "3000", "--orders", "300"];

const WHY_EMBEDDED: &str = "a demo plays on files of its own";

#[track_caller]
fn played(dir: &Path, more: &[&str]) -> String {
    let output = run(dir, &[&SMALL, more].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_demo_ends_in_a_report_that_equals_what_it_sent() {
    if !engine::is_embedded(WHY_EMBEDDED) {
        return;
    }
    let home = directory();
    let dir = home.path().join("demo");
    let printed = played(&dir, &[]);
    for expected in [
        "Demo: 24 influencers",
        "3,000 clicks: ",
        "The order came with no click id and no promo code of an influencer.",
        "The click is older than the campaign's look-back window.",
        "The buyer's address is the influencer's own; a person must decide.",
        "A test order: stored, never counted.",
        "against what was sent: all equal.",
        "the books agree",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    verify(&dir);
    let books = Books::of(&dir);
    assert_eq!(books.clicks(), 3000);
    assert_eq!(
        books.number("SELECT COUNT(*) FROM conversions WHERE event = 'sale'"),
        300
    );
    // Every way of the story was gone.
    for sql in [
        "SELECT COUNT(*) FROM conversions WHERE reason = 'self_referral'",
        "SELECT COUNT(*) FROM conversions WHERE reason = 'code_in_review'",
        "SELECT COUNT(*) FROM conversions WHERE reason = 'outside_window'",
        "SELECT COUNT(*) FROM touchpoints WHERE why = 'code_won'",
        "SELECT COUNT(*) FROM touchpoints WHERE why = 'link_won'",
        "SELECT COUNT(*) FROM touchpoints WHERE why = 'later_touch_won'",
        "SELECT COUNT(*) FROM refunds WHERE state = 'applied'",
    ] {
        assert!(books.number(sql) > 0, "{sql}");
    }

    // What it printed for looking around opens this brand.
    let key = printed.split("Bearer ").nth(1).and_then(|rest| rest.split('\'').next());
    let process = Process::start(&dir);
    let report = process
        .api()
        .with_key(key.expect("a key"))
        .get("/v1/reports?by=total")
        .expect(200);
    assert_eq!(report["total"]["clicks"], 3000);
    process.terminate();
}

#[test]
fn a_demo_never_mixes_with_real_books_and_with_an_earlier_demo_only_when_asked() {
    if !engine::is_embedded(WHY_EMBEDDED) {
        return;
    }
    let home = directory();
    let real = home.path().join("real");
    assert!(run(&real, &["migrate"]).status.success());
    for more in [&[][..], &["--again"]] {
        let refused = complaint(&run(&real, &[&SMALL, more].concat()));
        assert!(refused.contains("no demo made"), "{refused}");
    }

    let dir = home.path().join("demo");
    played(&dir, &[]);
    let refused = complaint(&run(&dir, &SMALL));
    assert!(refused.contains("--again"), "{refused}");
    let second = played(&dir, &["--again", "--seed", "7"]);
    assert!(second.contains("Demo 2: 24 influencers"), "{second}");
    assert_eq!(Books::of(&dir).clicks(), 6000);
    verify(&dir);
}

#[test]
fn a_scale_that_contradicts_itself_is_refused_before_anything_is_made() {
    let home = directory();
    let dir = home.path().join("demo");
    let refused = complaint(&run(&dir, &["demo", "--clicks", "100", "--orders", "100"]));
    assert!(refused.contains("at least 4 clicks for each order"), "{refused}");
    assert!(!dir.exists());
}

#[test]
fn a_demo_never_plays_in_a_database_that_others_use() {
    let home = directory();
    let dir = home.path().join("demo");
    let mut demo = command(&dir);
    // Nobody is asked there: it is refused before.
    demo.env("LINKLEDGER_DATABASE_URL", "postgres://linkledger@127.0.0.1:9/real")
        .args(SMALL);
    let refused = complaint(&demo.output().expect("it runs"));
    assert!(refused.contains("LINKLEDGER_DATABASE_URL"), "{refused}");
    assert!(!dir.exists());
}
