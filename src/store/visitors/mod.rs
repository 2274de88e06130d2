//! Folds people's clicks into each day's visitors per link, behind the commit.
//!
//! # Operation
//! A commit leaves its visits in a queue; the fold takes rows of it, unites them with the stored sets and deletes them,
//! all in one transaction: a crash neither loses nor repeats a visit, and repeating would change nothing, because a set
//! knows its members. One process folds at a time, whoever comes first. Reports add what waits, so no figure depends on
//! how far this has come.

mod queue;
mod sets;

use std::collections::BTreeMap;

use super::{Store, StoreError, Tx};
pub(super) use queue::{queue, waiting};
pub(super) use sets::{RAW, Sets, batches, insert, put, recount, sketch, stored};

/// Visits of one transaction: some tens of milliseconds.
const CLICKS_AT_ONCE: i64 = 20_000;
/// Rows of the queue that are looked at for that; a worker with little to do leaves small ones.
const ROWS_AT_ONCE: i64 = 1000;

impl Store {
    /// How many clicks of people are not folded yet.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn unfolded_clicks(&self) -> Result<i64, StoreError> {
        let sql = "SELECT CAST(COALESCE(SUM(clicks), 0) AS BIGINT) FROM unfolded_visits";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.control).await?)
    }

    /// Folds the next clicks; whether there were any, and nobody else was folding.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; then nothing of this step is folded.
    pub async fn fold_visitors(&self) -> Result<bool, StoreError> {
        self.transact_bulk(|tx| Box::pin(fold_next(tx))).await
    }
}

async fn fold_next(tx: &mut Tx) -> Result<bool, StoreError> {
    if !tx.try_own_visitors().await? {
        return Ok(false);
    }
    let sql = "SELECT id, clicks FROM unfolded_visits ORDER BY id LIMIT $1";
    let rows: Vec<(i64, i64)> = tx.query(sql).bind(ROWS_AT_ONCE).all().await?;
    let mut clicks = 0;
    let mut upto = None;
    for (id, of_row) in rows {
        clicks += of_row;
        if upto.is_some() && clicks > CLICKS_AT_ONCE {
            break;
        }
        upto = Some(id);
    }
    let Some(upto) = upto else { return Ok(false) };
    fold(
        tx,
        "DELETE FROM unfolded_visits WHERE id <= $1 RETURNING utc_day, visits",
        upto,
    )
    .await?;
    Ok(true)
}

/// Folds whatever waits of a UTC day. The sets must be this transaction's own.
pub(super) async fn fold_day(tx: &mut Tx, utc_day: i64) -> Result<(), StoreError> {
    fold(
        tx,
        "DELETE FROM unfolded_visits WHERE utc_day = $1 RETURNING utc_day, visits",
        utc_day,
    )
    .await
}

async fn fold(tx: &mut Tx, taking: &'static str, by: i64) -> Result<(), StoreError> {
    let mut met = BTreeMap::new();
    let rows = tx.query(taking).bind(by);
    rows.each(|(utc_day, visits): (i64, Vec<u8>)| queue::take_in(&mut met, utc_day, &visits))
        .await?;
    for (utc_day, met) in met {
        sets::unite(tx, utc_day, met).await?;
    }
    Ok(())
}
