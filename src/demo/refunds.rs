//! What comes back after the sale.

use super::calendar::{STEPS, STEPS_A_DAY};
use super::chance::Chance;
use super::orders::{Due, Order, with_tax};

/// Money that went back.
#[derive(Debug)]
pub(super) struct Refund {
    pub(super) step: u32,
    /// A place among the orders.
    pub(super) order: usize,
    pub(super) refund_id: String,
    pub(super) given: Given,
}

/// How a refund is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given {
    /// Without tax.
    Net(i64),
    /// With tax, as everything was charged.
    Gross(i64),
}

/// Every so manieth credited order is given back, wholly or in part.
const REFUND_EVERY: usize = 16;

/// Some credited orders come back: whole, half, in part, by what was charged, in two parts, and
/// before the order itself was told.
pub(super) fn draw(chance: &mut Chance, orders: &mut [Order]) -> Vec<Refund> {
    let mut refunds = Vec::new();
    let mut credited = 0;
    for (place, order) in orders.iter_mut().enumerate() {
        let (Due::Earned(_), Some(amount)) = (order.due, order.amount) else {
            continue;
        };
        credited += 1;
        if credited % REFUND_EVERY != 0 {
            continue;
        }
        let later = 1 + u32::try_from(chance.below(2 * STEPS_A_DAY as usize)).expect("some steps");
        let step = (order.step + later).min(STEPS - 1);
        let mut refund = |step, part: &str, given| {
            refunds.push(Refund {
                step,
                order: place,
                refund_id: format!("R{}{part}", order.external_id),
                given,
            });
        };
        match credited / REFUND_EVERY % 6 {
            0 => refund(step, "", Given::Net(amount)),
            1 => refund(step, "", Given::Net(amount / 2)),
            2 => refund(step, "", Given::Net(amount / 5)),
            3 => refund(order.step.saturating_sub(1), "", Given::Net(amount)),
            4 => {
                let gross = *order.gross.get_or_insert_with(|| with_tax(amount));
                refund(step, "", Given::Gross(gross / 3));
            }
            _ => {
                let gross = *order.gross.get_or_insert_with(|| with_tax(amount));
                refund(step, "a", Given::Gross(gross / 3));
                refund(step, "b", Given::Gross(gross - gross / 3));
            }
        }
    }
    refunds.sort_by_key(|refund| refund.step);
    refunds
}
