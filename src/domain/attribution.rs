//! Which touchpoint earned a conversion: a pure function of committed facts, with its explanation.
//!
//! A touchpoint is eligible if `0 ≤ occurred_at − touch ≤ window_days × 86,400 s`, with 300 s of
//! clock skew tolerated on the near side, and its link and campaign were live at the touch. The
//! last eligible touchpoint gets the whole credit. Every touchpoint keeps its verdict, so that a
//! credit, and the lack of one, can be explained later.

use serde::Serialize;

use super::click_id::{ClickId, ClickIdError};
use super::id::BrandId;
use super::link::{LinkOwner, LinkState};
use super::text::CodeText;
use super::time::{DAY_MS, Instant, SECOND_MS};

/// How far a touch may lie after its conversion, because two clocks are never the same.
pub const CLOCK_SKEW_MS: i64 = 300 * SECOND_MS;
/// The look-back window where the campaign sets none, in days.
pub const DEFAULT_WINDOW_DAYS: u32 = 30;
/// The longest look-back window, in days.
pub const MAX_WINDOW_DAYS: u32 = 3650;
/// A whole credit, in basis points.
pub const WHOLE_SHARE_BPS: i64 = 10_000;

/// Why a touchpoint earned nothing, or a conversion nobody anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The conversion came with neither click id nor code.
    NoTouchpoint,
    /// The click id is not spelled like one.
    ClickIdMalformed,
    /// The click id is another installation's or another brand's.
    ClickIdForeign,
    /// The click id was changed after it was issued.
    ClickIdTampered,
    /// The click id is genuine, but this store does not know its link.
    LinkUnknown,
    /// The touch came after the conversion.
    TouchAfterConversion,
    /// The touch is older than the campaign's look-back window.
    OutsideWindow,
    /// The link was paused at the touch.
    LinkPaused,
    /// The link had expired at the touch.
    LinkExpired,
    /// The link had been deleted at the touch.
    LinkArchived,
    /// The campaign was over at the touch.
    CampaignOver,
    /// The campaign had not started at the touch.
    CampaignNotStarted,
    /// A later touchpoint was eligible too.
    LaterTouchWon,
    /// The same click id was given twice.
    Repeated,
    /// No influencer's code: an ordinary coupon.
    OrdinaryCoupon,
}

impl Why {
    /// The stable code in the API and the store.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoTouchpoint => "no_touchpoint",
            Self::ClickIdMalformed => "click_id_malformed",
            Self::ClickIdForeign => "click_id_foreign",
            Self::ClickIdTampered => "click_id_tampered",
            Self::LinkUnknown => "link_unknown",
            Self::TouchAfterConversion => "touch_after_conversion",
            Self::OutsideWindow => "outside_window",
            Self::LinkPaused => "link_paused",
            Self::LinkExpired => "link_expired",
            Self::LinkArchived => "link_archived",
            Self::CampaignOver => "campaign_over",
            Self::CampaignNotStarted => "campaign_not_started",
            Self::LaterTouchWon => "later_touch_won",
            Self::Repeated => "repeated",
            Self::OrdinaryCoupon => "ordinary_coupon",
        }
    }

    /// The same for a person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoTouchpoint => "The order came with no click id and no promo code of an influencer.",
            Self::ClickIdMalformed => "The click id is not spelled like one: it was cut short, re-encoded or made up.",
            Self::ClickIdForeign => "The click id belongs to another brand or another installation.",
            Self::ClickIdTampered => "The click id was changed after it was issued.",
            Self::LinkUnknown => "The click id is genuine, but its link is not in this store.",
            Self::TouchAfterConversion => "The click came after the order.",
            Self::OutsideWindow => "The click is older than the campaign's look-back window.",
            Self::LinkPaused => "The link was paused when it was clicked.",
            Self::LinkExpired => "The link had expired when it was clicked.",
            Self::LinkArchived => "The link had been deleted when it was clicked.",
            Self::CampaignOver => "The campaign was over when the link was clicked.",
            Self::CampaignNotStarted => "The campaign had not started when the link was clicked.",
            Self::LaterTouchWon => "A later click before the order was eligible too; the last one wins.",
            Self::Repeated => "The same click id was given twice; it counts once.",
            Self::OrdinaryCoupon => "The code belongs to no influencer.",
        }
    }

    /// The reason behind a stored code; `None` for a code of a newer version.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        const ALL: [Why; 15] = [
            Why::NoTouchpoint,
            Why::ClickIdMalformed,
            Why::ClickIdForeign,
            Why::ClickIdTampered,
            Why::LinkUnknown,
            Why::TouchAfterConversion,
            Why::OutsideWindow,
            Why::LinkPaused,
            Why::LinkExpired,
            Why::LinkArchived,
            Why::CampaignOver,
            Why::CampaignNotStarted,
            Why::LaterTouchWon,
            Why::Repeated,
            Why::OrdinaryCoupon,
        ];
        ALL.into_iter().find(|why| why.code() == code)
    }
}

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

