//! The orders: every way in which a sale can come, and who is due its credit.

use super::calendar::{STEPS, STEPS_A_DAY};
use super::cast::{CAMPAIGNS, COUPON, CREATORS, PRICES, SHORT_WINDOW};
use super::chance::Chance;
use super::plan::{Click, Clicker, Code, Link};

/// Who is due the credit, decided when the order is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// This creator.
    Earned(Earned),
    /// Nobody, for this reason.
    Nobody(&'static str),
    /// A person must look, for this reason.
    Held(&'static str),
    /// It was only a test.
    Test,
}

/// A credit: places among creators, campaigns, links and codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Earned {
    pub(super) creator: usize,
    pub(super) campaign: usize,
    pub(super) link: Option<usize>,
    pub(super) code: Option<usize>,
    /// Whether a click could have earned it, whoever did.
    pub(super) after_click: bool,
}

/// A sale, or another event that a shop tells.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) step: u32,
    pub(super) event: &'static str,
    /// The shop's own number.
    pub(super) external_id: String,
    /// Places among the clicks, oldest first.
    pub(super) clicks: Vec<usize>,
    /// The click id loses its end on the way.
    pub(super) cut: bool,
    /// A place among the codes.
    pub(super) code: Option<usize>,
    pub(super) coupon: Option<&'static str>,
    pub(super) amount: Option<i64>,
    pub(super) gross: Option<i64>,
    pub(super) email: Option<String>,
    pub(super) test: bool,
    /// The step at which it was placed, where the shop tells it later.
    pub(super) placed: Option<u32>,
    pub(super) sent_twice: bool,
    pub(super) due: Due,
}

#[derive(Debug, Clone, Copy)]
enum Story {
    Click,
    Code,
    ClickAndOwnCode,
    ClickAndOthersCode,
    TwoClicks,
    TooOld,
    Neither,
    Coupon,
    CutId,
    SelfReferral,
    LeakedCode,
    Test,
    ToldLater,
}

/// Of a hundred orders.
const STORIES: [(Story, usize); 13] = [
    (Story::Click, 47),
    (Story::Code, 13),
    (Story::ClickAndOwnCode, 10),
    (Story::ClickAndOthersCode, 6),
    (Story::TwoClicks, 3),
    (Story::TooOld, 4),
    (Story::Neither, 8),
    (Story::Coupon, 2),
    (Story::CutId, 1),
    (Story::SelfReferral, 1),
    (Story::LeakedCode, 1),
    (Story::Test, 2),
    (Story::ToldLater, 2),
];

/// One further event of each kind for so many orders.
const ORDERS_PER_FURTHER_EVENT: usize = 15;
/// Events that carry no money.
const FURTHER_EVENTS: [&str; 3] = ["signup", "lead", "add_to_cart"];
/// Every so manieth order is told twice.
const TOLD_TWICE_EVERY: usize = 33;
/// A buyer orders within so many steps of the click: below the shortest window.
const BUYS_WITHIN_STEPS: usize = 3 * STEPS_A_DAY as usize;
/// Older than the short window, whatever the time of day.
const TOO_OLD_STEPS: u32 = 8 * STEPS_A_DAY;
/// Where an order of this demo begins to count.
const FIRST_NUMBER: usize = 1001;

pub(super) fn draw(chance: &mut Chance, count: usize, links: &[Link], codes: &[Code], clicks: &[Click]) -> Vec<Order> {
    let person = |place: &usize| clicks[*place].clicker == Clicker::Person;
    let mut draw = Draw {
        links,
        codes,
        clicks,
        people: (0..clicks.len()).filter(person).collect(),
        chance,
    };
    let mut orders = Vec::with_capacity(count + count / 5);
    let mut deck: Vec<Story> = Vec::new();
    for number in 0..count {
        if deck.is_empty() {
            deck.extend(STORIES.iter().flat_map(|(story, of_hundred)| vec![*story; *of_hundred]));
            draw.chance.shuffle(&mut deck);
        }
        let story = deck.pop().expect("just filled");
        let mut order = draw.order(story);
        order.external_id = format!("#{}", FIRST_NUMBER + number);
        order.sent_twice = number % TOLD_TWICE_EVERY == 0;
        orders.push(order);
    }
    for number in 0..count / ORDERS_PER_FURTHER_EVENT {
        for event in FURTHER_EVENTS {
            let mut order = draw.order(Story::Click);
            (order.amount, order.gross) = (None, None);
            order.event = event;
            order.external_id = format!("{event}-{number}");
            orders.push(order);
        }
    }
    orders.sort_by_key(|order| order.step);
    orders
}

struct Draw<'a> {
    links: &'a [Link],
    codes: &'a [Code],
    clicks: &'a [Click],
    /// The clicks of people.
    people: Vec<usize>,
    chance: &'a mut Chance,
}

