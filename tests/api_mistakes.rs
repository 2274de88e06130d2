//! Mistakes in bodies: each is told by its status and its field, and none leaves anything behind.

mod harness;

use harness::api::{id, problem};
use harness::desk::Desk;
use serde_json::{Value, json};

#[test]
fn a_body_that_is_no_json_is_400_wherever_it_is_sent() {
    let desk = Desk::open();
    let paths = [
        "/v1/brands",
        "/v1/keys",
        "/v1/influencers",
        "/v1/campaigns",
        "/v1/posts",
        "/v1/links",
        "/v1/links/bulk",
        "/v1/conversions",
    ];
    let deep = "[".repeat(100_000);
    for path in paths {
        for body in [
            "",
            " ",
            "{",
            "{\"name\":}",
            "name=x",
            "{} {}",
            "{'a':1}",
            "NaN",
            "[1,]",
            &deep,
        ] {
            problem(&desk.api.post_text(path, body), 400);
        }
        for bytes in [&b"\xff\xfe"[..], b"{\"name\":\"\xc3\x28\"}"] {
            problem(
                &desk.api.send(&desk.api.request("POST", path).bytes(bytes.to_vec())),
                400,
            );
        }
        // JSON, but nothing that this address takes.
        for body in ["null", "7", "true", "\"text\"", "\"\\ud800\""] {
            problem(&desk.api.post_text(path, body), 422);
        }
    }
    desk.service.stop();
}

#[test]
fn a_body_that_is_too_large_is_413_and_the_largest_is_taken() {
    let desk = Desk::open();
    const MAX: usize = 4 << 20;
    let padded = |length: usize| {
        let body = json!({"event": "lead", "external_id": format!("padded-{length}")}).to_string();
        format!("{}{body}", " ".repeat(length - body.len())).into_bytes()
    };
    let send = |body: Vec<u8>| desk.api.send(&desk.api.request("POST", "/v1/conversions").bytes(body));
    assert_eq!(send(padded(MAX)).status, 202);
    for length in [MAX + 1, 2 * MAX] {
        problem(&send(padded(length)), 413);
    }
    desk.service.stop();
}

