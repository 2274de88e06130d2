//! An influencer's own terms in a campaign, and what they earn by them.

mod harness;

use harness::api::{id, problem, sale, slug, text};
use harness::desk::Desk;
use harness::service::Service;
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use serde_json::{Value, json};

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("an instant")
}

fn put(desk: &Desk, path: &str, body: &Value) -> harness::http::Answer {
    desk.api.send(&desk.api.request("PUT", path).json(body))
}

fn deal_of(desk: &Desk) -> String {
    format!(
        "/v1/campaigns/{}/influencers/{}",
        desk.stage.campaign, desk.stage.influencer
    )
}

#[test]
fn a_deal_is_made_replaced_archived_and_stands_again() {
    let desk = Desk::open();
    let path = deal_of(&desk);
    problem(&desk.api.get(&path), 404);
    problem(&desk.api.delete(&path), 404);
    let made = put(
        &desk,
        &path,
        &json!({"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}),
    );
    let made = made.expect(201);
    assert!(id(&made).starts_with("dea_"));
    assert_eq!(made["campaign_id"], desk.stage.campaign.as_str());
    assert_eq!(made["influencer_id"], desk.stage.influencer.as_str());
    assert_eq!(desk.api.get(&path).expect(200), made);
    // A PUT is the whole deal: what it leaves out is gone.
    let replaced = put(&desk, &path, &json!({"ends_at": "2026-05-01T00:00:00Z"})).expect(200);
    assert_eq!((id(&replaced), &replaced["starts_at"]), (id(&made), &Value::Null));
    assert_eq!(replaced["created_at"], made["created_at"]);
    for _ in 0..2 {
        desk.api.delete(&path).expect(204);
    }
    assert!(desk.api.get(&path).expect(200)["archived_at"].is_string());
    let again = put(&desk, &path, &json!({})).expect(200);
    assert_eq!((id(&again), &again["archived_at"]), (id(&made), &Value::Null));
    assert_eq!(desk.service.books().number("SELECT COUNT(*) FROM deals"), 1);
    desk.service.stop();
}

#[test]
fn wrong_deals_are_refused_and_no_brand_sees_another_s() {
    let desk = Desk::open();
    let path = deal_of(&desk);
    for (body, field) in [
        (json!({"starts_at": "2026-03-01"}), "starts_at"),
        (
            json!({"starts_at": "2026-03-02T00:00:00Z", "ends_at": "2026-03-01T00:00:00Z"}),
            "ends_at",
        ),
        (
            json!({"starts_at": "2026-03-02T00:00:00Z", "ends_at": "2026-03-02T00:00:00Z"}),
            "ends_at",
        ),
        (json!({"commission": {"basis": "net"}}), "commission"),
        (json!([]), "(body)"),
    ] {
        assert_eq!(problem(&put(&desk, &path, &body), 422), [field], "{body}");
    }
    let (campaign, influencer) = (&desk.stage.campaign, &desk.stage.influencer);
    for path in [
        format!("/v1/campaigns/{influencer}/influencers/{campaign}"),
        format!("/v1/campaigns/cmp_000000000000/influencers/{influencer}"),
        format!("/v1/campaigns/{campaign}/influencers/inf_000000000000"),
    ] {
        problem(&put(&desk, &path, &json!({})), 404);
    }
    put(&desk, &path, &json!({})).expect(201);
    desk.api.post("/v1/brands", &json!({"name": "Other"})).expect(201);
    let other = desk.api.for_brand("Other");
    problem(&other.get(&path), 404);
    problem(&other.delete(&path), 404);
    problem(&other.send(&other.request("PUT", &path).json(&json!({}))), 404);
    let reader = desk.api.with_key(&desk.api.make_key("read"));
    reader.get(&path).expect(200);
    problem(&reader.send(&reader.request("PUT", &path).json(&json!({}))), 403);
    desk.api.delete(&format!("/v1/influencers/{influencer}")).expect(204);
    assert_eq!(problem(&put(&desk, &path, &json!({})), 422), ["id"]);
    desk.service.stop();
}

#[test]
fn a_click_earns_by_the_deal_at_the_click_and_a_code_by_the_deal_at_the_order() {
    let clock = Clock::fixed(at("2026-03-10T00:00:00Z"));
    let service = Service::start_with(|setup| setup.clock(&clock));
    let api = service.api();
    let stage = api.stage();
    let desk = Desk { service, api, stage };
    let path = deal_of(&desk);
    let link = slug(&desk.api.link(&desk.stage, &json!({})));
    let code = desk.stage.link(&json!({"code": "MIA"}));
    desk.api.post("/v1/promo-codes", &code).expect(201);
    let click = |now: &str| {
        clock.set(at(now));
        desk.service.visit(&link).click_id()
    };
    let early = click("2026-03-11T11:59:59.999Z");
    let first = click("2026-03-11T12:00:00Z");
    let last = click("2026-03-12T11:59:59.999Z");
    let late = click("2026-03-12T12:00:00Z");
    clock.set(at("2026-03-14T00:00:00Z"));
    let orders = std::cell::Cell::new(0);
    let outcome = |mut body: Value, occurred_at: &str| {
        body["occurred_at"] = occurred_at.into();
        let stored = desk.api.convert(&body).expect(200);
        let earned = text(&stored, "state") == "attributed";
        if earned {
            "attributed".to_owned()
        } else {
            text(&stored, "reason")
        }
    };
    let order = || {
        orders.set(orders.get() + 1);
        format!("order {}", orders.get())
    };
    let by_click = |click: &str| outcome(sale(&order(), Some(click), 100), "2026-03-13T00:00:00Z");
    let by_code = |occurred_at: &str| {
        let mut body = sale(&order(), None, 100);
        body["promo_codes"] = json!(["mia"]);
        outcome(body, occurred_at)
    };
    // Without a deal the campaign's terms are all there is.
    assert_eq!([by_click(&early), by_click(&late)], ["attributed", "attributed"]);
    assert_eq!(by_code("2026-03-12T12:00:00Z"), "attributed");

    let term = json!({"starts_at": "2026-03-11T12:00:00Z", "ends_at": "2026-03-12T12:00:00Z"});
    put(&desk, &path, &term).expect(201);
    assert_eq!([by_click(&early), by_click(&first)], ["deal_not_started", "attributed"]);
    assert_eq!([by_click(&last), by_click(&late)], ["attributed", "deal_over"]);
    assert_eq!(by_code("2026-03-11T11:59:59.999Z"), "deal_not_started");
    assert_eq!(by_code("2026-03-11T12:00:00Z"), "attributed");
    assert_eq!(by_code("2026-03-12T11:59:59.999Z"), "attributed");
    assert_eq!(by_code("2026-03-12T12:00:00Z"), "deal_over");

    desk.api.delete(&path).expect(204);
    assert_eq!(by_click(&late), "attributed");
    put(&desk, &path, &term).expect(200);
    assert_eq!(by_click(&late), "deal_over");
    // Whoever asks why is shown the deal: of who earned, and of who would have.
    let deal_shown = |click: &str| {
        let stored = desk.api.convert(&sale(&order(), Some(click), 100)).expect(200);
        let explained = desk.api.get(&format!("/v1/conversions/{}/explain", id(&stored)));
        explained.expect(200)["deal"]["ends_at"].clone()
    };
    assert_eq!(
        [deal_shown(&last), deal_shown(&late)],
        [json!("2026-03-12T12:00:00Z"), json!("2026-03-12T12:00:00Z")]
    );
    desk.service.stop();
}
