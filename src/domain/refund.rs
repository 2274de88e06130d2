//! Refunds: what a shop gave back of an order, and how much of its net amount that is.
//!
//! Many shops know only what they paid back in all, tax and shipping included. Such a gross refund is
//! scaled to the order's net amount, cumulatively: after every refund, what was refunded net is
//! `round(net × refunded gross / gross)`, so that refunding everything refunds exactly the net amount.

use serde::{Deserialize, Serialize};

use super::conversion::{SOURCE_API, check_occurred};
use super::event_id::RefundId;
use super::id::BrandId;
use super::invalid::Invalid;
use super::money::{Currency, Money};
use super::text::ExternalId;
use super::time::Instant;

/// The record kind of refunds in the journal.
pub const REFUND_KIND: u8 = 3;
/// The layout written by this version: JSON of [`NewRefund`].
pub const REFUND_VERSION: u8 = 1;

/// A refund as a shop posts it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundInput {
    /// The sale's external id.
    pub order_id: ExternalId,
    /// The shop's own id of the refund, unique per order.
    pub refund_id: ExternalId,
    /// What was given back of the order's `amount`.
    #[serde(default)]
    pub amount: Option<Money>,
    /// What was given back in all, tax and shipping included.
    #[serde(default)]
    pub gross_amount: Option<Money>,
    /// Where the order came from: `api`.
    #[serde(default)]
    pub source: Option<String>,
    /// When it was given back; absent: now.
    #[serde(default)]
    pub refunded_at: Option<Instant>,
}

/// How much was given back, as the shop says it. Always more than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// Of the goods' net amount.
    Net(Money),
    /// In all.
    Gross(Money),
}

/// A refund that was checked: the journal's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRefund {
    /// The brand whose key or source brought it.
    pub brand: BrandId,
    /// `api` or a webhook source's id: the order's.
    pub source: String,
    /// The sale's external id.
    pub order_id: ExternalId,
    /// The shop's id of the refund.
    pub refund_id: ExternalId,
    /// How much.
    pub given: Given,
    /// When it was given back, where the shop said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_at: Option<Instant>,
    /// When this node took it in, by its clock.
    pub accepted_at: Instant,
}

/// Why a refund does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefusal {
    /// More than is left of the order.
    #[error("the refund goes beyond what is left of its order")]
    BeyondOrder,
    /// Not in the order's currency.
    #[error("the refund is not in its order's currency")]
    OtherCurrency,
    /// The order was counted without an amount.
    #[error("the order has no amount that could be refunded")]
    NoAmount,
}

impl RefundRefusal {
    const ALL: [Self; 3] = [Self::BeyondOrder, Self::OtherCurrency, Self::NoAmount];

    /// The stable code in the API and the store.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BeyondOrder => "refund_beyond_order",
            Self::OtherCurrency => "refund_in_other_currency",
            Self::NoAmount => "order_without_amount",
        }
    }

    /// The refusal behind a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }
}

/// An order as far as refunds are concerned: its amounts, and what was given back so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderBalance {
    /// Net amount in minor units.
    pub net: i64,
    /// Gross amount in minor units, never below the net one.
    pub gross: i64,
    /// The currency of both.
    pub currency: Currency,
    /// What refunds given net took of the net amount so far.
    pub refunded_net: i64,
    /// What refunds given gross gave back so far, in gross.
    pub refunded_gross: i64,
}

impl Given {
    /// The money that was given back.
    #[must_use]
    pub const fn money(&self) -> &Money {
        match self {
            Self::Net(money) | Self::Gross(money) => money,
        }
    }
}

/// `net × part / gross`, rounded half away from zero; all of it are not negative.
fn scaled(net: i64, part: i64, gross: i64) -> i64 {
    if gross == 0 {
        return 0;
    }
    let exact = 2 * i128::from(net) * i128::from(part) + i128::from(gross);
    let rounded = exact / (2 * i128::from(gross));
    i64::try_from(rounded).expect("a part is no larger than the whole")
}

impl OrderBalance {
    /// What is left of the net amount.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.net - self.refunded_net - scaled(self.net, self.refunded_gross, self.gross)
    }

    /// Takes one more refund off; returns how much of the net amount it is, in minor units.
    ///
    /// # Errors
    /// [`RefundRefusal`], and then nothing was taken off.
    pub fn refund(&mut self, given: &Given) -> Result<i64, RefundRefusal> {
        let money = given.money();
        if money.currency != self.currency {
            return Err(RefundRefusal::OtherCurrency);
        }
        let mut after = *self;
        match given {
            Given::Net(_) => after.refunded_net = after.refunded_net.saturating_add(money.amount),
            Given::Gross(_) => after.refunded_gross = after.refunded_gross.saturating_add(money.amount),
        }
        if after.refunded_gross > after.gross || after.refunded_net > after.net || after.left() < 0 {
            return Err(RefundRefusal::BeyondOrder);
        }
        let taken = self.left() - after.left();
        *self = after;
        Ok(taken)
    }
}

