//! What is measured, and how it is written: counts and money whole, ratios to six places.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::store::figures::{ClickSum, ConversionSum, PostGain};

/// Conversions in a currency that is not the brand's: counted, but their money cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherCurrency {
    /// The currency.
    pub currency: String,
    /// How many conversions.
    pub conversions: i64,
    /// Their amounts in minor units of that currency.
    pub revenue: i64,
}

/// The sums of one row.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    clicks: i64,
    human_clicks: i64,
    unique_visitors: i64,
    /// Raw clicks that would tell them are no longer kept.
    visitors_lost: bool,
    conversions: i64,
    sales: i64,
    leads: i64,
    signups: i64,
    downloads: i64,
    add_to_carts: i64,
    revenue: i128,
    sale_revenue: i128,
    valued_sales: i64,
    sales_with_click: i64,
    refunds: i128,
    promo_code_uses: i64,
    impressions: i64,
    reach: i64,
    engagements: i64,
    /// Followers of the accounts (influencer, platform) behind the row's posts.
    followers: BTreeMap<(i64, String), i64>,
    follower_gain: i64,
    other_currencies: BTreeMap<String, (i64, i128)>,
}

/// A measure's value in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Whole(i64),
    Ratio(Option<f64>),
    Word(Option<&'static str>),
}

impl Value {
    /// As a CSV cell; nothing is an empty one.
    pub(super) fn to_csv(self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Ratio(ratio) => ratio.map(|ratio| ratio.to_string()).unwrap_or_default(),
            Self::Word(word) => word.unwrap_or_default().to_owned(),
        }
    }

    /// For sorting; nothing sorts below everything, and words have no order.
    #[allow(clippy::cast_precision_loss, reason = "an order among rows")]
    pub(super) fn rank(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Ratio(ratio) => ratio.unwrap_or(f64::NEG_INFINITY),
            Self::Word(word) => word.map_or(f64::NEG_INFINITY, |_| 0.0),
        }
    }
}

/// `n / d` to six places; nothing without a denominator.
#[allow(clippy::cast_precision_loss, reason = "a ratio for people, rounded to six places")]
fn ratio(n: i64, d: i64) -> Option<f64> {
    (d != 0).then(|| (n as f64 / d as f64 * 1e6).round() / 1e6)
}

