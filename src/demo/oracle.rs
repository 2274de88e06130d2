//! What the report must say: a recount of what was sent, in its own words. It never asks the store.

use std::collections::{BTreeMap, HashSet};

use super::calendar::{Calendar, STEPS_A_DAY};
use super::cast::{CAMPAIGNS, CREATORS};
use super::mint::Minted;
use super::orders::{Due, Earned, Order};
use super::plan::{Click, Clicker, Plan};
use super::refunds::Given;

/// What the figures are asked by.
pub(super) const DIMENSIONS: [&str; 6] = ["total", "influencer", "campaign", "link", "promo_code", "day"];
/// What a row is called that has no link, or no code.
const NOTHING: &str = "(none)";

/// Visitors of one row and day are counted exactly up to here, and estimated beyond.
const EXACT_VISITORS_A_DAY: usize = 4096;
/// How far an estimate may be off.
pub const ESTIMATE_PERCENT: i64 = 2;

/// The sums of one row.
#[derive(Debug, Default)]
pub(super) struct Figures {
    clicks: i64,
    people: i64,
    /// A person counts once a day: the day, and who.
    visitors: BTreeMap<u32, HashSet<u32>>,
    events: BTreeMap<&'static str, i64>,
    sales_after_click: i64,
    revenue: i64,
    refunds: i64,
    code_uses: i64,
}

/// A figure as the report writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    Whole(i64),
    /// So many, give or take [`ESTIMATE_PERCENT`].
    About(i64),
    /// Reports give it to six places.
    Ratio {
        /// The numerator.
        n: i64,
        /// The denominator, above 0.
        d: i64,
    },
    /// Nothing to divide by.
    Missing,
}

/// `n / d` rounded, halves up; none of the amounts here is negative.
fn rounded(n: i64, d: i64) -> i64 {
    (2 * n + d) / (2 * d)
}

impl Figures {
    /// Every measure that this recount knows, by its name in reports.
    pub(super) fn measures(&self) -> Vec<(&'static str, Figure)> {
        let events = |name| self.events.get(name).copied().unwrap_or_default();
        let sales = events("sale");
        let visitors = i64::try_from(self.visitors.values().map(HashSet::len).sum::<usize>()).expect("a count");
        let estimated = self.visitors.values().any(|day| day.len() > EXACT_VISITORS_A_DAY);
        let value_per_sale = match sales {
            0 => Figure::Missing,
            sales => Figure::Whole(rounded(self.revenue, sales)),
        };
        let conversion_rate = match self.people {
            0 => Figure::Missing,
            d => Figure::Ratio {
                n: self.sales_after_click,
                d,
            },
        };
        vec![
            ("clicks", Figure::Whole(self.clicks)),
            ("human_clicks", Figure::Whole(self.people)),
            ("bot_clicks", Figure::Whole(self.clicks - self.people)),
            (
                "unique_visitors",
                if estimated {
                    Figure::About(visitors)
                } else {
                    Figure::Whole(visitors)
                },
            ),
            ("conversions", Figure::Whole(self.events.values().sum())),
            ("sales", Figure::Whole(sales)),
            ("leads", Figure::Whole(events("lead"))),
            ("signups", Figure::Whole(events("signup"))),
            ("add_to_carts", Figure::Whole(events("add_to_cart"))),
            ("promo_code_uses", Figure::Whole(self.code_uses)),
            ("revenue", Figure::Whole(self.revenue)),
            ("refunds", Figure::Whole(self.refunds)),
            ("net_revenue", Figure::Whole(self.revenue - self.refunds)),
            ("value_per_sale", value_per_sale),
            ("conversion_rate", conversion_rate),
        ]
    }
}

/// What was sent, counted.
#[derive(Debug)]
pub(super) struct Oracle {
    /// Rows by dimension and by what a report calls them.
    pub(super) rows: BTreeMap<&'static str, BTreeMap<String, Figures>>,
    pub(super) unattributed: i64,
    pub(super) unattributed_revenue: i64,
}

/// What a click or a credit counts for.
struct Place<'a> {
    creator: usize,
    campaign: usize,
    link: Option<usize>,
    code: Option<usize>,
    step: u32,
    minted: &'a Minted,
    calendar: &'a Calendar,
}

