//! `/v1/rejections`: events that were not counted, why, and another try.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::Api;
use super::answers::Accepted;
use super::caller::Caller;
use super::conversions;
use super::events::{self, wait_until_counted, wait_wanted};
use super::parameters::Parameters;
use super::problem::Problem;
use super::refunds;
use super::resource::ListOf;
use crate::domain::conversion::NewConversion;
use crate::domain::refund::{NewRefund, RefundRefusal};
use crate::domain::role::Need;
use crate::domain::time::Instant;
use crate::intake::Submission;
use crate::store::commit::CONTRADICTS_FIRST;
use crate::store::{RejectionId, RejectionPosition, Scope, StoredRejection};

/// An event that was not counted.
#[derive(Serialize, ToSchema)]
struct Rejection {
    /// `rej_…`
    id: String,
    /// `click`, `conversion` or `refund`.
    kind: String,
    /// Why it was not counted, as a stable word.
    reason: String,
    /// The same in a sentence.
    why: &'static str,
    /// The facts that we use; words where the record could not be read.
    facts: Value,
    rejected_at: Instant,
    /// When it was sent in again.
    #[schema(required)]
    retried_at: Option<Instant>,
}

impl From<&StoredRejection> for Rejection {
    fn from(stored: &StoredRejection) -> Self {
        // Facts are JSON, except of records that could not be read.
        let facts = serde_json::from_str(&stored.facts).unwrap_or_else(|_| Value::from(stored.facts.as_str()));
        Self {
            id: stored.id.to_string(),
            kind: stored.kind.clone(),
            reason: stored.reason.clone(),
            why: why(&stored.reason),
            facts,
            rejected_at: stored.rejected_at,
            retried_at: stored.retried_at,
        }
    }
}

/// What a list of rejections is narrowed down by.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "query parameters are taken one by one, so that whatever is left is refused"
)]
struct ListParameters {
    /// Things on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[0-9]{1,15}\\.rej_[1-9][0-9]{0,9}_[1-9][0-9]{0,9}$")]
    cursor: Option<String>,
    /// Only with this reason.
    reason: Option<String>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(list, retry))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/rejections").get(list))
        .service(super::at("/v1/rejections/{id}/retry").post(retry));
}

/// Records that nobody could read belong to no brand: operators who name none see them, and all others.
fn scope(caller: &Caller, need: Need) -> Result<Scope, Problem> {
    let brand = caller.brand(need)?;
    Ok(caller.narrowed().then_some(brand))
}

/// Lists events that were not counted, newest first; they are kept for 30 days.
#[utoipa::path(get, path = "/v1/rejections", tag = "conversions", params(ListParameters),
    responses((status = 200, description = "A page.", body = ListOf<Rejection>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller, Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let limit = parameters.limit()?;
    let reason = parameters.take("reason")?;
    let before = match parameters.take::<String>("cursor")? {
        None => None,
        Some(cursor) => {
            let position = read_cursor(&cursor);
            Some(position.ok_or_else(|| Problem::parameter("cursor", "must be a next_cursor of this list"))?)
        }
    };
    parameters.done()?;
    let (found, next) = api.store.rejections(scope, reason, before, limit).await?;
    Ok(HttpResponse::Ok().json(ListOf {
        data: found.iter().map(Rejection::from).collect(),
        next_cursor: next.map(|(at_ms, id)| format!("{at_ms}.{id}")),
    }))
}

fn read_cursor(cursor: &str) -> Option<RejectionPosition> {
    let (at_ms, id) = cursor.split_once('.')?;
    Some((at_ms.parse().ok()?, id.parse().ok()?))
}

fn why(reason: &str) -> &'static str {
    match RefundRefusal::from_code(reason) {
        Some(RefundRefusal::BeyondOrder) => "The refund goes beyond what is left of its order.",
        Some(RefundRefusal::OtherCurrency) => "The refund is not in its order's currency.",
        Some(RefundRefusal::NoAmount) => "The order has no amount that could be refunded.",
        None if reason == CONTRADICTS_FIRST => {
            "The same event was counted before with another amount. The first stands."
        }
        None => "The record could not be read.",
    }
}

/// What a rejection holds, ready to be sent in again.
enum Event {
    Conversion(Box<NewConversion>),
    Refund(Box<NewRefund>),
}

impl Event {
    /// `None` when the record could not be read at the time: then there are no facts to send.
    fn of(rejection: &StoredRejection) -> Option<Self> {
        match rejection.kind.as_str() {
            "conversion" => serde_json::from_str(&rejection.facts).ok().map(Self::Conversion),
            "refund" => serde_json::from_str(&rejection.facts).ok().map(Self::Refund),
            _ => None,
        }
    }

    fn record(&self) -> Submission {
        match self {
            Self::Conversion(conversion) => conversions::record(conversion),
            Self::Refund(refund) => refunds::record(refund),
        }
    }

    /// What became of it, as it would have been answered when it came first.
    async fn outcome(&self, api: &Api) -> Result<HttpResponse, Problem> {
        match self {
            Self::Conversion(conversion) => Ok(conversions::outcome(api, conversion).await?.into()),
            Self::Refund(refund) => Ok(refunds::outcome(api, refund).await?.into()),
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Conversion(conversion) => conversion.id().to_string(),
            Self::Refund(refund) => refund.id().to_string(),
        }
    }
}

/// Sends an event in again that was not counted.
///
/// Worth a try once what stood in its way has changed, such as an order that was amended. `Prefer: wait=5` as where it
/// came first.
#[utoipa::path(post, path = "/v1/rejections/{id}/retry", tag = "conversions", params(("id" = String, Path),
        ("Prefer" = Option<String>, Header, description = "`wait=5`: seconds to wait for the outcome (RFC 7240).")),
    responses(
        (status = 200, description = "The conversion or refund, counted before the wait ran out.", body = Value),
        (status = 202, description = "Accepted, and safe.", body = Accepted<String>),
        (status = 409, description = "It was sent in again already, could not be read, or contradicts what stands.",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It was refused again.", body = Problem, content_type = "application/problem+json"),
    ))]
async fn retry(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller, Need::Manage)?;
    Parameters::of(&request).done()?;
    let wait = wait_wanted(&request)?;
    let id: RejectionId = path.parse().map_err(|_| Problem::not_found("rejection"))?;
    let rejection = api.store.rejection(scope, id).await?;
    let event = Event::of(&rejection).ok_or_else(|| {
        Problem::conflict("This record could not be read, so there is nothing that could be sent in again.")
    })?;
    if rejection.retried_at.is_some() {
        let detail = "This event was sent in again already; what became of that is an event of its own.";
        return Err(Problem::conflict(detail));
    }
    // Journaled first: should the note fail, the event may be sent in once more, and still counts once.
    let receipt = events::submit(&api, vec![event.record()]).await?;
    api.store.note_retry(id, api.clock.now()).await?;
    if wait_until_counted(&api, receipt, wait).await {
        return event.outcome(&api).await;
    }
    Ok(HttpResponse::Accepted().json(Accepted::new(event.id())))
}
