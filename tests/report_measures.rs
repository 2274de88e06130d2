//! What reports measure besides clicks and conversions: uses of codes and refunds; and tiers.

mod harness;

use harness::api::{Stage, id, problem, sale, slug};
use harness::campaign::{Campaign, WEEK, influencer, row};
use harness::tally::ms;
use linkledger::domain::time::Instant;
use serde_json::json;

#[test]
fn a_code_spoken_in_a_video_is_used_without_a_click() {
    let campaign = Campaign::new();
    campaign.code(&campaign.mia, &json!({"code": "MIA10"}));
    let click = campaign.click(&campaign.slugs[0]);
    campaign.click(&campaign.slugs[0]);
    campaign.sell("1", Some(&click), &["MIA10"]);
    for order in ["2", "3", "4", "5"] {
        campaign.sell(order, None, &["mia10"]);
    }
    campaign.service.wait_for_clicks(2);
    let rows = campaign.report(&format!("by=influencer{WEEK}"));
    let mia = &rows["rows"][0];
    assert_eq!(
        (&mia["sales"], &mia["human_clicks"], &mia["promo_code_uses"]),
        (&json!(5), &json!(2), &json!(5))
    );
    assert_eq!(mia["conversion_rate"], 0.5, "{mia}");
    // Mia has the credit, and a click was eligible, although it was one on Bo's link.
    let foreign = campaign.click(&campaign.slugs[1]);
    let sixth = campaign.sell("6", Some(&foreign), &["MIA10"]);
    assert_eq!(sixth["credits"][0]["influencer_id"], campaign.mia.influencer, "{sixth}");
    campaign.service.wait_for_clicks(3);
    let rate = |handle: &str| {
        let rows = campaign.measured("influencer", "conversion_rate", WEEK);
        rows.into_iter().find(|(name, _)| name == handle).expect("a row").1
    };
    assert_eq!(rate("mia"), 1.0);
    campaign.service.stop();
}

#[test]
fn uses_of_a_code_are_counted_whoever_got_the_credit() {
    let campaign = Campaign::new();
    let mia = campaign.code(&campaign.mia, &json!({"code": "MIA10"}));
    let post = campaign.report("by=post")["rows"].clone();
    assert_eq!(post, json!([]));
    let posts = campaign.api.get("/v1/posts").expect(200);
    let reel = posts["data"]
        .as_array()
        .expect("posts")
        .iter()
        .find(|post| post["label"] == "reel");
    let bo = json!({"code": "BO5", "post_id": id(reel.expect("a post"))});
    campaign.code(&campaign.bo, &bo);
    let retired = json!({"code": "OLD", "status": "retired"});
    campaign.code(&campaign.bo, &retired);
    campaign.sell("both", None, &["MIA10", "BO5", "WELCOME"]);
    campaign.sell("twice", None, &["BO5", "bo5"]);
    campaign.sell("retired", None, &["OLD"]);
    let mut test = sale("test", None, 3000);
    test["test"] = true.into();
    test["promo_codes"] = json!(["BO5"]);
    campaign.api.convert(&test).expect(200);
    let uses = |by: &str, more: &str| campaign.measured(by, "promo_code_uses", &format!("{WEEK}{more}"));
    assert_eq!(uses("promo_code", ""), [row("BO5", 2), row("MIA10", 1), row("OLD", 1)]);
    assert_eq!(uses("influencer", ""), [row("bo", 3), row("mia", 1)]);
    assert_eq!(uses("campaign", ""), [row("Spring", 4)]);
    assert_eq!(uses("tier", ""), [row("micro", 1), row("nano", 3)]);
    assert_eq!(uses("post", ""), [row("(none)", 2), row("reel", 2)]);
    assert_eq!(uses("platform", ""), [row("(none)", 2), row("instagram", 2)]);
    assert_eq!(uses("day", ""), [row("2026-11-03", 4)]);
    for nowhere in ["link", "country", "device", "browser", "os", "referrer"] {
        assert_eq!(uses(nowhere, ""), [row("(none)", 4)], "{nowhere}");
    }
    assert_eq!(uses("campaign", "&device=mobile"), []);
    assert_eq!(uses("promo_code", &format!("&promo_code={mia}")), [row("MIA10", 1)]);
    assert_eq!(uses("promo_code", "&tier=nano"), [row("BO5", 2), row("OLD", 1)]);
    // The order with two codes is one sale all the same, and the first code's influencer has it.
    assert_eq!(
        campaign.measured("influencer", "sales", WEEK),
        [row("bo", 1), row("mia", 1)]
    );
    assert_eq!(campaign.total(WEEK)["promo_code_uses"], 4);
    campaign.service.stop();
}

