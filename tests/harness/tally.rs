//! An independent count: what a test did, kept beside the service and summed up without it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::api::{Api, Stage, id, sale, slug};
use super::http::visit;
use super::service::Service;
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// A link and everything it stands under.
pub(crate) struct LinkFacts {
    pub(crate) id: String,
    slug: String,
    pub(crate) campaign: String,
    pub(crate) influencer: String,
    pub(crate) platform: Option<String>,
    pub(crate) post: Option<String>,
}

struct Seen {
    at_ms: i64,
    link: usize,
    human: bool,
    visitor: u64,
}

struct Sold {
    at_ms: i64,
    link: Option<usize>,
    event: &'static str,
    money: Option<(i64, &'static str)>,
}

/// Everything that happened.
pub(crate) struct Tally {
    pub(crate) links: Vec<LinkFacts>,
    seen: Vec<Seen>,
    sold: Vec<Sold>,
}

/// The zones of the tests, with their offsets written out by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    Utc,
    Kolkata,
    Kathmandu,
    Berlin,
}

impl Zone {
    pub(crate) const ALL: [Self; 4] = [Self::Utc, Self::Kolkata, Self::Kathmandu, Self::Berlin];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utc => "UTC",
            Self::Kolkata => "Asia/Kolkata",
            Self::Kathmandu => "Asia/Kathmandu",
            Self::Berlin => "Europe/Berlin",
        }
    }

    /// Berlin's clocks went back an hour on 2026-10-25 at 01:00 UTC.
    pub(crate) fn offset_ms(self, at_ms: i64) -> i64 {
        let winter = at_ms >= ms("2026-10-25T01:00:00Z");
        MINUTE_MS
            * match self {
                Self::Utc => 0,
                Self::Kolkata => 330,
                Self::Kathmandu => 345,
                Self::Berlin if winter => 60,
                Self::Berlin => 120,
            }
    }

    /// The name of the hour, day, week or month that an instant lies in.
    fn bucket(self, by: &str, at_ms: i64) -> String {
        let offset_ms = self.offset_ms(at_ms);
        let local = Timestamp::from_millisecond(at_ms + offset_ms)
            .expect("a time")
            .to_zoned(TimeZone::UTC);
        let minutes = offset_ms / MINUTE_MS;
        match by {
            "hour" => {
                let offset = format!("+{:02}:{:02}", minutes / 60, minutes % 60);
                format!("{}{offset}", local.strftime("%Y-%m-%dT%H:00:00"))
            }
            "day" => local.strftime("%Y-%m-%d").to_string(),
            "week" => local.strftime("%G-W%V").to_string(),
            "month" => local.strftime("%Y-%m").to_string(),
            other => panic!("{other} is no time"),
        }
    }
}

pub(crate) fn ms(text: &str) -> i64 {
    Instant::parse(text).expect("an instant").ms()
}

/// The same numbers in every run: a failure can be looked at again.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("small")
}

impl Tally {
    /// Three influencers and two campaigns share six links.
    pub(crate) fn stage(api: &Api) -> Self {
        let influencers = ["ada", "bo", "cy"].map(|handle| api.influencer(handle));
        let campaign = |name| api.campaign(&json!({"name": name, "destination_url": "https://shop.example.com/"}));
        let campaigns = ["Spring", "Autumn"].map(campaign);
        let places = [
            (0, 0, json!({"platform": "tiktok", "post": "clip"})),
            (0, 1, json!({"platform": "tiktok"})),
            (1, 0, json!({"platform": "instagram", "post": "reel"})),
            (1, 0, json!({"platform": "instagram", "post": "reel"})),
            (2, 1, json!({})),
            (2, 0, json!({"platform": "tiktok", "post": "clip"})),
        ];
        let links = places.into_iter().map(|(influencer, campaign, more)| {
            let stage = Stage {
                influencer: influencers[influencer].clone(),
                campaign: campaigns[campaign].clone(),
            };
            let link = api.link(&stage, &more);
            LinkFacts {
                id: id(&link),
                slug: slug(&link),
                campaign: stage.campaign,
                influencer: stage.influencer,
                platform: link["platform"].as_str().map(str::to_owned),
                post: link["post_id"].as_str().map(str::to_owned),
            }
        });
        Self {
            links: links.collect(),
            seen: Vec::new(),
            sold: Vec::new(),
        }
    }

