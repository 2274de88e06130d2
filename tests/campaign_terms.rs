//! What a campaign is to reach and may cost, and the code that a link is shared with.

mod harness;

use harness::api::{id, problem};
use harness::desk::Desk;
use serde_json::{Value, json};

#[test]
fn goals_and_a_budget_are_kept_as_they_were_set_and_can_be_taken_back() {
    let desk = Desk::open();
    let path = format!("/v1/campaigns/{}", desk.stage.campaign);
    let plain = desk.api.get(&path).expect(200);
    assert_eq!((&plain["goals"], &plain["budget"]), (&json!([]), &Value::Null));
    let terms = json!({
        "goals": [
            {"measure": "sales", "target": 100, "by": "2026-06-30"},
            {"measure": "roas", "target": 3.25, "by": "2026-12-31"},
            {"measure": "roas", "target": 4, "by": "2027-12-31"},
        ],
        "budget": {"amount": 500_000, "currency": "EUR"},
    });
    let set = desk.api.patch(&path, &terms).expect(200);
    assert_eq!((&set["goals"], &set["budget"]), (&terms["goals"], &terms["budget"]));
    assert_eq!(desk.api.get(&path).expect(200), set);
    // Other changes leave them.
    let renamed = desk.api.patch(&path, &json!({"name": "Other"})).expect(200);
    assert_eq!(
        (&renamed["goals"], &renamed["budget"]),
        (&terms["goals"], &terms["budget"])
    );
    let taken = desk.api.patch(&path, &json!({"goals": [], "budget": null})).expect(200);
    assert_eq!((&taken["goals"], &taken["budget"]), (&json!([]), &Value::Null));
    let mut body = terms.clone();
    body["name"] = "Made with goals".into();
    body["destination_url"] = "https://a.example/".into();
    let made = desk.api.post("/v1/campaigns", &body).expect(201);
    assert_eq!(made["goals"], terms["goals"]);
    desk.service.stop();
}

#[test]
fn every_measure_of_a_report_can_be_a_goal() {
    let desk = Desk::open();
    let report = desk.api.get("/v1/reports?by=total").expect(200);
    let told_besides = [
        "engagement_basis",
        "other_currencies",
        "unattributed_conversions",
        "unattributed_refunds",
        "unattributed_revenue",
        "engagement_basis",
    ];
    let total = report["total"].as_object().expect("a total");
    let measures: Vec<&String> = total
        .keys()
        .filter(|name| !told_besides.contains(&name.as_str()))
        .collect();
    assert!(measures.len() > 10, "{measures:?}");
    let path = format!("/v1/campaigns/{}", desk.stage.campaign);
    for measure in measures {
        let goals = json!({"goals": [{"measure": measure, "target": 1, "by": "2026-06-30"}]});
        desk.api.patch(&path, &goals).expect(200);
    }
    desk.service.stop();
}