/// What became of a touchpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
}

/// What kind of touchpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// Who would earn by it; only for links of the conversion's own brand.
    pub owner: Option<LinkOwner>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it did not win.
    pub why: Option<Why>,
}

/// Who earns a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// The link's owner.
    pub owner: LinkOwner,
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
    /// Everything that was considered, in the order given.
    pub touchpoints: Vec<Touchpoint>,
}

fn refusal(brand: BrandId, occurred_at: Instant, click: &GivenClick) -> Option<Why> {
    let read = match &click.read {
        Ok(read) => read,
        Err(ClickIdError::Malformed) => return Some(Why::ClickIdMalformed),
        Err(ClickIdError::Foreign) => return Some(Why::ClickIdForeign),
        Err(ClickIdError::Tampered) => return Some(Why::ClickIdTampered),
    };
    let Some(owner) = click.owner else {
        return Some(Why::LinkUnknown);
    };
    if owner.brand != brand {
        return Some(Why::ClickIdForeign);
    }
    match read.state {
        LinkState::Live => {}
        LinkState::Paused => return Some(Why::LinkPaused),
        LinkState::Expired => return Some(Why::LinkExpired),
        LinkState::Archived => return Some(Why::LinkArchived),
        LinkState::CampaignOver => return Some(Why::CampaignOver),
        LinkState::CampaignNotStarted => return Some(Why::CampaignNotStarted),
    }
    let age_ms = occurred_at.ms() - read.at.ms();
    if age_ms < -CLOCK_SKEW_MS {
        Some(Why::TouchAfterConversion)
    } else if age_ms > i64::from(owner.window_days) * DAY_MS {
        Some(Why::OutsideWindow)
    } else {
        None
    }
}

fn touchpoint(brand: BrandId, click: &GivenClick, why: Option<Why>) -> Touchpoint {
    // Another brand's click must not tell this brand when or whose it was.
    let owner = click.owner.filter(|owner| owner.brand == brand);
    let foreign = why == Some(Why::ClickIdForeign);
    Touchpoint {
        kind: TouchKind::Click,
        given: click.text.clone(),
        at: click.read.ok().filter(|_| !foreign).map(|read| read.at),
        owner,
        verdict: if why.is_some() {
            Verdict::Ineligible
        } else {
            Verdict::Eligible
        },
        why,
    }
}

/// Decides who earned a conversion of `brand` at `occurred_at`.
///
/// Equal times are settled by the order in which the shop gave the ids, later wins. When nobody
/// earns it, the reason is that of the last touchpoint that came near: a refused click says more
/// than an ordinary coupon.
#[must_use]
pub fn attribute(brand: BrandId, occurred_at: Instant, clicks: &[GivenClick], codes: &[CodeText]) -> Attribution {
    let mut touchpoints: Vec<Touchpoint> = Vec::with_capacity(clicks.len() + codes.len());
    for click in clicks {
        let repeated = touchpoints.iter().any(|earlier| earlier.given == click.text);
        let why = if repeated {
            Some(Why::Repeated)
        } else {
            refusal(brand, occurred_at, click)
        };
        touchpoints.push(touchpoint(brand, click, why));
    }
    touchpoints.extend(codes.iter().map(|code| Touchpoint {
        kind: TouchKind::PromoCode,
        given: code.as_str().to_owned(),
        at: None,
        owner: None,
        verdict: Verdict::Ineligible,
        why: Some(Why::OrdinaryCoupon),
    }));

    let winner = touchpoints
        .iter()
        .enumerate()
        .filter(|(_, touch)| touch.verdict == Verdict::Eligible)
        .max_by_key(|(place, touch)| (touch.at, *place))
        .map(|(place, _)| place);
    let mut credits = Vec::new();
    for (place, touch) in touchpoints.iter_mut().enumerate() {
        if Some(place) == winner {
            touch.verdict = Verdict::Credited;
            credits.extend(touch.owner.map(|owner| Credit {
                owner,
                share_bps: WHOLE_SHARE_BPS,
                // Clicks come first among the touchpoints, in the order given.
                click: clicks.get(place).and_then(|click| click.read.ok()),
            }));
        } else if touch.verdict == Verdict::Eligible {
            touch.why = Some(Why::LaterTouchWon);
        }
    }
    let reason = credits.is_empty().then(|| {
        let refused = |kind| {
            let of_kind = touchpoints.iter().filter(move |touch| touch.kind == kind);
            of_kind.filter_map(|touch| touch.why).rfind(|why| *why != Why::Repeated)
        };
        refused(TouchKind::Click)
            .or_else(|| refused(TouchKind::PromoCode))
            .unwrap_or(Why::NoTouchpoint)
    });
    Attribution {
        credits,
        reason,
        touchpoints,
    }
}

#[cfg(test)]
#[path = "attribution_tests.rs"]
mod tests;
