//! What the rules held back or refused, a person decides; it is written down, and the figures follow.

mod harness;

use harness::api::{Api, id, problem, sale};
use harness::service::Service;
use harness::shop::Shop;
use serde_json::{Value, json};

fn decide(api: &Api, conversion: &str, what: &str, body: &Value) -> harness::http::Answer {
    api.post(&format!("/v1/conversions/{conversion}/{what}"), body)
}

fn total(api: &Api) -> Value {
    api.get("/v1/reports?by=total").expect(200)["total"].clone()
}

/// A shop whose influencer buys at her own link.
fn held(shop: &Shop, order: &str) -> String {
    let path = format!("/v1/influencers/{}", shop.stage.influencer);
    shop.api.patch(&path, &json!({"email": "mia@example.com"})).expect(200);
    let mut body = sale(order, Some(&shop.click()), 2000);
    body["customer_email"] = "Mia+shop@example.com".into();
    let stored = shop.api.convert(&body).expect(200);
    assert_eq!(
        (&stored["state"], &stored["reason"]),
        (&json!("held"), &json!("self_referral"))
    );
    id(&stored)
}

#[test]
fn a_held_sale_counts_once_it_was_approved_and_not_before() {
    let shop = Shop::open();
    let order = held(&shop, "o1");
    assert_eq!(total(&shop.api)["revenue"], 0);
    let approved = decide(
        &shop.api,
        &order,
        "review",
        &json!({"decision": "approve", "note": "staff discount"}),
    );
    let approved = approved.expect(200);
    assert_eq!(
        (&approved["state"], &approved["reason"]),
        (&json!("attributed"), &Value::Null)
    );
    assert_eq!(approved["credits"], shop.credit());
    assert_eq!(total(&shop.api)["revenue"], 2000);
    let explained = shop.api.get(&format!("/v1/conversions/{order}/explain")).expect(200);
    assert_eq!(explained["why"], "It was held, and a person approved it.");
    let decision = &explained["decisions"][0];
    assert_eq!(
        (&decision["decision"], &decision["note"]),
        (&json!("approve"), &json!("staff discount"))
    );
    assert!(
        decision["key_id"].as_str().is_some_and(|key| key.starts_with("key_")),
        "{decision}"
    );
    assert!(decision["decided_at"].is_string());
    // Decided is decided.
    problem(
        &decide(&shop.api, &order, "review", &json!({"decision": "reject"})),
        409,
    );
    // The shop's retry does not undo it.
    let mut again = sale("o1", None, 2000);
    again["customer_email"] = "mia@example.com".into();
    assert_eq!(shop.api.convert(&again).expect(200)["state"], "attributed");
    shop.service.stop();
}

#[test]
fn a_rejected_sale_earns_nobody_anything_and_may_still_be_credited() {
    let shop = Shop::open();
    let order = held(&shop, "o1");
    let rejected = decide(&shop.api, &order, "review", &json!({"decision": "reject"})).expect(200);
    assert_eq!(
        (&rejected["state"], &rejected["reason"]),
        (&json!("rejected"), &json!("rejected_by_review"))
    );
    assert_eq!(rejected["credits"], json!([]));
    assert_eq!(total(&shop.api)["conversions"], 0);
    let listed = shop.api.get("/v1/conversions?state=rejected").expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));

    let body = json!({"influencer_id": shop.stage.influencer, "note": "on second thoughts"});
    let credited = decide(&shop.api, &order, "credit", &body).expect(200);
    assert_eq!(credited["state"], "attributed");
    assert_eq!(
        credited["credits"],
        shop.credit(),
        "by the click that the order carried"
    );
    let explained = shop.api.get(&format!("/v1/conversions/{order}/explain")).expect(200);
    let decisions: Vec<_> = explained["decisions"].as_array().expect("decisions").iter().collect();
    assert_eq!((decisions.len(), &decisions[1]["decision"]), (2, &json!("credit")));
    assert_eq!(decisions[1]["influencer_id"], shop.stage.influencer.as_str());
    shop.service.stop();
}

#[test]
fn a_missed_sale_is_credited_to_whom_a_person_names() {
    let shop = Shop::open();
    let missed = id(&shop.api.convert(&sale("missed", None, 1500)).expect(200));
    let rival = shop.api.influencer("rival");
    let credited = decide(&shop.api, &missed, "credit", &json!({"influencer_id": rival})).expect(200);
    let credit = json!([{
        "influencer_id": rival, "campaign_id": null, "link_id": null, "promo_code_id": null, "share_bps": 10_000,
        "commission": null,
    }]);
    assert_eq!(
        (&credited["state"], &credited["credits"]),
        (&json!("attributed"), &credit)
    );
    let report = shop.api.get("/v1/reports?by=influencer").expect(200);
    assert_eq!(report["rows"][0]["key"]["influencer"], rival.as_str());
    assert_eq!(report["rows"][0]["revenue"], 1500);
    assert_eq!(report["total"]["unattributed_conversions"], 0);

    // Whose click it was no longer has the credit, and is told why.
    let taken = held(&shop, "taken");
    decide(&shop.api, &taken, "credit", &json!({"influencer_id": rival})).expect(200);
    let explained = shop.api.get(&format!("/v1/conversions/{taken}/explain")).expect(200);
    let touch = &explained["touchpoints"][0];
    assert_eq!(
        (&touch["verdict"], &touch["reason"]),
        (&json!("eligible"), &json!("decided_by_person")),
        "{explained}"
    );
    assert!(touch["why"].is_string());

    let other = id(&shop.api.convert(&sale("other", None, 100)).expect(200));
    let body = json!({"influencer_id": rival, "campaign_id": shop.stage.campaign});
    let credited = decide(&shop.api, &other, "credit", &body).expect(200);
    assert_eq!(credited["credits"][0]["campaign_id"], shop.stage.campaign.as_str());
    problem(&decide(&shop.api, &other, "credit", &body), 409);
    shop.service.stop();
}

