use super::*;
use crate::domain::deal::DealTerm;
use crate::domain::link::{LinkState, Season};
use crate::domain::time::DAY_MS;
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
        deal: DealTerm::default(),
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

fn coupon(text: &str) -> GivenCode {
    GivenCode {
        text: text.to_owned(),
        owner: None,
    }
}

fn code(text: &str, influencer: i64) -> GivenCode {
    let owner = CodeOwner {
        code: PromoCodeId::from_number(influencer).expect("in range"),
        brand: brand(),
        campaign: CampaignId::from_number(1).expect("in range"),
        influencer: InfluencerId::from_number(influencer).expect("in range"),
        post: None,
        status: CodeStatus::Active,
        expires_at: None,
        season: Season::default(),
        deal: DealTerm::default(),
        conflict: Conflict::CodeWins,
    };
    GivenCode {
        owner: Some(owner),
        ..coupon(text)
    }
}

fn with(code: GivenCode, change: impl FnOnce(&mut CodeOwner)) -> GivenCode {
    let mut code = code;
    if let Some(owner) = &mut code.owner {
        change(owner);
    }
    code
}

fn with_codes(clicks: &[GivenClick], codes: &[GivenCode]) -> Attribution {
    attribute(brand(), Instant::from_ms(NOON), clicks, codes)
}

fn influencer_of(outcome: &Attribution) -> Option<i64> {
    outcome.credits.first().map(|credit| credit.owner.influencer.number())
}

#[test]
fn a_code_alone_earns_and_of_several_the_first_one_does() {
    let outcome = with_codes(&[], &[coupon("WELCOME5"), code("MIA10", 7), code("TOM10", 8)]);
    assert_eq!(influencer_of(&outcome), Some(7));
    assert_eq!(outcome.credits[0].owner.link, None);
    assert_eq!(outcome.touchpoints[2].why, Some(Why::EarlierCodeWon));
    let twice = with_codes(&[], &[code("MIA10", 7), code("mia10", 7)]);
    assert_eq!(twice.touchpoints[1].why, Some(Why::Repeated));
}

#[test]
fn a_code_against_another_s_click_is_decided_by_the_campaign() {
    let clicks = [click(1, NOON - 1000)];
    let outcome = with_codes(&clicks, &[code("MIA10", 7)]);
    assert_eq!(influencer_of(&outcome), Some(7));
    assert_eq!(outcome.touchpoints[0].verdict, Verdict::Eligible);
    assert_eq!(outcome.touchpoints[0].why, Some(Why::CodeWon));
    assert_eq!(outcome.credits[0].click, None);
    let outcome = with_codes(
        &clicks,
        &[with(code("MIA10", 7), |own| own.conflict = Conflict::LinkWins)],
    );
    assert_eq!(influencer_of(&outcome), Some(1));
    assert_eq!(outcome.touchpoints[1].why, Some(Why::LinkWon));
}

#[test]
fn click_and_code_of_one_influencer_are_one_credit_that_carries_both() {
    for conflict in [Conflict::CodeWins, Conflict::LinkWins] {
        let outcome = with_codes(
            &[click(7, NOON - 1000)],
            &[with(code("MIA10", 7), |own| own.conflict = conflict)],
        );
        assert_eq!(outcome.credits.len(), 1);
        let owner = outcome.credits[0].owner;
        assert!(owner.link.is_some() && owner.promo_code.is_some(), "{conflict:?}");
        assert!(outcome.credits[0].click.is_some());
        assert!(
            outcome
                .touchpoints
                .iter()
                .all(|touch| touch.verdict == Verdict::Credited)
        );
    }
}

#[test]
fn a_code_that_cannot_earn_says_why() {
    let refused = |change: fn(&mut CodeOwner)| with_codes(&[], &[with(code("MIA10", 7), change)]).reason;
    assert_eq!(refused(|own| own.status = CodeStatus::Retired), Some(Why::CodeRetired));
    assert_eq!(
        refused(|own| own.expires_at = Some(Instant::from_ms(NOON))),
        Some(Why::CodeExpired)
    );
    assert_eq!(refused(|own| own.expires_at = Some(Instant::from_ms(NOON + 1))), None);
    assert_eq!(
        refused(|own| own.season.ends_at = Some(Instant::from_ms(NOON))),
        Some(Why::CampaignOver)
    );
    assert_eq!(
        refused(|own| own.season.starts_at = Some(Instant::from_ms(NOON + 1))),
        Some(Why::CampaignNotStarted)
    );
    // A retired code next to a live click does not matter.
    let outcome = with_codes(
        &[click(1, NOON)],
        &[with(code("MIA10", 7), |own| own.status = CodeStatus::Retired)],
    );
    assert_eq!(influencer_of(&outcome), Some(1));
}

#[test]
fn a_sale_by_a_code_under_review_is_held() {
    let review = with(code("MIA10", 7), |own| own.status = CodeStatus::Review);
    assert_eq!(
        with_codes(&[], std::slice::from_ref(&review)).held,
        Some(Why::CodeInReview)
    );
    let beaten = with(review, |own| own.conflict = Conflict::LinkWins);
    assert_eq!(with_codes(&[click(1, NOON)], &[beaten]).held, None);
}

#[test]
fn the_last_eligible_click_earns_the_whole_sale() {
    let outcome = decide(&[
        click(1, NOON - DAY_MS),
        click(2, NOON - 1000),
        click(3, NOON - 2 * DAY_MS),
    ]);
    assert_eq!(outcome.credits.len(), 1);
    assert_eq!(outcome.credits[0].owner.link, Some(owner(2, 30).link));
    assert_eq!(
        outcome.credits[0].click.map(|click| click.link),
        Some(owner(2, 30).link)
    );
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
fn a_click_outside_of_the_influencer_s_deal_says_so_and_the_edges_belong_to_what_comes_after() {
    let touch_ms = NOON - DAY_MS;
    let at = |ms: i64| Some(Instant::from_ms(touch_ms + ms));
    let judged = |starts_at, ends_at| {
        let mut touch = click(1, touch_ms);
        touch.owner = touch.owner.map(|owner| LinkOwner {
            deal: DealTerm { starts_at, ends_at },
            ..owner
        });
        reason_of(touch)
    };
    // Judged at the click: that the deal is over by the time of the order does not matter.
    assert_eq!(judged(at(0), at(1)), None);
    assert_eq!(judged(at(-2), at(0)), Some(Why::DealOver));
    assert_eq!(judged(at(1), None), Some(Why::DealNotStarted));
    assert_eq!(judged(None, at(-1)), Some(Why::DealOver));
    assert_eq!(judged(None, None), None);
}

#[test]
fn a_code_is_judged_by_the_deal_when_the_order_is_placed() {
    let at = |ms: i64| Some(Instant::from_ms(NOON + ms));
    let judged = |starts_at, ends_at| {
        let code = with(code("MIA10", 7), |own| own.deal = DealTerm { starts_at, ends_at });
        with_codes(&[], &[code]).reason
    };
    assert_eq!(judged(at(0), at(1)), None);
    assert_eq!(judged(None, at(0)), Some(Why::DealOver));
    assert_eq!(judged(at(1), at(2)), Some(Why::DealNotStarted));
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
    assert_eq!(with_codes(&[], &[coupon("WELCOME5")]).reason, Some(Why::OrdinaryCoupon));
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
            // A genuine id spells its state: only the same link, time and state are a repeat.
            touch.text = format!("{link} {hours} {state}");
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
