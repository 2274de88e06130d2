//! `/v1/conversions`: taken in without the store, counted by the worker, waited for where asked.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Api;
use super::body::{Body, read};
use super::caller::Caller;
use super::events::{self, Waited, wait_until_counted, wait_wanted};
use super::explain;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::domain::conversion::{
    CONVERSION_KIND, CONVERSION_VERSION, ConversionInput, Event, NewConversion, SOURCE_API,
};
use crate::domain::event_id::ConversionId;
use crate::domain::id::BrandId;
use crate::domain::invalid::{FieldError, Invalid};
use crate::domain::money::Money;
use crate::domain::role::Need;
use crate::intake::{Receipt, Submission};
use crate::store::{ConversionFilter, StoreError, StoredConversion};

/// Conversions of one request.
const ARRAY_MAX: usize = 500;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/conversions").post(create).get(list))
        .service(super::at("/v1/conversions/{id}").get(get))
        .service(super::at("/v1/conversions/{id}/explain").get(explain::explain));
}

async fn create(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Ingest)?;
    let wait = wait_wanted(&request)?;
    if body.text().trim_start().starts_with('[') {
        return create_many(&api, brand, &body, wait).await;
    }
    let conversion = check(&api, brand, body.text()).map_err(Problem::from)?;
    let receipt = submit(&api, std::slice::from_ref(&conversion)).await?;
    if wait_until_counted(&api, receipt, wait).await {
        return Ok(outcome(&api, &conversion).await?.into());
    }
    Ok(HttpResponse::Accepted().json(accepted(&conversion)))
}

/// Each for itself, in order: what is wrong with one does not keep the others from being accepted.
async fn create_many(api: &Api, brand: BrandId, body: &Body, wait: Option<Duration>) -> Result<HttpResponse, Problem> {
    let raw: Vec<&RawValue> = serde_json::from_str(body.text())
        .map_err(|_| Problem::from(Invalid::one("(body)", "expected an array of conversions")))?;
    if raw.len() > ARRAY_MAX {
        return Err(Invalid::one("(body)", format!("at most {ARRAY_MAX} conversions at once")).into());
    }
    let checked: Vec<Result<NewConversion, Invalid>> = raw.iter().map(|raw| check(api, brand, raw.get())).collect();
    let good: Vec<NewConversion> = checked.iter().filter_map(|one| one.as_ref().ok().cloned()).collect();
    if good.is_empty() && !checked.is_empty() {
        return Err(Problem::invalid(numbered(&checked)));
    }
    let counted = if good.is_empty() {
        false
    } else {
        let receipt = submit(api, &good).await?;
        wait_until_counted(api, receipt, wait).await
    };
    let mut results: Vec<Value> = Vec::with_capacity(checked.len());
    for one in &checked {
        results.push(match one {
            Ok(conversion) if counted => {
                let outcome = outcome(api, conversion).await?;
                let mut result = outcome.body;
                result["status"] = outcome.status.as_u16().into();
                result
            }
            Ok(conversion) => {
                let mut result = accepted(conversion);
                result["status"] = StatusCode::ACCEPTED.as_u16().into();
                result
            }
            Err(wrong) => json!({"status": 422, "errors": wrong.0}),
        });
    }
    let status = if counted { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(HttpResponse::build(status).json(json!({ "results": results })))
}

/// The errors of all entries, each with its place in front.
fn numbered(checked: &[Result<NewConversion, Invalid>]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, one) in checked.iter().enumerate() {
        let Err(wrong) = one else { continue };
        errors.extend(wrong.0.iter().map(|error| FieldError {
            field: format!("[{place}].{}", error.field),
            message: error.message.clone(),
        }));
    }
    errors
}

fn check(api: &Api, brand: BrandId, raw: &str) -> Result<NewConversion, Invalid> {
    let input: ConversionInput = read(raw).map_err(|error| Invalid(vec![error]))?;
    NewConversion::check(
        brand,
        SOURCE_API,
        input,
        |email| api.email_key.hash(email),
        api.clock.now(),
    )
}