#[test]
fn what_cannot_be_decided_is_refused_and_changes_nothing() {
    let shop = Shop::open();
    let order = id(&shop.api.convert(&sale("o1", None, 100)).expect(200));
    let mut test_order = sale("test", None, 100);
    test_order["test"] = true.into();
    let test_order = id(&shop.api.convert(&test_order).expect(200));
    let influencer = json!({"influencer_id": shop.stage.influencer});
    problem(
        &decide(&shop.api, &order, "review", &json!({"decision": "approve"})),
        409,
    );
    problem(&decide(&shop.api, &test_order, "credit", &influencer), 409);
    let unknown = format!("cnv_{}", "0".repeat(24));
    problem(&decide(&shop.api, &unknown, "credit", &influencer), 404);
    problem(
        &decide(&shop.api, "cnv_1", "review", &json!({"decision": "approve"})),
        404,
    );
    for (what, body, field) in [
        ("review", json!({}), "decision"),
        ("review", json!({"decision": "maybe"}), "decision"),
        ("review", json!({"decision": "approve", "note": ""}), "note"),
        ("review", json!({"decision": "approve", "by": "me"}), "by"),
        ("credit", json!({}), "influencer_id"),
        ("credit", json!({"influencer_id": "inf_000000000000"}), "influencer_id"),
        (
            "credit",
            json!({"influencer_id": shop.stage.influencer, "campaign_id": "cmp_000000000000"}),
            "campaign_id",
        ),
    ] {
        assert_eq!(problem(&decide(&shop.api, &order, what, &body), 422), [field], "{body}");
    }
    for role in ["read", "ingest"] {
        let key = shop.api.make_key(role);
        problem(&decide(&shop.api.with_key(&key), &order, "credit", &influencer), 403);
    }
    // Another brand's people have no say.
    shop.api.post("/v1/brands", &json!({"name": "Other"})).expect(201);
    problem(
        &decide(&shop.api.for_brand("Other"), &order, "credit", &influencer),
        404,
    );
    assert_eq!(shop.service.books().number("SELECT COUNT(*) FROM decisions"), 0);
    shop.service.stop();
}

#[test]
fn what_was_not_counted_is_listed_with_its_reason_and_can_be_sent_in_again() {
    let service = Service::start();
    let api = service.api();
    let order = json!({"event": "sale", "external_id": "o1", "amount": {"amount": 100, "currency": "USD"}});
    api.convert(&order).expect(200);
    let mut other = order.clone();
    other["amount"]["amount"] = 200.into();
    api.convert(&other).expect(409);
    let refund = json!({"order_id": "o2", "refund_id": "r1", "amount": {"amount": 50, "currency": "USD"}});
    let wait = |path: &str| api.request("POST", path).header("Prefer", "wait=30");
    api.convert(&json!({"event": "sale", "external_id": "o2", "amount": {"amount": 40, "currency": "USD"}}))
        .expect(200);
    problem(&api.send(&wait("/v1/refunds").json(&refund)), 422);

    let first_page = api.get("/v1/rejections?limit=1").expect(200);
    let beyond = first_page["data"][0].clone();
    assert_eq!(
        (&beyond["kind"], &beyond["reason"]),
        (&json!("refund"), &json!("refund_beyond_order"))
    );
    assert_eq!(beyond["facts"]["refund_id"], "r1");
    assert!(beyond["why"].is_string() && beyond["rejected_at"].is_string() && beyond["retried_at"].is_null());
    let cursor = first_page["next_cursor"].as_str().expect("a second page");
    let second_page = api.get(&format!("/v1/rejections?limit=1&cursor={cursor}")).expect(200);
    let contradiction = second_page["data"][0].clone();
    assert_eq!(contradiction["reason"], "contradicts_first");
    assert_eq!(second_page["next_cursor"], Value::Null);
    let narrowed = api.get("/v1/rejections?reason=contradicts_first").expect(200);
    assert_eq!(narrowed["data"].as_array().map(Vec::len), Some(1));

    let retry = |rejection: &Value| api.send(&wait(&format!("/v1/rejections/{}/retry", id(rejection))));
    retry(&contradiction).expect(409);
    // Nothing has changed, so it is refused again, as an event of its own.
    problem(&retry(&beyond), 422);
    problem(&retry(&beyond), 409);
    assert_eq!(
        api.get("/v1/rejections").expect(200)["data"].as_array().map(Vec::len),
        Some(4)
    );
    for (path, status) in [("rej_9_9", 404), ("rej_x", 404)] {
        problem(&api.send(&wait(&format!("/v1/rejections/{path}/retry"))), status);
    }
    problem(&api.get("/v1/rejections?cursor=x"), 400);
    // Another brand sees none of it.
    api.post("/v1/brands", &json!({"name": "Other"})).expect(201);
    let other = api.for_brand("Other");
    assert_eq!(other.get("/v1/rejections").expect(200)["data"], json!([]));
    problem(
        &other.send(&other.request("POST", &format!("/v1/rejections/{}/retry", id(&beyond)))),
        404,
    );
    service.stop();
}
