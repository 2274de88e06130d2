//! Which touchpoint earned a conversion: a pure function of committed facts, with its explanation.
//!
//! A touchpoint is eligible if `0 ≤ occurred_at − touch ≤ window_days × 86,400 s`, with 300 s of
//! clock skew tolerated on the near side, and its link, deal and campaign were live at the touch (codes:
//! when the order was placed). The
//! last eligible click stands against the first eligible promo code; where both belong to one
//! influencer the credit carries both, else the campaign's `conflict` decides. Every touchpoint
//! keeps its verdict, so that a credit, and the lack of one, can be explained later.

mod judge;
mod why;

use serde::Serialize;
use utoipa::ToSchema;

use super::campaign::Conflict;
use super::click_id::{ClickId, ClickIdError};
use super::id::{BrandId, CampaignId, InfluencerId, LinkId, PostId, PromoCodeId};
use super::link::LinkOwner;
use super::promo_code::{CodeOwner, CodeStatus};
use super::text::fold_code;
use super::time::{Instant, SECOND_MS};
pub use why::Why;

/// How far a touch may lie after its conversion, because two clocks are never the same.
pub const CLOCK_SKEW_MS: i64 = 300 * SECOND_MS;
/// The look-back window where the campaign sets none, in days.
pub const DEFAULT_WINDOW_DAYS: u32 = 30;
/// The longest look-back window, in days.
pub const MAX_WINDOW_DAYS: u32 = 3650;
/// A whole credit, in basis points.
pub const WHOLE_SHARE_BPS: i64 = 10_000;

/// A click id as it was given, and what could be read from it.
#[derive(Debug, Clone)]
pub struct GivenClick {
    /// The text that the shop posted.
    pub text: String,
    /// The click, or why it is not one of ours.
    pub read: Result<ClickId, ClickIdError>,
    /// The link's owner; `None` when this store does not know the link.
    pub owner: Option<LinkOwner>,
}

/// A code as it was given, and whose it is.
#[derive(Debug, Clone)]
pub struct GivenCode {
    /// The text that the shop posted.
    pub text: String,
    /// Its owner in the conversion's brand; `None` for ordinary coupons.
    pub owner: Option<CodeOwner>,
}

/// Who earns, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The link, where a click earned it.
    pub link: Option<LinkId>,
    /// The code, where a code did.
    pub promo_code: Option<PromoCodeId>,
    /// The campaign.
    pub campaign: CampaignId,
    /// The influencer.
    pub influencer: InfluencerId,
    /// The post, where it was named.
    pub post: Option<PostId>,
}

/// What became of a touchpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It earned the credit.
    Credited,
    /// It was eligible, but another one won.
    Eligible,
    /// It could not earn anything.
    Ineligible,
}

impl Verdict {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credited => "credited",
            Self::Eligible => "eligible",
            Self::Ineligible => "ineligible",
        }
    }

    /// The verdict with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Credited, Self::Eligible, Self::Ineligible]
            .into_iter()
            .find(|verdict| verdict.name() == name)
    }
}

/// What kind of touchpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TouchKind {
    /// A click on a link.
    Click,
    /// A promo code at the checkout.
    PromoCode,
}

impl TouchKind {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::PromoCode => "promo_code",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Click, Self::PromoCode]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One touchpoint that was considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touchpoint {
    /// Click or code.
    pub kind: TouchKind,
    /// The click id or code as given.
    pub given: String,
    /// When the touch was; unknown for ids that are not ours.
    pub at: Option<Instant>,
    /// Who would earn by it; only for links and codes of the conversion's own brand.
    pub owner: Option<Owner>,
    /// The look-back window it was judged by, in days; clicks only.
    pub window_days: Option<u32>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it did not win.
    pub why: Option<Why>,
}

/// Who earns a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Who, and by what.
    pub owner: Owner,
    /// The share in basis points; the shares of one conversion sum to 10,000.
    pub share_bps: i64,
    /// The click that earned it, by which reports find its country and device.
    pub click: Option<ClickId>,
}

/// The outcome for one conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// Empty when nobody earned it.
    pub credits: Vec<Credit>,
    /// Why nobody did; `None` when somebody did.
    pub reason: Option<Why>,
    /// Why a person must decide before it counts.
    pub held: Option<Why>,
    /// Everything that was considered, in the order given.
    pub touchpoints: Vec<Touchpoint>,
}

/// The last eligible click and the first eligible code, by their places.
struct Winners {
    click: Option<usize>,
    code: Option<usize>,
}

