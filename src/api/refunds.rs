//! `/v1/refunds`: taken in without the store, taken off their orders by the worker.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Api;
use super::body::Body;
use super::caller::Caller;
use super::events::{self, Waited, wait_until_counted, wait_wanted};
use super::problem::Problem;
use crate::domain::invalid::Invalid;
use crate::domain::refund::{Given, NewRefund, REFUND_KIND, REFUND_VERSION, RefundInput, RefundRefusal};
use crate::domain::role::Need;
use crate::intake::Submission;
use crate::store::{StoreError, StoredRefund};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(super::at("/v1/refunds").post(create));
}

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
    Ok(HttpResponse::Accepted().json(events::accepted(&refund.id())))
}

/// A refund as the journal carries it.
pub(super) fn record(refund: &NewRefund) -> Submission {
    Submission {
        version: REFUND_VERSION,
        kind: REFUND_KIND,
        payload: serde_json::to_vec(refund).expect("domain types have plain keys"),
    }
}

/// What became of a submission that the store has: the refund, or why it stands otherwise.
pub(super) async fn outcome(api: &Api, refund: &NewRefund) -> Result<Waited, Problem> {
    let stored = match api.store.refund(&refund.id()).await {
        Err(StoreError::NotFound { .. }) => {
            return Ok(Waited::new(StatusCode::ACCEPTED, events::accepted(&refund.id())));
        }
        other => other?,
    };
    if stored.facts.given != refund.given {
        return Ok(Waited::contradicted("refund", shown(&stored)));
    }
    Ok(match stored.reason {
        Some(refusal) => Waited::refused(Invalid::one(field(&refund.given, refusal), refusal).into()),
        None => Waited::new(StatusCode::OK, shown(&stored)),
    })
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

/// A refund as the API shows it. `amount` is what it takes off the order's net amount.
pub(super) fn shown(stored: &StoredRefund) -> Value {
    let facts = &stored.facts;
    let gross = match &facts.given {
        Given::Net(_) => None,
        Given::Gross(money) => Some(money),
    };
    json!({
        "id": stored.id,
        "refund_id": facts.refund_id,
        "order_id": facts.order_id,
        "source": facts.source,
        "state": stored.state,
        "reason": stored.reason.map(RefundRefusal::code),
        "amount": stored.amount,
        "gross_amount": gross,
        "refunded_at": stored.refunded_at,
    })
}
