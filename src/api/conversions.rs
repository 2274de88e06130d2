//! `/v1/conversions`: taken in without the store, counted by the worker, waited for where asked.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::Api;
use super::answers::{Accepted, ConflictingConversion, ConversionShown, Outcome};
use super::body::{Body, read};
use super::caller::Caller;
use super::events::{self, wait_until_counted, wait_wanted};
use super::explain;
use super::parameters::Parameters;
use super::problem::Problem;
use super::resource::ListOf;
use crate::domain::conversion::{
    CONVERSION_KIND, CONVERSION_VERSION, ConversionInput, Event, NewConversion, SOURCE_API,
};
use crate::domain::conversion_state::ConversionState;
use crate::domain::event_id::ConversionId;
use crate::domain::id::BrandId;
use crate::domain::invalid::{FieldError, Invalid};
use crate::domain::role::Need;
use crate::intake::{Receipt, Submission};
use crate::store::{ConversionFilter, StoreError, StoredConversion};

/// Conversions of one request.
const ARRAY_MAX: usize = 500;

/// One conversion, or an array of up to 500.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "a body is told apart by its first character, so that each mistake is named by its field"
)]
enum OneOrMany {
    One(Box<ConversionInput>),
    Many(Many),
}

/// Each for itself, in order.
#[derive(ToSchema)]
#[schema(as = NewConversions, max_items = 500)]
#[expect(dead_code, reason = "as above")]
struct Many(Vec<ConversionInput>);

/// One result for each conversion of the request, in its order.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversionResults)]
struct Results {
    results: Vec<OneResult>,
}

/// What became of one conversion: as it would have been answered alone, with its status.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ConversionResult)]
enum OneResult {
    Counted {
        #[schema(minimum = 200, maximum = 200)]
        status: u16,
        #[serde(flatten)]
        conversion: Box<ConversionShown>,
    },
    Accepted {
        #[schema(minimum = 202, maximum = 202)]
        status: u16,
        #[serde(flatten)]
        accepted: Accepted<ConversionId>,
    },
    /// With the status 409.
    Conflicting(Box<ConflictingConversion>),
    Refused {
        #[schema(minimum = 422, maximum = 422)]
        status: u16,
        errors: Vec<FieldError>,
    },
}

/// One or many, safe.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "an answer is one of these, and never both")]
enum TakenIn {
    One(Accepted<ConversionId>),
    Many(Results),
}

/// One or many, counted.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "an answer is one of these, and never both")]
enum Counted {
    One(Box<ConversionShown>),
    Many(Results),
}

/// What a list of conversions is narrowed down by.
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
    #[param(pattern = "^[0-9]{1,15}\\.cnv_[0-9a-hjkmnp-tv-z]{24}$")]
    cursor: Option<String>,
    /// Only in this state.
    state: Option<ConversionState>,
    /// Only this event.
    event: Option<Event>,
    /// Only with this id of the shop's.
    external_id: Option<String>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(create, list, get))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/conversions").post(create).get(list))
        .service(super::at("/v1/conversions/{id}").get(get))
        .service(super::at("/v1/conversions/{id}/explain").get(explain::explain));
}