fn winners(touchpoints: &[Touchpoint]) -> Winners {
    let eligible = |kind| {
        let all = touchpoints.iter().enumerate();
        all.filter(move |(_, touch)| touch.kind == kind && touch.verdict == Verdict::Eligible)
    };
    Winners {
        // Equal times are settled by the order in which the shop gave the ids, later wins.
        click: eligible(TouchKind::Click)
            .max_by_key(|(place, touch)| (touch.at, *place))
            .map(|(place, _)| place),
        code: eligible(TouchKind::PromoCode).next().map(|(place, _)| place),
    }
}

/// Decides who earned a conversion of `brand` at `occurred_at`.
///
/// When nobody earns it, the reason is that of the last touchpoint that came near: a refused click
/// says more than an ordinary coupon.
#[must_use]
pub fn attribute(brand: BrandId, occurred_at: Instant, clicks: &[GivenClick], codes: &[GivenCode]) -> Attribution {
    let mut touchpoints: Vec<Touchpoint> = Vec::with_capacity(clicks.len() + codes.len());
    for click in clicks {
        let repeated = touchpoints.iter().any(|earlier| earlier.given == click.text);
        touchpoints.push(judge::click(brand, occurred_at, click, repeated));
    }
    for code in codes {
        let same = |earlier: &Touchpoint| fold_code(&earlier.given) == fold_code(&code.text);
        let repeated = touchpoints[clicks.len()..].iter().any(same);
        touchpoints.push(judge::code(occurred_at, code, repeated));
    }

    let best = winners(&touchpoints);
    for (place, touch) in touchpoints.iter_mut().enumerate() {
        if touch.verdict == Verdict::Eligible && Some(place) != best.click && Some(place) != best.code {
            touch.why = Some(match touch.kind {
                TouchKind::Click => Why::LaterTouchWon,
                TouchKind::PromoCode => Why::EarlierCodeWon,
            });
        }
    }
    let code_of = |place: usize| codes.get(place - clicks.len()).and_then(|code| code.owner);
    let rule = best
        .code
        .and_then(code_of)
        .map_or(Conflict::default(), |code| code.conflict);
    let owner = settle(&mut touchpoints, &best, rule);
    let click = best.click.and_then(|place| clicks[place].read.ok());
    let credit = owner.map(|owner| Credit {
        owner,
        share_bps: WHOLE_SHARE_BPS,
        click: click.filter(|_| owner.link.is_some()),
    });
    let in_review = owner.and_then(|owner| owner.promo_code).is_some()
        && best
            .code
            .and_then(code_of)
            .is_some_and(|code| code.status == CodeStatus::Review);
    Attribution {
        reason: credit.is_none().then(|| reason(&touchpoints)),
        credits: credit.into_iter().collect(),
        held: in_review.then_some(Why::CodeInReview),
        touchpoints,
    }
}

/// Gives the verdicts of the best click and the best code; who earns.
fn settle(touchpoints: &mut [Touchpoint], best: &Winners, rule: Conflict) -> Option<Owner> {
    let owner = |place: Option<usize>| place.and_then(|place| touchpoints[place].owner);
    let (winner, loser) = match (owner(best.click), owner(best.code)) {
        (None, None) => return None,
        (Some(click), None) => (click, None),
        (None, Some(code)) => (code, None),
        (Some(click), Some(code)) => match rule {
            Conflict::CodeWins => (code, Some((click, best.click, Why::CodeWon))),
            Conflict::LinkWins => (click, Some((code, best.code, Why::LinkWon))),
        },
    };
    for place in [best.click, best.code].into_iter().flatten() {
        touchpoints[place].verdict = Verdict::Credited;
    }
    let Some((loser, place, why)) = loser else {
        return Some(winner);
    };
    if loser.influencer == winner.influencer {
        return Some(Owner {
            link: winner.link.or(loser.link),
            promo_code: winner.promo_code.or(loser.promo_code),
            post: winner.post.or(loser.post),
            ..winner
        });
    }
    if let Some(place) = place {
        touchpoints[place].verdict = Verdict::Eligible;
        touchpoints[place].why = Some(why);
    }
    Some(winner)
}

fn reason(touchpoints: &[Touchpoint]) -> Why {
    let refused = |kind| {
        let of_kind = touchpoints.iter().filter(move |touch| touch.kind == kind);
        of_kind
            .filter_map(|touch| touch.why)
            .filter(|why| *why != Why::Repeated)
    };
    // An influencer's code that could not earn says more than a coupon of the shop.
    let told_code = refused(TouchKind::PromoCode).find(|why| *why != Why::OrdinaryCoupon);
    refused(TouchKind::Click)
        .next_back()
        .or(told_code)
        .or_else(|| refused(TouchKind::PromoCode).next())
        .unwrap_or(Why::NoTouchpoint)
}

#[cfg(test)]
mod tests;
