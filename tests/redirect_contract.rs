//! What visitors, crawlers and forgers get from the redirect listener.

mod harness;

use harness::api::{id, sale, slug, text};
use harness::http::{Answer, Connection, Request, visit};
use harness::service::Service;
use harness::{directory, files, random_below};
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use serde_json::{Value, json};

/// The Location with the click id replaced by `ID`.
#[track_caller]
fn location(answer: &Answer) -> String {
    answer.location().replace(&answer.click_id(), "ID")
}

#[test]
fn the_location_is_the_destination_the_utm_the_visitor_s_query_and_the_click_id() {
    let service = Service::start();
    let api = service.api();
    let mut stage = api.stage();
    stage.campaign = api.campaign(&json!({
        "name": "Summer Sale",
        "destination_url": "https://shop.example.com:8443/p%20q/ä?size=M&utm_source=old&LL_Click=planted#reviews?x=1",
        "utm": {"source": "{platform}", "medium": "influencer", "campaign": "{campaign}", "content": "{influencer}-{post}"},
    }));
    let link = api.link(
        &stage,
        &json!({"slug": "summer1", "platform": "Instagram", "post": "Reel #1", "utm": {"term": "a b&c", "medium": ""}}),
    );
    let base = "https://shop.example.com:8443/p%20q/%C3%A4?size=M";
    let utm = "&utm_source=instagram&utm_campaign=Summer%20Sale&utm_term=a%20b%26c&utm_content=mia-Reel%20%231";
    let rest = "&ll_click=ID#reviews?x=1";
    let whole = |forwarded: &str| format!("{base}{utm}{forwarded}{rest}");
    for (query, forwarded) in [
        ("", ""),
        ("?", ""),
        ("?fbclid=1&gclid=a%2Fb+c", "&fbclid=1&gclid=a%2Fb+c"),
        // The destination and the minted UTM have these already.
        ("?size=XL&utm_source=x&utm%5Fcampaign=y&color=red", "&color=red"),
        ("?SIZE=L", "&SIZE=L"),
        // Forged click ids, plain, encoded, in another case, twice.
        ("?ll_click=forged&a=1", "&a=1"),
        ("?%6c%6C_click=forged&LL_CLICK=forged&ll%5Fclick=forged&ll_click", ""),
        // What would split a header or start another address stays what it is: text in a query.
        ("?x=%0d%0aSet-Cookie:%20a=b", "&x=%0d%0aSet-Cookie:%20a=b"),
        ("?redir_url=https://evil.example/", "&redir_url=https://evil.example/"),
        (
            "?url=//evil.example&@evil.example/=1",
            "&url=//evil.example&@evil.example/=1",
        ),
        ("?https://evil.example", "&https://evil.example"),
        ("?a=1#b", "&a=1"),
    ] {
        let answer = service.visit(&format!("summer1{query}"));
        assert_eq!(location(&answer), whole(forwarded), "{query}");
    }
    assert_eq!(
        text(&link, "final_url"),
        format!("{base}&LL_Click=planted{utm}#reviews?x=1")
    );

    api.patch(&format!("/v1/links/{}", id(&link)), &json!({"forward_query": false}))
        .expect(200);
    assert_eq!(location(&service.visit("summer1?fbclid=1")), whole(""));
    service.stop();
}

#[test]
fn a_302_is_empty_uncached_and_unindexed_and_its_connection_lives_on() {
    let service = Service::start();
    let api = service.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    let mut connection = Connection::open(service.redirect()).expect("a connection");
    for method in ["GET", "HEAD", "GET"] {
        let mut request = visit(&slug);
        request.method = method;
        let answer = connection.exchange(&request).expect("an answer");
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        assert_eq!(answer.header("x-robots-tag"), Some("noindex"));
        assert_eq!(answer.header("content-length"), Some("0"));
        assert!(answer.body.is_empty() && !connection.closing);
        assert_eq!(answer.click_id().len(), 40);
    }
    // A slash at the end does no harm.
    service.visit(&format!("{slug}/")).location();
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = service.answer(&Request::new(method, format!("/{slug}")));
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
    }
    service.wait_for_clicks(4);
    assert_eq!(service.books().clicks(), 4, "a wrong method is no click");
    drop(connection);
    service.stop();
}

