//! Refunds on their way out.

use sqlx::any::AnyRow;

use super::columns;
use super::{Store, StoreError};
use crate::domain::event_id::{ConversionId, RefundId};
use crate::domain::money::{Currency, Money};
use crate::domain::refund::{NewRefund, RefundRefusal, RefundState};
use crate::domain::time::Instant;

/// A refund as stored.
#[derive(Debug, Clone)]
pub struct StoredRefund {
    /// Its id.
    pub id: RefundId,
    /// What it came to.
    pub state: RefundState,
    /// Why it was rejected.
    pub reason: Option<RefundRefusal>,
    /// Of the order's net amount; unknown while the order is.
    pub amount: Option<Money>,
    /// When it counts.
    pub refunded_at: Instant,
    /// What the shop said.
    pub facts: NewRefund,
}

fn read(row: &AnyRow) -> Result<StoredRefund, StoreError> {
    let currency = columns::parsed(row, "currency", Currency::parse)?;
    Ok(StoredRefund {
        id: columns::parsed(row, "id", |id| RefundId::parse(id).ok_or("not an id"))?,
        state: columns::parsed(row, "state", |name| RefundState::from_name(name).ok_or("unknown"))?,
        reason: columns::maybe_parsed(row, "reason", |code| RefundRefusal::from_code(code).ok_or("unknown"))?,
        amount: columns::maybe_int(row, "amount")?.map(|amount| Money { amount, currency }),
        refunded_at: columns::instant(row, "refunded_at_ms")?,
        facts: columns::json(row, "facts")?,
    })
}

impl Store {
    /// One refund.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn refund(&self, id: &RefundId) -> Result<StoredRefund, StoreError> {
        let query = sqlx::query("SELECT * FROM refunds WHERE id = $1").bind(id.as_str());
        match query.fetch_optional(&self.control).await? {
            Some(row) => read(&row),
            None => Err(StoreError::NotFound { what: "refund" }),
        }
    }

    /// What came back of a conversion, refused refunds among them, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn refunds_of(&self, conversion: &ConversionId) -> Result<Vec<StoredRefund>, StoreError> {
        let sql = "SELECT * FROM refunds WHERE conversion_id = $1 ORDER BY refunded_at_ms, id";
        let query = sqlx::query(sql).bind(conversion.as_str());
        query.fetch_all(&self.control).await?.iter().map(read).collect()
    }
}
