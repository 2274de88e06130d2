//! The description of the API: that it is complete, that answers look as it says, and that reading it needs no network.

mod harness;

use std::collections::BTreeSet;
use std::fs;

use harness::api::{id, problem};
use harness::desk::Desk;
use serde_json::{Value, json};

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

fn description(desk: &Desk) -> Value {
    let answer = desk.api.without_key().get("/openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.expect(200)
}

/// The addresses that the code registers, read from the code.
fn registered() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api");
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).expect("a folder") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("UTF-8");
        for (at, _) in text.match_indices("at(\"/") {
            let path = text[at + 4..].split('"').next().expect("a path");
            found.insert(path.to_owned());
        }
    }
    found
}

#[test]
fn every_route_is_described_with_its_methods_and_no_other() {
    let desk = Desk::open();
    let description = description(&desk);
    let paths = description["paths"].as_object().expect("paths");
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    assert_eq!(
        described,
        registered(),
        "described on the left, registered on the right"
    );
    let nobody = desk.api.without_key();
    for (path, item) in paths {
        let address = path.replace(['{', '}'], "");
        for method in METHODS {
            let status = nobody.send(&nobody.request(method, &address)).status;
            let is_described = item.get(method.to_lowercase()).is_some();
            assert_eq!(status != 405, is_described, "{method} {path}: {status}");
        }
    }
    desk.service.stop();
}

#[test]
fn every_operation_says_what_it_does_and_how_it_can_fail() {
    let desk = Desk::open();
    let description = description(&desk);
    assert_eq!(
        description["openapi"].as_str().map(|version| &version[..4]),
        Some("3.1.")
    );
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut ids = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let named = format!("{method} {path}");
            assert!(
                operation["summary"].as_str().is_some_and(|text| text.len() > 8),
                "{named}"
            );
            assert!(
                ids.insert(operation["operationId"].as_str().expect("an id").to_owned()),
                "{named}"
            );
            let responses = operation["responses"].as_object().expect("responses");
            let statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
            assert!(statuses.iter().any(|status| status.starts_with('2')), "{named}");
            assert!(statuses.contains(&"400"), "{named}");
            let public = operation["security"] == json!([{}]);
            assert_eq!(public, !path.starts_with("/v1/"), "{named}");
            assert!(
                public || ["401", "403", "404", "503"].iter().all(|s| statuses.contains(s)),
                "{named}"
            );
            let takes_a_body = operation.get("requestBody").is_some();
            assert_eq!(
                takes_a_body,
                statuses.contains(&"413") && statuses.contains(&"422"),
                "{named}"
            );
            // What is sent in again is there already.
            let bodiless = path.ends_with("/retry") || !matches!(method.as_str(), "post" | "put" | "patch");
            assert_ne!(takes_a_body, bodiless, "{named}");
        }
    }
    desk.service.stop();
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    fn walk<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(all) => all.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let desk = Desk::open();
    let description = description(&desk);
    let mut references = Vec::new();
    walk(&description, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference into the description");
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
    desk.service.stop();
}

/// The properties of a schema, what it is put together from included.
fn properties(description: &Value, schema: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(pointer) = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'))
    {
        names.extend(properties(
            description,
            description.pointer(pointer).expect("it leads somewhere"),
        ));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        names.extend(properties(description, part));
    }
    names.extend(
        schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone()),
    );
    names
}

#[test]
fn answers_have_the_fields_that_are_described_and_no_other() {
    let desk = Desk::open();
    let description = description(&desk);
    let link = desk.api.link(&desk.stage, &json!({"platform": "x", "post": "p"}));
    let code = desk
        .api
        .post("/v1/promo-codes", &desk.stage.link(&json!({})))
        .expect(201);
    let sale = desk.api.convert(&harness::api::sale("o", None, 100)).expect(200);
    let key = desk.api.post("/v1/keys", &json!({"name": "k"})).expect(201);
    let count = json!({"platform": "x", "as_of": "2026-03-01", "followers": 1});
    let count = desk.api.post("/v1/follower-counts", &count).expect(201);
    let metrics = json!({"post_id": link["post_id"], "as_of": "2026-03-01", "likes": 1});
    let metrics = desk.api.post("/v1/post-metrics", &metrics).expect(201);
    let one = [
        (
            "/v1/brands/{id}",
            id(&desk.api.get("/v1/brands").expect(200)["data"][0]),
        ),
        ("/v1/keys/{id}", id(&key)),
        ("/v1/influencers/{id}", desk.stage.influencer.clone()),
        ("/v1/campaigns/{id}", desk.stage.campaign.clone()),
        ("/v1/posts/{id}", link["post_id"].as_str().expect("a post").to_owned()),
        ("/v1/links/{id}", id(&link)),
        ("/v1/promo-codes/{id}", id(&code)),
        ("/v1/follower-counts/{id}", id(&count)),
        ("/v1/post-metrics/{id}", id(&metrics)),
        ("/v1/links/{id}/history", id(&link)),
        ("/v1/conversions/{id}", id(&sale)),
        ("/v1/conversions/{id}/explain", id(&sale)),
        ("/v1/reports", String::new()),
    ];
    for (path, id) in one {
        let schema = &description["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let query = if id.is_empty() { "?by=total" } else { "" };
        let answer = desk
            .api
            .get(&format!("{}{query}", path.replace("{id}", &id)))
            .expect(200);
        let fields: BTreeSet<String> = answer.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(fields, properties(&description, schema), "{path}");
    }
    let made = &description["paths"]["/v1/keys"]["post"]["responses"]["201"]["content"]["application/json"]["schema"];
    let fields: BTreeSet<String> = key.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(fields, properties(&description, made));
    desk.service.stop();
}

#[test]
fn the_page_refers_to_this_host_only_and_what_it_refers_to_is_there() {
    let desk = Desk::open();
    let nobody = desk.api.without_key();
    let page = nobody.get("/docs");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'self';") && !policy.contains("http"),
        "{policy}"
    );
    let html = page.text();
    let mut parts = Vec::new();
    for attribute in ["href=\"", "src=\""] {
        let after = html.split(attribute).skip(1);
        parts.extend(after.filter_map(|rest| rest.split('"').next()));
    }
    assert_eq!(parts.len(), 5, "{html}");
    assert!(!html.contains("//") && !html.contains("@import"), "{html}");
    for part in parts {
        let answer = nobody.get(&format!("/{part}"));
        assert_eq!(answer.status, 200, "{part}");
        assert!(!answer.body.is_empty(), "{part}");
        // A style sheet loads what it names, a script what it is told to; the policy forbids both to go elsewhere.
        if part.ends_with("initializer.js") {
            let script = answer.text();
            assert!(
                script.contains("\"openapi.json\"") && !script.contains("http"),
                "{script}"
            );
            assert!(script.contains("\"validatorUrl\": \"none\""), "{script}");
        }
    }
    let with_slash = nobody.get("/docs/");
    assert_eq!(
        (with_slash.status, with_slash.header("location")),
        (308, Some("../docs"))
    );
    for unknown in ["index.html", "x", "..%2fopenapi.json", "%2e%2e%2fsecret"] {
        problem(&nobody.get(&format!("/docs/{unknown}")), 404);
    }
    desk.service.stop();
}
