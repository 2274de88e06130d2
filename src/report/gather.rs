//! Asks the store for every sum behind a report and puts them into groups.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::bucket::Bucket;
use super::dimension::{Dimension, tier_key};
use super::measures::Measures;
use super::question::ReportQuestion;
use crate::domain::influencer;
use crate::domain::tier::Tier;
use crate::domain::time::Instant;
use crate::store::figures::{Entity, EntityKey, Question, RefundSum, Span};
use crate::store::{Brand, Store, StoreError};

/// A row's identity while it is gathered: its things and the start of its span of time.
pub(super) type Group = (Vec<EntityKey>, Option<Instant>);
/// The rows of a report, in no order.
pub(super) type Groups = HashMap<Group, Measures>;

/// The sums over all rows, and what nobody earned.
pub(super) struct Sums {
    pub(super) measures: Measures,
    pub(super) unattributed: Measures,
}

/// From the keys that the store groups by to those of a row. The store knows influencers and no tiers: a tier is asked
/// for as the influencers in it, and one more of them stands at the end where only one tier is wanted.
#[derive(Clone)]
struct Keys {
    by: Vec<Dimension>,
    only: Option<EntityKey>,
    tiers: HashMap<i64, Tier>,
}

impl Keys {
    fn asked(&self) -> Vec<Entity> {
        let entity = |dimension: &Dimension| match dimension {
            Dimension::Entity(entity) => Some(*entity),
            Dimension::Tier => Some(Entity::Influencer),
            Dimension::Time(_) => None,
        };
        let filter = self.only.as_ref().map(|_| Entity::Influencer);
        self.by.iter().filter_map(entity).chain(filter).collect()
    }

    fn tier(&self, influencer: &EntityKey) -> EntityKey {
        match influencer {
            EntityKey::Number(id) => tier_key(self.tiers.get(id).copied()),
            _ => EntityKey::Nothing,
        }
    }

    /// The row's keys; `None` for what the tier's filter leaves out.
    fn of(&self, mut keys: Vec<EntityKey>) -> Option<Vec<EntityKey>> {
        if let Some(only) = &self.only
            && self.tier(&keys.pop()?) != *only
        {
            return None;
        }
        let keyed = self.by.iter().filter(|by| !matches!(by, Dimension::Time(_)));
        for (key, dimension) in keys.iter_mut().zip(keyed) {
            if *dimension == Dimension::Tier {
                *key = self.tier(key);
            }
        }
        Some(keys)
    }
}

/// A question on its way to the store.
pub(super) struct Gathering<'a> {
    store: &'a Store,
    brand: &'a Brand,
    zone: TimeZone,
    bucket: Option<Bucket>,
    keys: Keys,
    asked: Question,
}

impl<'a> Gathering<'a> {
    pub(super) async fn new(store: &'a Store, brand: &'a Brand, question: &ReportQuestion) -> Result<Self, StoreError> {
        let tiers = if question.tier.is_some() || question.by.contains(&Dimension::Tier) {
            let tier = |(id, accounts): (i64, Vec<_>)| Some((id, influencer::tier(&accounts, &brand.tier_bounds)?));
            store.accounts(brand.id).await?.into_iter().filter_map(tier).collect()
        } else {
            HashMap::new()
        };
        let keys = Keys {
            by: question.by.clone(),
            only: question.tier.clone(),
            tiers,
        };
        Ok(Self {
            store,
            brand,
            zone: question.tz.zone(),
            bucket: question.bucket(),
            asked: Question {
                brand: brand.id,
                from: question.from,
                to: question.to,
                by: keys.asked(),
                by_quarter: question.bucket().is_some(),
                only: question.only.clone(),
            },
            keys,
        })
    }

    /// The start of the bucket that holds an instant.
    fn span(&self, at_ms: i64) -> Option<Instant> {
        Some(self.bucket?.start(Instant::from_ms(at_ms), &self.zone))
    }

    /// Adds to the row of these keys and this instant, unless it is left out.
    fn add(&self, groups: &mut Groups, keys: Vec<EntityKey>, at_ms: i64, add: impl FnOnce(&mut Measures)) {
        if let Some(keys) = self.keys.of(keys) {
            add(groups.entry((keys, self.span(at_ms))).or_default());
        }
    }

