//! Whether one touchpoint could earn at all.

use super::{CLOCK_SKEW_MS, GivenClick, GivenCode, Owner, TouchKind, Touchpoint, Verdict, Why};
use crate::domain::click_id::ClickIdError;
use crate::domain::deal::DealTerm;
use crate::domain::id::BrandId;
use crate::domain::link::LinkState;
use crate::domain::promo_code::CodeStatus;
use crate::domain::time::{DAY_MS, Instant};

const fn verdict(why: Option<Why>) -> Verdict {
    if why.is_some() {
        Verdict::Ineligible
    } else {
        Verdict::Eligible
    }
}

pub(super) fn click(brand: BrandId, occurred_at: Instant, click: &GivenClick, repeated: bool) -> Touchpoint {
    let why = if repeated {
        Some(Why::Repeated)
    } else {
        click_refusal(brand, occurred_at, click)
    };
    // Another brand's click must not tell this brand when or whose it was.
    let own = click.owner.filter(|owner| owner.brand == brand);
    let foreign = click.owner.is_some() && own.is_none();
    Touchpoint {
        kind: TouchKind::Click,
        given: click.text.clone(),
        at: click.read.ok().filter(|_| !foreign).map(|read| read.at),
        owner: own.map(|own| Owner {
            link: Some(own.link),
            promo_code: None,
            campaign: own.campaign,
            influencer: own.influencer,
            post: own.post,
        }),
        window_days: own.map(|own| own.window_days),
        verdict: verdict(why),
        why,
    }
}

fn click_refusal(brand: BrandId, occurred_at: Instant, click: &GivenClick) -> Option<Why> {
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
    if let Some(why) = deal_refusal(&owner.deal, read.at) {
        return Some(why);
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

fn deal_refusal(deal: &DealTerm, at: Instant) -> Option<Why> {
    if deal.is_over(at) {
        Some(Why::DealOver)
    } else if deal.is_to_come(at) {
        Some(Why::DealNotStarted)
    } else {
        None
    }
}

pub(super) fn code(occurred_at: Instant, code: &GivenCode, repeated: bool) -> Touchpoint {
    let why = if repeated {
        Some(Why::Repeated)
    } else {
        code_refusal(occurred_at, code)
    };
    Touchpoint {
        kind: TouchKind::PromoCode,
        given: code.text.clone(),
        // A code is used when the order is placed.
        at: code.owner.map(|_| occurred_at),
        owner: code.owner.map(|own| Owner {
            link: None,
            promo_code: Some(own.code),
            campaign: own.campaign,
            influencer: own.influencer,
            post: own.post,
        }),
        window_days: None,
        verdict: verdict(why),
        why,
    }
}

fn code_refusal(occurred_at: Instant, code: &GivenCode) -> Option<Why> {
    let Some(owner) = code.owner else {
        return Some(Why::OrdinaryCoupon);
    };
    let passed = |edge: Option<Instant>| edge.is_some_and(|edge| occurred_at >= edge);
    if owner.status == CodeStatus::Retired {
        Some(Why::CodeRetired)
    } else if owner.season.archived || passed(owner.season.ends_at) {
        Some(Why::CampaignOver)
    } else if owner.season.starts_at.is_some_and(|start| occurred_at < start) {
        Some(Why::CampaignNotStarted)
    } else if let Some(why) = deal_refusal(&owner.deal, occurred_at) {
        Some(why)
    } else if passed(owner.expires_at) {
        Some(Why::CodeExpired)
    } else {
        None
    }
}