fn accepted(conversion: &NewConversion) -> Value {
    events::accepted(&conversion.id())
}

async fn submit(api: &Api, conversions: &[NewConversion]) -> Result<Receipt, Problem> {
    events::submit(api, conversions.iter().map(record).collect()).await
}

/// A conversion as the journal carries it.
pub(super) fn record(conversion: &NewConversion) -> Submission {
    Submission {
        version: CONVERSION_VERSION,
        kind: CONVERSION_KIND,
        payload: serde_json::to_vec(conversion).expect("domain types have plain keys"),
    }
}

/// What became of a submission that the store has: the conversion, or why it stands otherwise.
pub(super) async fn outcome(api: &Api, conversion: &NewConversion) -> Result<Waited, Problem> {
    let stored = match api.store.conversion(conversion.brand, &conversion.id()).await {
        Err(StoreError::NotFound { .. }) => {
            return Ok(Waited::new(StatusCode::ACCEPTED, accepted(conversion)));
        }
        other => other?,
    };
    let same = stored.facts.amount == conversion.amount;
    if same {
        return Ok(Waited::new(StatusCode::OK, shown(&stored)));
    }
    Ok(Waited::contradicted("conversion", shown(&stored)))
}

/// A conversion as the API shows it. Commission joins with the ledger.
pub(super) fn shown(stored: &StoredConversion) -> Value {
    let facts = &stored.facts;
    let credits: Vec<_> = stored
        .credits
        .iter()
        .map(|credit| {
            json!({
                "influencer_id": credit.influencer_id,
                "campaign_id": credit.campaign_id,
                "link_id": credit.link_id,
                "promo_code_id": credit.promo_code_id,
                "share_bps": credit.share_bps,
                "commission": null,
            })
        })
        .collect();
    json!({
        "id": stored.id,
        "event": facts.event,
        "external_id": facts.external_id,
        "source": facts.source,
        "state": stored.state,
        "reason": stored.reason,
        "amount": facts.amount,
        "gross_amount": facts.gross_amount,
        "refunded": facts.amount.map(|amount| Money { amount: stored.refunded, ..amount }),
        "occurred_at": stored.occurred_at,
        "credits": credits,
    })
}

/// The conversion that an address names.
pub(super) async fn find(api: &Api, brand: BrandId, id: &str) -> Result<(ConversionId, StoredConversion), Problem> {
    let id = ConversionId::parse(id).ok_or_else(|| Problem::not_found("conversion"))?;
    let stored = api.store.conversion(brand, &id).await?;
    Ok((id, stored))
}

async fn get(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    Parameters::of(&request).done()?;
    let (_, stored) = find(&api, brand, &path).await?;
    Ok(HttpResponse::Ok().json(shown(&stored)))
}

const STATES: [&str; 8] = [
    "accepted",
    "pending",
    "attributed",
    "unattributed",
    "held",
    "rejected",
    "test",
    "void",
];

async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let limit = parameters.limit()?;
    let filter = ConversionFilter {
        state: parameters.take("state")?,
        event: parameters.take("event")?,
        external_id: parameters.take("external_id")?,
    };
    if filter
        .state
        .as_ref()
        .is_some_and(|state| !STATES.contains(&state.as_str()))
    {
        return Err(Problem::parameter("state", format!("is none of {}", STATES.join(", "))));
    }
    if let Some(event) = filter.event.clone() {
        Event::try_from(event).map_err(|error| Problem::parameter("event", error.to_string()))?;
    }
    let before = match parameters.take::<String>("cursor")? {
        None => None,
        Some(cursor) => {
            let parts = cursor
                .split_once('.')
                .and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
            Some(parts.ok_or_else(|| Problem::parameter("cursor", "must be a next_cursor of this list"))?)
        }
    };
    parameters.done()?;
    let (found, next) = api.store.conversions(brand, &filter, before, limit).await?;
    let data: Vec<_> = found.iter().map(shown).collect();
    let next_cursor = next.map(|(at, id)| format!("{at}.{id}"));
    Ok(HttpResponse::Ok().json(json!({"data": data, "next_cursor": next_cursor})))
}
