//! Shapes that are not what they pass for, sums that are too large, and names that run out.

mod harness;

use harness::api::{id, problem};
use harness::desk::Desk;
use serde_json::{Value, json};

#[test]
fn an_array_is_never_taken_for_an_object() {
    let desk = Desk::open();
    for (path, body, field) in [
        (
            "/v1/influencers",
            json!({"handle": "q", "name": "q", "accounts": [["instagram", "q", 5]]}),
            "accounts[0]",
        ),
        (
            "/v1/brands",
            json!({"name": "q", "tier_bounds": [1, 2, 3, 4]}),
            "tier_bounds",
        ),
        (
            "/v1/campaigns",
            json!({"name": "q", "destination_url": "https://a.example/", "attribution": [5, "link_wins"]}),
            "attribution",
        ),
        (
            "/v1/campaigns",
            json!({"name": "q", "destination_url": "https://a.example/", "utm": []}),
            "utm",
        ),
        (
            "/v1/conversions",
            json!({"event": "sale", "external_id": "q", "amount": [1, "USD"]}),
            "amount",
        ),
        ("/v1/links/bulk", json!([[]]), "(body)"),
    ] {
        desk.refuses(path, &body, field);
    }
    desk.service.stop();
}

#[test]
fn what_is_wrong_with_a_bulk_as_a_whole_is_named() {
    let desk = Desk::open();
    for (body, field) in [
        (json!({}), "links"),
        (json!({"links": null}), "links"),
        (json!({"links": [], "colour": 1}), "colour"),
    ] {
        desk.refuses("/v1/links/bulk", &body, field);
    }
    desk.service.stop();
}

#[test]
fn a_picture_takes_no_parameters() {
    let desk = Desk::open();
    let link = id(&desk.api.link(&desk.stage, &json!({})));
    for kind in ["svg", "png"] {
        let address = format!("/v1/links/{link}/qr.{kind}");
        assert_eq!(desk.api.get(&address).status, 200);
        assert_eq!(problem(&desk.api.get(&format!("{address}?size=1")), 400), ["size"]);
    }
    desk.service.stop();
}

#[test]
fn codes_of_handles_that_share_their_letters_never_run_out() {
    let desk = Desk::open();
    let influencer = desk.api.influencer("\u{65e5}\u{672c}");
    let body = json!({"campaign_id": desk.stage.campaign, "influencer_id": influencer});
    for _ in 0..80 {
        desk.api.post("/v1/promo-codes", &body).expect(201);
    }
    desk.service.stop();
}

#[test]
fn no_number_of_large_amounts_takes_the_reports_away() {
    let desk = Desk::open();
    let largest = 1_000_000_000_000_000_i64;
    for day in 1..=2 {
        for part in 0..10 {
            let sales: Vec<Value> = (0..500)
                .map(|number| {
                    json!({
                        "event": "sale", "external_id": format!("{day}-{part}-{number}"),
                        "occurred_at": format!("2026-01-0{day}T12:00:00Z"),
                        "amount": {"amount": largest, "currency": "USD"},
                    })
                })
                .collect();
            assert_eq!(desk.api.post("/v1/conversions", &json!(sales)).status, 202);
        }
    }
    desk.api
        .convert(&json!({"event": "lead", "external_id": "the last one"}))
        .expect(200);
    let total = |range: &str| {
        let report = desk.api.get(&format!("/v1/reports?by=total&{range}")).expect(200);
        report["total"]["unattributed_revenue"].clone()
    };
    assert_eq!(total("from=2026-01-01&to=2026-01-01"), 5000 * largest);
    // More than 64 bits hold: the largest number there is, and not one that went round.
    assert_eq!(total("from=2026-01-01&to=2026-01-02"), i64::MAX);
    desk.service.stop();
}
