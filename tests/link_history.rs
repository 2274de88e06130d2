//! What became of a link, by which key, newest first.

mod harness;

use harness::api::{id, problem, text};
use harness::shop::Shop;
use serde_json::{Value, json};

/// Every entry of a link's history, in pages of this size.
fn history(shop: &Shop, limit: usize) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/links/{}/history?limit={limit}{cursor}", shop.link);
        let page = shop.api.get(&path).expect(200);
        let data = page["data"].as_array().expect("data").clone();
        assert!(data.len() <= limit);
        entries.extend(data);
        let Some(next) = page["next_cursor"].as_str() else {
            return entries;
        };
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn every_change_of_a_link_is_told_with_its_key_and_what_changed() {
    let shop = Shop::open();
    let path = format!("/v1/links/{}", shop.link);
    let keys = shop.api.get("/v1/keys").expect(200);
    let operator = id(&keys["data"][0]);
    let made = shop
        .api
        .post("/v1/keys", &json!({"name": "admin", "role": "admin"}))
        .expect(201);
    let admin = shop.api.with_key(&text(&made, "key"));

    shop.api.patch(&path, &json!({"paused": true})).expect(200);
    // What changes nothing is no entry.
    for same in [
        json!({}),
        json!({"paused": true}),
        json!({"utm": {}}),
        json!({"url": null}),
    ] {
        shop.api.patch(&path, &same).expect(200);
    }
    let moved = json!({"url": "https://elsewhere.example/", "paused": false});
    admin.patch(&path, &moved).expect(200);
    problem(&shop.api.patch(&path, &json!({"url": "nowhere"})), 422);
    // A campaign moves what follows it, and this link has a destination of its own.
    let campaign = format!("/v1/campaigns/{}", shop.stage.campaign);
    shop.api
        .patch(&campaign, &json!({"destination_url": "https://new.example/"}))
        .expect(200);
    shop.api.patch(&path, &json!({"url": null})).expect(200);
    shop.api
        .patch(&campaign, &json!({"destination_url": "https://newer.example/"}))
        .expect(200);
    shop.api
        .patch(&campaign, &json!({"fallback_url": "https://fallback.example/"}))
        .expect(200);
    for _ in 0..2 {
        admin.delete(&path).expect(204);
    }

    let told = history(&shop, 50);
    let brief: Vec<_> = told
        .iter()
        .map(|entry| (text(entry, "action"), entry["key_id"].clone()))
        .collect();
    let (operator, admin) = (json!(operator), made["id"].clone());
    let expected = [
        ("archived", admin.clone()),
        ("moved", Value::Null),
        ("updated", operator.clone()),
        ("updated", admin),
        ("updated", operator.clone()),
        ("created", operator),
    ];
    assert_eq!(brief, expected.map(|(action, key)| (action.to_owned(), key)));
    let archived_at = shop.api.get(&path).expect(200)["archived_at"].clone();
    let changes: Vec<_> = told.iter().map(|entry| entry["changes"].clone()).collect();
    assert_eq!(changes[0], json!({"archived_at": {"from": null, "to": archived_at}}));
    assert_eq!(told[0]["at"], archived_at);
    assert_eq!(
        changes[1],
        json!({"final_url": {"from": "https://new.example/", "to": "https://newer.example/"}})
    );
    assert_eq!(
        changes[2],
        json!({
            "url": {"from": "https://elsewhere.example/", "to": null},
            "final_url": {"from": "https://elsewhere.example/", "to": "https://new.example/"},
        })
    );
    assert_eq!(changes[3]["paused"], json!({"from": true, "to": false}));
    assert_eq!(
        changes[3]["url"],
        json!({"from": null, "to": "https://elsewhere.example/"})
    );
    assert_eq!(changes[4], json!({"paused": {"from": false, "to": true}}));
    assert_eq!(changes[5], json!({}));
    for limit in [1, 2, 5, 6, 7] {
        assert_eq!(history(&shop, limit), told, "pages of {limit}");
    }
    shop.service.stop();
}

#[test]
fn a_history_is_its_brand_s_own_and_takes_no_other_parameters() {
    let shop = Shop::open();
    let path = format!("/v1/links/{}/history", shop.link);
    assert_eq!(
        problem(&shop.api.get(&format!("{path}?archived=true")), 400),
        ["archived"]
    );
    assert_eq!(problem(&shop.api.get(&format!("{path}?cursor=x")), 400), ["cursor"]);
    problem(&shop.api.get("/v1/links/lnk_0000000000/history"), 404);
    shop.api.post("/v1/brands", &json!({"name": "Other"})).expect(201);
    problem(&shop.api.for_brand("Other").get(&path), 404);
    // Links of a bulk begin their histories, too; a refused entry has none.
    let bulk = json!({"links": [shop.stage.link(&json!({})), {"colour": 1}, shop.stage.link(&json!({}))]});
    shop.api.post("/v1/links/bulk", &bulk).expect(200);
    let books = shop.service.books();
    assert_eq!(
        books.number("SELECT COUNT(*) FROM link_history WHERE action = 'created'"),
        3
    );
    shop.service.stop();
}
