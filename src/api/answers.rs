//! What the answers about conversions look like: they are put together by hand from facts, credits and touchpoints, and are
//! described here.
#![expect(dead_code, reason = "describes what is put together by hand")]

use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::domain::conversion::{ConversionId, ConversionInput, Event};
use crate::domain::id::{CampaignId, InfluencerId, LinkId, PromoCodeId};
use crate::domain::invalid::FieldError;
use crate::domain::money::Money;
use crate::domain::text::ExternalId;
use crate::domain::time::Instant;

/// One conversion, or an array of up to 500.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(Box<ConversionInput>),
    Many(Many),
}

/// Each for itself, in order.
#[derive(ToSchema)]
#[schema(as = NewConversions, max_items = 500)]
pub(super) struct Many(Vec<ConversionInput>);

/// Safe on disk, not yet counted.
#[derive(ToSchema)]
#[schema(as = ConversionAccepted)]
pub(super) struct Accepted {
    id: ConversionId,
    /// `accepted`.
    state: State,
}

/// What is known of what was sent.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Taken {
    One(Accepted),
    Many(Results),
}

/// What became of what was sent.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    One(ConversionShown),
    Many(Results),
}

/// One result for each conversion of the request, in its order.
#[derive(ToSchema)]
#[schema(as = ConversionResults)]
pub(super) struct Results {
    results: Vec<OneResult>,
}

/// What became of one conversion: as it would have been answered alone, with its status.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = ConversionResult)]
enum OneResult {
    Counted {
        #[schema(minimum = 200, maximum = 200)]
        status: u16,
        #[serde(flatten)]
        conversion: ConversionShown,
    },
    Accepted {
        #[schema(minimum = 202, maximum = 202)]
        status: u16,
        id: ConversionId,
        state: State,
    },
    Conflicting(Conflicting),
    Refused {
        #[schema(minimum = 422, maximum = 422)]
        status: u16,
        errors: Vec<FieldError>,
    },
}

/// The problem, and what stands.
#[derive(ToSchema)]
pub(super) struct Conflicting {
    #[serde(flatten)]
    problem: Problem,
    conversion: ConversionShown,
}

/// What a conversion came to.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConversionState)]
pub(super) enum State {
    /// Safe, not yet counted.
    Accepted,
    /// Waits for something, such as a payment.
    Pending,
    /// Somebody earned it.
    Attributed,
    /// It counts, and nobody earned it.
    Unattributed,
    /// A person must decide.
    Held,
    /// A person decided against it.
    Rejected,
    /// A test: stored, never counted.
    Test,
    /// Cancelled.
    Void,
}

/// A conversion as it stands.
#[derive(ToSchema)]
#[schema(as = Conversion)]
pub(super) struct ConversionShown {
    id: ConversionId,
    event: Event,
    external_id: ExternalId,
    /// `api`, or a webhook source's id.
    source: String,
    state: State,
    /// Why it is in this state, where that needs a reason.
    #[schema(required)]
    reason: Option<String>,
    /// Net.
    #[schema(required)]
    amount: Option<Money>,
    /// Everything charged.
    #[schema(required)]
    gross_amount: Option<Money>,
    occurred_at: Instant,
    /// Who earned it.
    credits: Vec<Credit>,
}

/// One who earned it.
#[derive(ToSchema)]
struct Credit {
    influencer_id: InfluencerId,
    campaign_id: CampaignId,
    #[schema(required)]
    link_id: Option<LinkId>,
    #[schema(required)]
    promo_code_id: Option<PromoCodeId>,
    /// The share, in basis points.
    #[schema(minimum = 0, maximum = 10_000)]
    share_bps: i64,
    /// What is owed for it.
    #[schema(required)]
    commission: Option<Money>,
}

/// A conversion and everything that was considered.
#[derive(ToSchema)]
pub(super) struct Explained {
    #[serde(flatten)]
    conversion: ConversionShown,
    /// In a sentence.
    why: String,
    rule: Rule,
    /// The influencer's own deal that was applied.
    #[schema(required)]
    deal: Option<serde_json::Value>,
    touchpoints: Vec<Touchpoint>,
}

/// The rule that decided.
#[derive(ToSchema)]
#[schema(as = AppliedRule)]
struct Rule {
    model: String,
    /// The look-back window; null where nothing was looked back at.
    #[schema(required)]
    window_days: Option<i64>,
}

/// A click or a code that was considered.
#[derive(ToSchema)]
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

/// A kind of touchpoint.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum TouchKind {
    Click,
    PromoCode,
}

/// What a touchpoint came to.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Credited,
    Eligible,
    Ineligible,
}

/// What a list of conversions is narrowed down by.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParameters {
    /// Things on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[0-9]{1,15}\\.cnv_[0-9a-hjkmnp-tv-z]{24}$")]
    cursor: Option<String>,
    /// Only in this state.
    state: Option<State>,
    /// Only this event.
    event: Option<Event>,
    /// Only with this id of the shop's.
    external_id: Option<String>,
}
