//! Promo codes: minted, unique without regard to case, attributed beside clicks, and held where a person must decide.
#![allow(missing_docs, reason = "test names are the documentation")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

use harness::api::{Api, id, problem, sale, text};
use harness::shop::Shop;
use serde_json::{Value, json};

#[track_caller]
fn code(api: &Api, campaign: &str, influencer: &str, more: &Value) -> Value {
    let mut body = json!({"campaign_id": campaign, "influencer_id": influencer});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    api.post("/v1/promo-codes", &body).expect(201)
}

/// A sale that was counted: with codes, and a click where there is one.
#[track_caller]
fn sold(shop: &Shop, order: &str, click: Option<&str>, codes: &[&str]) -> Value {
    let mut body = sale(order, click, 1000);
    body["promo_codes"] = json!(codes);
    shop.api.convert(&body).expect(200)
}

#[test]
fn a_code_is_minted_from_the_handle_and_is_unique_in_any_case() {
    let shop = Shop::open();
    let (campaign, influencer) = (&shop.stage.campaign, &shop.stage.influencer);
    let first = code(&shop.api, campaign, influencer, &json!({"discount": {"percent": 10}}));
    assert_eq!(first["code"], "MIA10");
    assert_eq!(first["status"], "active");
    let second = code(&shop.api, campaign, influencer, &json!({"discount": {"percent": 10}}));
    assert_eq!(second["code"], "MIA10-2");
    let taken = json!({"campaign_id": campaign, "influencer_id": influencer, "code": "mia10"});
    assert_eq!(problem(&shop.api.post("/v1/promo-codes", &taken), 422), ["code"]);
    for (body, field) in [
        (json!({"code": "two words"}), "code"),
        (json!({"discount": {"percent": 101}}), "discount.percent"),
        (json!({"discount": {"percent": 1.5}}), "discount.percent"),
        (json!({"status": "sleeping"}), "status"),
        (json!({"expires_at": "tomorrow"}), "expires_at"),
        (json!({"colour": 1}), "colour"),
    ] {
        let mut body = body;
        body["campaign_id"] = campaign.as_str().into();
        body["influencer_id"] = influencer.as_str().into();
        assert_eq!(
            problem(&shop.api.post("/v1/promo-codes", &body), 422),
            [field],
            "{body}"
        );
    }
    shop.service.stop();
}

