//! Addresses, methods, query parameters and request ids of the API.

mod harness;

use harness::api::{id, problem};
use harness::desk::Desk;
use harness::http::Request;
use serde_json::json;

#[test]
fn an_unknown_or_unusable_query_parameter_is_400_by_name() {
    let desk = Desk::open();
    let link = id(&desk.api.link(&desk.stage, &json!({})));
    let lead = id(&desk
        .api
        .convert(&json!({"event": "lead", "external_id": "l"}))
        .expect(200));
    let brand = id(&desk.api.get("/v1/brands").expect(200)["data"][0]);
    let key = id(&desk.api.get("/v1/keys").expect(200)["data"][0]);
    let one = [
        "/v1/links".to_owned(),
        "/v1/brands".to_owned(),
        "/v1/keys".to_owned(),
        "/v1/influencers".to_owned(),
        "/v1/campaigns".to_owned(),
        "/v1/posts".to_owned(),
        "/v1/conversions".to_owned(),
        format!("/v1/links/{link}"),
        format!("/v1/influencers/{}", desk.stage.influencer),
        format!("/v1/campaigns/{}", desk.stage.campaign),
        format!("/v1/brands/{brand}"),
        format!("/v1/keys/{key}"),
        format!("/v1/conversions/{lead}"),
        format!("/v1/conversions/{lead}/explain"),
    ];
    for path in &one {
        assert_eq!(desk.api.get(path).status, 200, "{path}");
        assert_eq!(
            problem(&desk.api.get(&format!("{path}?colour=red")), 400),
            ["colour"],
            "{path}"
        );
    }
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=seq_-1", "cursor"),
        ("archived=maybe", "archived"),
        ("limit=1&limit=2", "limit"),
        ("campaign_id=x", "campaign_id"),
    ] {
        assert_eq!(
            problem(&desk.api.get(&format!("/v1/links?{query}")), 400),
            [name],
            "{query}"
        );
    }
    for (query, name) in [
        ("state=lost", "state"),
        ("event=party", "event"),
        ("cursor=x", "cursor"),
    ] {
        assert_eq!(
            problem(&desk.api.get(&format!("/v1/conversions?{query}")), 400),
            [name],
            "{query}"
        );
    }
    for (query, name) in [
        ("", "by"),
        ("by=moon", "by"),
        ("by=total&from=x", "from"),
        ("by=total&link=x", "link"),
    ] {
        assert_eq!(
            problem(&desk.api.get(&format!("/v1/reports?{query}")), 400),
            [name],
            "{query}"
        );
    }
    // Writes take none at all, and nothing is written.
    let made = desk
        .api
        .post("/v1/influencers?colour=red", &json!({"handle": "zoe", "name": "Zoe"}));
    assert_eq!(problem(&made, 400), ["colour"]);
    let converted = desk
        .api
        .post("/v1/conversions?wait=5", &json!({"event": "lead", "external_id": "m"}));
    assert_eq!(problem(&converted, 400), ["wait"]);
    assert_eq!(
        problem(
            &desk
                .api
                .patch(&format!("/v1/links/{link}?x=1"), &json!({"paused": true})),
            400
        ),
        ["x"]
    );
    assert_eq!(
        problem(&desk.api.delete(&format!("/v1/links/{link}?dry_run=true")), 400),
        ["dry_run"]
    );
    assert!(desk.api.get(&format!("/v1/links/{link}")).expect(200)["archived_at"].is_null());
    desk.service.stop();
}

#[test]
fn wrong_methods_are_405_and_wrong_addresses_and_ids_404() {
    let desk = Desk::open();
    let link = id(&desk.api.link(&desk.stage, &json!({})));
    for (method, path, allowed) in [
        ("DELETE", "/v1/links", "GET, POST"),
        ("PUT", "/v1/links", "GET, POST"),
        ("GET", "/v1/links/bulk", "POST"),
        ("POST", "/v1/reports", "GET"),
        ("DELETE", "/v1/conversions", "GET, POST"),
        ("PATCH", "/v1/brands", "GET, POST"),
        ("PUT", &format!("/v1/links/{link}"), "GET, PATCH, DELETE"),
        ("POST", &format!("/v1/links/{link}/history"), "GET"),
        (
            "PATCH",
            &format!(
                "/v1/campaigns/{}/influencers/{}",
                desk.stage.campaign, desk.stage.influencer
            ),
            "GET, PUT, DELETE",
        ),
    ] {
        let refused = desk.api.send(&desk.api.request(method, path));
        problem(&refused, 405);
        assert_eq!(refused.header("allow"), Some(allowed), "{method} {path}");
    }
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/links",
        "/v1/link",
        "/v1/links/",
        "/v1/links/x/y",
        "/v1/linksx",
    ] {
        problem(&desk.api.get(path), 404);
    }
    let other_kind = desk.stage.campaign.as_str();
    for id in [
        "x",
        "lnk_",
        "lnk_0000000000",
        "lnk_zzzzzzzzzz",
        "LNK_0000000000",
        other_kind,
        "%00",
        "..%2f",
    ] {
        problem(&desk.api.get(&format!("/v1/links/{id}")), 404);
        problem(&desk.api.patch(&format!("/v1/links/{id}"), &json!({})), 404);
        problem(&desk.api.delete(&format!("/v1/links/{id}")), 404);
    }
    for id in ["x", "cnv_", "cnv_000000000000000000000000", &link] {
        problem(&desk.api.get(&format!("/v1/conversions/{id}")), 404);
        problem(&desk.api.get(&format!("/v1/conversions/{id}/explain")), 404);
    }
    desk.service.stop();
}

#[test]
fn every_answer_has_a_request_id_the_caller_s_own_where_it_is_usable() {
    let desk = Desk::open();
    let ask = |request: Request| {
        let answer = desk.api.send(&request);
        answer.header("x-request-id").expect("a request id").to_owned()
    };
    for path in ["/v1/links", "/v1/links/x", "/nowhere", "/v1/reports"] {
        let request = desk.api.request("GET", path);
        assert_eq!(
            ask(request.clone().header("X-Request-Id", "req-7_a.b:c/d")),
            "req-7_a.b:c/d"
        );
        let (one, other) = (ask(request.clone()), ask(request.clone()));
        assert_ne!(one, other);
        for unusable in ["", "a b", "é", &"x".repeat(129)] {
            assert_ne!(ask(request.clone().header("X-Request-Id", unusable)), unusable);
        }
    }
    let without_key = desk
        .api
        .without_key()
        .request("GET", "/v1/links")
        .header("X-Request-Id", "mine");
    assert_eq!(ask(without_key), "mine");
    desk.service.stop();
}
