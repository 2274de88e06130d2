//! A click id carries everything that an order needs, at once and unaltered; anything else is
//! stored with its reason, and no sale is lost.

mod harness;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use harness::api::{id, sale, slug, text};
use harness::directory;
use harness::service::{Service, Setup};
use harness::shop::{Shop, credit};
use serde_json::{Value, json};

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