#[test]
fn a_code_earns_without_a_click_in_any_case_and_a_coupon_of_the_shop_does_not() {
    let shop = Shop::open();
    let made = code(
        &shop.api,
        &shop.stage.campaign,
        &shop.stage.influencer,
        &json!({"code": "Mia10"}),
    );
    let order = sold(&shop, "1", None, &["WELCOME", "MIA10"]);
    assert_eq!(order["state"], "attributed");
    assert_eq!(order["credits"][0]["promo_code_id"], made["id"]);
    assert_eq!(order["credits"][0]["link_id"], Value::Null);
    // Shops' own coupons may be anything, and none of them loses the sale.
    for (place, coupon) in ["WELCOME", "SUMMER SALE", "", &"x".repeat(300), "a\0b"]
        .iter()
        .enumerate()
    {
        let stored = sold(&shop, &format!("coupon {place}"), None, &[coupon]);
        assert_eq!(stored["reason"], "ordinary_coupon", "{coupon}");
    }

    let explained = shop
        .api
        .get(&format!("/v1/conversions/{}/explain", id(&order)))
        .expect(200);
    let verdicts: Vec<_> = explained["touchpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["verdict"].clone())
        .collect();
    assert_eq!(verdicts, ["ineligible", "credited"]);

    let by_code = shop.api.get("/v1/reports?by=promo_code").expect(200);
    assert_eq!(by_code["rows"][0]["label"]["promo_code"], "Mia10");
    assert_eq!(by_code["rows"][0]["sales"], 1);
    assert_eq!(by_code["rows"][0]["revenue"], 1000);
    shop.service.stop();
}

#[test]
fn a_code_typed_in_full_width_letters_and_digits_is_the_same_code() {
    let shop = Shop::open();
    let (campaign, influencer) = (&shop.stage.campaign, &shop.stage.influencer);
    let made = code(&shop.api, campaign, influencer, &json!({"code": "Mia10"}));
    let typed = "\u{ff2d}\u{ff49}\u{ff21}\u{ff11}\u{ff10}";
    let taken = json!({"campaign_id": campaign, "influencer_id": influencer, "code": typed});
    assert_eq!(problem(&shop.api.post("/v1/promo-codes", &taken), 422), ["code"]);
    let order = sold(&shop, "1", None, &[typed, "mia10"]);
    assert_eq!(order["credits"][0]["promo_code_id"], made["id"]);
    let explained = shop
        .api
        .get(&format!("/v1/conversions/{}/explain", id(&order)))
        .expect(200);
    assert_eq!(explained["touchpoints"][1]["reason"], "repeated");
    shop.service.stop();
}

#[test]
fn code_against_click_is_decided_by_the_campaign_and_one_influencer_s_both_are_one_credit() {
    let shop = Shop::open();
    let mine = code(
        &shop.api,
        &shop.stage.campaign,
        &shop.stage.influencer,
        &json!({"code": "MIA"}),
    );
    let tom = shop.api.influencer("tom");
    code(&shop.api, &shop.stage.campaign, &tom, &json!({"code": "TOM"}));

    let both = sold(&shop, "both", Some(&shop.click()), &["mia"]);
    assert_eq!(both["credits"].as_array().unwrap().len(), 1);
    assert_eq!(both["credits"][0]["link_id"], shop.link.as_str());
    assert_eq!(both["credits"][0]["promo_code_id"], mine["id"]);

    let contested = sold(&shop, "code wins", Some(&shop.click()), &["TOM"]);
    assert_eq!(contested["credits"][0]["influencer_id"], tom.as_str());
    let rule = json!({"attribution": {"window_days": 30, "conflict": "link_wins"}});
    shop.api
        .patch(&format!("/v1/campaigns/{}", shop.stage.campaign), &rule)
        .expect(200);
    let contested = sold(&shop, "link wins", Some(&shop.click()), &["TOM"]);
    assert_eq!(contested["credits"][0]["influencer_id"], shop.stage.influencer.as_str());
    shop.service.stop();
}

#[test]
fn retired_expired_and_archived_codes_say_so_and_one_under_review_holds_the_sale() {
    let shop = Shop::open();
    let made = code(
        &shop.api,
        &shop.stage.campaign,
        &shop.stage.influencer,
        &json!({"code": "MIA"}),
    );
    let path = format!("/v1/promo-codes/{}", id(&made));
    let change = |body: Value| shop.api.patch(&path, &body).expect(200);

    change(json!({"status": "review"}));
    let held = sold(&shop, "held", None, &["MIA"]);
    assert_eq!(
        (held["state"].clone(), held["reason"].clone()),
        (json!("held"), json!("code_in_review"))
    );
    let total = shop.api.get("/v1/reports?by=total").expect(200);
    assert_eq!(total["total"]["sales"], 0, "a held sale does not count");

    change(json!({"status": "retired"}));
    assert_eq!(sold(&shop, "retired", None, &["MIA"])["reason"], "code_retired");
    change(json!({"status": "active", "expires_at": "2020-01-01T00:00:00Z"}));
    assert_eq!(sold(&shop, "expired", None, &["MIA"])["reason"], "code_expired");
    change(json!({"expires_at": null}));
    assert_eq!(sold(&shop, "again", None, &["MIA"])["state"], "attributed");
    shop.api.delete(&path).expect(204);
    assert_eq!(sold(&shop, "archived", None, &["MIA"])["reason"], "code_retired");
    shop.service.stop();
}

#[test]
fn an_influencer_who_buys_through_her_own_link_or_code_is_held() {
    let shop = Shop::open();
    let path = format!("/v1/influencers/{}", shop.stage.influencer);
    shop.api
        .patch(&path, &json!({"email": "Mia+shop@Example.com"}))
        .expect(200);
    let mut body = sale("own", Some(&shop.click()), 1000);
    body["customer_email"] = json!("mia@example.COM");
    let held = shop.api.convert(&body).expect(200);
    assert_eq!(
        (text(&held, "state"), text(&held, "reason")),
        ("held".to_owned(), "self_referral".to_owned())
    );
    let mut body = sale("another's", Some(&shop.click()), 1000);
    body["customer_email"] = json!("ann@example.com");
    assert_eq!(shop.api.convert(&body).expect(200)["state"], "attributed");
    shop.service.stop();
}
