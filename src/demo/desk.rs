//! The API as a brand's programs use it, over HTTP.

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use url::Url;

use super::DemoError;
use crate::traffic;

/// A caller of the API.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    client: Client,
    api: Url,
    key: String,
    /// The brand that an operator's key speaks for.
    brand: Option<String>,
}

impl Desk {
    pub(super) fn new(api: &Url, key: &str) -> Result<Self, DemoError> {
        Ok(Self {
            client: traffic::client()?,
            api: api.clone(),
            key: key.to_owned(),
            brand: None,
        })
    }

    pub(super) fn for_brand(self, brand: &str) -> Self {
        Self {
            brand: Some(brand.to_owned()),
            ..self
        }
    }

    async fn answer(&self, what: &str, request: RequestBuilder, wanted: &[StatusCode]) -> Result<Value, DemoError> {
        let mut request = request.bearer_auth(&self.key);
        if let Some(brand) = &self.brand {
            request = request.header("linkledger-brand", brand);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if !wanted.contains(&status) {
            return Err(DemoError::Refused {
                what: what.to_owned(),
                status,
                body,
            });
        }
        serde_json::from_str(&body).map_err(|_| DemoError::Strange {
            what: what.to_owned(),
            body,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    /// GET.
    pub(super) async fn get(&self, path: &str) -> Result<Value, DemoError> {
        self.answer(path, self.client.get(self.url(path)), &[StatusCode::OK])
            .await
    }

    /// Every entry of a list, page by page.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>, DemoError> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=500{cursor}")).await?;
            all.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// POST of something that is to be made.
    pub(super) async fn create(&self, path: &str, body: &Value) -> Result<Value, DemoError> {
        let request = self.client.post(self.url(path)).json(body);
        self.answer(path, request, &[StatusCode::CREATED, StatusCode::OK]).await
    }

    /// POST of something that happened: accepted, and counted later.
    pub(super) async fn tell(&self, path: &str, body: &Value) -> Result<Value, DemoError> {
        let request = self.client.post(self.url(path)).json(body);
        self.answer(path, request, &[StatusCode::ACCEPTED]).await
    }

    /// The same, and waits until it is counted.
    pub(super) async fn tell_and_wait(&self, path: &str, body: &Value) -> Result<Value, DemoError> {
        let wait = format!("wait={}", traffic::COMMIT_PATIENCE.as_secs());
        let request = self.client.post(self.url(path)).header("prefer", wait).json(body);
        self.answer(path, request, &[StatusCode::OK]).await
    }
}
