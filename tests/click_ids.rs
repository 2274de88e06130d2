//! A click id carries everything that an order needs, at once and unaltered; anything else is
//! stored with its reason, and no sale is lost.

mod harness;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use harness::api::{Api, Stage, id, sale, slug, text};
use harness::directory;
use harness::service::{Service, Setup};
use serde_json::{Value, json};

/// A service with one link.
struct Shop {
    service: Service,
    api: Api,
    stage: Stage,
    slug: String,
    link: String,
}

impl Shop {
    fn open() -> Self {
        let service = Service::start();
        let api = service.api();
        let stage = api.stage();
        let link = api.link(&stage, &json!({}));
        Self {
            slug: slug(&link),
            link: id(&link),
            service,
            api,
            stage,
        }
    }

    fn click(&self) -> String {
        self.service.visit(&self.slug).click_id()
    }

    fn credit(&self) -> Value {
        credit(&self.stage, &self.link)
    }

    /// A sale with this click id is stored, uncredited, for this reason.
    #[track_caller]
    fn refuses(&self, order: &str, click_id: &str, reason: &str) {
        let stored = self.api.convert(&sale(order, Some(click_id), 500)).expect(200);
        assert_eq!(stored["state"], "unattributed", "{click_id}");
        assert_eq!(stored["reason"], reason, "{click_id}");
        assert_eq!(stored["credits"], json!([]), "{click_id}");
        assert_eq!(
            stored["amount"],
            json!({"amount": 500, "currency": "USD"}),
            "{click_id}"
        );
    }
}

fn credit(stage: &Stage, link: &str) -> Value {
    json!([{
        "influencer_id": stage.influencer, "campaign_id": stage.campaign, "link_id": link,
        "promo_code_id": null, "share_bps": 10_000, "commission": null,
    }])
}

#[test]
fn a_click_is_attributed_before_the_store_has_heard_of_it() {
    let home = directory();
    let dir = home.path().join("data");
    let service = Setup::in_directory(&dir).roles("redirect,api").start();
    let api = service.api();
    let stage = api.stage();
    let link = api.link(&stage, &json!({}));
    let click_id = service.visit(&slug(&link)).click_id();
    // Nobody commits in this process: the promise stands although the outcome must wait.
    let waited = api.send(
        &api.request("POST", "/v1/conversions")
            .header("Prefer", "wait=1")
            .json(&sale("early", Some(&click_id), 1999)),
    );
    let accepted = waited.expect(202);
    assert_eq!(accepted["state"], "accepted");
    assert_eq!(service.books().clicks(), 0);
    assert_eq!(service.books().number("SELECT COUNT(*) FROM conversions"), 0);
    service.stop();

    // The API's journal alone reaches the store: the click itself is still to come.
    let hidden = home.path().join("hidden");
    hide_redirect_journals(&dir, &hidden);
    let service = Setup::in_directory(&dir).start();
    let path = format!("/v1/conversions/{}", id(&accepted));
    let attributed = |service: &Service| {
        let answer = service.api().get(&path);
        (answer.status == 200).then(|| answer.json())
    };
    let found = harness::wait_for("the conversion is counted", || attributed(&service));
    assert_eq!(
        service.books().clicks(),
        0,
        "the click must not have been committed yet"
    );
    assert_eq!(
        (&found["state"], &found["reason"]),
        (&json!("attributed"), &Value::Null)
    );
    assert_eq!(found["credits"], credit(&stage, &id(&link)));
    service.stop();

    // The click arrives; nothing changes about the credit.
    for entry in std::fs::read_dir(&hidden).expect("hidden journals") {
        let entry = entry.expect("a journal");
        std::fs::rename(entry.path(), dir.join("journals").join(entry.file_name())).expect("a journal comes back");
    }
    let service = Setup::in_directory(&dir).start();
    service.wait_for_clicks(1);
    assert_eq!(service.books().clicks(), 1);
    assert_eq!(attributed(&service), Some(found));
    service.stop();
}

/// Moves the journals of clicks out of sight, as if another node still held them.
fn hide_redirect_journals(dir: &std::path::Path, hidden: &std::path::Path) {
    use linkledger::journal::{Purpose, discover};
    std::fs::create_dir(hidden).expect("a directory");
    for entry in discover(&dir.join("journals")).expect("journals") {
        if entry.header.expect("a header").purpose == Purpose::Redirect {
            let name = entry.dir.file_name().expect("a name");
            std::fs::rename(&entry.dir, hidden.join(name)).expect("a journal moves");
        }
    }
}

#[test]
fn a_click_is_attributed_at_once_and_after_it_was_committed() {
    let shop = Shop::open();
    let mut ids = Vec::new();
    for number in 0..50 {
        let click_id = shop.click();
        let stored = shop
            .api
            .convert(&sale(&format!("at-once-{number}"), Some(&click_id), 1000))
            .expect(200);
        assert_eq!(stored["state"], "attributed", "{stored}");
        assert_eq!(stored["credits"], shop.credit());
        ids.push(click_id);
    }
    shop.service.wait_for_clicks(50);
    for (number, click_id) in ids.iter().enumerate() {
        let stored = shop
            .api
            .convert(&sale(&format!("later-{number}"), Some(click_id), 1000))
            .expect(200);
        assert_eq!(stored["state"], "attributed", "{stored}");
        assert_eq!(stored["credits"], shop.credit());
    }
    shop.service.stop();
}

