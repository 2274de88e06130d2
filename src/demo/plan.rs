//! What will happen: links, codes, clicks and orders, drawn from a seed before anything is sent.

use super::Scale;
use super::calendar::STEPS;
use super::cast::{CAMPAIGNS, CREATORS, LEAKED_CODE_OF, WITH_CODE, campaigns_of};
use super::chance::{Chance, running};
use super::crowd::{BOTS, Crowd, PREVIEWS, Visitor};
use super::orders::{self, Order};
use super::refunds::{self, Refund};

/// A link of one creator in one campaign on one platform.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) creator: usize,
    pub(super) campaign: usize,
    pub(super) platform: &'static str,
}

/// A creator's promo code.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) creator: usize,
    pub(super) campaign: usize,
    pub(super) in_review: bool,
}

/// What a click is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clicker {
    Person,
    Program,
    Preview,
    /// A person's browser that fetches ahead.
    Prefetch,
    /// Somebody who only looks at the headers.
    Head,
}

/// One click.
#[derive(Debug, Clone, Copy)]
pub(super) struct Click {
    pub(super) step: u32,
    /// A place among the links.
    pub(super) link: usize,
    pub(super) visitor: Visitor,
    pub(super) clicker: Clicker,
}

/// Everything, each in the order of time.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) links: Vec<Link>,
    pub(super) codes: Vec<Code>,
    pub(super) clicks: Vec<Click>,
    pub(super) orders: Vec<Order>,
    pub(super) refunds: Vec<Refund>,
}

/// Of a hundred clicks of people, how many come from somebody who clicked before.
const RETURNING_PERCENT: usize = 25;
/// A returning person is one of so many who clicked last.
const REMEMBERED: usize = 2_000;
/// Of a thousand clicks: people, programs, previews, fetched ahead, heads.
const CLICKERS: [(Clicker, usize); 5] = [
    (Clicker::Person, 850),
    (Clicker::Program, 60),
    (Clicker::Preview, 45),
    (Clicker::Prefetch, 30),
    (Clicker::Head, 15),
];
/// How busy the steps of a day are.
const BUSY: [usize; 8] = [2, 1, 3, 5, 6, 7, 9, 6];

impl Plan {
    pub(super) fn draw(scale: &Scale) -> Self {
        let mut chance = Chance::new(scale.seed);
        let (links, codes) = (links(), codes());
        let clicks = clicks(&mut chance, &links, scale.clicks);
        let orders = orders::draw(&mut chance, scale.orders, &links, &codes, &clicks);
        let mut plan = Self {
            links,
            codes,
            clicks,
            orders,
            refunds: Vec::new(),
        };
        plan.refunds = refunds::draw(&mut chance, &mut plan.orders);
        plan
    }
}

fn links() -> Vec<Link> {
    let mut links = Vec::new();
    for (creator, who) in CREATORS.iter().enumerate() {
        for campaign in campaigns_of(creator) {
            links.extend(who.platforms.iter().map(|platform| Link {
                creator,
                campaign,
                platform,
            }));
        }
    }
    links
}

fn codes() -> Vec<Code> {
    let code = |creator: usize| Code {
        creator,
        campaign: creator % CAMPAIGNS.len(),
        in_review: creator == LEAKED_CODE_OF,
    };
    WITH_CODE.into_iter().map(code).collect()
}

/// Clicks over the links as attention is: Zipf's law, the larger audiences first.
fn clicks(chance: &mut Chance, links: &[Link], count: usize) -> Vec<Click> {
    let mut by_size: Vec<usize> = (0..links.len()).collect();
    by_size.sort_by_key(|link| std::cmp::Reverse(CREATORS[links[*link].creator].followers));
    // A small audience may well love a post that a large one ignores.
    for place in 0..by_size.len() {
        let other = (place + chance.below(12)).min(by_size.len() - 1);
        by_size.swap(place, other);
    }
    let zipf = running((1..=by_size.len()).map(|rank| ZIPF_TOP * 2 / (rank + 1)));
    let clickers = running(CLICKERS.iter().map(|(_, weight)| *weight));
    let busy = running((0..STEPS).map(|step| BUSY[step as usize % BUSY.len()]));

    let mut steps: Vec<usize> = (0..count).map(|_| chance.weighted(&busy)).collect();
    steps.sort_unstable();
    let mut crowd = Crowd::new();
    let mut known: Vec<Visitor> = Vec::new();
    steps
        .into_iter()
        .enumerate()
        .map(|(number, step)| {
            let link = by_size[chance.weighted(&zipf)];
            let (clicker, _) = CLICKERS[chance.weighted(&clickers)];
            let visitor = match clicker {
                Clicker::Program => crowd.with_agent(chance, BOTS[number % BOTS.len()]),
                Clicker::Preview => crowd.with_agent(chance, PREVIEWS[number % PREVIEWS.len()]),
                _ if !known.is_empty() && chance.percent(RETURNING_PERCENT) => *chance.pick(&known),
                _ => {
                    let person = crowd.person(chance, links[link].platform);
                    if known.len() < REMEMBERED {
                        known.push(person);
                    } else {
                        known[number % REMEMBERED] = person;
                    }
                    person
                }
            };
            Click {
                step: u32::try_from(step).expect("a step of the calendar"),
                link,
                visitor,
                clicker,
            }
        })
        .collect()
}

/// The weight of the first link; the one at rank r has about 2/(r+1) of it.
const ZIPF_TOP: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::super::orders::Due;
    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan::draw(&Scale {
            clicks: 4000,
            orders: 400,
            seed,
            concurrency: 1,
        })
    }

    #[test]
    fn the_same_seed_draws_the_same_plan_and_another_does_not() {
        let drawn = |seed| format!("{:?}", plan(seed));
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn an_order_follows_its_clicks_and_the_last_of_them_came_last() {
        let plan = plan(3);
        let mut several = 0;
        for order in &plan.orders {
            let steps: Vec<u32> = order.clicks.iter().map(|click| plan.clicks[*click].step).collect();
            assert!(
                steps.is_sorted() && steps.iter().all(|step| *step <= order.step),
                "{order:?}"
            );
            several += usize::from(steps.len() > 1);
        }
        assert!(
            several > 0
                && plan
                    .refunds
                    .iter()
                    .any(|refund| refund.step < plan.orders[refund.order].step)
        );
        let due = |reason| {
            plan.orders
                .iter()
                .filter(|order| order.due == Due::Nobody(reason))
                .count()
        };
        assert_eq!(
            (due("outside_window"), due("ordinary_coupon"), due("click_id_malformed")),
            (16, 8, 4)
        );
        assert!((60..=100).contains(&plan.links.len()), "{}", plan.links.len());
    }
}