#[test]
fn wrong_fields_of_influencers_campaigns_and_brands_are_named() {
    let desk = Desk::open();
    let influencer = |more: Value| over(json!({"handle": "zoe", "name": "Zoe"}), more);
    for (body, field) in [
        (json!({}), "handle"),
        (json!([]), "handle"),
        (json!({"handle": "zoe"}), "name"),
        (influencer(json!({"colour": 1})), "colour"),
        (influencer(json!({"handle": "zoe zoe"})), "handle"),
        (influencer(json!({"handle": null})), "handle"),
        (influencer(json!({"handle": "MIA"})), "handle"),
        (influencer(json!({"name": " "})), "name"),
        (influencer(json!({"name": "a\nb"})), "name"),
        (influencer(json!({"name": 7})), "name"),
        (influencer(json!({"email": "zoe"})), "email"),
        (influencer(json!({"tags": [""]})), "tags[0]"),
        (
            influencer(json!({"accounts": [{"platform": "x", "handle": "z", "followers": -1}]})),
            "accounts[0].followers",
        ),
        (
            influencer(json!({"accounts": [{"platform": "x"}]})),
            "accounts[0].handle",
        ),
    ] {
        // An array where an object belongs is wrong as a whole.
        let field = if body == json!([]) { "(body)" } else { field };
        desk.refuses("/v1/influencers", &body, field);
    }
    let campaign = |more: Value| over(json!({"name": "c", "destination_url": "https://a.example/"}), more);
    for (body, field) in [
        (json!({"name": "c"}), "destination_url"),
        (campaign(json!({"destination_url": "a.example"})), "destination_url"),
        (
            campaign(json!({"destination_url": "javascript:alert(1)"})),
            "destination_url",
        ),
        (
            campaign(json!({"destination_url": "http://10.0.0.1/"})),
            "destination_url",
        ),
        (
            campaign(json!({"destination_url": "http://2130706433/"})),
            "destination_url",
        ),
        (
            campaign(json!({"destination_url": "https://a@b.example/"})),
            "destination_url",
        ),
        (campaign(json!({"fallback_url": "ftp://a.example/"})), "fallback_url"),
        (campaign(json!({"utm": {"source": "{handle}"}})), "utm.source"),
        (campaign(json!({"utm": {"origin": "x"}})), "utm.origin"),
        (campaign(json!({"starts_at": "2026-01-01"})), "starts_at"),
        (
            campaign(json!({"starts_at": "2026-02-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"})),
            "ends_at",
        ),
        (
            campaign(json!({"attribution": {"window_days": 0}})),
            "attribution.window_days",
        ),
        (
            campaign(json!({"attribution": {"window_days": 1.5}})),
            "attribution.window_days",
        ),
        (
            campaign(json!({"attribution": {"conflict": "coin"}})),
            "attribution.conflict",
        ),
    ] {
        desk.refuses("/v1/campaigns", &body, field);
    }
    for (body, field) in [
        (json!({"name": "DEFAULT"}), "name"),
        (json!({"name": "b", "currency": "usd"}), "currency"),
        (json!({"name": "b", "currency": "XYZ"}), "currency"),
        (json!({"name": "b", "timezone": "Mars/Olympus"}), "timezone"),
    ] {
        desk.refuses("/v1/brands", &body, field);
    }
    // Its own address would be a loop.
    let own = format!("http://{}/x", desk.service.redirect());
    desk.refuses(
        "/v1/campaigns",
        &campaign(json!({"destination_url": own})),
        "destination_url",
    );
    assert_eq!(
        desk.api.get("/v1/influencers").expect(200)["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        desk.api.get("/v1/campaigns").expect(200)["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    desk.service.stop();
}

fn over(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

#[test]
fn wrong_fields_of_links_are_named() {
    let desk = Desk::open();
    let unknown = format!("lnk_{}", "0".repeat(10));
    for (more, field) in [
        (json!({"campaign_id": null}), "campaign_id"),
        (json!({"campaign_id": "cmp_"}), "campaign_id"),
        (json!({"campaign_id": unknown}), "campaign_id"),
        (json!({"influencer_id": desk.stage.campaign}), "influencer_id"),
        (json!({"influencer_id": "inf_000000000000"}), "influencer_id"),
        (json!({"slug": "ab"}), "slug"),
        (json!({"slug": "a b c"}), "slug"),
        (json!({"slug": "été"}), "slug"),
        (json!({"slug": "x".repeat(65)}), "slug"),
        (json!({"url": ""}), "url"),
        (json!({"url": "https://a.example/\n"}), "url"),
        (json!({"url": format!("https://a.example/{}", "x".repeat(2048))}), "url"),
        (json!({"platform": "Tik Tok"}), "platform"),
        (json!({"post": "p"}), "platform"),
        (
            json!({"post": "p", "post_id": "pst_000000000000", "platform": "x"}),
            "post",
        ),
        (json!({"post_id": "pst_000000000000"}), "post_id"),
        (json!({"expires_at": "tomorrow"}), "expires_at"),
        (json!({"paused": "yes"}), "paused"),
        (json!({"forward_query": 1}), "forward_query"),
        (json!({"utm": {"source": "{"}}), "utm.source"),
        (json!({"brand_id": "x"}), "brand_id"),
        (json!({"id": "x"}), "id"),
    ] {
        desk.refuses("/v1/links", &desk.stage.link(&more), field);
    }
    let link = desk.api.link(&desk.stage, &json!({}));
    let path = format!("/v1/links/{}", id(&link));
    for (body, field) in [
        (json!({"slug": "other"}), "slug"),
        (json!({"campaign_id": desk.stage.campaign}), "campaign_id"),
        (json!({"paused": null}), "paused"),
        (json!({"url": "http://localhost/"}), "url"),
        (json!({"platform": ""}), "platform"),
    ] {
        assert_eq!(problem(&desk.api.patch(&path, &body), 422), [field], "{body}");
    }
    assert_eq!(desk.api.get(&path).expect(200), link, "nothing of it was changed");
    assert_eq!(desk.service.count("linkledger_links_loaded"), 1);
    desk.service.stop();
}

#[test]
fn wrong_fields_of_conversions_are_named_and_never_journaled() {
    let desk = Desk::open();
    let sale = |more: Value| over(harness::api::sale("o", None, 100), more);
    let ids = vec!["x"; 11];
    for (body, fields) in [
        (json!({"external_id": "o"}), &["event"][..]),
        (json!({"event": "sale"}), &["external_id"]),
        (json!({"event": "sale", "external_id": "o"}), &["amount"]),
        (json!({"event": "renewal", "external_id": "o"}), &["amount"]),
        (sale(json!({"event": "purchase"})), &["event"]),
        (sale(json!({"event": "custom:"})), &["event"]),
        (sale(json!({"event": "custom:Big Sale"})), &["event"]),
        (sale(json!({"external_id": ""})), &["external_id"]),
        (sale(json!({"external_id": 7})), &["external_id"]),
        (sale(json!({"external_id": "x".repeat(256)})), &["external_id"]),
        (sale(json!({"click_id": 7})), &["click_id"]),
        (sale(json!({"click_id": "x", "click_ids": ["y"]})), &["click_id"]),
        (sale(json!({"click_ids": ids})), &["click_ids"]),
        (sale(json!({"amount": 100})), &["amount"]),
        (sale(json!({"amount": {"amount": 100}})), &["amount.currency"]),
        (
            sale(json!({"amount": {"amount": 1.5, "currency": "USD"}})),
            &["amount.amount"],
        ),
        (
            sale(json!({"amount": {"amount": "100", "currency": "USD"}})),
            &["amount.amount"],
        ),
        (
            sale(json!({"amount": {"amount": -1, "currency": "USD"}})),
            &["amount.amount"],
        ),
        (
            sale(json!({"amount": {"amount": 1, "currency": "BTC"}})),
            &["amount.currency"],
        ),
        (
            sale(json!({"gross_amount": {"amount": 99, "currency": "USD"}})),
            &["gross_amount.amount"],
        ),
        (
            sale(json!({"gross_amount": {"amount": 200, "currency": "EUR"}})),
            &["gross_amount.currency"],
        ),
        (sale(json!({"customer_email": "nobody"})), &["customer_email"]),
        (sale(json!({"quantity": -1})), &["quantity"]),
        (sale(json!({"new_customer": "yes"})), &["new_customer"]),
        (sale(json!({"occurred_at": "1999-12-31T23:59:59Z"})), &["occurred_at"]),
        (sale(json!({"occurred_at": "9999-01-01T00:00:00Z"})), &["occurred_at"]),
        (sale(json!({"promo_codes": [7]})), &["promo_codes[0]"]),
        (sale(json!({"commission": 1})), &["commission"]),
        // All that is wrong in what it says is told at once.
        (
            sale(
                json!({"click_ids": ids, "amount": {"amount": -1, "currency": "USD"}, "occurred_at": "1999-01-01T00:00:00Z"}),
            ),
            &["click_ids", "amount.amount", "occurred_at"],
        ),
    ] {
        let answer = desk.api.post("/v1/conversions", &body);
        assert_eq!(problem(&answer, 422), fields, "{body}");
    }
    let all_wrong = json!([{"event": "sale"}, {"event": "lead"}]);
    let answer = desk.api.post("/v1/conversions", &all_wrong);
    assert_eq!(problem(&answer, 422), ["[0].external_id", "[1].external_id"]);
    let twice = r#"{"event":"lead","external_id":"a","external_id":"b"}"#;
    assert_eq!(
        problem(&desk.api.post_text("/v1/conversions", twice), 422),
        ["external_id"]
    );
    for wait in ["wait=soon", "wait=-1", "wait=1.5"] {
        let request = desk.api.request("POST", "/v1/conversions").header("Prefer", wait);
        problem(&desk.api.send(&request.json(&sale(json!({})))), 400);
    }
    // One that is right is counted, and nothing else was.
    let other_preference = desk
        .api
        .request("POST", "/v1/conversions")
        .header("Prefer", "respond-async, wait=\"30\"");
    desk.api.send(&other_preference.json(&sale(json!({})))).expect(200);
    assert_eq!(desk.service.books().number("SELECT COUNT(*) FROM conversions"), 1);
    assert_eq!(
        desk.service
            .books()
            .number("SELECT CAST(SUM(others) AS BIGINT) FROM journals"),
        1
    );
    desk.service.stop();
}