#[test]
fn wrong_goals_and_budgets_are_refused_by_their_field() {
    let desk = Desk::open();
    let goal = |more: Value| {
        let mut goal = json!({"measure": "sales", "target": 1, "by": "2026-06-30"});
        for (name, value) in more.as_object().expect("an object") {
            goal[name] = value.clone();
        }
        json!({"goals": [goal]})
    };
    let twenty_one = vec![goal(json!({}))["goals"][0].clone(); 21];
    for (more, field) in [
        (goal(json!({"measure": "likes"})), "goals[0].measure"),
        (goal(json!({"measure": null})), "goals[0].measure"),
        (goal(json!({"target": 0})), "goals[0].target"),
        (goal(json!({"target": -1})), "goals[0].target"),
        (goal(json!({"target": 1.5})), "goals[0].target"),
        (goal(json!({"target": "1"})), "goals[0].target"),
        (goal(json!({"target": 1_000_000_000_000_001_i64})), "goals[0].target"),
        (goal(json!({"target": u64::MAX})), "goals[0].target"),
        (goal(json!({"measure": "roi", "target": -0.5})), "goals[0].target"),
        (goal(json!({"measure": "roi", "target": 0.0})), "goals[0].target"),
        (goal(json!({"measure": "roi", "target": 1e300})), "goals[0].target"),
        (goal(json!({"by": "2026-06-31"})), "goals[0].by"),
        (goal(json!({"by": "2026-06-30T00:00:00Z"})), "goals[0].by"),
        (goal(json!({"by": null})), "goals[0].by"),
        (goal(json!({"colour": 1})), "goals[0].colour"),
        (json!({"goals": [["sales", 1, "2026-06-30"]]}), "goals[0]"),
        (json!({"goals": {}}), "goals"),
        (json!({"goals": twenty_one}), "goals"),
        (json!({"budget": {"amount": 0, "currency": "USD"}}), "budget.amount"),
        (json!({"budget": {"amount": -1, "currency": "USD"}}), "budget.amount"),
        (json!({"budget": {"amount": 1.5, "currency": "USD"}}), "budget.amount"),
        (json!({"budget": {"amount": 1}}), "budget.currency"),
        (json!({"budget": 1}), "budget"),
    ] {
        let mut body = more.clone();
        body["name"] = "c".into();
        body["destination_url"] = "https://a.example/".into();
        desk.refuses("/v1/campaigns", &body, field);
        let path = format!("/v1/campaigns/{}", desk.stage.campaign);
        assert_eq!(problem(&desk.api.patch(&path, &more), 422), [field], "{more}");
    }
    assert_eq!(desk.service.books().number("SELECT COUNT(*) FROM campaigns"), 1);
    desk.service.stop();
}

#[test]
fn a_link_carries_a_standing_code_of_its_own_influencer_and_campaign_and_no_other() {
    let desk = Desk::open();
    let code = |campaign: &str, influencer: &str| {
        let body = json!({"campaign_id": campaign, "influencer_id": influencer});
        id(&desk.api.post("/v1/promo-codes", &body).expect(201))
    };
    let (campaign, influencer) = (&desk.stage.campaign, &desk.stage.influencer);
    let other_campaign = desk
        .api
        .campaign(&json!({"name": "Other", "destination_url": "https://a.example/"}));
    let (own, second) = (code(campaign, influencer), code(campaign, influencer));
    let archived = code(campaign, influencer);
    desk.api.delete(&format!("/v1/promo-codes/{archived}")).expect(204);
    let wrong = [
        code(&other_campaign, influencer),
        code(campaign, &desk.api.influencer("tom")),
        archived,
        "prm_000000000000".to_owned(),
        campaign.clone(),
    ];
    let link = desk.api.link(&desk.stage, &json!({"promo_code_id": own}));
    assert_eq!(link["promo_code_id"], own.as_str());
    assert_eq!(desk.api.link(&desk.stage, &json!({}))["promo_code_id"], Value::Null);
    let path = format!("/v1/links/{}", id(&link));
    for wrong in &wrong {
        let given = json!({"promo_code_id": wrong});
        desk.refuses("/v1/links", &desk.stage.link(&given), "promo_code_id");
        assert_eq!(problem(&desk.api.patch(&path, &given), 422), ["promo_code_id"]);
    }
    assert_eq!(desk.api.get(&path).expect(200), link);
    let set = |value: Value| desk.api.patch(&path, &json!({"promo_code_id": value})).expect(200);
    assert_eq!(set(json!(second))["promo_code_id"], second.as_str());
    // A code that was archived since keeps no other change from being made.
    desk.api.delete(&format!("/v1/promo-codes/{second}")).expect(204);
    let paused = desk.api.patch(&path, &json!({"paused": true})).expect(200);
    assert_eq!(paused["promo_code_id"], second.as_str());
    assert_eq!(set(Value::Null)["promo_code_id"], Value::Null);
    desk.refuses(
        "/v1/links",
        &desk.stage.link(&json!({"apply_code": "shopify"})),
        "apply_code",
    );
    desk.service.stop();
}
