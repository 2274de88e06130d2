//! `Idempotency-Key`: a creation that is sent again creates nothing and gets the first one's answer.
//!
//! Per API key and address, for 24 hours. Whatever is refused keeps nothing, so it may be sent again, put right.

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::Api;
use super::body::Body;
use super::caller::Caller;
use super::problem::Problem;
use super::resource::{Resource, Showing, brand_of};
use crate::domain::id::BrandId;
use crate::domain::time::Instant;
use crate::store::{Answer, Answering, ONCE_HEADER, OnceKey};

/// The longest key, in characters.
pub(super) const GIVEN_MAX_CHARS: usize = 255;

/// A creation that happens once.
pub(super) struct Once {
    api: web::Data<Api>,
    key: Option<OnceKey>,
    now: Instant,
}

impl Once {
    /// What the header asks for. `brand` is the one that the creation is for: the same words said for another brand are
    /// another request.
    pub(super) fn of(
        api: &web::Data<Api>,
        caller: &Caller,
        brand: Option<BrandId>,
        request: &HttpRequest,
        body: &Body,
    ) -> Result<Self, Problem> {
        let now = api.clock.now();
        let key = given(request)?.map(|given| OnceKey {
            caller: caller.key(),
            route: request.match_pattern().unwrap_or_else(|| request.path().to_owned()),
            given,
            body_hash: hash(brand, body.text()),
            now,
        });
        Ok(Self {
            api: api.clone(),
            key,
            now,
        })
    }

    /// The instant at which the creation happens.
    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// The key, where one was given.
    pub(super) const fn key(&self) -> Option<&OnceKey> {
        self.key.as_ref()
    }

    /// The first one's answer, where there was a first one. To be asked before anything is checked: what was right then
    /// need not be right any more.
    pub(super) async fn kept(&self) -> Result<Option<Answer>, Problem> {
        match &self.key {
            Some(key) => Ok(self.api.store.kept_answer(key).await?),
            None => Ok(None),
        }
    }

    /// How the store is to answer.
    pub(super) fn answering<T>(&self, answer: impl FnOnce(&T) -> Answer + Send + 'static) -> Answering<T> {
        Answering {
            once: self.key.clone(),
            answer: Box::new(answer),
        }
    }

    /// `201` with the bare resource of this brand.
    pub(super) async fn showing<R: Resource>(&self, brand: BrandId) -> Result<Answering<R>, Problem> {
        let brand = brand_of(&self.api, brand).await?;
        let api = self.api.clone();
        Ok(self.answering(move |record: &R| {
            let showing = Showing {
                api: &api,
                brand: &brand,
            };
            json(StatusCode::CREATED, &record.clone().show(&showing))
        }))
    }

    /// Creates, and answers `201` with the bare resource.
    pub(super) async fn create<R: Resource>(&self, brand: BrandId, record: R) -> Result<HttpResponse, Problem> {
        let answering = self.showing(brand).await?;
        Ok(self.api.store.create_once(record, answering).await?.into())
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    Answer {
        status: status.as_u16(),
        body: serde_json::to_string(body).expect("answers have plain keys"),
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        Self::build(status).content_type(ContentType::json()).body(answer.body)
    }
}

fn given(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut headers = request.headers().get_all(ONCE_HEADER);
    let Some(header) = headers.next() else {
        return Ok(None);
    };
    let refused = |message: String| Problem::header(ONCE_HEADER, message);
    if headers.next().is_some() {
        return Err(refused("is given twice".to_owned()));
    }
    let text = std::str::from_utf8(header.as_bytes()).map_err(|_| refused("is not valid UTF-8".to_owned()))?;
    if !(1..=GIVEN_MAX_CHARS).contains(&text.chars().count()) {
        return Err(refused(format!("must have from 1 to {GIVEN_MAX_CHARS} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(refused("must not contain control characters".to_owned()));
    }
    Ok(Some(text.to_owned()))
}

fn hash(brand: Option<BrandId>, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    // Ids have one length, so that no brand runs into a body.
    hasher.update(brand.map(|brand| brand.to_string()).unwrap_or_default().as_bytes());
    hasher.update(b"\n");
    hasher.update(body.as_bytes());
    hasher.finalize().to_hex().to_string()
}