#[test]
fn refunds_are_taken_from_revenue_on_their_own_day() {
    let campaign = Campaign::new();
    let click = campaign.click(&campaign.slugs[0]);
    let mut order = sale("A", Some(&click), 3000);
    order["gross_amount"] = json!({"amount": 3300, "currency": "USD"});
    campaign.api.convert(&order).expect(200);
    campaign.sell("B", None, &[]);
    let mut foreign = sale("C", Some(&click), 500);
    foreign["amount"]["currency"] = "EUR".into();
    campaign.api.convert(&foreign).expect(200);
    campaign.service.wait_for_clicks(1);
    campaign.clock.set(Instant::from_ms(ms("2026-11-20T00:00:00Z")));
    campaign.refund("A", "2026-11-03T23:59:59Z", "gross_amount", 1650, "USD");
    campaign.refund("A", "2026-11-06T00:00:00Z", "gross_amount", 1100, "USD");
    campaign.refund("A", "2026-11-09T10:00:00Z", "gross_amount", 550, "USD");
    campaign.refund("B", "2026-11-05T10:00:00Z", "amount", 400, "USD");
    // Euros cannot be taken from dollars.
    campaign.refund("C", "2026-11-05T10:00:00Z", "amount", 500, "EUR");
    for (range, refunds, net) in [
        ("&from=2026-11-03&to=2026-11-03", 1500, 1500),
        ("&from=2026-11-04&to=2026-11-06", 1000, -1000),
        ("&from=2026-11-01&to=2026-11-30", 3000, 0),
    ] {
        let total = campaign.total(range);
        assert_eq!(
            (&total["refunds"], &total["net_revenue"]),
            (&json!(refunds), &json!(net)),
            "{range}"
        );
        assert_eq!(campaign.measured("influencer", "refunds", range), [row("mia", refunds)]);
        assert_eq!(campaign.measured("post", "refunds", range), [row("clip", refunds)]);
        assert_eq!(
            campaign.measured("browser", "refunds", range),
            [row("Firefox", refunds)]
        );
        assert_eq!(campaign.measured("tier", "refunds", range), [row("micro", refunds)]);
    }
    let days = [row("2026-11-03", 1500), row("2026-11-06", 1000), row("2026-11-09", 500)];
    assert_eq!(
        campaign.measured("day", "refunds", "&from=2026-11-01&to=2026-11-30"),
        days
    );
    let total = campaign.total(WEEK);
    assert_eq!(
        (&total["unattributed_revenue"], &total["unattributed_refunds"]),
        (&json!(3000), &json!(400))
    );
    assert_eq!(campaign.total(&format!("{WEEK}&tier=micro"))["unattributed_refunds"], 0);
    let csv = campaign
        .api
        .get(&format!("/v1/reports?by=influencer&format=csv{WEEK}"))
        .text();
    assert!(csv.contains(",refunds_usd_minor,net_revenue_usd_minor,"), "{csv}");
    campaign.service.stop();
}

