//! `/v1/conversions/{id}/review` and `…/credit`: a person's decision about a held or missed sale.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::answers::ConversionShown;
use super::body::Body;
use super::caller::Caller;
use super::problem::Problem;
use crate::domain::decision::Decision;
use crate::domain::event_id::ConversionId;
use crate::domain::id::{CampaignId, InfluencerId};
use crate::domain::role::Need;
use crate::domain::text::Note;
use crate::store::NewDecision;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Review {
    decision: Verdict,
    note: Option<Note>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schema(as = ReviewDecision)]
enum Verdict {
    Approve,
    Reject,
}

crate::domain::object::only_from_words!(Verdict);

/// Without a campaign, it is that of the click or code of this influencer that the order carried, if any.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCredit)]
struct Credit {
    influencer_id: InfluencerId,
    campaign_id: Option<CampaignId>,
    note: Option<Note>,
}

/// What the two bodies come to.
struct Decided {
    decision: Decision,
    credit: Option<(InfluencerId, Option<CampaignId>)>,
    note: Option<Note>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(review, credit))]
pub(super) struct Description;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/conversions/{id}/review").post(review))
        .service(super::at("/v1/conversions/{id}/credit").post(credit));
}

/// Approves or rejects a held conversion.
///
/// The decision is written down with the key that made it, and shown by `explain`.
#[utoipa::path(post, path = "/v1/conversions/{id}/review", tag = "conversions", params(("id" = ConversionId, Path)),
    request_body = Review,
    responses(
        (status = 200, description = "As it stands now.", body = ConversionShown),
        (status = 409, description = "It is in another state: only a held one can be reviewed.", body = Problem,
            content_type = "application/problem+json"),
    ))]
async fn review(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    caller.must(Need::Manage)?;
    let review: Review = body.read()?;
    let decided = Decided {
        decision: match review.decision {
            Verdict::Approve => Decision::Approve,
            Verdict::Reject => Decision::Reject,
        },
        credit: None,
        note: review.note,
    };
    decide(&api, &caller, &path, decided).await
}

/// Gives an influencer the credit for a conversion that is held, was rejected, or that nobody earned.
#[utoipa::path(post, path = "/v1/conversions/{id}/credit", tag = "conversions", params(("id" = ConversionId, Path)),
    request_body = Credit,
    responses(
        (status = 200, description = "As it stands now.", body = ConversionShown),
        (status = 409, description = "It is in another state: somebody has the credit already, or it never counts.", body = Problem,
            content_type = "application/problem+json"),
    ))]
async fn credit(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    caller.must(Need::Manage)?;
    let credit: Credit = body.read()?;
    let decided = Decided {
        decision: Decision::Credit,
        credit: Some((credit.influencer_id, credit.campaign_id)),
        note: credit.note,
    };
    decide(&api, &caller, &path, decided).await
}

async fn decide(api: &Api, caller: &Caller, id: &str, decided: Decided) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Manage)?;
    let id = ConversionId::parse(id).ok_or_else(|| Problem::not_found("conversion"))?;
    let decision = NewDecision {
        brand,
        conversion: id.clone(),
        decision: decided.decision,
        credit: decided.credit,
        note: decided.note,
        key: caller.key(),
        at: api.clock.now(),
    };
    api.store.decide(decision).await?;
    let stored = api.store.conversion(brand, &id).await?;
    Ok(HttpResponse::Ok().json(ConversionShown::from(&stored)))
}
