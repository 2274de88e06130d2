//! What platforms told of posts and accounts, in reports.

mod harness;

use harness::campaign::{Campaign, WEEK, row};
use harness::tally::ms;
use linkledger::domain::time::Instant;
use serde_json::{Value, json};

#[test]
fn posts_gain_what_their_platform_told_between_snapshots() {
    let campaign = Campaign::new();
    campaign.clock.set(Instant::from_ms(ms("2026-11-06T12:00:00Z")));
    campaign.told(
        "clip",
        "2026-11-01T00:00:00Z",
        [Some(100), Some(80), Some(10), None, None, None],
    );
    campaign.told(
        "clip",
        "2026-11-03T10:00:00Z",
        [Some(300), Some(200), Some(30), Some(2), None, Some(1)],
    );
    // Told again for the same instant: the later one counts where it says something.
    campaign.told(
        "clip",
        "2026-11-03T10:00:00Z",
        [Some(310), None, None, None, None, None],
    );
    campaign.told("clip", "2026-11-05T09:00:00Z", [None, None, Some(50), None, None, None]);
    campaign.told(
        "reel",
        "2026-11-04T00:00:00Z",
        [None, None, Some(100), Some(20), None, None],
    );
    campaign.told(
        "reel",
        "2026-11-07T00:00:00Z",
        [Some(900), Some(900), Some(900), Some(900), Some(900), Some(900)],
    );
    campaign.followed("mia", "tiktok", "2026-11-04T00:00:00Z", 52_500);
    campaign.followed("mia", "tiktok", "2026-11-07T00:00:00Z", 99_999);
    let figures = |by: &str, more: &str| {
        let report = campaign.report(&format!("by={by}{WEEK}{more}"));
        let mut rows = report["rows"].as_array().expect("rows").clone();
        rows.push(json!({"label": {by: "in all"}}));
        for (name, value) in report["total"].as_object().expect("a total") {
            rows.last_mut().expect("just pushed")[name] = value.clone();
        }
        let mut rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let measures = [
                    "impressions",
                    "reach",
                    "engagements",
                    "engagement_rate",
                    "engagement_basis",
                ];
                let values = measures.map(|name| row[name].clone());
                (row["label"][by].as_str().expect("a label").to_owned(), json!(values))
            })
            .filter(|(_, values)| values[2] != 0)
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    };
    let clip = json!([210, 120, 43, 0.204_762, "impressions"]);
    let reel = json!([0, 0, 120, 0.06, "followers"]);
    let all = json!([210, 120, 163, 0.776_19, "impressions"]);
    let pair = |a: &str, b: &str| [row(a, reel.clone()), row("in all", all.clone()), row(b, clip.clone())];
    assert_eq!(figures("influencer", ""), pair("bo", "mia"));
    assert_eq!(
        figures("post", ""),
        [
            row("clip", clip.clone()),
            row("in all", all.clone()),
            row("reel", reel.clone())
        ]
    );
    assert_eq!(
        figures("tier", ""),
        [
            row("in all", all.clone()),
            row("micro", clip.clone()),
            row("nano", reel.clone())
        ]
    );
    let tiktok = [row("in all", clip.clone()), row("tiktok", clip.clone())];
    assert_eq!(figures("platform", "&platform=tiktok"), tiktok);
    assert_eq!(
        figures("campaign", ""),
        [row("Spring", all.clone()), row("in all", all.clone())]
    );
    assert_eq!(
        figures("link", ""),
        [row("(none)", all.clone()), row("in all", all.clone())]
    );
    let days = [
        row("2026-11-03", json!([210, 120, 23, 0.109_524, "impressions"])),
        row("2026-11-04", reel.clone()),
        row("2026-11-05", json!([0, 0, 20, 0.000_381, "followers"])),
        row("in all", all),
    ];
    assert_eq!(figures("day", ""), days);
    assert_eq!(
        figures("tier", "&tier=nano"),
        [row("in all", reel.clone()), row("nano", reel)]
    );
    assert_eq!(figures("campaign", "&country=DE"), []);
    let none = campaign.total("&from=2026-01-01&to=2026-01-02");
    assert_eq!(
        (&none["engagement_rate"], &none["engagement_basis"]),
        (&Value::Null, &Value::Null)
    );
    campaign.service.stop();
}

#[test]
fn followers_are_gained_from_one_snapshot_to_the_next() {
    let campaign = Campaign::new();
    campaign.clock.set(Instant::from_ms(ms("2026-11-06T12:00:00Z")));
    for (handle, platform, as_of, followers) in [
        ("mia", "tiktok", "2026-10-20T00:00:00Z", 48_000),
        ("mia", "tiktok", "2026-11-03T00:00:00Z", 51_000),
        ("mia", "tiktok", "2026-11-03T00:00:00Z", 52_000),
        ("mia", "tiktok", "2026-11-06T23:00:00Z", 52_500),
        ("mia", "tiktok", "2026-11-07T00:00:00Z", 99_999),
        // Nothing is known before the first of these, so Bo gained a hundred and not two thousand.
        ("bo", "instagram", "2026-11-04T00:00:00Z", 9_999),
        ("bo", "instagram", "2026-11-04T00:00:00Z", 2_100),
        ("bo", "instagram", "2026-11-05T00:00:00Z", 2_200),
        ("", "tiktok", "2026-10-01T00:00:00Z", 900),
        ("", "tiktok", "2026-11-04T00:00:00Z", 1_000),
    ] {
        campaign.followed(handle, platform, as_of, followers);
    }
    let gained = |by: &str, more: &str| campaign.measured(by, "follower_gain", &format!("{WEEK}{more}"));
    assert_eq!(
        gained("influencer", ""),
        [row("(none)", 100), row("bo", 100), row("mia", 4500)]
    );
    assert_eq!(
        gained("tier", ""),
        [row("(none)", 100), row("micro", 4500), row("nano", 100)]
    );
    assert_eq!(gained("platform", ""), [row("instagram", 100), row("tiktok", 4600)]);
    let days = [
        row("2026-11-03", 4000),
        row("2026-11-04", 100),
        row("2026-11-05", 100),
        row("2026-11-06", 500),
    ];
    assert_eq!(gained("day", ""), days);
    assert_eq!(gained("campaign", ""), [row("(none)", 4700)]);
    assert_eq!(
        gained("influencer", "&platform=tiktok"),
        [row("(none)", 100), row("mia", 4500)]
    );
    assert_eq!(
        gained("influencer", &format!("&campaign={}", campaign.mia.campaign)),
        []
    );
    assert_eq!(campaign.total(WEEK)["follower_gain"], 4700);
    campaign.service.stop();
}
