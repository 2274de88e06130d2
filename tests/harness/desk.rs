//! A service with an influencer and a campaign, for requests that are to be refused.

use serde_json::Value;

use super::api::{Api, Stage, problem};
use super::service::Service;

/// Who refuses.
pub(crate) struct Desk {
    pub(crate) service: Service,
    pub(crate) api: Api,
    pub(crate) stage: Stage,
}

impl Desk {
    pub(crate) fn open() -> Self {
        let service = Service::start();
        let api = service.api();
        let stage = api.stage();
        Self { service, api, stage }
    }

    #[track_caller]
    pub(crate) fn refuses(&self, path: &str, body: &Value, field: &str) {
        assert_eq!(problem(&self.api.post(path, body), 422), [field], "{body}");
    }
}
