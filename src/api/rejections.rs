//! `/v1/rejections`: events that were not counted, why, and another try.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Api;
use super::caller::Caller;
use super::conversions;
use super::events::{self, Waited, wait_until_counted, wait_wanted};
use super::parameters::Parameters;
use super::problem::Problem;
use super::refunds;
use crate::domain::conversion::NewConversion;
use crate::domain::refund::{NewRefund, RefundRefusal};
use crate::domain::role::Need;
use crate::intake::Submission;
use crate::store::commit::CONTRADICTS_FIRST;
use crate::store::{RejectionId, RejectionPosition, Scope, StoredRejection};

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
    let data: Vec<_> = found.iter().map(shown).collect();
    let next_cursor = next.map(|(at_ms, id)| format!("{at_ms}.{id}"));
    Ok(HttpResponse::Ok().json(json!({"data": data, "next_cursor": next_cursor})))
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

fn shown(rejection: &StoredRejection) -> Value {
    // Facts are JSON, except of records that could not be read.
    let facts = serde_json::from_str(&rejection.facts).unwrap_or_else(|_| Value::from(rejection.facts.as_str()));
    json!({
        "id": rejection.id.to_string(),
        "kind": rejection.kind,
        "reason": rejection.reason,
        "why": why(&rejection.reason),
        "facts": facts,
        "rejected_at": rejection.rejected_at,
        "retried_at": rejection.retried_at,
    })
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

    async fn outcome(&self, api: &Api) -> Result<Waited, Problem> {
        match self {
            Self::Conversion(conversion) => conversions::outcome(api, conversion).await,
            Self::Refund(refund) => refunds::outcome(api, refund).await,
        }
    }

    fn accepted(&self) -> Value {
        match self {
            Self::Conversion(conversion) => events::accepted(&conversion.id()),
            Self::Refund(refund) => events::accepted(&refund.id()),
        }
    }
}

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
    let retried =
        || Problem::conflict("This event was sent in again already; what became of that is an event of its own.");
    if rejection.retried_at.is_some() || !api.store.note_retry(id, api.clock.now()).await? {
        return Err(retried());
    }
    let receipt = events::submit(&api, vec![event.record()]).await?;
    if wait_until_counted(&api, receipt, wait).await {
        return Ok(event.outcome(&api).await?.into());
    }
    Ok(HttpResponse::Accepted().json(event.accepted()))
}
