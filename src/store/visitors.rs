//! Folds raw clicks into each day's visitors per link, behind the commit.
//!
//! # Operation
//! `click_marks.folded_rowid` says up to which row clicks are folded, and moves in the transaction that
//! folds them: a crash, or a second process that folds, neither loses nor repeats one, and repeating
//! would change nothing, because a set knows its members. Reports add what is not folded yet, so no
//! figure depends on how far this has come.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Store, StoreError, Tx, columns};
use crate::domain::time::{DAY_MS, Instant};
use crate::domain::visitors::VisitorSet;

/// Clicks of one transaction: some tens of milliseconds.
const CLICKS_AT_ONCE: i64 = 20_000;

/// A stored set.
pub(super) fn stored(bytes: &[u8]) -> Result<VisitorSet, StoreError> {
    VisitorSet::from_bytes(bytes).map_err(|error| StoreError::Unreadable {
        column: "sketch",
        message: error.to_string(),
    })
}

/// A set out of a row.
pub(super) fn sketch(row: &AnyRow) -> Result<VisitorSet, StoreError> {
    stored(&columns::bytes(row, "sketch")?)
}

/// Up to which row of `clicks` visitors are folded.
pub(super) async fn folded_rowid(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    let sql = "SELECT folded_rowid FROM click_marks WHERE id = 1";
    Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
}

/// The visitors of a UTC day by link, recounted from the raw clicks up to row `upto`; of the links that are wanted.
pub(super) async fn recount(
    conn: &mut AnyConnection,
    utc_day: i64,
    upto: i64,
    wanted: impl Fn(i64) -> bool,
) -> Result<BTreeMap<i64, VisitorSet>, StoreError> {
    // The plus keeps the table's own order out: the index of times is the shorter way.
    let sql = "SELECT link_id, visitor FROM clicks
        WHERE at_ms >= $1 AND at_ms < $2 AND +rowid <= $3 AND class = 0";
    let query = sqlx::query(sql).bind(utc_day * DAY_MS).bind((utc_day + 1) * DAY_MS);
    let mut rows = query.bind(upto).fetch(conn);
    let mut sets: BTreeMap<i64, VisitorSet> = BTreeMap::new();
    while let Some(row) = rows.try_next().await? {
        let link = columns::int(&row, "link_id")?;
        if wanted(link) {
            let visitors = sets.entry(link).or_default();
            visitors.insert(columns::int(&row, "visitor")?.cast_unsigned());
        }
    }
    Ok(sets)
}

/// Writes the visitors of a UTC day and link in the place of those that were there.
pub(super) async fn put(tx: &mut Tx, utc_day: i64, link: i64, visitors: &VisitorSet) -> Result<(), StoreError> {
    let sql = "INSERT INTO visitor_days (utc_day, link_id, sketch) VALUES ($1, $2, $3)
        ON CONFLICT (utc_day, link_id) DO UPDATE SET sketch = excluded.sketch";
    let query = tx.query(sql).bind(utc_day).bind(link).bind(visitors.to_bytes());
    query.execute().await?;
    Ok(())
}

impl Store {
    /// How many clicks are not folded yet.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn unfolded_clicks(&self) -> Result<i64, StoreError> {
        // Rows of clicks are only ever added, so their numbers count them.
        let sql = "SELECT (SELECT COALESCE(MAX(rowid), 0) FROM clicks) - folded_rowid FROM click_marks WHERE id = 1";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.control).await?)
    }

    /// Folds the next clicks.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; then nothing of this step is folded.
    pub async fn fold_visitors(&self) -> Result<(), StoreError> {
        self.transact_bulk(|tx| Box::pin(fold(tx))).await
    }
}

async fn fold(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "SELECT folded_rowid, (SELECT COALESCE(MAX(rowid), 0) FROM clicks) FROM click_marks WHERE id = 1";
    let (after, last): (i64, i64) = tx.query(sql).one().await?;
    let upto = last.min(after + CLICKS_AT_ONCE);
    let sql = "SELECT at_ms, link_id, visitor FROM clicks WHERE rowid > $1 AND rowid <= $2 AND class = 0";
    let clicks: Vec<(i64, i64, i64)> = tx.query(sql).bind(after).bind(upto).all().await?;
    let mut met: BTreeMap<(i64, i64), VisitorSet> = BTreeMap::new();
    for (at_ms, link, visitor) in clicks {
        let visitors = met.entry((Instant::from_ms(at_ms).utc_day(), link)).or_default();
        visitors.insert(visitor.cast_unsigned());
    }
    for ((utc_day, link), mut visitors) in met {
        let sql = "SELECT sketch FROM visitor_days WHERE utc_day = $1 AND link_id = $2";
        let before: Option<(Vec<u8>,)> = tx.query(sql).bind(utc_day).bind(link).optional().await?;
        if let Some((before,)) = before {
            visitors.unite(&stored(&before)?);
        }
        put(tx, utc_day, link, &visitors).await?;
    }
    let sql = "UPDATE click_marks SET folded_rowid = $1 WHERE id = 1";
    tx.query(sql).bind(upto).execute().await?;
    Ok(())
}
