//! Refunds: each meets its order, or waits for it.
//!
//! # Constraints
//! Orders and refunds come through different journals, so either may be first. Of an order no more is taken off than
//! its net amount, and all of its gross amount takes off exactly that.
//!
//! # Operation
//! A refund is judged once: in the transaction that brings the later of it and its order. `settle` judges those that
//! waited for the orders of this batch, in the order of their own time; then `write` takes the batch's refunds in the
//! order of acceptance. What was taken off by then decides what is left. A refund that goes beyond it is kept twice: in
//! its own row as rejected, and as a rejection that can be sent in again, which then takes that row.
//!
//! # What it never does
//! It never changes a refund that was taken off: under the same id the first stands, and another amount is a
//! rejection. It never judges a refund again because an order was rejected or credited later.

use super::batch::{CONTRADICTS_FIRST, Decided, Outcome, RefundOutcome, RefundRow};
use super::rejections::NotCounted;
use super::{StoreError, Tx};
use crate::domain::conversion::Event;
use crate::domain::event_id::{ConversionId, RefundId};
use crate::domain::money::Currency;
use crate::domain::refund::{Given, NewRefund, OrderBalance, RefundRefusal, RefundState};
use crate::domain::time::Instant;

/// What a refund comes to, once it was held against the orders that are there.
struct Judged {
    state: RefundState,
    reason: Option<&'static str>,
    conversion: Option<String>,
    /// Of the net amount, in minor units.
    amount: Option<i64>,
    outcome: RefundOutcome,
}

