//! `/v1/refunds`: taken in without the store, taken off their orders by the worker.

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::OpenApi;

use super::Api;
use super::answers::{Accepted, ConflictingRefund, Outcome, RefundShown};
use super::body::Body;
use super::caller::Caller;
use super::events::{self, wait_until_counted, wait_wanted};
use super::problem::Problem;
use crate::domain::event_id::RefundId;
use crate::domain::invalid::Invalid;
use crate::domain::refund::{Given, NewRefund, REFUND_KIND, REFUND_VERSION, RefundInput, RefundRefusal};
use crate::domain::role::Need;
use crate::intake::Submission;
use crate::store::StoreError;

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(super::at("/v1/refunds").post(create));
}

/// Takes in a refund.
///
/// The answer comes once it is safe on disk, also while the store is down. `Prefer: wait=5` waits up to 30 seconds until it
/// is judged. A refund may come before its order, and waits for it. The same `refund_id` counts once.
#[utoipa::path(post, path = "/v1/refunds", tag = "conversions",
    params(("Prefer" = Option<String>, Header, description = "`wait=5`: seconds to wait for the outcome (RFC 7240).",
        example = "wait=5")),
    request_body = RefundInput,
    responses(
        (status = 200, description = "Judged before the wait ran out.", body = RefundShown),
        (status = 202, description = "Accepted, and safe.", body = Accepted<RefundId>),
        (status = 409, description = "The same refund was counted before with another amount; the first stands.",
            body = ConflictingRefund, content_type = "application/problem+json"),
    ))]
async fn create(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Ingest)?;
    let wait = wait_wanted(&request)?;
    let input: RefundInput = body.read()?;
    let refund = NewRefund::check(brand, input, api.clock.now())?;
    let receipt = events::submit(&api, vec![record(&refund)]).await?;
    if wait_until_counted(&api, receipt, wait).await {
        return Ok(outcome(&api, &refund).await?.into());
    }
    Ok(HttpResponse::Accepted().json(Accepted::new(refund.id())))
}

/// A refund as the journal carries it.
pub(super) fn record(refund: &NewRefund) -> Submission {
    Submission {
        version: REFUND_VERSION,
        kind: REFUND_KIND,
        payload: serde_json::to_vec(refund).expect("domain types have plain keys"),
    }
}

/// What became of a refund.
type RefundOutcome = Outcome<RefundId, RefundShown, Box<ConflictingRefund>>;

/// What became of a submission that the store has.
pub(super) async fn outcome(api: &Api, refund: &NewRefund) -> Result<RefundOutcome, Problem> {
    let stored = match api.store.refund(&refund.id()).await {
        Err(StoreError::NotFound { .. }) => return Ok(Outcome::Accepted(Accepted::new(refund.id()))),
        other => other?,
    };
    let shown = RefundShown::from(&stored);
    match stored.reason {
        _ if stored.facts.given != refund.given => Ok(Outcome::Conflicting(Box::new(ConflictingRefund::new(shown)))),
        Some(refusal) => Err(Invalid::one(field(&refund.given, refusal), refusal).into()),
        None => Ok(Outcome::Counted(shown)),
    }
}

const fn field(given: &Given, refusal: RefundRefusal) -> &'static str {
    match (given, refusal) {
        (_, RefundRefusal::NoAmount) => "order_id",
        (Given::Net(_), RefundRefusal::BeyondOrder) => "amount.amount",
        (Given::Gross(_), RefundRefusal::BeyondOrder) => "gross_amount.amount",
        (Given::Net(_), RefundRefusal::OtherCurrency) => "amount.currency",
        (Given::Gross(_), RefundRefusal::OtherCurrency) => "gross_amount.currency",
    }
}
