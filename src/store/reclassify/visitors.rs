//! A day's visitors of stale links, recounted from its raw clicks.
//!
//! # Operation
//! What waits to be folded may still hold visits of clicks that turned out to be programs'. So the write folds the day's
//! queue first and then puts the recounted sets in the place of those that were there. A commit that comes between the
//! two leaves its visits in the queue, where a set that has them already does not mind.
//!
//! In Postgres the recount is read in the writing transaction, which owns the sets meanwhile: folds wait for it, commits
//! and reports do not. In SQLite everybody would, so clicks are read before, and within the short write only the
//! rows that were added since.

use super::{STALE_LINKS, stale_links};
use crate::domain::time::DAY_MS;
use crate::store::engine::Engine;
use crate::store::visitors::{RAW, Sets, batches, fold_day, insert, put, recount};
use crate::store::{Store, StoreError, Tx};

impl Store {
    /// Counts a UTC day's visitors of stale links anew.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn fold_day_again(&self, utc_day: i64) -> Result<(), StoreError> {
        match self.engine {
            Engine::Postgres => {
                self.write_politely(move |tx| Box::pin(recount_and_put(tx, utc_day)))
                    .await
            }
            Engine::Sqlite => self.recount_then_put(utc_day).await,
        }
    }

    async fn recount_then_put(&self, utc_day: i64) -> Result<(), StoreError> {
        let mut snapshot = self.control.begin_with(self.engine.begin_snapshot()).await?;
        let links = stale_links(&mut snapshot, utc_day * DAY_MS, (utc_day + 1) * DAY_MS).await?;
        let sql = "SELECT COALESCE(MAX(rowid), 0) FROM clicks";
        let upto: i64 = sqlx::query_scalar(sql).fetch_one(&mut *snapshot).await?;
        let mut sets = recount(&mut snapshot, utc_day, |link| links.contains(&link)).await?;
        snapshot.rollback().await?;
        // A link that nobody visited any more loses the set it had.
        for link in links {
            sets.entry(link).or_default();
        }
        for mut batch in batches(sets) {
            self.write_politely(move |tx| {
                Box::pin(async move {
                    fold_day(tx, utc_day).await?;
                    // The plus keeps the index of times out: these are few rows at the end of the table.
                    let sql = "SELECT link_id, visitor FROM clicks
                        WHERE +at_ms >= $1 AND +at_ms < $2 AND class = 0 AND rowid > $3";
                    let query = tx.query(sql).bind(utc_day * DAY_MS).bind((utc_day + 1) * DAY_MS);
                    let added = query.bind(upto);
                    added.each(|row| add_known(&mut batch, row)).await?;
                    put(tx, utc_day, &batch).await
                })
            })
            .await?;
        }
        Ok(())
    }
}

/// Adds a visitor to a link's set, if it is one of those at hand.
fn add_known(sets: &mut Sets, (link, visitor): (i64, i64)) -> Result<(), StoreError> {
    if sets.contains_key(&link) {
        insert(sets, link, visitor);
    }
    Ok(())
}

async fn recount_and_put(tx: &mut Tx, utc_day: i64) -> Result<(), StoreError> {
    tx.own_visitors().await?;
    fold_day(tx, utc_day).await?;
    let (from_ms, to_ms) = (utc_day * DAY_MS, (utc_day + 1) * DAY_MS);
    let mut sets = Sets::new();
    let stale = tx.query(STALE_LINKS).bind(from_ms).bind(to_ms);
    stale
        .each(|(link,): (i64,)| {
            sets.entry(link).or_default();
            Ok(())
        })
        .await?;
    let raw = tx.query(RAW).bind(from_ms).bind(to_ms);
    raw.each(|row| add_known(&mut sets, row)).await?;
    for batch in batches(sets) {
        put(tx, utc_day, &batch).await?;
    }
    Ok(())
}