impl Place<'_> {
    fn name(&self, dimension: &str) -> String {
        match dimension {
            "influencer" => CREATORS[self.creator].handle.to_owned(),
            "campaign" => CAMPAIGNS[self.campaign].name.to_owned(),
            "link" => self
                .link
                .map_or(NOTHING.to_owned(), |link| self.minted.slugs[link].clone()),
            "promo_code" => self
                .code
                .map_or(NOTHING.to_owned(), |code| self.minted.codes[code].clone()),
            "day" => self.calendar.date(self.step),
            _ => String::new(),
        }
    }
}

impl Oracle {
    pub(super) fn recount(plan: &Plan, minted: &Minted, calendar: &Calendar) -> Self {
        let mut oracle = Self {
            rows: BTreeMap::new(),
            unattributed: 0,
            unattributed_revenue: 0,
        };
        // A report that covers everything has a row for the whole even where nothing happened.
        oracle
            .rows
            .entry("total")
            .or_default()
            .entry(String::new())
            .or_default();
        for click in &plan.clicks {
            oracle.click(plan, click, minted, calendar);
        }
        for order in &plan.orders {
            oracle.order(plan, order, minted, calendar);
        }
        oracle.refunds(plan, minted, calendar);
        oracle
    }

    fn add(&mut self, place: &Place<'_>, add: impl Fn(&mut Figures)) {
        for dimension in DIMENSIONS {
            let rows = self.rows.entry(dimension).or_default();
            add(rows.entry(place.name(dimension)).or_default());
        }
    }

    fn click(&mut self, plan: &Plan, click: &Click, minted: &Minted, calendar: &Calendar) {
        let link = &plan.links[click.link];
        let place = Place {
            creator: link.creator,
            campaign: link.campaign,
            link: Some(click.link),
            code: None,
            step: click.step,
            minted,
            calendar,
        };
        let person = click.clicker == Clicker::Person;
        self.add(&place, |figures| {
            figures.clicks += 1;
            if person {
                figures.people += 1;
                let day = figures.visitors.entry(click.step / STEPS_A_DAY).or_default();
                day.insert(click.visitor.number);
            }
        });
    }

    fn order(&mut self, plan: &Plan, order: &Order, minted: &Minted, calendar: &Calendar) {
        let amount = order.amount.unwrap_or_default();
        let earned = match order.due {
            Due::Earned(earned) => earned,
            Due::Nobody(_) => {
                self.unattributed += 1;
                self.unattributed_revenue += amount;
                return;
            }
            Due::Held(_) | Due::Test => return,
        };
        let step = order.placed.unwrap_or(order.step);
        self.add(&earned.place(step, minted, calendar), |figures| {
            *figures.events.entry(order.event).or_default() += 1;
            figures.revenue += amount;
            if order.event == "sale" {
                figures.sales_after_click += i64::from(earned.after_click);
            }
        });
        if let (Some(code), "sale") = (order.code, order.event) {
            // A use counts for the code's own creator and campaign, whoever got the credit.
            let used = &plan.codes[code];
            let place = Place {
                creator: used.creator,
                campaign: used.campaign,
                link: None,
                code: Some(code),
                step,
                minted,
                calendar,
            };
            self.add(&place, |figures| figures.code_uses += 1);
        }
    }

    /// Net and gross refunds of one order, each the part of its net amount that it takes back.
    fn refunds(&mut self, plan: &Plan, minted: &Minted, calendar: &Calendar) {
        let mut gross_back: BTreeMap<usize, i64> = BTreeMap::new();
        for refund in &plan.refunds {
            let order = &plan.orders[refund.order];
            let (Due::Earned(earned), Some(net)) = (order.due, order.amount) else {
                continue;
            };
            let back = match refund.given {
                Given::Net(amount) => amount,
                Given::Gross(amount) => {
                    let gross = order.gross.unwrap_or(net);
                    let before = gross_back.entry(refund.order).or_default();
                    let part = |gross_back: i64| rounded(net * gross_back, gross);
                    let back = part(*before + amount) - part(*before);
                    *before += amount;
                    back
                }
            };
            self.add(&earned.place(refund.step, minted, calendar), |figures| {
                figures.refunds += back
            });
        }
    }
}

impl Earned {
    fn place<'a>(&self, step: u32, minted: &'a Minted, calendar: &'a Calendar) -> Place<'a> {
        Place {
            creator: self.creator,
            campaign: self.campaign,
            link: self.link,
            code: self.code,
            step,
            minted,
            calendar,
        }
    }
}
