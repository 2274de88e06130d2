//! A campaign with two influencers, and what happens in it.

use serde_json::{Value, json};

use super::api::{Api, Stage, id, sale, slug};
use super::http::visit;
use super::service::Service;
use super::tally::ms;
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;

/// The range of the tests' reports; the campaign's clock stands within it.
pub(crate) const WEEK: &str = "&from=2026-11-02&to=2026-11-06";

/// Two influencers of one campaign, each with a post and a link: Mia is micro, Bo is nano.
pub(crate) struct Campaign {
    pub(crate) service: Service,
    pub(crate) api: Api,
    pub(crate) clock: Clock,
    pub(crate) mia: Stage,
    pub(crate) bo: Stage,
    /// Slugs of their links.
    pub(crate) slugs: [String; 2],
}

/// An influencer with accounts.
pub(crate) fn influencer(api: &Api, handle: &str, accounts: &Value) -> String {
    let body = json!({"handle": handle, "name": handle, "accounts": accounts});
    id(&api.post("/v1/influencers", &body).expect(201))
}

impl Campaign {
    pub(crate) fn new() -> Self {
        let clock = Clock::fixed(Instant::from_ms(ms("2026-11-03T12:00:00Z")));
        let service = Service::start_with(|setup| setup.clock(&clock));
        let api = service.api();
        let campaign = api.campaign(&json!({"name": "Spring", "destination_url": "https://shop.example.com/"}));
        let stage = |handle: &str, platform: &str, followers: i64| Stage {
            influencer: influencer(
                &api,
                handle,
                &json!([{"platform": platform, "handle": handle, "followers": followers}]),
            ),
            campaign: campaign.clone(),
        };
        let (mia, bo) = (stage("mia", "tiktok", 50_000), stage("bo", "instagram", 2_000));
        let link = |stage: &Stage, platform: &str, post: &str| {
            slug(&api.link(stage, &json!({"platform": platform, "post": post})))
        };
        let slugs = [link(&mia, "tiktok", "clip"), link(&bo, "instagram", "reel")];
        Self {
            service,
            api,
            clock,
            mia,
            bo,
            slugs,
        }
    }

    pub(crate) fn click(&self, slug: &str) -> String {
        self.service.visit(slug).click_id()
    }

    pub(crate) fn click_as(&self, slug: &str, visitor: &str) {
        let mut request = visit(slug);
        // Everybody has a phone of a model of their own.
        request.headers[0].1 = format!(
            "Mozilla/5.0 (Linux; Android 15; {visitor}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Mobile Safari/537.36"
        );
        self.service.answer(&request).click_id();
    }

    pub(crate) fn code(&self, stage: &Stage, more: &Value) -> String {
        id(&self.api.post("/v1/promo-codes", &stage.link(more)).expect(201))
    }

    #[track_caller]
    pub(crate) fn sell(&self, order: &str, click: Option<&str>, codes: &[&str]) -> Value {
        let mut body = sale(order, click, 3000);
        body["promo_codes"] = json!(codes);
        self.api.convert(&body).expect(200)
    }

    #[track_caller]
    pub(crate) fn report(&self, question: &str) -> Value {
        self.api.get(&format!("/v1/reports?{question}")).expect(200)
    }

    /// One measure of every row, by the label of its one dimension, sorted; rows of nothing left out.
    #[track_caller]
    pub(crate) fn measured(&self, by: &str, measure: &str, more: &str) -> Vec<(String, Value)> {
        let report = self.report(&format!("by={by}{more}"));
        let rows = report["rows"].as_array().expect("rows").iter();
        let name = |row: &Value| row["label"][by].as_str().expect("a label").to_owned();
        let mut rows: Vec<_> = rows.map(|row| (name(row), row[measure].clone())).collect();
        rows.retain(|(_, value)| *value != json!(0));
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    }

    #[track_caller]
    pub(crate) fn total(&self, more: &str) -> Value {
        self.report(&format!("by=total{more}"))["total"].clone()
    }

    /// A snapshot of a post: impressions, reach, likes, comments, shares, saves; nothing for what is not told.
    #[track_caller]
    pub(crate) fn told(&self, post: &str, as_of: &str, figures: [Option<u64>; 6]) {
        let posts = self.api.get("/v1/posts").expect(200);
        let mut posts = posts["data"].as_array().expect("posts").iter();
        let post = posts.find(|standing| standing["label"] == post).expect("a post");
        let mut body = json!({"post_id": post["id"], "as_of": as_of});
        let names = ["impressions", "reach", "likes", "comments", "shares", "saves"];
        for (name, figure) in names.into_iter().zip(figures) {
            body[name] = json!(figure);
        }
        self.api.post("/v1/post-metrics", &body).expect(201);
    }

    /// Followers of an influencer's account; of the brand's own for no handle.
    #[track_caller]
    pub(crate) fn followed(&self, handle: &str, platform: &str, as_of: &str, followers: u64) {
        let all = self.api.get("/v1/influencers").expect(200);
        let mut all = all["data"].as_array().expect("influencers").iter();
        let id = all
            .find(|standing| standing["handle"] == handle)
            .map(|one| one["id"].clone());
        let body = json!({"influencer_id": id, "platform": platform, "as_of": as_of, "followers": followers});
        self.api.post("/v1/follower-counts", &body).expect(201);
    }

    /// A refund, in `amount` or `gross_amount`, that was taken off its order.
    #[track_caller]
    pub(crate) fn refund(&self, order: &str, at: &str, field: &str, cents: i64, currency: &str) {
        let mut body = json!({"order_id": order, "refund_id": format!("{order} {at}"), "refunded_at": at});
        body[field] = json!({"amount": cents, "currency": currency});
        let request = self.api.request("POST", "/v1/refunds").header("Prefer", "wait=30");
        assert_eq!(self.api.send(&request.json(&body)).expect(200)["state"], "applied");
    }
}

/// A row as [`Campaign::measured`] tells it.
pub(crate) fn row(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}
