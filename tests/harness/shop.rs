//! A service with one link, and what its orders become.

use serde_json::{Value, json};

use super::api::{Api, Stage, id, sale, slug};
use super::service::Service;

/// A service with one link.
pub(crate) struct Shop {
    pub(crate) service: Service,
    pub(crate) api: Api,
    pub(crate) stage: Stage,
    pub(crate) slug: String,
    pub(crate) link: String,
}

impl Shop {
    pub(crate) fn open() -> Self {
        let service = Service::start();
        let api = service.api();
        let stage = api.stage();
        let link = api.link(&stage, &json!({}));
        Self {
            slug: slug(&link),
            link: id(&link),
            service,
            api,
            stage,
        }
    }

    pub(crate) fn click(&self) -> String {
        self.service.visit(&self.slug).click_id()
    }

    pub(crate) fn credit(&self) -> Value {
        credit(&self.stage, &self.link)
    }

    /// A sale with this click id is stored, uncredited, for this reason.
    #[track_caller]
    pub(crate) fn refuses(&self, order: &str, click_id: &str, reason: &str) {
        let stored = self.api.convert(&sale(order, Some(click_id), 500)).expect(200);
        assert_eq!(stored["state"], "unattributed", "{click_id}");
        assert_eq!(stored["reason"], reason, "{click_id}");
        assert_eq!(stored["credits"], json!([]), "{click_id}");
        assert_eq!(
            stored["amount"],
            json!({"amount": 500, "currency": "USD"}),
            "{click_id}"
        );
    }
}

/// The credits of a conversion that one link earned alone.
pub(crate) fn credit(stage: &Stage, link: &str) -> Value {
    json!([{
        "influencer_id": stage.influencer, "campaign_id": stage.campaign, "link_id": link,
        "promo_code_id": null, "share_bps": 10_000, "commission": null,
    }])
}