/// Money as it is written: a sum beyond 64 bits, which no honest shop reaches, shows the largest number there is.
fn shown(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

/// `amount / count` in whole minor units, halves away from zero; nothing without a count.
fn per_piece(amount: i128, count: i64) -> Option<i64> {
    if count == 0 {
        return None;
    }
    let count = i128::from(count);
    let half = if amount < 0 { -count } else { count };
    Some(shown((2 * amount + half) / (2 * count)))
}

impl Measures {
    pub(super) fn add_clicks(&mut self, sum: &ClickSum) {
        self.clicks += sum.clicks;
        self.human_clicks += sum.human;
    }

    pub(super) fn add_visitors(&mut self, visitors: i64) {
        self.unique_visitors += visitors;
    }

    /// Where there were people, how many is no longer known.
    pub(super) fn lose_visitors(&mut self) {
        self.visitors_lost = self.human_clicks > 0;
    }

    fn unique_visitors(&self) -> Value {
        if self.visitors_lost {
            Value::Ratio(None)
        } else {
            Value::Whole(self.unique_visitors)
        }
    }

    pub(super) fn add_conversions(&mut self, sum: &ConversionSum, currency: &str) {
        self.conversions += sum.count;
        let own_money = sum.currency.as_deref() == Some(currency);
        match sum.event.as_str() {
            "sale" => {
                self.sales += sum.count;
                self.sales_with_click += sum.with_click;
                if own_money {
                    self.sale_revenue += sum.amount;
                    self.valued_sales += sum.count;
                }
            }
            "lead" => self.leads += sum.count,
            "signup" => self.signups += sum.count,
            "download" => self.downloads += sum.count,
            "add_to_cart" => self.add_to_carts += sum.count,
            _ => {}
        }
        if !matches!(sum.event.as_str(), "sale" | "renewal") {
            return;
        }
        if own_money {
            self.revenue += sum.amount;
        } else if let Some(other) = &sum.currency {
            let entry = self.other_currencies.entry(other.clone()).or_default();
            entry.0 += sum.count;
            entry.1 += sum.amount;
        }
    }

    pub(super) fn add_refunds(&mut self, amount: i128) {
        self.refunds += amount;
    }

    pub(super) fn add_code_uses(&mut self, count: i64) {
        self.promo_code_uses += count;
    }

    /// `followers` are those of the post's account.
    pub(super) fn add_post(&mut self, gain: &PostGain, followers: i64) {
        self.impressions = self.impressions.saturating_add(gain.impressions);
        self.reach = self.reach.saturating_add(gain.reach);
        self.engagements = self.engagements.saturating_add(gain.engagements);
        self.followers.insert(gain.account.clone(), followers);
    }

    pub(super) fn add_follower_gain(&mut self, gain: i64) {
        self.follower_gain = self.follower_gain.saturating_add(gain);
    }

    /// Engagements per impression; where none are known, per follower. With the word for which.
    fn engagement(&self) -> (Option<f64>, Option<&'static str>) {
        let followers = self
            .followers
            .values()
            .fold(0_i64, |sum, followers| sum.saturating_add(*followers));
        if self.impressions > 0 {
            (ratio(self.engagements, self.impressions), Some("impressions"))
        } else if followers > 0 {
            (ratio(self.engagements, followers), Some("followers"))
        } else {
            (None, None)
        }
    }

    pub(super) const fn conversions(&self) -> i64 {
        self.conversions
    }

    pub(super) fn revenue(&self) -> i64 {
        shown(self.revenue)
    }

    pub(super) fn refunds(&self) -> i64 {
        shown(self.refunds)
    }

    pub(super) fn other_currencies(&self) -> Vec<OtherCurrency> {
        let written = |(currency, (conversions, revenue)): (&String, &(i64, i128))| OtherCurrency {
            currency: currency.clone(),
            conversions: *conversions,
            revenue: shown(*revenue),
        };
        self.other_currencies.iter().map(written).collect()
    }

    /// Every measure by name, in the order in which it is written.
    pub(super) fn values(&self) -> Vec<(&'static str, Value)> {
        let (engagement_rate, engagement_basis) = self.engagement();
        vec![
            ("clicks", Value::Whole(self.clicks)),
            ("human_clicks", Value::Whole(self.human_clicks)),
            ("bot_clicks", Value::Whole(self.clicks - self.human_clicks)),
            ("unique_visitors", self.unique_visitors()),
            ("conversions", Value::Whole(self.conversions)),
            ("sales", Value::Whole(self.sales)),
            ("leads", Value::Whole(self.leads)),
            ("signups", Value::Whole(self.signups)),
            ("downloads", Value::Whole(self.downloads)),
            ("add_to_carts", Value::Whole(self.add_to_carts)),
            ("promo_code_uses", Value::Whole(self.promo_code_uses)),
            ("revenue", Value::Whole(shown(self.revenue))),
            ("refunds", Value::Whole(shown(self.refunds))),
            ("net_revenue", Value::Whole(shown(self.revenue - self.refunds))),
            (
                "value_per_sale",
                per_piece(self.sale_revenue, self.valued_sales).map_or(Value::Ratio(None), Value::Whole),
            ),
            (
                "conversion_rate",
                Value::Ratio(ratio(self.sales_with_click, self.human_clicks)),
            ),
            ("impressions", Value::Whole(self.impressions)),
            ("reach", Value::Whole(self.reach)),
            ("engagements", Value::Whole(self.engagements)),
            ("engagement_rate", Value::Ratio(engagement_rate)),
            ("engagement_basis", Value::Word(engagement_basis)),
            ("follower_gain", Value::Whole(self.follower_gain)),
        ]
    }

    /// Whether a measure is an amount in the brand's currency.
    pub(super) fn is_money(name: &str) -> bool {
        matches!(name, "revenue" | "refunds" | "net_revenue" | "value_per_sale")
    }

    /// Whether a measure is a word and no figure.
    pub(super) fn is_word(name: &str) -> bool {
        name == "engagement_basis"
    }

    /// The names of [`Measures::values`].
    pub(super) fn names() -> Vec<&'static str> {
        Self::default().values().into_iter().map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_have_six_places_and_none_without_a_denominator() {
        assert_eq!(ratio(1, 3), Some(0.333_333));
        assert_eq!(ratio(1, 0), None);
        assert_eq!(per_piece(10, 3), Some(3));
        assert_eq!(per_piece(5, 2), Some(3));
        assert_eq!(per_piece(-5, 2), Some(-3));
        assert_eq!(per_piece(5, 0), None);
    }

    #[test]
    fn foreign_money_is_counted_but_never_added() {
        let mut measures = Measures::default();
        let sale = |currency: &str, amount| ConversionSum {
            keys: Vec::new(),
            quarter_ms: 0,
            event: "sale".to_owned(),
            currency: Some(currency.to_owned()),
            count: 1,
            with_click: 1,
            amount,
        };
        measures.add_conversions(&sale("USD", 1000), "USD");
        measures.add_conversions(&sale("JPY", 5), "USD");
        let value = |name| measures.values().into_iter().find(|(n, _)| *n == name).map(|(_, v)| v);
        assert_eq!(value("revenue"), Some(Value::Whole(1000)));
        assert_eq!(value("sales"), Some(Value::Whole(2)));
        assert_eq!(value("value_per_sale"), Some(Value::Whole(1000)));
        assert_eq!(measures.other_currencies()[0].revenue, 5);
    }

    #[test]
    fn engagement_is_per_impression_else_per_follower_of_each_account_once() {
        let gain = |account: (i64, &str), impressions, engagements| PostGain {
            keys: Vec::new(),
            at_ms: 0,
            account: (account.0, account.1.to_owned()),
            impressions,
            reach: 0,
            engagements,
        };
        let mut measures = Measures::default();
        assert_eq!(measures.engagement(), (None, None));
        measures.add_post(&gain((1, "tiktok"), 0, 30), 0);
        assert_eq!(measures.engagement(), (None, None));
        measures.add_post(&gain((2, "tiktok"), 0, 20), 1000);
        measures.add_post(&gain((2, "tiktok"), 0, 10), 1000);
        measures.add_post(&gain((2, "youtube"), 0, 0), 200);
        assert_eq!(measures.engagement(), (Some(0.05), Some("followers")));
        measures.add_post(&gain((2, "tiktok"), 600, 0), 1000);
        assert_eq!(measures.engagement(), (Some(0.1), Some("impressions")));
    }
}