/// Takes in a conversion, or up to 500.
///
/// The answer comes once they are safe on disk, also while the store is down. `Prefer: wait=5` waits up to 30 seconds until
/// they are counted, and then tells what became of them. The same `external_id` counts once.
#[utoipa::path(post, path = "/v1/conversions", tag = "conversions",
    params(("Prefer" = Option<String>, Header, description = "`wait=5`: seconds to wait for the outcome (RFC 7240).",
        example = "wait=5")),
    request_body = OneOrMany,
    responses(
        (status = 200, description = "Counted before the wait ran out.", body = Counted),
        (status = 202, description = "Accepted, and safe.", body = TakenIn),
        (status = 409, description = "The same event was counted before with another amount; the first stands.",
            body = ConflictingConversion, content_type = "application/problem+json"),
    ))]
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
    Ok(HttpResponse::Accepted().json(Accepted::new(conversion.id())))
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
    let mut results = Vec::with_capacity(checked.len());
    for one in checked {
        results.push(match one {
            Ok(conversion) if counted => outcome(api, &conversion).await?.into(),
            Ok(conversion) => Outcome::Accepted(Accepted::new(conversion.id())).into(),
            Err(wrong) => OneResult::Refused {
                status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
                errors: wrong.0,
            },
        });
    }
    let status = if counted { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(HttpResponse::build(status).json(Results { results }))
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

/// What became of a conversion.
type ConversionOutcome = Outcome<ConversionId, Box<ConversionShown>, Box<ConflictingConversion>>;

impl From<ConversionOutcome> for OneResult {
    fn from(outcome: ConversionOutcome) -> Self {
        match outcome {
            Outcome::Counted(conversion) => Self::Counted {
                status: StatusCode::OK.as_u16(),
                conversion,
            },
            Outcome::Accepted(accepted) => Self::Accepted {
                status: StatusCode::ACCEPTED.as_u16(),
                accepted,
            },
            Outcome::Conflicting(conflicting) => Self::Conflicting(conflicting),
        }
    }
}

/// What became of a submission that the store has.
pub(super) async fn outcome(api: &Api, conversion: &NewConversion) -> Result<ConversionOutcome, Problem> {
    let stored = match api.store.conversion(conversion.brand, &conversion.id()).await {
        Err(StoreError::NotFound { .. }) => return Ok(Outcome::Accepted(Accepted::new(conversion.id()))),
        other => other?,
    };
    let shown = ConversionShown::from(&stored);
    Ok(if stored.facts.amount == conversion.amount {
        Outcome::Counted(Box::new(shown))
    } else {
        Outcome::Conflicting(Box::new(ConflictingConversion::new(shown)))
    })
}

/// The conversion that an address names.
pub(super) async fn find(api: &Api, brand: BrandId, id: &str) -> Result<StoredConversion, Problem> {
    let id = ConversionId::parse(id).ok_or_else(|| Problem::not_found("conversion"))?;
    Ok(api.store.conversion(brand, &id).await?)
}

/// Reads a conversion with its credits.
#[utoipa::path(get, path = "/v1/conversions/{id}", tag = "conversions", params(("id" = ConversionId, Path)),
    responses((status = 200, description = "As it stands.", body = ConversionShown)))]
async fn get(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    Parameters::of(&request).done()?;
    let stored = find(&api, brand, &path).await?;
    Ok(HttpResponse::Ok().json(ConversionShown::from(&stored)))
}

/// Lists conversions, newest first.
#[utoipa::path(get, path = "/v1/conversions", tag = "conversions", params(ListParameters),
    responses((status = 200, description = "A page.", body = ListOf<ConversionShown>)))]
async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    let mut parameters = Parameters::of(&request);
    let limit = parameters.limit()?;
    let filter = ConversionFilter {
        state: parameters.take("state")?,
        event: parameters.take("event")?,
        external_id: parameters.take("external_id")?,
    };
    let before = match parameters.take::<String>("cursor")? {
        None => None,
        Some(cursor) => {
            let parts = cursor
                .split_once('.')
                .and_then(|(at, id)| Some((at.parse().ok()?, ConversionId::parse(id)?.as_str().to_owned())));
            Some(parts.ok_or_else(|| Problem::parameter("cursor", "must be a next_cursor of this list"))?)
        }
    };
    parameters.done()?;
    let (found, next) = api.store.conversions(brand, &filter, before, limit).await?;
    Ok(HttpResponse::Ok().json(ListOf {
        data: found.iter().map(ConversionShown::from).collect(),
        next_cursor: next.map(|(at, id)| format!("{at}.{id}")),
    }))
}
