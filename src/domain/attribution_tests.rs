use super::*;
use crate::domain::id::{CampaignId, InfluencerId, LinkId};
use proptest::prelude::*;

const NOON: i64 = 1_790_000_000_000;

fn brand() -> BrandId {
    BrandId::from_number(1).expect("in range")
}

fn owner(link: i64, window_days: u32) -> LinkOwner {
    LinkOwner {
        link: LinkId::from_number(link).expect("in range"),
        brand: brand(),
        campaign: CampaignId::from_number(1).expect("in range"),
        influencer: InfluencerId::from_number(link).expect("in range"),
        post: None,
        window_days,
    }
}

fn click(link: i64, at_ms: i64) -> GivenClick {
    GivenClick {
        text: format!("id-{link}-{at_ms}"),
        read: Ok(ClickId {
            link: owner(link, 30).link,
            state: LinkState::Live,
            at: Instant::from_ms(at_ms),
            tag: 1,
            seq: 1,
        }),
        owner: Some(owner(link, 30)),
    }
}

fn decide(clicks: &[GivenClick]) -> Attribution {
    attribute(brand(), Instant::from_ms(NOON), clicks, &[])
}

fn reason_of(click: GivenClick) -> Option<Why> {
    decide(&[click]).reason
}

#[test]
fn the_last_eligible_click_earns_the_whole_sale() {
    let outcome = decide(&[
        click(1, NOON - DAY_MS),
        click(2, NOON - 1000),
        click(3, NOON - 2 * DAY_MS),
    ]);
    assert_eq!(outcome.credits.len(), 1);
    assert_eq!(outcome.credits[0].owner, owner(2, 30));
    assert_eq!(outcome.credits[0].share_bps, WHOLE_SHARE_BPS);
    assert_eq!(outcome.touchpoints[0].why, Some(Why::LaterTouchWon));
    assert_eq!(outcome.touchpoints[1].verdict, Verdict::Credited);
    assert_eq!(outcome.reason, None);
}

#[test]
fn the_window_is_closed_at_both_ends_with_five_minutes_of_skew() {
    let window_ms = 30 * DAY_MS;
    assert_eq!(reason_of(click(1, NOON - window_ms)), None);
    assert_eq!(reason_of(click(1, NOON - window_ms - 1)), Some(Why::OutsideWindow));
    assert_eq!(reason_of(click(1, NOON)), None);
    assert_eq!(reason_of(click(1, NOON + CLOCK_SKEW_MS)), None);
    assert_eq!(
        reason_of(click(1, NOON + CLOCK_SKEW_MS + 1)),
        Some(Why::TouchAfterConversion)
    );
}

#[test]
fn a_touch_on_a_link_that_was_not_live_says_which() {
    for (state, why) in [
        (LinkState::Paused, Why::LinkPaused),
        (LinkState::Expired, Why::LinkExpired),
        (LinkState::Archived, Why::LinkArchived),
        (LinkState::CampaignOver, Why::CampaignOver),
        (LinkState::CampaignNotStarted, Why::CampaignNotStarted),
    ] {
        let mut touch = click(1, NOON - 1000);
        touch.read = touch.read.map(|read| ClickId { state, ..read });
        assert_eq!(reason_of(touch), Some(why));
    }
}

#[test]
fn broken_and_foreign_ids_say_so_and_tell_nothing_else() {
    for (error, why) in [
        (ClickIdError::Malformed, Why::ClickIdMalformed),
        (ClickIdError::Foreign, Why::ClickIdForeign),
        (ClickIdError::Tampered, Why::ClickIdTampered),
    ] {
        let mut touch = click(1, NOON);
        touch.read = Err(error);
        touch.owner = None;
        assert_eq!(reason_of(touch), Some(why));
    }
    let mut other_brand = click(1, NOON);
    other_brand.owner = other_brand.owner.map(|owner| LinkOwner {
        brand: BrandId::from_number(2).expect("in range"),
        ..owner
    });
    let outcome = decide(&[other_brand]);
    assert_eq!(outcome.reason, Some(Why::ClickIdForeign));
    assert_eq!((outcome.touchpoints[0].at, outcome.touchpoints[0].owner), (None, None));
    let mut unknown = click(1, NOON);
    unknown.owner = None;
    assert_eq!(reason_of(unknown), Some(Why::LinkUnknown));
}

#[test]
fn no_touchpoint_a_coupon_and_a_repeat_each_have_their_reason() {
    assert_eq!(decide(&[]).reason, Some(Why::NoTouchpoint));
    let coupon = [CodeText::parse("WELCOME5").expect("valid")];
    let outcome = attribute(brand(), Instant::from_ms(NOON), &[], &coupon);
    assert_eq!(outcome.reason, Some(Why::OrdinaryCoupon));
    let outcome = decide(&[click(1, NOON), click(1, NOON)]);
    assert_eq!(outcome.credits.len(), 1);
    assert_eq!(outcome.touchpoints[1].why, Some(Why::Repeated));
}

#[test]
fn every_reason_reads_back_from_its_code() {
    for why in [
        Why::NoTouchpoint,
        Why::OrdinaryCoupon,
        Why::OutsideWindow,
        Why::Repeated,
    ] {
        assert_eq!(Why::from_code(why.code()), Some(why));
    }
    assert_eq!(Why::from_code("from_the_future"), None);
}

proptest! {
    /// The winner is exactly what a plain search over all touchpoints finds, and shares are whole.
    #[test]
    fn the_winner_is_the_latest_eligible_one(
        touches in proptest::collection::vec((1_i64..6, -40_i64 * 24..2, 0_u8..6), 0..12)
    ) {
        let clicks: Vec<_> = touches.iter().map(|&(link, hours, state)| {
            let mut touch = click(link, NOON + hours * 3_600_000);
            touch.read = touch.read.map(|read| ClickId { state: LinkState::from_code(state).expect("known"), ..read });
            touch
        }).collect();
        let outcome = decide(&clicks);
        let eligible = touches.iter().filter(|(_, hours, state)| *state == 0 && *hours <= 0 && *hours >= -30 * 24);
        let latest = eligible.clone().map(|(_, hours, _)| *hours).max();
        prop_assert_eq!(outcome.credits.is_empty(), latest.is_none());
        prop_assert_eq!(outcome.reason.is_some(), latest.is_none());
        prop_assert_eq!(outcome.touchpoints.len(), clicks.len());
        if let Some(latest) = latest {
            let won = outcome.touchpoints.iter().find(|t| t.verdict == Verdict::Credited).expect("one won");
            prop_assert_eq!(won.at, Some(Instant::from_ms(NOON + latest * 3_600_000)));
            prop_assert_eq!(outcome.credits.iter().map(|c| c.share_bps).sum::<i64>(), WHOLE_SHARE_BPS);
        }
    }
}
