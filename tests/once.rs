//! `Idempotency-Key`: what was sent twice was made once, and both are told the same.

mod harness;

use harness::api::{Api, Stage, id, problem, text};
use harness::desk::Desk;
use harness::http::{Answer, Request};
use harness::service::Service;
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use serde_json::{Value, json};

fn keyed(api: &Api, path: &str, key: &str, body: &Value) -> Request {
    api.request("POST", path).header("Idempotency-Key", key).json(body)
}

#[track_caller]
fn once(api: &Api, path: &str, key: &str, body: &Value) -> Answer {
    api.send(&keyed(api, path, key, body))
}

/// One creation of every kind, with what it is answered by.
fn creations(stage: &Stage) -> Vec<(&'static str, Value, u16)> {
    let of = |more: Value| stage.link(&more);
    vec![
        ("/v1/brands", json!({"name": "Second"}), 201),
        ("/v1/keys", json!({"name": "shop", "role": "ingest"}), 201),
        (
            "/v1/influencers",
            json!({"handle": "zoe", "name": "Zoe", "tags": ["é", "\u{1f600}"]}),
            201,
        ),
        (
            "/v1/campaigns",
            json!({"name": "Autumn", "destination_url": "https://a.example/?b=c"}),
            201,
        ),
        ("/v1/posts", of(json!({"platform": "tiktok", "label": "clip"})), 201),
        ("/v1/links", of(json!({"platform": "tiktok", "post": "another"})), 201),
        (
            "/v1/links/bulk",
            json!({"links": [of(json!({})), {"colour": 1}, of(json!({"slug": "xyz"}))]}),
            200,
        ),
        ("/v1/promo-codes", of(json!({"discount": {"percent": 10}})), 201),
    ]
}

#[test]
fn a_repeat_creates_nothing_and_gets_the_first_answer_word_for_word() {
    let desk = Desk::open();
    for (path, body, status) in creations(&desk.stage) {
        let first = once(&desk.api, path, "the key", &body);
        first.expect(status);
        let head = desk.service.books().number("SELECT seq FROM feed");
        for _ in 0..3 {
            let again = once(&desk.api, path, "the key", &body);
            assert_eq!((again.status, again.text()), (first.status, first.text()), "{path}");
            assert_eq!(again.header("content-type"), first.header("content-type"));
        }
        assert_eq!(
            desk.service.books().number("SELECT seq FROM feed"),
            head,
            "{path} wrote again"
        );
        // Under another key it is another creation, and a taken name is taken.
        let other = once(&desk.api, path, "another key", &body);
        let named = matches!(path, "/v1/brands" | "/v1/influencers" | "/v1/posts");
        assert_eq!(
            other.status,
            if named { 422 } else { status },
            "{path}: {}",
            other.text()
        );
        assert_ne!(other.text(), first.text(), "{path}");
    }
    desk.service.stop();
}

#[test]
fn what_was_right_at_first_is_answered_again_when_it_would_be_wrong_by_now() {
    let desk = Desk::open();
    let body = desk.stage.link(&json!({"slug": "summer"}));
    let first = once(&desk.api, "/v1/links", "k", &body).expect(201);
    desk.api
        .patch(&format!("/v1/links/{}", id(&first)), &json!({"paused": true}))
        .expect(200);
    desk.api
        .delete(&format!("/v1/campaigns/{}", desk.stage.campaign))
        .expect(204);
    assert_eq!(once(&desk.api, "/v1/links", "k", &body).expect(201), first);
    desk.service.stop();
}

#[test]
fn the_same_key_with_another_body_or_for_another_brand_is_refused_and_elsewhere_it_is_another_key() {
    let desk = Desk::open();
    let api = &desk.api;
    let body = json!({"handle": "zoe", "name": "Zoe"});
    once(api, "/v1/influencers", "k", &body).expect(201);
    let other = json!({"handle": "zoe", "name": "Zoë"});
    assert_eq!(
        problem(&once(api, "/v1/influencers", "k", &other), 422),
        ["Idempotency-Key"]
    );
    // Another address, and another API key.
    once(
        api,
        "/v1/campaigns",
        "k",
        &json!({"name": "n", "destination_url": "https://a.example/"}),
    )
    .expect(201);
    let admin = api.with_key(&api.make_key("admin"));
    assert_eq!(problem(&once(&admin, "/v1/influencers", "k", &body), 422), ["handle"]);
    // An operator who acts for another brand is not told this brand's answer.
    api.post("/v1/brands", &json!({"name": "Other"})).expect(201);
    let elsewhere = api.for_brand("Other");
    assert_eq!(
        problem(&once(&elsewhere, "/v1/influencers", "k", &body), 422),
        ["Idempotency-Key"]
    );
    once(&elsewhere, "/v1/influencers", "k2", &body).expect(201);
    desk.service.stop();
}

