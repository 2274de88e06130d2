//! The demo's oracle notices a store that says something else than what was sent.

mod harness;

use linkledger::config::Config;
use linkledger::demo::{Demo, Scale, Stage, run};

use harness::books::Books;
use harness::{directory, engine};

const WHY_EMBEDDED: &str = "a demo plays on files of its own";

/// Plays a small demo and changes its store just before the reports are compared.
fn tampered_with(tampering: &'static [&'static str]) -> Demo {
    let home = directory();
    let dir = home.path().join("demo");
    let config = Config {
        data_dir: dir.clone(),
        redirect_threads: 2,
        ..Config::default()
    };
    let scale = Scale {
        clicks: 2000,
        orders: 200,
        seed: 5,
        concurrency: 16,
    };
    let tell = |stage| {
        if matches!(stage, Stage::Comparing) {
            let dir = dir.clone();
            // The books have a runtime of their own, which must not stand inside another.
            let tampering = std::thread::spawn(move || {
                let books = Books::of(&dir);
                for sql in tampering {
                    books.tamper(sql);
                }
            });
            tampering.join().expect("tampered with");
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&config, &scale, false, tell)).expect("a demo")
}

fn one(sql: &'static str) -> Demo {
    tampered_with(Box::leak(Box::new([sql])))
}

#[test]
fn nothing_differs_where_nothing_was_changed() {
    if !engine::is_embedded(WHY_EMBEDDED) {
        return;
    }
    let demo = tampered_with(&[]);
    assert!(
        demo.holds(),
        "{:?} {:?}",
        demo.checked.differences,
        demo.verified.mismatches
    );
    assert!(
        demo.checked.figures > 2000 && demo.checked.events > 200,
        "{:?}",
        demo.checked
    );
}

#[test]
fn a_cent_too_much_is_noticed() {
    if !engine::is_embedded(WHY_EMBEDDED) {
        return;
    }
    let demo = one("UPDATE conversions SET amount = amount + 1
            WHERE id = (SELECT id FROM conversions WHERE state = 'attributed' AND event = 'sale' LIMIT 1)");
    assert!(!demo.holds());
    // In the total and its influencer, campaign and day at least.
    let of_revenue = |difference: &&String| difference.contains(" revenue is ");
    assert!(
        demo.checked.differences.iter().filter(of_revenue).count() >= 4,
        "{:?}",
        demo.checked
    );
    assert!(
        demo.verified.mismatches.is_empty(),
        "the books themselves agree: {:?}",
        demo.verified
    );
}

#[test]
fn a_credit_that_went_to_somebody_else_is_noticed() {
    if !engine::is_embedded(WHY_EMBEDDED) {
        return;
    }
    let demo = one("UPDATE credits SET influencer_id = (SELECT MIN(id) FROM influencers
                WHERE id <> credits.influencer_id)
            WHERE conversion_id = (SELECT id FROM conversions WHERE state = 'attributed' LIMIT 1)");
    let told = |word| {
        demo.checked
            .differences
            .iter()
            .any(|difference| difference.contains(word))
    };
    assert!(
        told("should be attributed") && told("conversions is"),
        "{:?}",
        demo.checked
    );
}

#[test]
fn a_person_who_became_a_program_is_noticed_by_oracle_and_books() {
    if !engine::is_embedded(WHY_EMBEDDED) {
        return;
    }
    let demo = one("UPDATE click_rollups SET human = human - 1 WHERE human > 0");
    let told = |word| {
        demo.checked
            .differences
            .iter()
            .any(|difference| difference.contains(word))
    };
    assert!(told("human_clicks is") && told("bot_clicks is"), "{:?}", demo.checked);
    assert!(!demo.verified.mismatches.is_empty());
}