#[test]
fn a_click_id_changed_at_any_place_is_known_and_the_sale_kept() {
    let shop = Shop::open();
    let genuine = shop.click();
    assert_eq!(genuine.len(), 40);
    let mut reasons = BTreeSet::new();
    for place in 0..genuine.len() {
        let mut bytes = URL_SAFE_NO_PAD.decode(&genuine).expect("base 64");
        // One bit of the six that this character stands for.
        bytes[place * 6 / 8] ^= 0x80 >> (place * 6 % 8);
        let changed = URL_SAFE_NO_PAD.encode(&bytes);
        assert_eq!(changed.bytes().zip(genuine.bytes()).filter(|(a, b)| a != b).count(), 1);
        let reason = reason_of_bit(place * 6);
        reasons.insert(reason);
        shop.refuses(&format!("tampered-{place}"), &changed, reason);
    }
    assert_eq!(reasons.len(), 3);
    let report = shop.api.get("/v1/reports?by=total").expect(200);
    assert_eq!(report["total"]["unattributed_conversions"], 40);
    assert_eq!(report["total"]["unattributed_revenue"], 40 * 500);
    shop.service.stop();
}

/// Bits 0 to 3 are the version, 4 to 7 the link's state, 8 to 15 the key.
fn reason_of_bit(bit: usize) -> &'static str {
    match bit {
        0..4 => "click_id_malformed",
        8..16 => "click_id_foreign",
        _ => "click_id_tampered",
    }
}

#[test]
fn a_click_id_in_any_other_spelling_is_refused_and_the_sale_kept() {
    let shop = Shop::open();
    // Draw until the id holds what the other alphabet writes otherwise.
    let genuine = std::iter::repeat_with(|| shop.click())
        .find(|id| id.contains('-') && id.contains('_'))
        .expect("ids never run out");
    let bytes = URL_SAFE_NO_PAD.decode(&genuine).expect("base 64");
    let percent: String = genuine.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let spellings = [
        ("cut at the end", genuine[..39].to_owned()),
        ("cut at the start", genuine[1..].to_owned()),
        ("cut to half", genuine[..20].to_owned()),
        ("empty", String::new()),
        ("percent", percent),
        ("half percent", genuine.replace('-', "%2D").replace('_', "%5F")),
        ("standard", STANDARD_NO_PAD.encode(&bytes)),
        ("standard, padded", format!("{}=", STANDARD.encode(&bytes))),
        ("padded", format!("{genuine}=")),
        ("quoted", format!("\"{genuine}\"")),
        ("a space before", format!(" {genuine}")),
        ("a line after", format!("{genuine}\n")),
        ("twice", format!("{genuine}{genuine}")),
        ("with its name", format!("ll_click={genuine}")),
        ("hexadecimal", hex),
        ("a long text", "x".repeat(100_000)),
        ("not ASCII", "é".repeat(20)),
    ];
    for (name, spelling) in &spellings {
        shop.refuses(name, spelling, "click_id_malformed");
    }
    // Letters in the other case are other bits: what they say first decides.
    for changed in [genuine.to_lowercase(), genuine.to_uppercase()] {
        let stored = shop.api.convert(&sale(&changed, Some(&changed), 500)).expect(200);
        assert_eq!(stored["state"], "unattributed");
        let reason = text(&stored, "reason");
        assert!(reason == "click_id_malformed" || reason == "click_id_foreign" || reason == "click_id_tampered");
    }
    let again = shop.api.convert(&sale("as it came", Some(&genuine), 500)).expect(200);
    assert_eq!(again["state"], "attributed");
    shop.service.stop();
}

#[test]
fn a_click_id_of_another_installation_or_brand_is_foreign() {
    let (shop, other) = (Shop::open(), Shop::open());
    let key = |dir: &std::path::Path| {
        let secret = std::fs::read_to_string(dir.join("secret")).expect("a secret");
        linkledger::domain::secret::Secrets::parse(secret.trim()).expect("a secret")
    };
    assert_ne!(
        key(&shop.service.dir).signing().derive("test"),
        key(&other.service.dir).signing().derive("test")
    );
    let foreign = other.click();
    // One in 256 installations has the same key id by chance; then the signature tells.
    let same_key_id = URL_SAFE_NO_PAD.decode(&foreign).expect("base 64")[1]
        == URL_SAFE_NO_PAD.decode(shop.click()).expect("base 64")[1];
    let reason = if same_key_id {
        "click_id_tampered"
    } else {
        "click_id_foreign"
    };
    shop.refuses("from elsewhere", &foreign, reason);

    shop.api.post("/v1/brands", &json!({"name": "Sister"})).expect(201);
    let sister = shop.api.for_brand("sister");
    let stored = sister
        .convert(&sale("from the sister", Some(&shop.click()), 500))
        .expect(200);
    assert_eq!(
        (&stored["state"], &stored["reason"]),
        (&json!("unattributed"), &json!("click_id_foreign"))
    );
    // Explaining it must not tell one brand about the other's links.
    let explained = sister
        .get(&format!("/v1/conversions/{}/explain", id(&stored)))
        .expect(200);
    assert!(!explained.to_string().contains(&shop.link), "{explained}");
    assert_eq!(
        sister.get("/v1/reports?by=total").expect(200)["total"]["unattributed_conversions"],
        1
    );
    assert_eq!(
        shop.api.get("/v1/reports?by=total").expect(200)["total"]["unattributed_conversions"],
        1
    );
    other.service.stop();
    shop.service.stop();
}

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