#[test]
fn what_was_refused_keeps_nothing_and_may_be_put_right() {
    let desk = Desk::open();
    let wrong = json!({"handle": "mia", "name": "Mia"});
    assert_eq!(
        problem(&once(&desk.api, "/v1/influencers", "k", &wrong), 422),
        ["handle"]
    );
    let unknown = desk.stage.link(&json!({"post": "p", "platform": "x", "slug": "!"}));
    problem(&once(&desk.api, "/v1/links", "k", &unknown), 422);
    let late = desk
        .stage
        .link(&json!({"post": "p", "platform": "x", "influencer_id": "inf_000000000000"}));
    problem(&once(&desk.api, "/v1/links", "k", &late), 422);
    assert_eq!(desk.service.books().number("SELECT COUNT(*) FROM kept_answers"), 0);
    once(
        &desk.api,
        "/v1/influencers",
        "k",
        &json!({"handle": "mia2", "name": "Mia"}),
    )
    .expect(201);
    once(&desk.api, "/v1/links", "k", &desk.stage.link(&json!({}))).expect(201);
    desk.service.stop();
}

#[test]
fn a_key_that_cannot_be_used_is_400_and_names_the_header() {
    let desk = Desk::open();
    let body = json!({"handle": "zoe", "name": "Zoe"});
    for key in ["", &"x".repeat(256), "a\tb", &"ä".repeat(256)] {
        let refused = once(&desk.api, "/v1/influencers", key, &body);
        assert_eq!(problem(&refused, 400), ["Idempotency-Key"], "{key:?}");
    }
    let twice = keyed(&desk.api, "/v1/influencers", "a", &body).header("Idempotency-Key", "b");
    assert_eq!(problem(&desk.api.send(&twice), 400), ["Idempotency-Key"]);
    for (place, key) in ["x".repeat(255), "ä".repeat(255)].iter().enumerate() {
        let body = json!({"handle": format!("zoe{place}"), "name": "Zoe"});
        once(&desk.api, "/v1/influencers", key, &body).expect(201);
    }
    // Conversions have an identity of their own: there the header means nothing.
    let lead = json!({"event": "lead", "external_id": "l"});
    once(&desk.api, "/v1/conversions", &"x".repeat(256), &lead).expect(202);
    desk.service.stop();
}

#[test]
fn of_many_who_send_the_same_at_once_one_creates_and_all_are_told_the_same() {
    let desk = Desk::open();
    for (path, body, status) in creations(&desk.stage) {
        let texts: Vec<String> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..12)
                .map(|_| scope.spawn(|| once(&desk.api, path, "race", &body)))
                .collect();
            let answers = clients.into_iter().map(|client| client.join().expect("a client"));
            answers
                .map(|answer| {
                    answer.expect(status);
                    answer.text()
                })
                .collect()
        });
        assert!(texts.iter().all(|text| *text == texts[0]), "{path}: {texts:?}");
    }
    let books = desk.service.books();
    assert_eq!(books.number("SELECT COUNT(*) FROM kept_answers"), 8);
    assert_eq!(books.number("SELECT COUNT(*) FROM links"), 3);
    assert_eq!(books.number("SELECT COUNT(*) FROM promo_codes"), 1);
    desk.service.stop();
}

#[test]
fn an_answer_counts_for_a_day_to_the_millisecond_and_is_then_forgotten() {
    let at = |text: &str| Instant::parse(text).expect("an instant");
    let clock = Clock::fixed(at("2026-03-01T12:00:00Z"));
    let service = Service::start_with(|setup| setup.clock(&clock));
    let api = service.api();
    let stage = api.stage();
    let (link, key) = (stage.link(&json!({})), json!({"name": "k"}));
    let first = once(&api, "/v1/links", "k", &link).expect(201);
    let first_key = once(&api, "/v1/keys", "k", &key).expect(201);
    clock.set(at("2026-03-02T11:59:59.999Z"));
    assert_eq!(once(&api, "/v1/links", "k", &link).expect(201), first);
    assert_eq!(once(&api, "/v1/keys", "k", &key).expect(201), first_key);
    clock.set(at("2026-03-02T12:00:00Z"));
    assert_ne!(id(&once(&api, "/v1/links", "k", &link).expect(201)), id(&first));
    let second_key = once(&api, "/v1/keys", "k", &key).expect(201);
    assert_ne!(text(&second_key, "key"), text(&first_key, "key"));
    assert_eq!(service.books().number("SELECT COUNT(*) FROM kept_answers"), 2);
    service.stop();
}

#[test]
fn a_repeated_key_is_shown_again_works_and_lies_nowhere() {
    let desk = Desk::open();
    let made = once(&desk.api, "/v1/keys", "k", &json!({"name": "shop", "role": "admin"})).expect(201);
    let key = text(&made, "key");
    assert!(key.starts_with("llk_") && key.len() == 44, "{key}");
    let again = once(&desk.api, "/v1/keys", "k", &json!({"name": "shop", "role": "admin"})).expect(201);
    assert_eq!(text(&again, "key"), key);
    desk.api.with_key(&key).get("/v1/links").expect(200);
    // Under other words it is another key.
    let other = once(&desk.api, "/v1/keys", "k2", &json!({"name": "shop", "role": "admin"})).expect(201);
    assert_ne!(text(&other, "key"), key);
    for kept in desk.service.books().texts("SELECT answer FROM kept_answers") {
        assert!(!kept.contains(&key), "{kept}");
    }
    desk.service.stop();
}