    /// Clicks and orders, one after the other, up to `gap_ms` apart; the clock only goes forward.
    pub(crate) fn happen(&mut self, service: &Service, clock: &Clock, dice: &mut Dice, times: u64, gap_ms: u64) {
        let api = service.api();
        for number in 0..times {
            let at_ms = clock.now().ms() + signed(dice.below(gap_ms));
            clock.set(Instant::from_ms(at_ms));
            let link = usize::try_from(dice.below(6)).expect("small");
            let visitor = dice.below(7);
            let human = dice.below(5) != 0;
            let mut request = visit(&self.links[link].slug);
            request.headers[0].1.push_str(&format!(" visitor {visitor}"));
            if !human {
                request = request.header("Sec-Purpose", "prefetch");
            }
            let click_id = service.answer(&request).click_id();
            self.seen.push(Seen {
                at_ms,
                link,
                human,
                visitor,
            });
            let order = format!("order-{at_ms}-{number}");
            let amount = signed(dice.below(20_000));
            let (event, credited, money) = match dice.below(12) {
                0 | 1 => ("sale", true, Some((amount, "USD"))),
                2 => ("sale", true, Some((amount, "EUR"))),
                3 => ("lead", true, None),
                4 => ("sale", false, Some((amount, "USD"))),
                5 => ("signup", false, None),
                6 => ("renewal", true, Some((amount, "USD"))),
                7 => {
                    let mut test = sale(&order, Some(&click_id), amount);
                    test["test"] = true.into();
                    assert_eq!(api.convert(&test).expect(200)["state"], "test");
                    continue;
                }
                _ => continue,
            };
            let mut body = json!({"event": event, "external_id": order});
            if let Some((amount, currency)) = money {
                body["amount"] = json!({"amount": amount, "currency": currency});
            }
            if credited {
                body["click_id"] = click_id.into();
            }
            let state = if credited { "attributed" } else { "unattributed" };
            assert_eq!(api.convert(&body).expect(200)["state"], state);
            let link = credited.then_some(link);
            self.sold.push(Sold {
                at_ms,
                link,
                event,
                money,
            });
        }
        service.wait_for_clicks(self.seen.len() as u64);
    }

    fn key(&self, by: &[&str], zone: Zone, link: usize, at_ms: i64) -> String {
        let facts = &self.links[link];
        let part = |dimension: &&str| {
            let thing = match *dimension {
                "link" => Some(&facts.id),
                "campaign" => Some(&facts.campaign),
                "influencer" => Some(&facts.influencer),
                "platform" => facts.platform.as_ref(),
                "post" => facts.post.as_ref(),
                time => return zone.bucket(time, at_ms),
            };
            thing.map_or_else(|| "null".to_owned(), Clone::clone)
        };
        by.iter().map(part).collect::<Vec<_>>().join("|")
    }

    /// Every row of a report, by its key; `within` is first in, first out; `only` chooses links.
    pub(crate) fn rows(
        &self,
        by: &[&str],
        zone: Zone,
        within: (i64, i64),
        only: impl Fn(&LinkFacts) -> bool,
    ) -> BTreeMap<String, Row> {
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        let belongs = |at_ms: i64, link: usize| (within.0..within.1).contains(&at_ms) && only(&self.links[link]);
        for seen in self.seen.iter().filter(|seen| belongs(seen.at_ms, seen.link)) {
            let row = rows.entry(self.key(by, zone, seen.link, seen.at_ms)).or_default();
            row.clicks += 1;
            if seen.human {
                row.human_clicks += 1;
                row.visitors.insert((seen.at_ms.div_euclid(DAY_MS), seen.visitor));
            }
        }
        for sold in &self.sold {
            let Some(link) = sold.link.filter(|link| belongs(sold.at_ms, *link)) else {
                continue;
            };
            rows.entry(self.key(by, zone, link, sold.at_ms)).or_default().add(sold);
        }
        rows
    }

    /// What nobody earned.
    pub(crate) fn unattributed(&self, within: (i64, i64)) -> Row {
        let mut row = Row::default();
        let belongs = |sold: &&Sold| sold.link.is_none() && (within.0..within.1).contains(&sold.at_ms);
        self.sold.iter().filter(belongs).for_each(|sold| row.add(sold));
        row
    }
}

/// The measures of one row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    clicks: i64,
    human_clicks: i64,
    visitors: BTreeSet<(i64, u64)>,
    pub(crate) conversions: i64,
    sales: i64,
    leads: i64,
    signups: i64,
    pub(crate) revenue: i64,
    sale_revenue: i64,
    valued_sales: i64,
    pub(crate) euros: (i64, i64),
}

impl Row {
    fn add(&mut self, sold: &Sold) {
        self.conversions += 1;
        match sold.event {
            "sale" => self.sales += 1,
            "lead" => self.leads += 1,
            "signup" => self.signups += 1,
            _ => {}
        }
        match sold.money {
            Some((amount, "USD")) => {
                self.revenue += amount;
                if sold.event == "sale" {
                    self.sale_revenue += amount;
                    self.valued_sales += 1;
                }
            }
            Some((amount, _)) => self.euros = (self.euros.0 + 1, self.euros.1 + amount),
            None => {}
        }
    }

    /// As a report writes it.
    #[allow(clippy::cast_precision_loss, reason = "a ratio of small counts")]
    pub(crate) fn written(&self) -> Value {
        let value_per_sale = (self.valued_sales > 0)
            .then(|| (2 * self.sale_revenue + self.valued_sales).div_euclid(2 * self.valued_sales));
        let rate = self.sales as f64 / self.human_clicks as f64;
        json!({
            "clicks": self.clicks,
            "human_clicks": self.human_clicks,
            "bot_clicks": self.clicks - self.human_clicks,
            "unique_visitors": self.visitors.len(),
            "conversions": self.conversions,
            "sales": self.sales,
            "leads": self.leads,
            "signups": self.signups,
            "downloads": 0,
            "add_to_carts": 0,
            "promo_code_uses": 0,
            "revenue": self.revenue,
            "refunds": 0,
            "net_revenue": self.revenue,
            "value_per_sale": value_per_sale,
            "conversion_rate": (self.human_clicks > 0).then_some((rate * 1e6).round() / 1e6),
            "impressions": 0,
            "reach": 0,
            "engagements": 0,
            "engagement_rate": null,
            "engagement_basis": null,
            "follower_gain": 0,
        })
    }
}