pub(super) async fn write(
    tx: &mut Tx,
    refunds: &[RefundRow],
    journal_nums: &[i64],
    now: Instant,
) -> Result<Vec<RefundOutcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(refunds.len());
    for row in refunds {
        let journal_num = journal_nums[row.part];
        let outcome = match standing(tx, &row.refund.id()).await? {
            Some(first) if first.given == row.refund.given => RefundOutcome::Repeated,
            Some(_) => {
                not_counted(tx, &row.refund, (journal_num, row.seq), CONTRADICTS_FIRST, now).await?;
                RefundOutcome::Contradicted
            }
            None => {
                let mut found = find_order(tx, &row.refund).await?;
                let judged = judge(found.as_mut(), &row.refund);
                insert(tx, row, journal_num, &judged).await?;
                if let Some(reason) = judged.reason {
                    not_counted(tx, &row.refund, (journal_num, row.seq), reason, now).await?;
                }
                judged.outcome
            }
        };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Judges the refunds that waited for orders which have just come.
pub(super) async fn settle(
    tx: &mut Tx,
    conversions: &[Decided],
    outcomes: &[Outcome],
    now: Instant,
) -> Result<Vec<RefundOutcome>, StoreError> {
    let mut settled = Vec::new();
    let came = conversions.iter().zip(outcomes).filter_map(|(decided, outcome)| {
        let counted = matches!(outcome, Outcome::Counted(_));
        (counted && decided.conversion.event.needs_amount()).then_some(&decided.conversion)
    });
    for order in came {
        let sql = "SELECT id, facts, journal_num, seq FROM refunds
            WHERE brand_id = $1 AND source = $2 AND order_id = $3 AND state = $4 ORDER BY refunded_at_ms, id";
        let waiting: Vec<(String, String, i64, i64)> = tx
            .query(sql)
            .bind(order.brand.number())
            .bind(&order.source)
            .bind(order.external_id.as_str())
            .bind(RefundState::PendingOrder.name())
            .all()
            .await?;
        let Some(first) = waiting.first() else { continue };
        // Read once: thousands may wait for one order, and each is held against what those before it left.
        let mut found = find_order(tx, &read(&first.1)?).await?;
        for (id, facts, journal_num, seq) in waiting {
            let refund = read(&facts)?;
            let judged = judge(found.as_mut(), &refund);
            tx.query("UPDATE refunds SET state = $1, reason = $2, conversion_id = $3, amount = $4 WHERE id = $5")
                .bind(judged.state.name())
                .bind(judged.reason)
                .bind(judged.conversion)
                .bind(judged.amount)
                .bind(id)
                .execute()
                .await?;
            if let Some(reason) = judged.reason {
                not_counted(tx, &refund, (journal_num, seq), reason, now).await?;
            }
            settled.push(judged.outcome);
        }
    }
    Ok(settled)
}

/// The refund that stands under this id; one that was refused does not.
async fn standing(tx: &mut Tx, id: &RefundId) -> Result<Option<NewRefund>, StoreError> {
    let facts: Option<(String,)> = tx
        .query("SELECT facts FROM refunds WHERE id = $1 AND state <> $2")
        .bind(id.as_str())
        .bind(RefundState::Rejected.name())
        .optional()
        .await?;
    facts.map(|(facts,)| read(&facts)).transpose()
}

fn read(facts: &str) -> Result<NewRefund, StoreError> {
    serde_json::from_str(facts).map_err(|error| StoreError::Unreadable {
        column: "refunds.facts",
        message: error.to_string(),
    })
}

/// Holds a refund against its order, and takes it off.
fn judge(order: Option<&mut FoundOrder>, refund: &NewRefund) -> Judged {
    let Some(order) = order else {
        return Judged {
            state: RefundState::PendingOrder,
            reason: None,
            conversion: None,
            amount: None,
            outcome: RefundOutcome::Pending,
        };
    };
    let taken = match &mut order.balance {
        Some(balance) => balance.refund(&refund.given),
        None => Err(RefundRefusal::NoAmount),
    };
    let conversion = Some(order.id.as_str().to_owned());
    match taken {
        Ok(amount) => Judged {
            state: RefundState::Applied,
            reason: None,
            conversion,
            amount: Some(amount),
            outcome: RefundOutcome::Applied,
        },
        Err(refusal) => Judged {
            state: RefundState::Rejected,
            reason: Some(refusal.code()),
            conversion,
            amount: None,
            outcome: RefundOutcome::Refused(refusal),
        },
    }
}

/// An order that is there.
struct FoundOrder {
    id: ConversionId,
    /// What is left of it; absent where it was counted without an amount.
    balance: Option<OrderBalance>,
}

/// The order that a refund names, a sale before a renewal.
async fn find_order(tx: &mut Tx, refund: &NewRefund) -> Result<Option<FoundOrder>, StoreError> {
    for event in [Event::Sale, Event::Renewal] {
        let id = ConversionId::of(refund.brand, &refund.source, &event, &refund.order_id);
        let sql = "SELECT amount, gross_amount, currency FROM conversions WHERE id = $1";
        let found: Option<(Option<i64>, Option<i64>, Option<String>)> =
            tx.query(sql).bind(id.as_str()).optional().await?;
        let Some((net, gross, currency)) = found else { continue };
        let currency = currency.and_then(|code| Currency::parse(&code).ok());
        let (Some(net), Some(currency)) = (net, currency) else {
            return Ok(Some(FoundOrder { id, balance: None }));
        };
        let sql = "SELECT CAST(COALESCE(SUM(CASE WHEN gross_amount IS NULL THEN amount END), 0) AS BIGINT),
                CAST(COALESCE(SUM(gross_amount), 0) AS BIGINT)
            FROM refunds WHERE conversion_id = $1 AND state = $2";
        let (refunded_net, refunded_gross): (i64, i64) = tx
            .query(sql)
            .bind(id.as_str())
            .bind(RefundState::Applied.name())
            .one()
            .await?;
        let balance = OrderBalance {
            net,
            gross: gross.unwrap_or(net),
            currency,
            refunded_net,
            refunded_gross,
        };
        return Ok(Some(FoundOrder {
            id,
            balance: Some(balance),
        }));
    }
    Ok(None)
}

/// Writes a refund; one that was refused before is replaced.
async fn insert(tx: &mut Tx, row: &RefundRow, journal_num: i64, judged: &Judged) -> Result<(), StoreError> {
    let sql = "INSERT INTO refunds (id, brand_id, source, order_id, refund_id, state, reason, conversion_id, amount,
            gross_amount, currency, refunded_at_ms, accepted_at_ms, facts, journal_num, seq)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        ON CONFLICT (id) DO UPDATE SET state = excluded.state, reason = excluded.reason,
            conversion_id = excluded.conversion_id, amount = excluded.amount, gross_amount = excluded.gross_amount,
            currency = excluded.currency, refunded_at_ms = excluded.refunded_at_ms,
            accepted_at_ms = excluded.accepted_at_ms, facts = excluded.facts, journal_num = excluded.journal_num,
            seq = excluded.seq";
    let refund = &row.refund;
    let gross = match &refund.given {
        Given::Net(_) => None,
        Given::Gross(money) => Some(money.amount),
    };
    tx.query(sql)
        .bind(refund.id().as_str())
        .bind(refund.brand.number())
        .bind(&refund.source)
        .bind(refund.order_id.as_str())
        .bind(refund.refund_id.as_str())
        .bind(judged.state.name())
        .bind(judged.reason)
        .bind(judged.conversion.as_deref())
        .bind(judged.amount)
        .bind(gross)
        .bind(refund.given.money().currency.to_string())
        .bind(row.refunded_at.ms())
        .bind(refund.accepted_at.ms())
        .bind(facts(refund))
        .bind(journal_num)
        .bind(row.seq)
        .execute()
        .await?;
    Ok(())
}

fn facts(refund: &NewRefund) -> String {
    serde_json::to_string(refund).expect("domain types have plain keys")
}

async fn not_counted(
    tx: &mut Tx,
    refund: &NewRefund,
    (journal_num, seq): (i64, i64),
    reason: &'static str,
    now: Instant,
) -> Result<(), StoreError> {
    let rejected = NotCounted {
        journal_num,
        seq,
        brand: Some(refund.brand.number()),
        kind: "refund",
        reason,
        facts: &facts(refund),
    };
    rejected.write(tx, now).await
}
