//! `/v1/conversions/{id}/explain`: why somebody earned a sale, or nobody did.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::Api;
use super::answers::{ConversionShown, RefundShown};
use super::caller::Caller;
use super::conversions;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::domain::attribution::{TouchKind, Verdict, Why};
use crate::domain::conversion_state::ConversionState;
use crate::domain::event_id::ConversionId;
use crate::domain::id::{BrandId, LinkId};
use crate::domain::role::Need;
use crate::domain::time::Instant;
use crate::store::{Deal, Link, StoreError, StoredConversion, StoredDecision, StoredTouchpoint};

/// A conversion and everything that was considered.
#[derive(Serialize, ToSchema)]
struct Explained {
    #[serde(flatten)]
    conversion: ConversionShown,
    /// In a sentence.
    why: String,
    rule: AppliedRule,
    /// The influencer's own deal, as it stands, where there is one: with whoever has the credit, else with whom the
    /// deal's dates refused it.
    #[schema(required)]
    deal: Option<Deal>,
    touchpoints: Vec<Touchpoint>,
    /// What people decided about it, the first one first.
    decisions: Vec<StoredDecision>,
    /// What was given back of it, refused refunds among them.
    refunds: Vec<RefundShown>,
}

/// The rule that decided.
#[derive(Serialize, ToSchema)]
struct AppliedRule {
    model: &'static str,
    /// The look-back window; null where nothing was looked back at.
    #[schema(required)]
    window_days: Option<i64>,
}

/// A click or a code that was considered.
#[derive(Serialize, ToSchema)]
struct Touchpoint {
    kind: TouchKind,
    /// As the shop gave it.
    id: String,
    #[schema(required)]
    at: Option<Instant>,
    #[schema(required)]
    link_id: Option<LinkId>,
    verdict: Verdict,
    /// Why it did not win, as a stable word.
    #[schema(required)]
    reason: Option<String>,
    /// The same in a sentence.
    #[schema(required)]
    why: Option<String>,
}

/// What this file adds to the description.
#[derive(OpenApi)]
#[openapi(paths(explain))]
pub(super) struct Description;

/// Tells why somebody earned a conversion, or nobody did.
#[utoipa::path(get, path = "/v1/conversions/{id}/explain", tag = "conversions", params(("id" = ConversionId, Path)),
    responses((status = 200, description = "With everything that was considered.", body = Explained)))]
pub(super) async fn explain(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    Parameters::of(&request).done()?;
    let stored = conversions::find(&api, brand, &path).await?;
    let touchpoints = api.store.touchpoints(&stored.id).await?;
    let decisions = api.store.decisions(&stored.id).await?;
    let refunds = api.store.refunds_of(&stored.id).await?;
    let why = match decisions.last() {
        // What a person decided last is why it stands as it does.
        Some(last) => last.decision.sentence(),
        None => sentence(stored.state, stored.reason.as_deref(), &touchpoints),
    };
    Ok(HttpResponse::Ok().json(Explained {
        conversion: ConversionShown::from(&stored),
        why: why.to_owned(),
        rule: rule(&touchpoints),
        deal: deal(&api, brand, &stored, &touchpoints).await?,
        touchpoints: touchpoints
            .iter()
            .map(|touch| Touchpoint::of(touch, &stored, !decisions.is_empty()))
            .collect(),
        decisions,
        refunds: refunds.iter().map(RefundShown::from).collect(),
    }))
}

/// Whose terms were asked: those of the credit, or of the last link that a deal's dates refused.
async fn deal(
    api: &Api,
    brand: BrandId,
    stored: &StoredConversion,
    touchpoints: &[StoredTouchpoint],
) -> Result<Option<Deal>, Problem> {
    let of_credit = stored
        .credits
        .iter()
        .find_map(|credit| Some((credit.campaign_id?, credit.influencer_id)));
    let by_deal = |touch: &&StoredTouchpoint| {
        let why = touch.why.as_deref().and_then(Why::from_code);
        matches!(why, Some(Why::DealOver | Why::DealNotStarted))
    };
    let refused = touchpoints.iter().rev().find(by_deal).and_then(|touch| touch.link_id);
    let place = match (of_credit, refused) {
        (Some(place), _) => place,
        (None, Some(link)) => {
            let link: Link = api.store.get(Some(brand), link.number()).await?;
            (link.campaign_id, link.influencer_id)
        }
        (None, None) => return Ok(None),
    };
    match api.store.deal(Some(brand), place).await {
        Ok(deal) if deal.archived_at.is_none() => Ok(Some(deal)),
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

fn rule(touchpoints: &[StoredTouchpoint]) -> AppliedRule {
    let mut credited = touchpoints.iter().filter(|touch| touch.verdict == Verdict::Credited);
    let deciding = credited.find(|touch| touch.window_days.is_some());
    AppliedRule {
        model: "last_touch",
        window_days: deciding.or(touchpoints.last()).and_then(|touch| touch.window_days),
    }
}

fn sentence(state: ConversionState, reason: Option<&str>, touchpoints: &[StoredTouchpoint]) -> &'static str {
    let credited = |kind| {
        let mut of_kind = touchpoints.iter().filter(|touch| touch.kind == kind);
        of_kind.any(|touch| touch.verdict == Verdict::Credited)
    };
    match (state, reason.and_then(Why::from_code)) {
        (ConversionState::Test, _) => "A test order: stored, never counted.",
        (_, Some(why)) => why.sentence(),
        _ => match (credited(TouchKind::Click), credited(TouchKind::PromoCode)) {
            (true, true) => "The last eligible click and the promo code of the same influencer earned it.",
            (false, true) => "The first eligible promo code of the order earned it.",
            _ => "The last eligible click before the order earned it.",
        },
    }
}

impl Touchpoint {
    /// `decided`: a person had the last word, so what the rules credited need not have the credit.
    fn of(touch: &StoredTouchpoint, stored: &StoredConversion, decided: bool) -> Self {
        let has_credit = stored.credits.iter().any(|credit| match touch.kind {
            TouchKind::Click => credit.link_id == touch.link_id,
            TouchKind::PromoCode => credit.promo_code_id == touch.promo_code_id,
        });
        let overruled = decided && touch.verdict == Verdict::Credited && !has_credit;
        let (verdict, reason) = if overruled {
            (Verdict::Eligible, Some(Why::DecidedByPerson.code().to_owned()))
        } else {
            (touch.verdict, touch.why.clone())
        };
        let why = reason.as_deref().and_then(Why::from_code).map(Why::sentence);
        let credited = match (verdict, touch.kind) {
            (Verdict::Credited, TouchKind::PromoCode) => Some("The first eligible promo code of the order."),
            (Verdict::Credited, TouchKind::Click) => Some("The last eligible click before the order."),
            _ => None,
        };
        Self {
            kind: touch.kind,
            id: touch.given.clone(),
            at: touch.at,
            link_id: touch.link_id,
            verdict,
            reason,
            why: why.or(credited).map(str::to_owned),
        }
    }
}