impl Draw<'_> {
    fn order(&mut self, story: Story) -> Order {
        let mut order = self.bare();
        match story {
            Story::Click | Story::Test => {
                let click = self.click(|_| true);
                self.after(&mut order, click);
                order.due = self.by_click(click);
                if matches!(story, Story::Test) {
                    order.test = true;
                    order.due = Due::Test;
                }
            }
            Story::Code | Story::ToldLater => {
                let code = self.code(|code| !code.in_review);
                order.code = Some(code);
                order.due = self.by_code(code, false);
                if matches!(story, Story::ToldLater) {
                    order.placed = Some(order.step);
                    order.step = STEPS - 1;
                }
            }
            Story::ClickAndOwnCode => {
                let code = self.code(|code| !code.in_review);
                let creator = self.codes[code].creator;
                let click = self.click(|link| link.creator == creator);
                self.after(&mut order, click);
                order.code = Some(code);
                order.due = self.by_both(click, code);
            }
            Story::ClickAndOthersCode => {
                let code = self.code(|code| !code.in_review);
                let creator = self.codes[code].creator;
                let click = self.click(|link| link.creator != creator);
                self.after(&mut order, click);
                order.code = Some(code);
                order.due = self.by_both(click, code);
            }
            Story::TwoClicks => self.two_clicks(&mut order),
            Story::TooOld => self.too_old(&mut order),
            Story::Neither => {}
            Story::Coupon => {
                order.coupon = Some(COUPON);
                order.due = Due::Nobody("ordinary_coupon");
            }
            Story::CutId => {
                let click = self.click(|_| true);
                self.after(&mut order, click);
                order.cut = true;
                order.due = Due::Nobody("click_id_malformed");
            }
            Story::SelfReferral => {
                let code = self.code(|code| !code.in_review);
                let email = CREATORS[self.codes[code].creator].email();
                // The same mailbox, spelled as if it were another.
                order.email = Some(email.replacen('@', "+shop@", 1).to_uppercase());
                order.code = Some(code);
                order.due = Due::Held("self_referral");
            }
            Story::LeakedCode => {
                order.code = Some(self.code(|code| code.in_review));
                order.due = Due::Held("code_in_review");
            }
        }
        order
    }

    /// An order of somebody whom nobody sent.
    fn bare(&mut self) -> Order {
        let pieces = 1 + self.chance.below(3);
        let amount: i64 = (0..pieces).map(|_| *self.chance.pick(&PRICES)).sum();
        Order {
            step: u32::try_from(self.chance.below(STEPS as usize)).expect("a step of the calendar"),
            event: "sale",
            external_id: String::new(),
            clicks: Vec::new(),
            cut: false,
            code: None,
            coupon: None,
            amount: Some(amount),
            // Some shops tell what was charged, too: tax and shipping on top.
            gross: self.chance.percent(30).then(|| with_tax(amount)),
            email: None,
            test: false,
            placed: None,
            sent_twice: false,
            due: Due::Nobody("no_touchpoint"),
        }
    }

    /// A person's click on a link of this kind, persuasive creators more often than others.
    fn click(&mut self, wanted: impl Fn(&Link) -> bool) -> usize {
        const TRIES: usize = 400;
        for _ in 0..TRIES {
            let click = *self.chance.pick(&self.people);
            let link = &self.links[self.clicks[click].link];
            if wanted(link) && self.chance.percent(CREATORS[link.creator].persuades_percent()) {
                return click;
            }
        }
        let any = self
            .people
            .iter()
            .find(|click| wanted(&self.links[self.clicks[**click].link]));
        *any.unwrap_or(&self.people[0])
    }

    fn code(&mut self, wanted: impl Fn(&Code) -> bool) -> usize {
        let fitting: Vec<usize> = (0..self.codes.len())
            .filter(|code| wanted(&self.codes[*code]))
            .collect();
        *self.chance.pick(&fitting)
    }

    /// The order follows the click within some steps.
    fn after(&mut self, order: &mut Order, click: usize) {
        let later = u32::try_from(self.chance.below(BUYS_WITHIN_STEPS)).expect("some steps");
        order.step = (self.clicks[click].step + later).min(STEPS - 1);
        order.clicks.push(click);
    }

    fn two_clicks(&mut self, order: &mut Order) {
        let last = self.click(|_| true);
        let link = &self.links[self.clicks[last].link];
        let at = self.clicks[last].step;
        // A click of the same creator's neighbour, some time before and still within every window.
        let earlier = self.people.iter().copied().find(|click| {
            let other = &self.clicks[*click];
            other.step < at && at - other.step <= STEPS_A_DAY && self.links[other.link].creator != link.creator
        });
        order.clicks.extend(earlier);
        self.after(order, last);
        order.due = self.by_click(last);
    }

    fn too_old(&mut self, order: &mut Order) {
        let old = |click: &&usize| {
            let click = &self.clicks[**click];
            click.step + TOO_OLD_STEPS < STEPS && self.links[click.link].campaign == SHORT_WINDOW
        };
        let fitting: Vec<usize> = self.people.iter().filter(old).copied().collect();
        if fitting.is_empty() {
            return;
        }
        let click = *self.chance.pick(&fitting);
        order.step = self.clicks[click].step + TOO_OLD_STEPS;
        order.clicks.push(click);
        order.due = Due::Nobody("outside_window");
    }

    fn by_click(&self, click: usize) -> Due {
        let place = self.clicks[click].link;
        let link = &self.links[place];
        Due::Earned(Earned {
            creator: link.creator,
            campaign: link.campaign,
            link: Some(place),
            code: None,
            after_click: true,
        })
    }

    fn by_code(&self, code: usize, after_click: bool) -> Due {
        Due::Earned(Earned {
            creator: self.codes[code].creator,
            campaign: self.codes[code].campaign,
            link: None,
            code: Some(code),
            after_click,
        })
    }

    /// The code's campaign says who wins; one creator's click and code earn together.
    fn by_both(&self, click: usize, code: usize) -> Due {
        let place = self.clicks[click].link;
        let (link, owner) = (&self.links[place], &self.codes[code]);
        let code_wins = CAMPAIGNS[owner.campaign].code_wins;
        if link.creator != owner.creator {
            return if code_wins {
                self.by_code(code, true)
            } else {
                self.by_click(click)
            };
        }
        Due::Earned(Earned {
            creator: owner.creator,
            campaign: if code_wins { owner.campaign } else { link.campaign },
            link: Some(place),
            code: Some(code),
            after_click: true,
        })
    }
}

/// What a shop charges for goods of this price: tax and shipping on top.
pub(super) fn with_tax(amount: i64) -> i64 {
    amount + amount * 19 / 100 + 490
}
