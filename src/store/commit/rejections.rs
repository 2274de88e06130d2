//! Events that were not counted: each is kept with its reason, for a person to look at.

use super::{StoreError, Tx};
use crate::domain::time::Instant;

/// One event on its way into the table.
pub(super) struct NotCounted<'a> {
    pub(super) journal_num: i64,
    pub(super) seq: i64,
    pub(super) brand: Option<i64>,
    /// `click`, `conversion` or `refund`.
    pub(super) kind: &'static str,
    pub(super) reason: &'static str,
    /// The facts that we use, as JSON or words.
    pub(super) facts: &'a str,
}

impl NotCounted<'_> {
    pub(super) async fn write(&self, tx: &mut Tx, now: Instant) -> Result<(), StoreError> {
        let now_ms = tx.engine().about_now("$7");
        let sql = format!(
            "INSERT INTO rejections (journal_num, seq, brand_id, kind, reason, facts, rejected_at_ms)
            VALUES ($1, $2, $3, $4, $5, $6, {now_ms})"
        );
        tx.query_built(sql)
            .bind(self.journal_num)
            .bind(self.seq)
            .bind(self.brand)
            .bind(self.kind)
            .bind(self.reason)
            .bind(self.facts)
            .bind(now.ms())
            .execute()
            .await?;
        Ok(())
    }
}
