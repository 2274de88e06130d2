//! The API as programs outside rely on it: who may do what, how mistakes are told, how lists go on.

mod harness;

use harness::api::{id, problem, slug, text};
use harness::http::Answer;
use harness::service::Service;
use serde_json::{Value, json};

#[test]
fn without_a_good_key_nothing_is_answered() {
    let service = Service::start();
    let api = service.api();
    let admin = api.make_key("admin");
    for headers in [
        &[][..],
        &[("Authorization", "")],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Bearer llk_wrong")],
        &[("Authorization", "Basic bGxrOng=")],
        &[("Authorization", "llk_wrong")],
        &[("Authorization", "Token x")],
        &[("X-Api-Key", "llk_wrong")],
    ] {
        for path in ["/v1/brands", "/v1/links", "/v1/reports?by=total", "/v1/conversions"] {
            let mut request = api.without_key().request("GET", path);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let answer = api.send(&request);
            problem(&answer, 401);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let truncated = &admin[..admin.len() - 1];
    problem(&api.with_key(truncated).get("/v1/links"), 401);
    assert_eq!(api.with_key(&admin).get("/v1/links").status, 200);
    // A key that was taken back is worth nothing from then on.
    let keys = api.get("/v1/keys").expect(200);
    let keys = keys["data"].as_array().expect("keys");
    assert!(
        keys.iter()
            .all(|key| key.get("key").is_none() && key.get("hash").is_none()),
        "{keys:?}"
    );
    let shown = keys.iter().find(|key| key["role"] == "admin").expect("the admin's key");
    assert!(admin.starts_with(&text(shown, "hint")));
    assert_eq!(api.delete(&format!("/v1/keys/{}", id(shown))).status, 204);
    problem(&api.with_key(&admin).get("/v1/links"), 401);
    service.stop();
}

#[test]
fn every_role_may_do_its_own_and_nothing_more() {
    let service = Service::start();
    let api = service.api();
    let stage = api.stage();
    let link = id(&api.link(&stage, &json!({})));
    let roles = ["admin", "ingest", "read"].map(|role| (role, api.with_key(&api.make_key(role))));
    let conversion = json!({"event": "lead", "external_id": "l"});
    for (role, caller) in &roles {
        let allowed = |roles: &[&str], status: u16| if roles.contains(role) { status } else { 403 };
        let expect = |answer: Answer, status: u16| {
            if status == 403 {
                problem(&answer, 403);
            }
            assert_eq!(answer.status, status, "{role}: {}", answer.text());
        };
        let readers = ["admin", "read"];
        for path in [
            "/v1/brands",
            "/v1/links",
            "/v1/campaigns",
            "/v1/conversions",
            "/v1/reports?by=total",
        ] {
            expect(caller.get(path), allowed(&readers, 200));
        }
        expect(caller.get(&format!("/v1/links/{link}")), allowed(&readers, 200));
        expect(
            caller.post("/v1/conversions", &conversion),
            allowed(&["admin", "ingest"], 202),
        );
        expect(
            caller.post("/v1/links", &stage.link(&json!({}))),
            allowed(&["admin"], 201),
        );
        expect(
            caller.post("/v1/links/bulk", &json!({"links": []})),
            allowed(&["admin"], 200),
        );
        expect(
            caller.patch(&format!("/v1/links/{link}"), &json!({"paused": false})),
            allowed(&["admin"], 200),
        );
        expect(caller.get("/v1/keys"), allowed(&["admin"], 200));
        expect(caller.post("/v1/keys", &json!({"name": "k"})), allowed(&["admin"], 201));
        // Brands and operator keys are the operator's.
        expect(caller.post("/v1/brands", &json!({"name": "mine"})), 403);
        expect(caller.post("/v1/keys", &json!({"name": "k", "role": "operator"})), 403);
        expect(caller.for_brand("default").get("/v1/links"), allowed(&readers, 200));
        expect(caller.for_brand("no such brand").get("/v1/links"), 403);
    }
    service.stop();
}

#[test]
fn one_brand_never_reaches_into_another() {
    let service = Service::start();
    let api = service.api();
    let other_id = id(&api
        .post("/v1/brands", &json!({"name": "Other Brand", "currency": "EUR"}))
        .expect(201));
    let other = api.for_brand(&other_id);
    // By id or by name, in any case.
    assert_eq!(api.for_brand("oTHER brand").get("/v1/links").status, 200);
    // An operator may be told that there is no such brand; nobody else.
    problem(&api.for_brand("unknown").get("/v1/links"), 404);

    let (mine, theirs) = (api.stage(), other.stage());
    let link = api.link(&mine, &json!({"slug": "mine", "platform": "tiktok", "post": "p"}));
    let post = api.get("/v1/posts").expect(200)["data"][0].clone();
    let conversion = api
        .convert(&json!({"event": "lead", "external_id": "mine"}))
        .expect(200);
    let admin = other.with_key(&other.make_key("admin"));
    problem(&admin.for_brand("default").get("/v1/links"), 403);
    let default_brand = api.get("/v1/brands").expect(200)["data"]
        .as_array()
        .and_then(|brands| brands.iter().find(|brand| brand["name"] == "default").cloned())
        .expect("the default brand");
    for caller in [&other, &admin] {
        for path in [
            "/v1/influencers",
            "/v1/campaigns",
            "/v1/posts",
            "/v1/links",
            "/v1/conversions",
        ] {
            let listed = caller.get(path).expect(200);
            assert!(!listed.to_string().contains(&mine.influencer), "{path}: {listed}");
        }
        let paths = [
            format!("/v1/influencers/{}", mine.influencer),
            format!("/v1/campaigns/{}", mine.campaign),
            format!("/v1/posts/{}", id(&post)),
            format!("/v1/links/{}", id(&link)),
        ];
        for path in &paths {
            problem(&caller.get(path), 404);
            problem(&caller.patch(path, &json!({})), 404);
            problem(&caller.delete(path), 404);
        }
        problem(&caller.get(&format!("/v1/conversions/{}", id(&conversion))), 404);
        problem(
            &caller.get(&format!("/v1/conversions/{}/explain", id(&conversion))),
            404,
        );
        for (field, value) in [("campaign_id", &mine.campaign), ("influencer_id", &mine.influencer)] {
            let mut more = json!({});
            more[field] = value.clone().into();
            assert_eq!(problem(&caller.post("/v1/links", &theirs.link(&more)), 422), [field]);
            let mut more = theirs.link(&json!({"platform": "tiktok", "label": "x"}));
            more[field] = value.clone().into();
            assert_eq!(problem(&caller.post("/v1/posts", &more), 422), [field]);
        }
        let stolen = theirs.link(&json!({"post_id": id(&post)}));
        assert_eq!(problem(&caller.post("/v1/links", &stolen), 422), ["post_id"]);
        // A slug is one for all brands.
        assert_eq!(
            problem(&caller.post("/v1/links", &theirs.link(&json!({"slug": "mine"}))), 422),
            ["slug"]
        );
        let report = caller
            .get(&format!("/v1/reports?by=total&link={}", id(&link)))
            .expect(200);
        assert_eq!(report["total"]["clicks"], 0);
    }
    problem(&admin.get(&format!("/v1/brands/{}", id(&default_brand))), 404);
    assert_eq!(
        admin.get(&format!("/v1/brands/{other_id}")).expect(200)["currency"],
        "EUR"
    );
    assert_eq!(
        admin.get("/v1/brands").expect(200)["data"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(other.get("/v1/reports?by=total").expect(200)["currency"], "EUR");
    service.stop();
}

#[test]
fn lists_go_on_where_the_last_page_ended() {
    let service = Service::start();
    let api = service.api();
    let stage = api.stage();
    let made: Vec<String> = (0..23).map(|_| id(&api.link(&stage, &json!({})))).collect();
    for limit in [1, 7, 22, 23, 24] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("/v1/links?limit={limit}{cursor}")).expect(200);
            let data = page["data"].as_array().expect("data");
            assert!(data.len() <= limit);
            seen.extend(data.iter().map(id));
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            assert_eq!(data.len(), limit, "only the last page may be short");
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, made, "pages of {limit}");
    }
    // Conversions: the newest first.
    for number in 0..5 {
        api.convert(&json!({"event": "lead", "external_id": format!("lead-{number}")}))
            .expect(200);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/conversions?limit=2{cursor}")).expect(200);
        seen.extend(
            page["data"]
                .as_array()
                .expect("data")
                .iter()
                .map(|one| text(one, "external_id")),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    seen.sort();
    assert_eq!(seen, ["lead-0", "lead-1", "lead-2", "lead-3", "lead-4"]);
    let one = api
        .get("/v1/conversions?external_id=lead-3&event=lead&state=unattributed")
        .expect(200);
    assert_eq!(one["data"].as_array().map(Vec::len), Some(1));

    let other = api.influencer("other");
    let filtered = api.get(&format!("/v1/links?influencer_id={other}")).expect(200);
    assert_eq!(filtered["data"], json!([]));
    let filtered = api
        .get(&format!("/v1/links?campaign_id={}&limit=500", stage.campaign))
        .expect(200);
    assert_eq!(filtered["data"].as_array().map(Vec::len), Some(23));
    service.stop();
}

#[test]
fn a_deleted_thing_is_archived_and_its_history_stays() {
    let service = Service::start();
    let api = service.api();
    let stage = api.stage();
    let link = api.link(&stage, &json!({"slug": "Promo"}));
    let (path, slug) = (format!("/v1/links/{}", id(&link)), slug(&link));
    let click_id = service.visit(&slug).click_id();
    api.convert(&harness::api::sale("o", Some(&click_id), 700)).expect(200);
    service.wait_for_clicks(1);
    for _ in 0..2 {
        assert_eq!(api.delete(&path).status, 204, "twice does no harm");
    }
    assert_eq!(api.get("/v1/links").expect(200)["data"], json!([]));
    let archived = api.get("/v1/links?archived=true").expect(200);
    assert_eq!(id(&archived["data"][0]), id(&link));
    assert!(api.get(&path).expect(200)["archived_at"].is_string());
    assert_eq!(problem(&api.patch(&path, &json!({"paused": false})), 422), ["id"]);
    let row = api.get("/v1/reports?by=link").expect(200)["rows"][0].clone();
    assert_eq!(
        (&row["label"]["link"], &row["clicks"], &row["revenue"]),
        (&json!("Promo"), &json!(1), &json!(700))
    );

    // A slug is never issued twice, nor in another case.
    for taken in ["Promo", "promo", "PROMO"] {
        let refused = api.post("/v1/links", &stage.link(&json!({"slug": taken})));
        assert_eq!(problem(&refused, 422), ["slug"], "{taken}");
    }
    for (made, path) in [(&stage.campaign, "campaigns"), (&stage.influencer, "influencers")] {
        assert_eq!(api.delete(&format!("/v1/{path}/{made}")).status, 204);
        let refused = api.post("/v1/links", &stage.link(&json!({})));
        assert_eq!(refused.status, 422);
    }
    service.stop();
}

#[test]
fn a_thousand_links_are_answered_in_order_each_for_itself() {
    let service = Service::start();
    let api = service.api();
    let stage = api.stage();
    let wrong = |place: usize| match place % 10 {
        3 => Some((json!({"slug": "a"}), "slug")),
        5 => Some((json!({"slug": "slug-0"}), "slug")),
        6 => Some((json!({"slug": "SLUG-0"}), "slug")),
        7 => Some((json!({"url": "http://127.0.0.1/"}), "url")),
        8 => Some((json!({"colour": 1}), "colour")),
        9 => Some((json!({"post": "p"}), "platform")),
        _ => None,
    };
    let links: Vec<Value> = (0..1000)
        .map(|place| match wrong(place) {
            Some((more, _)) => stage.link(&more),
            None => stage.link(&json!({"slug": format!("slug-{place}")})),
        })
        .collect();
    let answer = api.post("/v1/links/bulk", &json!({"links": links})).expect(200);
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 1000);
    for (place, result) in results.iter().enumerate() {
        match wrong(place) {
            Some((_, field)) => {
                assert_eq!(
                    (&result["status"], &result["errors"][0]["field"]),
                    (&json!(422), &json!(field)),
                    "{result}"
                );
            }
            None => {
                assert_eq!(
                    (&result["status"], slug(&result["link"])),
                    (&json!(201), format!("slug-{place}"))
                );
            }
        }
    }
    for place in [0, 501, 994] {
        assert_eq!(service.visit(&format!("slug-{place}")).status, 302);
    }
    assert_eq!(service.count("linkledger_links_loaded"), 400);
    let too_many = json!({"links": vec![stage.link(&json!({})); 1001]});
    assert_eq!(problem(&api.post("/v1/links/bulk", &too_many), 422), ["links"]);
    for wrong in [
        json!([]),
        json!({}),
        json!({"links": 1}),
        json!({"links": [], "more": 1}),
    ] {
        problem(&api.post("/v1/links/bulk", &wrong), 422);
    }
    // Entries that are no links at all are answered like any other wrong one.
    let odd = api
        .post(
            "/v1/links/bulk",
            &json!({"links": [1, null, stage.link(&json!({})), []]}),
        )
        .expect(200);
    let statuses: Vec<_> = odd["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(statuses, [422, 422, 201, 422]);
    service.stop();
}

#[test]
fn of_many_who_want_the_same_name_at_once_one_gets_it() {
    let service = Service::start();
    let api = service.api();
    let stage = api.stage();
    let race = |path: &str, body: &(dyn Fn(usize) -> Value + Sync)| {
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let api = &api;
            let clients: Vec<_> = (0..16)
                .map(|n| scope.spawn(move || api.post(path, &body(n)).status))
                .collect();
            clients
                .into_iter()
                .map(|client| client.join().expect("a client"))
                .collect()
        });
        statuses.sort_unstable();
        statuses
    };
    let one_of_sixteen = [vec![201], vec![422; 15]].concat();
    let spellings = ["wanted", "Wanted", "WANTED", "wAnTeD"];
    let link = |n: usize| stage.link(&json!({"slug": spellings[n % 4]}));
    assert_eq!(race("/v1/links", &link), one_of_sixteen);
    let influencer = |n: usize| json!({"handle": spellings[n % 4], "name": "x"});
    assert_eq!(race("/v1/influencers", &influencer), one_of_sixteen);
    let brand = |n: usize| json!({"name": spellings[n % 4]});
    assert_eq!(race("/v1/brands", &brand), one_of_sixteen);
    // The same label is the same post, made once.
    let in_post = |_: usize| stage.link(&json!({"platform": "x", "post": "the post"}));
    assert_eq!(race("/v1/links", &in_post), vec![201; 16]);
    assert_eq!(
        api.get("/v1/posts").expect(200)["data"].as_array().map(Vec::len),
        Some(1)
    );
    service.stop();
}