    /// Every row.
    pub(super) async fn rows(&self) -> Result<Groups, StoreError> {
        let mut groups = Groups::new();
        for sum in self.store.sum_clicks(&self.asked).await? {
            self.add(&mut groups, sum.keys.clone(), sum.quarter_ms, |row| {
                row.add_clicks(&sum)
            });
        }
        // Only where there were clicks there were visitors.
        self.add_visitors(&mut groups).await?;
        let currency = self.brand.currency.to_string();
        for sum in self.store.sum_conversions(&self.asked).await? {
            self.add(&mut groups, sum.keys.clone(), sum.quarter_ms, |row| {
                row.add_conversions(&sum, &currency);
            });
        }
        for sum in self.own_money(self.store.sum_refunds(&self.asked).await?) {
            self.add(&mut groups, sum.keys, sum.quarter_ms, |row| row.add_refunds(sum.amount));
        }
        for sum in self.store.sum_code_uses(&self.asked).await? {
            self.add(&mut groups, sum.keys, sum.quarter_ms, |row| {
                row.add_code_uses(sum.count)
            });
        }
        self.add_platforms(&mut groups).await?;
        // A sum over nothing is still a row of SQL; a report by something has no row for nothing.
        if self.keys.by.is_empty() {
            groups.entry((Vec::new(), None)).or_default();
        }
        Ok(groups)
    }

    /// Visitors are distinct, so they cannot be summed up from quarters: each span of time is counted.
    async fn add_visitors(&self, groups: &mut Groups) -> Result<(), StoreError> {
        let mut starts: Vec<_> = groups.keys().map(|(_, start)| *start).collect();
        starts.sort_unstable();
        starts.dedup();
        let span = |start: &Option<Instant>| -> Span {
            let (from, to) = (self.asked.from, self.asked.to);
            match (self.bucket, *start) {
                (Some(bucket), Some(start)) => (start.max(from), bucket.next(start, &self.zone).min(to)),
                _ => (from, to),
            }
        };
        let spans: Vec<Span> = starts.iter().map(span).collect();
        let group = |keys, place: usize| Some((self.keys.of(keys)?, starts[place]));
        let visitors = self.store.count_visitors(&self.asked, &spans, group).await?;
        for (group, count) in visitors.counts {
            groups.entry(group).or_default().add_visitors(count);
        }
        let unknown: Vec<_> = visitors.unknown.into_iter().map(|place| starts[place]).collect();
        for (_, row) in groups.iter_mut().filter(|((_, start), _)| unknown.contains(start)) {
            row.lose_visitors();
        }
        Ok(())
    }

    /// What platforms told of posts and accounts.
    async fn add_platforms(&self, groups: &mut Groups) -> Result<(), StoreError> {
        let gains = self.store.post_gains(&self.asked).await?;
        if !gains.is_empty() {
            let followers = self.store.followers(self.asked.brand, self.asked.to).await?;
            for gain in gains {
                let followers = followers.get(&gain.account).copied().unwrap_or(0);
                self.add(groups, gain.keys.clone(), gain.at_ms, |row| {
                    row.add_post(&gain, followers)
                });
            }
        }
        for gain in self.store.follower_gains(&self.asked).await? {
            self.add(groups, gain.keys, gain.at_ms, |row| row.add_follower_gain(gain.gain));
        }
        Ok(())
    }

    /// Refunds in the brand's own currency: others cannot be taken from its revenue.
    fn own_money(&self, sums: Vec<RefundSum>) -> impl Iterator<Item = RefundSum> + use<> {
        let currency = self.brand.currency.to_string();
        sums.into_iter().filter(move |sum| sum.currency == currency)
    }

    /// The same question about everything in one row, and what nobody earned.
    pub(super) async fn total(&self) -> Result<Sums, StoreError> {
        let keys = Keys {
            by: Vec::new(),
            ..self.keys.clone()
        };
        let all = Gathering {
            zone: self.zone.clone(),
            bucket: None,
            asked: Question {
                by: keys.asked(),
                by_quarter: false,
                ..self.asked.clone()
            },
            keys,
            ..*self
        };
        let measures = all.rows().await?.into_values().next().unwrap_or_default();
        let mut unattributed = Measures::default();
        // What nobody earned belongs to no campaign, influencer or link.
        if self.asked.only.is_empty() && self.keys.only.is_none() {
            let currency = self.brand.currency.to_string();
            for sum in self.store.sum_unattributed(&all.asked).await? {
                unattributed.add_conversions(&sum, &currency);
            }
            for sum in self.own_money(self.store.sum_unattributed_refunds(&all.asked).await?) {
                unattributed.add_refunds(sum.amount);
            }
        }
        Ok(Sums { measures, unattributed })
    }
}
