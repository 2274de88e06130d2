//! What is told of events: conversions, refunds, decisions, rejections.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{PROBLEM_JSON, Problem};
use crate::domain::conversion::Event;
use crate::domain::conversion_state::ConversionState;
use crate::domain::event_id::{ConversionId, RefundId};
use crate::domain::id::{CampaignId, InfluencerId, LinkId, PromoCodeId};
use crate::domain::money::Money;
use crate::domain::refund::{Given, RefundState};
use crate::domain::text::ExternalId;
use crate::domain::time::Instant;
use crate::store::{StoredConversion, StoredCredit, StoredRefund};

/// Safe on disk, not yet counted.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted<I> {
    id: I,
    /// `accepted`.
    state: ConversionState,
}

impl<I> Accepted<I> {
    pub(super) const fn new(id: I) -> Self {
        Self {
            id,
            state: ConversionState::Accepted,
        }
    }
}

/// A conversion as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Conversion)]
pub(super) struct ConversionShown {
    id: ConversionId,
    event: Event,
    external_id: ExternalId,
    /// `api`, or a webhook source's id.
    source: String,
    state: ConversionState,
    /// Why it is in this state, where that needs a reason.
    #[schema(required)]
    reason: Option<String>,
    /// Net.
    #[schema(required)]
    amount: Option<Money>,
    /// Everything charged.
    #[schema(required)]
    gross_amount: Option<Money>,
    /// What was given back of `amount`.
    #[schema(required)]
    refunded: Option<Money>,
    occurred_at: Instant,
    /// Who earned it.
    credits: Vec<Credit>,
}

/// One who earned it.
#[derive(Serialize, ToSchema)]
struct Credit {
    influencer_id: InfluencerId,
    /// Null where a person gave the credit and named none.
    #[schema(required)]
    campaign_id: Option<CampaignId>,
    #[schema(required)]
    link_id: Option<LinkId>,
    #[schema(required)]
    promo_code_id: Option<PromoCodeId>,
    /// The share, in basis points.
    #[schema(minimum = 0, maximum = 10_000)]
    share_bps: i64,
    /// What is owed for it; null: not computed yet.
    #[schema(required)]
    commission: Option<Money>,
}

impl From<&StoredCredit> for Credit {
    fn from(credit: &StoredCredit) -> Self {
        Self {
            influencer_id: credit.influencer_id,
            campaign_id: credit.campaign_id,
            link_id: credit.link_id,
            promo_code_id: credit.promo_code_id,
            share_bps: credit.share_bps,
            commission: None,
        }
    }
}

impl From<&StoredConversion> for ConversionShown {
    fn from(stored: &StoredConversion) -> Self {
        let facts = &stored.facts;
        let refunded = |amount| Money {
            amount: stored.refunded,
            ..amount
        };
        Self {
            id: stored.id.clone(),
            event: facts.event.clone(),
            external_id: facts.external_id.clone(),
            source: facts.source.clone(),
            state: stored.state,
            reason: stored.reason.clone(),
            amount: facts.amount,
            gross_amount: facts.gross_amount,
            refunded: facts.amount.map(refunded),
            occurred_at: stored.occurred_at,
            credits: stored.credits.iter().map(Credit::from).collect(),
        }
    }
}

/// A refund as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Refund)]
pub(super) struct RefundShown {
    id: RefundId,
    refund_id: ExternalId,
    order_id: ExternalId,
    /// The order's source.
    source: String,
    state: RefundState,
    /// Why it was rejected.
    #[schema(required)]
    reason: Option<String>,
    /// What it takes off the order's net amount; unknown until the order is there.
    #[schema(required)]
    amount: Option<Money>,
    /// What was given back in all, where the shop said that.
    #[schema(required)]
    gross_amount: Option<Money>,
    refunded_at: Instant,
}

impl From<&StoredRefund> for RefundShown {
    fn from(stored: &StoredRefund) -> Self {
        let facts = &stored.facts;
        Self {
            id: stored.id.clone(),
            refund_id: facts.refund_id.clone(),
            order_id: facts.order_id.clone(),
            source: facts.source.clone(),
            state: stored.state,
            reason: stored.reason.map(|refusal| refusal.code().to_owned()),
            amount: stored.amount,
            gross_amount: match facts.given {
                Given::Net(_) => None,
                Given::Gross(money) => Some(money),
            },
            refunded_at: stored.refunded_at,
        }
    }
}

/// The problem, and what stands.
#[derive(Serialize, ToSchema)]
pub(super) struct ConflictingConversion {
    #[serde(flatten)]
    problem: Problem,
    conversion: ConversionShown,
}

/// The problem, and what stands.
#[derive(Serialize, ToSchema)]
pub(super) struct ConflictingRefund {
    #[serde(flatten)]
    problem: Problem,
    refund: RefundShown,
}

fn contradicts_first() -> Problem {
    let detail = "This event was counted before with another amount. The first stands; this one is not counted.";
    Problem::conflict(detail)
}

impl ConflictingConversion {
    pub(super) fn new(conversion: ConversionShown) -> Self {
        Self {
            problem: contradicts_first(),
            conversion,
        }
    }
}

impl ConflictingRefund {
    pub(super) fn new(refund: RefundShown) -> Self {
        Self {
            problem: contradicts_first(),
            refund,
        }
    }
}

/// What a caller who waited is told: what was counted, or that something else stands. A wait that was too short is
/// answered as if there had been none.
pub(super) enum Outcome<I, T, C> {
    Counted(T),
    Accepted(Accepted<I>),
    Conflicting(C),
}

impl<I: Serialize, T: Serialize, C: Serialize> From<Outcome<I, T, C>> for HttpResponse {
    fn from(outcome: Outcome<I, T, C>) -> Self {
        match outcome {
            Outcome::Counted(thing) => Self::Ok().json(thing),
            Outcome::Accepted(accepted) => Self::Accepted().json(accepted),
            Outcome::Conflicting(conflicting) => Self::Conflict().content_type(PROBLEM_JSON).json(conflicting),
        }
    }
}
