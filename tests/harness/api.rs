//! The API as a brand's own program would use it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{Answer, Cut, Request, ask, once};

/// A caller with a key, and a brand where an operator names one.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    key: Option<String>,
    brand: Option<String>,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        Self {
            address,
            key: Some(key.to_owned()),
            brand: None,
        }
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            brand: None,
            ..self.clone()
        }
    }

    pub(crate) fn without_key(&self) -> Self {
        Self {
            key: None,
            ..self.clone()
        }
    }

    /// The same operator, speaking for another brand (name or id).
    pub(crate) fn for_brand(&self, brand: &str) -> Self {
        Self {
            brand: Some(brand.to_owned()),
            ..self.clone()
        }
    }

    /// A request with this caller's headers.
    pub(crate) fn request(&self, method: &'static str, path: &str) -> Request {
        let mut request = Request::new(method, path);
        if let Some(key) = &self.key {
            request = request.header("Authorization", &format!("Bearer {key}"));
        }
        if let Some(brand) = &self.brand {
            request = request.header("Linkledger-Brand", brand);
        }
        request
    }

    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Answer {
        ask(self.address, request)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&self.request("GET", path))
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send(&self.request("DELETE", path))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&self.request("POST", path).json(body))
    }

    #[track_caller]
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(&self.request("PATCH", path).json(body))
    }

    /// A body that need not be JSON.
    #[track_caller]
    pub(crate) fn post_text(&self, path: &str, body: &str) -> Answer {
        self.send(&self.request("POST", path).bytes(body.as_bytes().to_vec()))
    }

    /// A POST that may be cut off by the server's death.
    pub(crate) fn try_post(&self, path: &str, body: &Value) -> Result<Answer, Cut> {
        once(self.address, &self.request("POST", path).json(body))
    }

    /// A conversion, waited for.
    #[track_caller]
    pub(crate) fn convert(&self, body: &Value) -> Answer {
        let request = self.request("POST", "/v1/conversions").header("Prefer", "wait=30");
        self.send(&request.json(body))
    }

    #[track_caller]
    pub(crate) fn influencer(&self, handle: &str) -> String {
        let made = self.post("/v1/influencers", &json!({"handle": handle, "name": handle}));
        id(&made.expect(201))
    }

    #[track_caller]
    pub(crate) fn campaign(&self, body: &Value) -> String {
        id(&self.post("/v1/campaigns", body).expect(201))
    }

    /// A link; `more` is laid over what every link needs.
    #[track_caller]
    pub(crate) fn link(&self, stage: &Stage, more: &Value) -> Value {
        self.post("/v1/links", &stage.link(more)).expect(201)
    }

    /// An influencer and a campaign for tests that need no particular ones.
    #[track_caller]
    pub(crate) fn stage(&self) -> Stage {
        Stage {
            influencer: self.influencer("mia"),
            campaign: self.campaign(&json!({"name": "Spring", "destination_url": "https://shop.example.com/"})),
        }
    }

    /// A key of the caller's brand.
    #[track_caller]
    pub(crate) fn make_key(&self, role: &str) -> String {
        let made = self.post("/v1/keys", &json!({"name": role, "role": role})).expect(201);
        text(&made, "key")
    }
}

/// Who shares what.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) influencer: String,
    pub(crate) campaign: String,
}

impl Stage {
    /// The body of a new link.
    pub(crate) fn link(&self, more: &Value) -> Value {
        let mut body = json!({"campaign_id": self.campaign, "influencer_id": self.influencer});
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    }
}

#[track_caller]
pub(crate) fn text(value: &Value, field: &str) -> String {
    let found = value[field].as_str();
    found.unwrap_or_else(|| panic!("no text {field} in {value}")).to_owned()
}

#[track_caller]
pub(crate) fn id(value: &Value) -> String {
    text(value, "id")
}

#[track_caller]
pub(crate) fn slug(value: &Value) -> String {
    text(value, "slug")
}

/// A sale of `amount` cents.
pub(crate) fn sale(external_id: &str, click_id: Option<&str>, amount: i64) -> Value {
    let mut body = json!({
        "event": "sale", "external_id": external_id, "amount": {"amount": amount, "currency": "USD"},
    });
    if let Some(click_id) = click_id {
        body["click_id"] = click_id.into();
    }
    body
}

/// A problem of this status, in the shape of RFC 9457; the fields that it names.
#[track_caller]
pub(crate) fn problem(answer: &Answer, status: u16) -> Vec<String> {
    let problem = answer.expect(status);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{problem}"
    );
    assert_eq!(problem["status"], status, "{problem}");
    for field in ["type", "title", "detail"] {
        assert!(!text(&problem, field).is_empty(), "{problem}");
    }
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()));
    let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
    errors
        .iter()
        .map(|error| {
            assert!(!text(error, "message").is_empty(), "{problem}");
            text(error, "field")
        })
        .collect()
}
