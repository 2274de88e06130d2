//! `/v1/conversions/{id}/review` and `…/credit`: a person's decision about a held or missed sale.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::Body;
use super::caller::Caller;
use super::conversions;
use super::problem::Problem;
use crate::domain::decision::Decision;
use crate::domain::event_id::ConversionId;
use crate::domain::id::{CampaignId, InfluencerId};
use crate::domain::role::Need;
use crate::domain::text::Note;
use crate::store::{NewDecision, StoredDecision};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    decision: Verdict,
    note: Option<Note>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Approve,
    Reject,
}

/// Without a campaign, it is that of the click or code of this influencer that the order carried, if any.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(super::at("/v1/conversions/{id}/review").post(review))
        .service(super::at("/v1/conversions/{id}/credit").post(credit));
}

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
    Ok(HttpResponse::Ok().json(conversions::shown(&stored)))
}

/// A decision as an explanation shows it.
pub(super) fn shown(decision: &StoredDecision) -> Value {
    json!({
        "decision": decision.decision,
        "influencer_id": decision.influencer_id,
        "note": decision.note,
        "key_id": decision.key_id,
        "decided_at": decision.decided_at,
    })
}
