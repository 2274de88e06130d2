//! What platforms tell: followers of accounts, and figures of posts.

mod harness;

use harness::api::{id, problem, text};
use harness::desk::Desk;
use harness::service::Service;
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use serde_json::{Value, json};

const NOON: &str = "2026-03-01T12:00:00Z";

/// A desk at noon of the first of March.
fn desk() -> Desk {
    let clock = Clock::fixed(Instant::parse(NOON).expect("an instant"));
    let service = Service::start_with(|setup| setup.clock(&clock));
    let api = service.api();
    let stage = api.stage();
    Desk { service, api, stage }
}

fn over(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

#[test]
fn the_newest_count_of_an_account_is_what_the_influencer_has_and_their_tier_follows() {
    let desk = desk();
    let path = format!("/v1/influencers/{}", desk.stage.influencer);
    let accounts = json!({"accounts": [
        {"platform": "instagram", "handle": "mia", "followers": 5000},
        {"platform": "tiktok", "handle": "mia", "followers": 900},
    ]});
    assert_eq!(text(&desk.api.patch(&path, &accounts).expect(200), "tier"), "nano");
    let told = |platform: &str, as_of: &str, followers: i64| {
        let body = json!({
            "influencer_id": desk.stage.influencer, "platform": platform, "as_of": as_of, "followers": followers,
        });
        desk.api.post("/v1/follower-counts", &body).expect(201);
        let influencer = desk.api.get(&path).expect(200);
        let followers = |place: usize| influencer["accounts"][place]["followers"].as_i64();
        (followers(0), followers(1), text(&influencer, "tier"))
    };
    let has = |instagram: i64, tiktok: i64, tier: &str| (Some(instagram), Some(tiktok), tier.to_owned());
    assert_eq!(told("instagram", "2026-02-01", 20_000), has(20_000, 900, "micro"));
    // An older one is history.
    assert_eq!(told("instagram", "2026-01-01", 7), has(20_000, 900, "micro"));
    assert_eq!(
        told("instagram", "2026-01-31T23:59:59.999Z", 7),
        has(20_000, 900, "micro")
    );
    assert_eq!(
        told("TikTok", "2026-01-01T00:00:00+01:00", 4_000_000_000),
        has(20_000, 4_000_000_000, "mega")
    );
    // Of one instant the one that was told last.
    assert_eq!(
        told("instagram", "2026-02-01T01:00:00+01:00", 99),
        has(99, 4_000_000_000, "mega")
    );
    // An account that is not listed is not made up.
    assert_eq!(told("youtube", "2026-02-01", 5), has(99, 4_000_000_000, "mega"));
    desk.service.stop();
}

#[test]
fn of_two_accounts_on_one_platform_a_count_changes_neither() {
    let desk = desk();
    let path = format!("/v1/influencers/{}", desk.stage.influencer);
    let accounts = json!({"accounts": [
        {"platform": "x", "handle": "mia", "followers": 1}, {"platform": "x", "handle": "mia2", "followers": 2},
    ]});
    let before = desk.api.patch(&path, &accounts).expect(200);
    let body = json!({"influencer_id": desk.stage.influencer, "platform": "x", "as_of": NOON, "followers": 3});
    desk.api.post("/v1/follower-counts", &body).expect(201);
    assert_eq!(desk.api.get(&path).expect(200), before);
    desk.service.stop();
}

#[test]
fn counts_are_listed_by_account_and_the_brand_has_its_own() {
    let desk = desk();
    let tom = desk.api.influencer("tom");
    let counts = [
        json!({"platform": "instagram", "as_of": "2026-02-01", "followers": 0}),
        json!({"influencer_id": null, "platform": "tiktok", "as_of": "2026-02-01", "followers": 10_000_000_000_i64}),
        json!({"influencer_id": tom, "platform": "tiktok", "as_of": "2026-02-01", "followers": 7}),
    ];
    let made: Vec<Value> = counts
        .iter()
        .map(|count| desk.api.post("/v1/follower-counts", count).expect(201))
        .collect();
    assert_eq!(made[0]["influencer_id"], Value::Null);
    assert_eq!(made[0]["as_of"], "2026-02-01T00:00:00Z");
    assert!(id(&made[0]).starts_with("fol_"));
    let listed = |query: &str| desk.api.get(&format!("/v1/follower-counts{query}")).expect(200)["data"].clone();
    assert_eq!(listed(""), json!(made));
    assert_eq!(listed("?platform=tiktok"), json!(made[1..]));
    assert_eq!(
        listed(&format!("?influencer_id={tom}&platform=TikTok")),
        json!(made[2..])
    );
    assert_eq!(listed("?platform=instagram&limit=1"), json!(made[..1]));
    assert_eq!(
        problem(&desk.api.get("/v1/follower-counts?platform=a%20b"), 400),
        ["platform"]
    );
    assert_eq!(
        problem(&desk.api.get("/v1/follower-counts?post_id=x"), 400),
        ["post_id"]
    );
    assert_eq!(
        desk.api
            .get(&format!("/v1/follower-counts/{}", id(&made[2])))
            .expect(200),
        made[2]
    );
    desk.service.stop();
}

#[test]
fn wrong_counts_are_refused_by_their_field_and_change_nothing() {
    let desk = desk();
    let good = json!({"influencer_id": desk.stage.influencer, "platform": "x", "as_of": NOON, "followers": 1});
    for (more, field) in [
        (json!({"influencer_id": "inf_000000000000"}), "influencer_id"),
        (json!({"influencer_id": desk.stage.campaign}), "influencer_id"),
        (json!({"platform": null}), "platform"),
        (json!({"platform": "a b"}), "platform"),
        (json!({"as_of": "2026-03-02T12:00:00.001Z"}), "as_of"),
        (json!({"as_of": "2026-03-03"}), "as_of"),
        (json!({"as_of": "1999-12-31"}), "as_of"),
        (json!({"as_of": "2026-02-30"}), "as_of"),
        (json!({"as_of": "2026-02-01T00:00:00"}), "as_of"),
        (json!({"as_of": 7}), "as_of"),
        (json!({"followers": -1}), "followers"),
        (json!({"followers": 1.5}), "followers"),
        (json!({"followers": 10_000_000_001_i64}), "followers"),
        (json!({"colour": 1}), "colour"),
    ] {
        desk.refuses("/v1/follower-counts", &over(good.clone(), &more), field);
    }
    let other = desk.api.post("/v1/brands", &json!({"name": "Other"})).expect(201);
    let elsewhere = desk.api.for_brand(&id(&other));
    assert_eq!(
        problem(&elsewhere.post("/v1/follower-counts", &good), 422),
        ["influencer_id"]
    );
    let tomorrow = over(good, &json!({"as_of": "2026-03-02T12:00:00Z"}));
    desk.api.post("/v1/follower-counts", &tomorrow).expect(201);
    assert_eq!(desk.service.books().number("SELECT COUNT(*) FROM follower_counts"), 1);
    desk.service.stop();
}

#[test]
fn a_post_s_figures_are_kept_as_they_were_told() {
    let desk = desk();
    let post = |label: &str| {
        let body = desk.stage.link(&json!({"platform": "tiktok", "label": label}));
        id(&desk.api.post("/v1/posts", &body).expect(201))
    };
    let (clip, other) = (post("clip"), post("other"));
    let all = json!({
        "post_id": clip, "as_of": "2026-02-01", "impressions": 1000, "reach": 800, "views": 1200, "likes": 90,
        "comments": 8, "shares": 7, "saves": 0,
    });
    let first = desk.api.post("/v1/post-metrics", &all).expect(201);
    for (name, value) in all.as_object().expect("an object") {
        let expected = if name == "as_of" {
            json!("2026-02-01T00:00:00Z")
        } else {
            value.clone()
        };
        assert_eq!(first[name], expected, "{name}");
    }
    assert!(id(&first).starts_with("met_"));
    // Totals of another instant, and only what the platform tells.
    let second = desk
        .api
        .post(
            "/v1/post-metrics",
            &json!({"post_id": clip, "as_of": NOON, "views": 1_000_000_000_000_000_i64}),
        )
        .expect(201);
    assert_eq!((&second["likes"], &second["impressions"]), (&Value::Null, &Value::Null));
    let listed = |query: &str| desk.api.get(&format!("/v1/post-metrics{query}")).expect(200)["data"].clone();
    assert_eq!(listed(&format!("?post_id={clip}")), json!([first, second]));
    assert_eq!(listed(&format!("?post_id={other}")), json!([]));
    assert_eq!(
        desk.api.get(&format!("/v1/post-metrics/{}", id(&first))).expect(200),
        first
    );

    let good = json!({"post_id": clip, "as_of": NOON, "likes": 1});
    for (more, field) in [
        (json!({"likes": null}), "(body)"),
        (json!({"likes": -1}), "likes"),
        (json!({"likes": 0.5}), "likes"),
        (json!({"saves": 1_000_000_000_000_001_i64}), "saves"),
        (json!({"as_of": "2026-03-03"}), "as_of"),
        (json!({"post_id": "pst_000000000000"}), "post_id"),
        (json!({"post_id": null}), "post_id"),
        (json!({"engagements": 1}), "engagements"),
    ] {
        desk.refuses("/v1/post-metrics", &over(good.clone(), &more), field);
    }
    desk.api.delete(&format!("/v1/posts/{clip}")).expect(204);
    desk.refuses("/v1/post-metrics", &good, "post_id");
    desk.service.stop();
}

#[test]
fn figures_told_twice_under_one_key_are_kept_once() {
    let desk = desk();
    let post = desk.stage.link(&json!({"platform": "x", "label": "clip"}));
    let post = id(&desk.api.post("/v1/posts", &post).expect(201));
    for (path, body) in [
        (
            "/v1/follower-counts",
            json!({"platform": "x", "as_of": NOON, "followers": 1}),
        ),
        ("/v1/post-metrics", json!({"post_id": post, "as_of": NOON, "likes": 1})),
    ] {
        let request = desk
            .api
            .request("POST", path)
            .header("Idempotency-Key", "k")
            .json(&body);
        let first = desk.api.send(&request).expect(201);
        assert_eq!(desk.api.send(&request).expect(201), first);
        assert_eq!(desk.api.get(path).expect(200)["data"], json!([first]));
    }
    desk.service.stop();
}
