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
        request.headers[0].1 = format!("Mozilla/5.0 visitor {visitor}");
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

    /// A row that somebody else's part of the service would have written.
    pub(crate) fn insert(&self, sql: String) {
        self.service.books().tamper(Box::leak(sql.into_boxed_str()));
    }

    /// A snapshot of a post: impressions, reach, likes, comments, shares, saves; `NULL` for what is not told.
    pub(crate) fn told(&self, number: u32, post: &str, as_of: &str, figures: &str) {
        self.insert(format!(
            "INSERT INTO post_metrics (id, brand_id, post_id, as_of_ms, impressions, reach, likes, comments, shares,
                saves, created_at_ms, created_seq, feed_seq)
            SELECT {number}, brand_id, id, {}, {figures}, 0, {number}, {number} FROM posts WHERE label = '{post}'",
            ms(as_of)
        ));
    }

    /// Followers of an influencer's account; of the brand's own for no handle.
    pub(crate) fn followed(&self, number: u32, handle: &str, platform: &str, as_of: &str, followers: i64) {
        self.insert(format!(
            "INSERT INTO follower_counts (id, brand_id, influencer_id, platform, as_of_ms, followers, created_at_ms,
                created_seq, feed_seq)
            SELECT {number}, id, (SELECT id FROM influencers WHERE handle = '{handle}'), '{platform}', {}, {followers},
                0, {number}, {number} FROM brands",
            ms(as_of)
        ));
    }

    pub(crate) fn refunded(&self, refund: &str, order: &str, at: &str, amount: i64, currency: &str, state: &str) {
        self.insert(format!(
            "INSERT INTO refunds (id, brand_id, source, order_id, refund_id, state, conversion_id, amount, currency,
                refunded_at_ms, accepted_at_ms, facts, journal_num, seq)
            SELECT 'rfd_{refund}', brand_id, 'api', external_id, '{refund}', '{state}', id, {amount}, '{currency}', {},
                0, '{{}}', 0, 0 FROM conversions WHERE external_id = '{order}'",
            ms(at)
        ));
    }
}

/// A row as [`Campaign::measured`] tells it.
pub(crate) fn row(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}