#[test]
fn prefetches_previews_and_heads_are_redirected_and_counted_apart() {
    let service = Service::start();
    let api = service.api();
    let link = api.link(&api.stage(), &json!({}));
    let slug = slug(&link);
    let machines = [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("Purpose", "Preview"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
    ];
    for (name, value) in machines {
        service.answer(&visit(&slug).header(name, value)).location();
    }
    let mut head = visit(&slug);
    head.method = "HEAD";
    let click_id = service.answer(&head).click_id();
    service.visit(&slug).location();
    // A missing Accept header alone makes no bot, and neither does a missing user agent.
    service
        .answer(&Request::get(format!("/{slug}")).header("User-Agent", "Mozilla/5.0 (iPhone)"))
        .location();
    service.wait_for_clicks(9);

    let row = api.get("/v1/reports?by=link").expect(200)["rows"][0].clone();
    assert_eq!(row["key"]["link"], id(&link));
    assert_eq!(
        (&row["clicks"], &row["bot_clicks"], &row["human_clicks"]),
        (&json!(9), &json!(7), &json!(2))
    );
    let reasons = service.books().texts("SELECT reason FROM clicks WHERE class <> 0");
    assert!(reasons.iter().all(|reason| !reason.is_empty()), "{reasons:?}");
    // A genuine click id is a touchpoint whatever the click's class.
    let stored = api.convert(&sale("after a HEAD", Some(&click_id), 100)).expect(200);
    assert_eq!(stored["state"], "attributed");
    service.stop();
}

#[test]
fn a_brand_may_name_its_click_parameter_or_have_none() {
    let service = Service::start();
    let api = service.api();
    let brand = id(&api
        .post("/v1/brands", &json!({"name": "Codes", "click_param": null}))
        .expect(201));
    let codes = api.for_brand(&brand);
    let mut stage = codes.stage();
    stage.campaign = codes.campaign(&json!({"name": "c", "destination_url": "https://a.example/?ll_click=own&ref=1"}));
    let slug = slug(&codes.link(&stage, &json!({})));
    let leads_to = |query: &str| service.visit(&format!("{slug}{query}")).location().to_owned();
    assert_eq!(leads_to("?x=1"), "https://a.example/?ll_click=own&ref=1&x=1");
    let rename = |name: Value| {
        api.patch(&format!("/v1/brands/{brand}"), &json!({"click_param": name}))
            .expect(200)
    };
    rename(json!("ref"));
    let renamed = leads_to("?REF=forged&x=1");
    assert!(
        renamed.starts_with("https://a.example/?ll_click=own&x=1&ref="),
        "{renamed}"
    );
    assert_eq!(renamed.rsplit('=').next().map(str::len), Some(40));
    rename(Value::Null);
    assert_eq!(leads_to("?x=1"), "https://a.example/?ll_click=own&ref=1&x=1");
    for wrong in ["9x", "a&b", "", "a b"] {
        let refused = api
            .patch(&format!("/v1/brands/{brand}"), &json!({"click_param": wrong}))
            .expect(422);
        assert_eq!(refused["errors"][0]["field"], "click_param", "{wrong}");
    }
    service.stop();
}

#[test]
fn an_exact_slug_wins_over_one_in_another_case() {
    let home = directory();
    let file = home.path().join("clicks.jsonl");
    // Only imports may keep slugs that differ by case alone; a replay imports.
    let line = |slug: &str| json!({"h": slug, "u": format!("https://a.example/{slug}")}).to_string();
    std::fs::write(&file, format!("{}\n{}\n", line("AbCd"), line("abCD"))).expect("a file");
    let dir = home.path().join("data");
    let replayed = harness::process::run(&dir, &["replay", file.to_str().expect("a path")]);
    assert!(replayed.status.success(), "{replayed:?}");

    let service = harness::service::Setup::in_directory(&dir).start();
    let leads_to = |slug: &str| location(&service.visit(slug));
    assert_eq!(leads_to("AbCd"), "https://a.example/AbCd?ll_click=ID");
    assert_eq!(leads_to("abCD"), "https://a.example/abCD?ll_click=ID");
    // Neither is meant exactly: the one that was made first, always the same.
    for slug in ["abcd", "ABCD", "aBcD"] {
        assert_eq!(leads_to(slug), "https://a.example/AbCd?ll_click=ID", "{slug}");
    }
    for unknown in ["abcde", "abc", "", "abcd/x", "%61bcd", &"x".repeat(5000)] {
        assert_eq!(service.visit(unknown).status, 404, "{unknown}");
    }
    service.stop();
}

#[test]
fn a_client_that_walks_unknown_slugs_is_slowed_down_but_never_kept_from_known_ones() {
    let service = Service::start();
    let api = service.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    let mut limited = 0;
    for walked in 0..200_u64 {
        let answer = service.visit(&format!("walked-{walked}-{}", random_below(1 << 40)));
        match answer.status {
            404 => assert!(answer.text().contains("No such link")),
            429 => {
                assert!(answer.header("retry-after").is_some());
                limited += 1;
            }
            other => panic!("{other}"),
        }
        assert_eq!(service.visit(&slug).status, 302);
    }
    // Sixty at once, and one more a second.
    assert!((1..=140).contains(&limited), "{limited} of 200 were limited");
    assert_eq!(
        service.count("linkledger_redirects_total{outcome=\"limited\"}"),
        limited
    );
    assert_eq!(
        service.count("linkledger_redirects_total{outcome=\"unknown\"}"),
        200 - limited
    );
    assert_eq!(service.count("linkledger_redirects_total{outcome=\"redirected\"}"), 200);
    service.wait_for_clicks(200);
    assert_eq!(service.books().clicks(), 200, "what leads nowhere is no click");
    service.stop();
}

#[test]
fn a_link_that_is_not_live_leads_to_the_fallback_or_is_gone() {
    let clock = Clock::fixed(Instant::parse("2026-06-15T12:00:00Z").expect("an instant"));
    let service = Service::start_with(|setup| setup.clock(&clock));
    let api = service.api();
    let mut stage = api.stage();
    let campaign = |more: Value| {
        let mut body = json!({"name": "c", "destination_url": "https://shop.example.com/"});
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        api.campaign(&body)
    };
    let fallback = json!({"fallback_url": "https://shop.example.com/sorry?a=1#x"});
    let (with_fallback, without) = (campaign(fallback.clone()), campaign(json!({})));
    let mut season = fallback.clone();
    season["ends_at"] = "2026-06-15T13:00:00Z".into();
    let ending = campaign(season);
    let coming = campaign(json!({"starts_at": "2026-06-15T13:00:00Z"}));
    let mut made = |campaign: &str, more: Value| {
        campaign.clone_into(&mut stage.campaign);
        slug(&api.link(&stage, &more))
    };
    let expiring = json!({"expires_at": "2026-06-15T13:00:00Z"});
    let paused = made(&with_fallback, json!({"paused": true}));
    let paused_without = made(&without, json!({"paused": true}));
    let expires = made(&with_fallback, expiring.clone());
    let expires_without = made(&without, expiring);
    let ends = made(&ending, json!({}));
    let comes = made(&coming, json!({}));

    let home = "https://shop.example.com/?ll_click=ID";
    let sorry = "https://shop.example.com/sorry?a=1&ll_click=ID#x";
    let reason_of = |slug: &str, order: &str| {
        let click_id = service.visit(slug).click_id();
        let stored = api.convert(&sale(order, Some(&click_id), 100)).expect(200);
        stored["reason"].as_str().unwrap_or("attributed").to_owned()
    };
    for slug in [&expires, &expires_without, &ends] {
        assert_eq!(location(&service.visit(slug)), home);
    }
    assert_eq!(location(&service.visit(&comes)), home, "early visitors are sent on");
    assert_eq!(reason_of(&comes, "early"), "campaign_not_started");
    assert_eq!(location(&service.visit(&paused)), sorry);
    assert_eq!(reason_of(&paused, "paused"), "link_paused");
    let gone = service.visit(&paused_without);
    assert_eq!(
        (gone.status, gone.header("cache-control")),
        (410, Some("private, no-store"))
    );

    clock.set(Instant::parse("2026-06-15T13:00:00Z").expect("an instant"));
    assert_eq!(location(&service.visit(&expires)), sorry);
    assert_eq!(reason_of(&expires, "expired"), "link_expired");
    assert_eq!(service.visit(&expires_without).status, 410);
    assert_eq!(location(&service.visit(&ends)), sorry);
    assert_eq!(reason_of(&ends, "over"), "campaign_over");
    assert_eq!(reason_of(&comes, "begun"), "attributed");

    // 3 live, 2 early, 2 paused, 2 expired, 2 over, 1 begun; what is gone is no click.
    service.wait_for_clicks(12);
    assert_eq!(service.books().clicks(), 12);
    assert_eq!(
        service
            .books()
            .number("SELECT CAST(SUM(inactive) AS BIGINT) FROM click_rollups"),
        6
    );
    assert_eq!(service.count("linkledger_redirects_total{outcome=\"gone\"}"), 2);
    service.stop();
}

#[test]
fn what_the_api_changes_is_in_force_when_it_answers() {
    let service = Service::start();
    let api = service.api();
    let stage = api.stage();
    for round in 0..30 {
        // Live before its 201 is sent.
        let link = api.link(&stage, &json!({}));
        let (slug, path) = (slug(&link), format!("/v1/links/{}", id(&link)));
        let leads_to = || location(&service.visit(&slug));
        assert_eq!(
            leads_to(),
            format!("https://shop.example.com/{}?ll_click=ID", page(round))
        );

        api.patch(&path, &json!({"paused": true})).expect(200);
        assert_eq!(service.visit(&slug).status, 410);
        api.patch(&path, &json!({"paused": false})).expect(200);
        service.visit(&slug).location();

        api.patch(&path, &json!({"url": "https://own.example/"})).expect(200);
        assert_eq!(leads_to(), "https://own.example/?ll_click=ID");
        let next = format!("https://shop.example.com/{}", page(round + 1));
        let campaign = format!("/v1/campaigns/{}", stage.campaign);
        api.patch(&campaign, &json!({"destination_url": next})).expect(200);
        assert_eq!(leads_to(), "https://own.example/?ll_click=ID", "its own address stays");
        api.patch(&path, &json!({"url": null})).expect(200);
        assert_eq!(
            leads_to(),
            format!("{next}?ll_click=ID"),
            "it follows the campaign again"
        );

        assert_eq!(api.delete(&path).status, 204);
        assert_eq!(service.visit(&slug).status, 410);
    }
    // Links that were made before follow as well.
    let links: Vec<String> = (0..20).map(|_| slug(&api.link(&stage, &json!({})))).collect();
    let moved = json!({"destination_url": "https://moved.example/", "utm": {"source": "{influencer}"}});
    api.patch(&format!("/v1/campaigns/{}", stage.campaign), &moved)
        .expect(200);
    for slug in &links {
        assert_eq!(
            location(&service.visit(slug)),
            "https://moved.example/?utm_source=mia&ll_click=ID"
        );
    }
    assert_eq!(api.delete(&format!("/v1/campaigns/{}", stage.campaign)).status, 204);
    for slug in &links {
        assert_eq!(service.visit(slug).status, 410, "an archived campaign is over");
    }
    service.stop();
}

fn page(round: u32) -> String {
    if round == 0 {
        String::new()
    } else {
        format!("page-{round}")
    }
}

#[test]
fn the_client_behind_a_trusted_proxy_is_who_the_proxy_says() {
    let service = Service::start_with(|setup| setup.set("TRUSTED_PROXIES", "127.0.0.0/8"));
    let api = service.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    for client in ["203.0.113.1", "203.0.113.2", "203.0.113.1", "1.2.3.4, 203.0.113.2"] {
        service
            .answer(
                &visit(&slug)
                    .header("X-Forwarded-For", client)
                    .header("CF-IPCountry", "de"),
            )
            .location();
    }
    service.wait_for_clicks(4);
    let total = api.get("/v1/reports?by=total").expect(200)["total"].clone();
    assert_eq!((&total["clicks"], &total["unique_visitors"]), (&json!(4), &json!(2)));
    assert_eq!(service.books().texts("SELECT DISTINCT country FROM clicks"), ["DE"]);
    for file in files(&service.dir) {
        let stored = std::fs::read(&file).expect("a file of the data directory");
        let held = stored.windows(10).any(|window| window == b"203.0.113.");
        assert!(!held, "{} holds an address", file.display());
    }
    service.stop();
}