#[test]
fn tiers_gather_influencers_by_followers_and_count_their_visitors_once() {
    let campaign = Campaign::new();
    let links: Vec<String> = [
        ("cy", json!([{"platform": "x", "handle": "cy", "followers": 10}])),
        ("dee", json!([])),
        ("eve", json!([{"platform": "x", "handle": "e", "followers": 1}, {"platform": "y", "handle": "e", "followers": 5_000_000}])),
    ]
    .iter()
    .map(|(handle, accounts)| {
        let stage = Stage {
            influencer: influencer(&campaign.api, handle, accounts),
            campaign: campaign.mia.campaign.clone(),
        };
        slug(&campaign.api.link(&stage, &json!({})))
    })
    .collect();
    // One visitor on two links of nano influencers, another on one of them, one elsewhere.
    for (slug, visitor) in [
        (&campaign.slugs[1], "a"),
        (&links[0], "a"),
        (&links[0], "b"),
        (&links[1], "a"),
        (&links[2], "c"),
        (&campaign.slugs[0], "a"),
    ] {
        campaign.click_as(slug, visitor);
    }
    campaign.service.wait_for_clicks(6);
    let clicks = [row("(none)", 1), row("mega", 1), row("micro", 1), row("nano", 3)];
    assert_eq!(campaign.measured("tier", "clicks", WEEK), clicks);
    let visitors = [row("(none)", 1), row("mega", 1), row("micro", 1), row("nano", 2)];
    assert_eq!(campaign.measured("tier", "unique_visitors", WEEK), visitors);
    let nano = campaign.report(&format!("by=tier,influencer&tier=nano{WEEK}&sort=-clicks"));
    assert_eq!(nano["total"]["unique_visitors"], 2);
    assert_eq!(nano["rows"][0]["key"]["tier"], "nano");
    assert_eq!(nano["rows"][0]["label"], json!({"tier": "nano", "influencer": "cy"}));
    assert_eq!(
        campaign.measured("influencer", "clicks", &format!("{WEEK}&tier=")),
        [row("dee", 1)]
    );
    assert_eq!(
        campaign.measured("day", "clicks", &format!("{WEEK}&tier=nano")),
        [row("2026-11-03", 3)]
    );
    assert_eq!(
        problem(&campaign.api.get("/v1/reports?by=tier&tier=giga"), 400),
        ["tier"]
    );
    // The bounds are the brand's, and they are in force at once.
    let brand = id(&campaign.api.get("/v1/brands").expect(200)["data"][0]);
    let bounds = json!({"tier_bounds": {"micro": 5, "mid": 11, "macro": 12, "mega": 13}});
    campaign.api.patch(&format!("/v1/brands/{brand}"), &bounds).expect(200);
    let clicks = [row("(none)", 1), row("mega", 3), row("micro", 2)];
    assert_eq!(campaign.measured("tier", "clicks", WEEK), clicks);
    campaign.service.stop();
}

#[test]
fn every_measure_can_be_sorted_by() {
    let campaign = Campaign::new();
    campaign.click(&campaign.slugs[0]);
    campaign.service.wait_for_clicks(1);
    campaign.followed("mia", "tiktok", "2026-11-03T00:00:00Z", 10);
    campaign.followed("mia", "tiktok", "2026-11-04T00:00:00Z", 5);
    campaign.followed("bo", "instagram", "2026-11-03T00:00:00Z", 10);
    campaign.followed("bo", "instagram", "2026-11-04T00:00:00Z", 15);
    let total = campaign.total(WEEK);
    let only_of_totals = |name: &str| name.starts_with("unattributed") || name == "other_currencies";
    for name in total
        .as_object()
        .expect("measures")
        .keys()
        .filter(|name| !only_of_totals(name))
    {
        campaign.report(&format!("by=influencer{WEEK}&sort=-{name}"));
    }
    let first = |sort: &str| {
        let report = campaign.report(&format!("by=influencer{WEEK}&sort={sort}"));
        report["rows"][0]["label"]["influencer"].clone()
    };
    assert_eq!(
        (first("follower_gain"), first("-follower_gain")),
        (json!("mia"), json!("bo"))
    );
    campaign.service.stop();
}
