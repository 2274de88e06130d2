//! The control plane over HTTP: routes, keys, problem+json.
//!
//! Handlers parse at the edge, ask one room, and show the answer; they hold no rule of their own.

mod body;
mod brands;
mod caller;
mod campaigns;
mod conversions;
mod decisions;
mod events;
mod explain;
mod influencers;
mod keys;
mod links;
mod parameters;
mod posts;
mod problem;
mod promo_codes;
mod qr;
mod refunds;
mod rejections;
mod reports;
mod resource;

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, Resource, web};
use url::Url;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::domain::email_hash::EmailKey;
use crate::domain::target_url::TargetPolicy;
use crate::intake::Intake;
use crate::store::Store;
use crate::stream::Progress;
pub use caller::key_hash;
pub use keys::{NewKey, draw_key};
use problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A request id of the caller's own is kept up to this many characters.
const REQUEST_ID_MAX_CHARS: usize = 128;

/// What all handlers share.
pub struct Api {
    /// Where things are kept.
    pub store: Store,
    /// Keys and brands, without asking the store.
    pub catalog: Arc<Catalog>,
    /// Where conversions go.
    pub intake: Intake,
    /// Who tells when they are counted.
    pub progress: Progress,
    /// What time it is.
    pub clock: Clock,
    /// Where links may lead.
    pub targets: TargetPolicy,
    /// What short links start with.
    pub public_url: Url,
    /// What share addresses start with.
    pub api_public_url: Url,
    /// Characters of a minted slug.
    pub slug_length: usize,
    /// Hashes customers' addresses.
    pub email_key: Arc<EmailKey>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    /// Brings this process's catalog up to what was just committed, so that a change is in force
    /// before its answer is sent. Should the store fail right now, the feed brings it a moment later.
    async fn in_force(&self) {
        if let Err(error) = self.catalog.catch_up(&self.store).await {
            tracing::warn!(%error, "a change is committed, but not yet in force here");
        }
    }
}

/// A resource that answers wrong methods with a problem, too.
fn at(path: &str) -> Resource {
    web::resource(path).default_service(web::to(wrong_method))
}

async fn wrong_method(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let detail = format!("{} is not possible here.", request.method());
    Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail))
}

async fn unknown_address() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found("address"))
}

/// The API listener's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.app_data(web::PayloadConfig::new(body::BODY_MAX_BYTES));
    brands::routes(config);
    keys::routes(config);
    influencers::routes(config);
    campaigns::routes(config);
    posts::routes(config);
    links::routes(config);
    promo_codes::routes(config);
    conversions::routes(config);
    decisions::routes(config);
    refunds::routes(config);
    rejections::routes(config);
    reports::routes(config);
    config.default_service(web::to(unknown_address));
}

/// Gives every answer a request id, the caller's own where there is a usable one.
///
/// # Errors
/// The inner service's.
pub async fn with_request_id<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let theirs = request.headers().get(&REQUEST_ID).cloned();
    let usable = |id: &HeaderValue| {
        (1..=REQUEST_ID_MAX_CHARS).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let id = theirs.filter(usable).unwrap_or_else(|| {
        let made = uuid::Uuid::new_v4().simple().to_string();
        HeaderValue::from_str(&made).expect("hexadecimal")
    });
    let mut answer = next.call(request).await?;
    answer.headers_mut().insert(REQUEST_ID, id);
    Ok(answer)
}
