//! An order counts once, whoever sends it how often; arrays and several touchpoints are taken apart.

mod harness;

use std::collections::BTreeSet;

use harness::api::{Stage, id, sale, slug, text};
use harness::service::Service;
use harness::shop::{Shop, credit};
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use serde_json::{Value, json};

#[test]
fn the_same_order_ten_times_at_once_counts_once() {
    let shop = Shop::open();
    let click_id = shop.click();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let (api, click_id) = (&shop.api, &click_id);
        let clients: Vec<_> = (0..10)
            .map(|client| {
                scope.spawn(move || {
                    let order = sale("the-order", Some(click_id), 4200);
                    if client % 2 == 0 {
                        id(&api.convert(&order).expect(200))
                    } else {
                        id(&api.post("/v1/conversions", &order).expect(202))
                    }
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .collect()
    });
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1, "{ids:?}");

    let contradiction = shop.api.convert(&sale("the-order", Some(&click_id), 4300));
    let problem = contradiction.expect(409);
    assert_eq!(contradiction.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem["status"], 409);
    assert_eq!(problem["conversion"]["amount"]["amount"], 4200, "the first stands");
    let other_currency = json!({
        "event": "sale", "external_id": "the-order", "amount": {"amount": 4200, "currency": "EUR"},
    });
    shop.api.convert(&other_currency).expect(409);
    // Without a wait it is accepted, and just as little counted.
    let repeat = shop
        .api
        .post("/v1/conversions", &sale("the-order", Some(&click_id), 4400))
        .expect(202);
    assert_eq!(id(&repeat), ids[0]);
    // Another event of the same external id is another conversion.
    let lead = shop
        .api
        .convert(&json!({"event": "lead", "external_id": "the-order"}))
        .expect(200);
    assert_ne!(id(&lead), ids[0]);

    let total = shop.api.get("/v1/reports?by=total").expect(200)["total"].clone();
    assert_eq!((&total["sales"], &total["revenue"]), (&json!(1), &json!(4200)));
    assert_eq!(shop.service.books().number("SELECT COUNT(*) FROM conversions"), 2);
    let service = shop.service;
    let rejected = || service.count("linkledger_rejections_total{reason=\"contradicts_first\"}");
    harness::wait_until("the third contradiction is counted", || rejected() == 3);
    service.stop();
}

#[test]
fn arrays_are_answered_in_order_each_entry_for_itself() {
    let shop = Shop::open();
    let click_id = shop.click();
    let mut orders: Vec<Value> = (0..500)
        .map(|n| sale(&format!("order-{n}"), Some(&click_id), n))
        .collect();
    orders[7] = json!({"event": "sale", "external_id": "without-amount"});
    orders[250] = json!({"event": "sale", "external_id": "x", "amount": {"amount": 1, "currency": "USD"}, "colour": 1});
    orders[499] = orders[0].clone();
    let results = shop.api.convert(&json!(orders)).expect(200)["results"].clone();
    let results = results.as_array().expect("results");
    assert_eq!(results.len(), 500);
    for (place, result) in results.iter().enumerate() {
        match place {
            7 => assert_eq!(
                (&result["status"], &result["errors"][0]["field"]),
                (&json!(422), &json!("amount"))
            ),
            250 => assert_eq!(
                (&result["status"], &result["errors"][0]["field"]),
                (&json!(422), &json!("colour"))
            ),
            _ => {
                let order = &orders[place]["external_id"];
                assert_eq!(
                    (&result["status"], &result["external_id"]),
                    (&json!(200), order),
                    "{place}"
                );
                assert_eq!(result["state"], "attributed");
            }
        }
    }
    assert_eq!(results[499]["id"], results[0]["id"]);
    assert_eq!(shop.service.books().number("SELECT COUNT(*) FROM conversions"), 497);

    let unwaited = shop
        .api
        .post("/v1/conversions", &json!([sale("one-more", None, 1)]))
        .expect(202);
    assert_eq!(unwaited["results"][0]["state"], "accepted");
    orders.push(sale("one-too-many", None, 1));
    let refused = shop.api.post("/v1/conversions", &json!(orders)).expect(422);
    assert!(text(&refused["errors"][0], "message").contains("500"), "{refused}");
    shop.service.stop();
}

#[test]
fn of_several_click_ids_the_last_eligible_one_earns_and_the_rest_is_explained() {
    let shop = Shop::open();
    let rival = Stage {
        influencer: shop.api.influencer("rival"),
        campaign: shop.stage.campaign.clone(),
    };
    let rival_link = shop.api.link(&rival, &json!({}));
    let first = shop.click();
    let second = shop.service.visit(&slug(&rival_link)).click_id();
    let paused = shop
        .api
        .link(&shop.stage, &json!({"paused": true, "url": "https://a.example/"}));
    shop.api
        .patch(
            &format!("/v1/campaigns/{}", shop.stage.campaign),
            &json!({"fallback_url": "https://b.example/"}),
        )
        .expect(200);
    let inactive = shop.service.visit(&slug(&paused)).click_id();
    let given = [&first, &second, &inactive, &first, &"junk".to_owned()];
    let order = json!({
        "event": "sale", "external_id": "several", "click_ids": given, "promo_codes": ["SAVE10"],
        "amount": {"amount": 900, "currency": "USD"},
    });
    let stored = shop.api.convert(&order).expect(200);
    assert_eq!(stored["credits"], credit(&rival, &id(&rival_link)));
    let explained = shop
        .api
        .get(&format!("/v1/conversions/{}/explain", id(&stored)))
        .expect(200);
    let touchpoints = explained["touchpoints"].as_array().expect("touchpoints");
    let told: Vec<_> = touchpoints
        .iter()
        .map(|touch| (text(touch, "kind"), text(touch, "verdict"), touch["reason"].clone()))
        .collect();
    let expected = [
        ("click", "eligible", json!("later_touch_won")),
        ("click", "credited", Value::Null),
        ("click", "ineligible", json!("link_paused")),
        ("click", "ineligible", json!("repeated")),
        ("click", "ineligible", json!("click_id_malformed")),
        ("promo_code", "ineligible", json!("ordinary_coupon")),
    ];
    let expected = expected.map(|(kind, verdict, reason)| (kind.to_owned(), verdict.to_owned(), reason));
    assert_eq!(told, expected);
    assert!(touchpoints.iter().all(|touch| touch["why"].is_string()), "{explained}");
    shop.service.stop();
}

#[test]
fn the_look_back_window_and_the_clock_skew_end_where_they_say_to_the_millisecond() {
    let at = |text: &str| Instant::parse(text).expect("an instant");
    let clock = Clock::fixed(at("2026-03-01T12:00:00Z"));
    let service = Service::start_with(|setup| setup.clock(&clock));
    let api = service.api();
    let mut stage = api.stage();
    stage.campaign = api.campaign(&json!({
        "name": "short", "destination_url": "https://a.example/", "attribution": {"window_days": 2},
    }));
    let link = api.link(&stage, &json!({}));
    let click_id = service.visit(&slug(&link)).click_id();
    clock.set(at("2026-03-20T12:00:00Z"));
    for (occurred_at, outcome) in [
        ("2026-03-01T12:00:00Z", "attributed"),
        ("2026-03-03T12:00:00Z", "attributed"),
        ("2026-03-03T12:00:00.001Z", "outside_window"),
        ("2026-03-20T12:00:00Z", "outside_window"),
        ("2026-03-01T11:55:00Z", "attributed"),
        ("2026-03-01T11:54:59.999Z", "touch_after_conversion"),
        ("2026-03-03T13:00:00+01:00", "attributed"),
    ] {
        let mut order = sale(occurred_at, Some(&click_id), 100);
        order["occurred_at"] = occurred_at.into();
        let stored = api.convert(&order).expect(200);
        let found = stored["reason"].as_str().unwrap_or("attributed");
        assert_eq!(found, outcome, "{occurred_at}: {stored}");
        assert_eq!(at(&text(&stored, "occurred_at")), at(occurred_at));
    }
    // A window that is changed later judges what comes later.
    let wider = json!({"attribution": {"window_days": 30}});
    api.patch(&format!("/v1/campaigns/{}", stage.campaign), &wider)
        .expect(200);
    let stored = api.convert(&sale("later", Some(&click_id), 100)).expect(200);
    assert_eq!(stored["state"], "attributed");
    service.stop();
}