impl NewRefund {
    /// Checks what a shop posted.
    ///
    /// # Errors
    /// [`Invalid`] with every field that is wrong.
    pub fn check(brand: BrandId, input: RefundInput, now: Instant) -> Result<Self, Invalid> {
        let mut wrong = Invalid::default();
        let given = match (input.amount, input.gross_amount) {
            (Some(net), None) => Some(("amount.amount", Given::Net(net))),
            (None, Some(gross)) => Some(("gross_amount.amount", Given::Gross(gross))),
            (Some(_), Some(_)) => {
                wrong.add("gross_amount", "give either amount (net) or gross_amount");
                None
            }
            (None, None) => {
                wrong.add("amount", "is required: what was given back, net; or else gross_amount");
                None
            }
        };
        if let Some((field, given)) = &given
            && given.money().amount <= 0
        {
            wrong.add(*field, "must be more than 0");
        }
        if input.source.as_deref().is_some_and(|source| source != SOURCE_API) {
            wrong.add(
                "source",
                "is no source of this brand; orders of the API have the source `api`",
            );
        }
        check_occurred("refunded_at", input.refunded_at, now, &mut wrong);
        match given {
            Some((_, given)) if wrong.0.is_empty() => Ok(Self {
                brand,
                source: SOURCE_API.to_owned(),
                order_id: input.order_id,
                refund_id: input.refund_id,
                given,
                refunded_at: input.refunded_at,
                accepted_at: now,
            }),
            _ => Err(wrong),
        }
    }

    /// The id that this refund and every repeat of it has.
    #[must_use]
    pub fn id(&self) -> RefundId {
        RefundId::of(self.brand, &self.source, &self.order_id, &self.refund_id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(amount: i64) -> Money {
        Money::parse(amount, Currency::USD).expect("within the limit")
    }

    fn order(net: i64, gross: i64) -> OrderBalance {
        OrderBalance {
            net,
            gross,
            currency: Currency::USD,
            refunded_net: 0,
            refunded_gross: 0,
        }
    }

    #[test]
    fn a_gross_refund_takes_its_share_of_the_net_amount() {
        // Net 3000, tax 300: two halves of the gross amount are the whole net amount.
        let mut balance = order(3000, 3300);
        assert_eq!(balance.refund(&Given::Gross(usd(1650))), Ok(1500));
        assert_eq!(balance.refund(&Given::Gross(usd(1650))), Ok(1500));
        assert_eq!(balance.left(), 0);
        assert_eq!(balance.refund(&Given::Gross(usd(1))), Err(RefundRefusal::BeyondOrder));
        // Thirds: rounding is cumulative.
        let mut balance = order(100, 120);
        let parts: Vec<_> = (0..3).map(|_| balance.refund(&Given::Gross(usd(40)))).collect();
        assert_eq!(parts, [Ok(33), Ok(34), Ok(33)]);
    }

    #[test]
    fn what_goes_beyond_the_order_or_is_in_another_currency_changes_nothing() {
        let mut balance = order(1000, 1000);
        assert_eq!(balance.refund(&Given::Net(usd(1001))), Err(RefundRefusal::BeyondOrder));
        let yen = Money::parse(1, Currency::parse("JPY").expect("yen")).expect("money");
        assert_eq!(balance.refund(&Given::Net(yen)), Err(RefundRefusal::OtherCurrency));
        assert_eq!(balance, order(1000, 1000));
        assert_eq!(balance.refund(&Given::Net(usd(600))), Ok(600));
        assert_eq!(balance.refund(&Given::Gross(usd(500))), Err(RefundRefusal::BeyondOrder));
        assert_eq!(balance.refund(&Given::Gross(usd(400))), Ok(400));
        assert_eq!(
            order(0, 0).refund(&Given::Gross(usd(1))),
            Err(RefundRefusal::BeyondOrder)
        );
    }

    proptest! {
        #[test]
        fn whatever_is_refunded_in_whatever_pieces_sums_to_the_part_that_is_gone(
            net in 0_i64..1_000_000_000_000_000, extra in 0_i64..1_000_000_000,
            pieces in prop::collection::vec((any::<bool>(), 1_i64..2_000_000_000), 0..12),
        ) {
            let mut balance = order(net, net + extra);
            let mut taken = 0_i64;
            for (gross, amount) in pieces {
                let given = if gross { Given::Gross(usd(amount)) } else { Given::Net(usd(amount)) };
                let before = balance;
                match balance.refund(&given) {
                    Ok(part) => {
                        prop_assert!(part >= 0);
                        taken += part;
                    }
                    Err(_) => prop_assert_eq!(before, balance),
                }
                prop_assert_eq!(taken + balance.left(), net);
                prop_assert!(balance.left() >= 0);
            }
        }

        #[test]
        fn refunding_all_of_the_gross_amount_refunds_exactly_the_net_amount(
            net in 0_i64..1_000_000_000, extra in 0_i64..1_000_000_000, cuts in prop::collection::vec(1_i64..1_000_000, 0..9),
        ) {
            let mut balance = order(net, net + extra);
            let mut left = net + extra;
            for cut in cuts.into_iter().filter(|cut| *cut > 0) {
                let part = cut.min(left);
                if part > 0 {
                    prop_assert!(balance.refund(&Given::Gross(usd(part))).is_ok());
                    left -= part;
                }
            }
            if left > 0 {
                prop_assert!(balance.refund(&Given::Gross(usd(left))).is_ok());
            }
            prop_assert_eq!(balance.left(), 0);
        }
    }
}
