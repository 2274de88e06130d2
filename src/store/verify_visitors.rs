//! Recounts each day's visitors from the raw clicks that are folded.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use sqlx::AnyConnection;

use super::visitors::{folded_rowid, sketch};
use super::{Mismatch, StoreError, columns};
use crate::domain::time::DAY_MS;
use crate::domain::visitors::VisitorSet;

pub(super) const CHECK: &str = "each day's visitors = a recount of the raw clicks that are folded";

/// At most `told_max` mismatches. One day's sets lie in memory at a time.
pub(super) async fn check(conn: &mut AnyConnection, told_max: usize) -> Result<Vec<Mismatch>, StoreError> {
    let folded = folded_rowid(conn).await?;
    let sql = "SELECT utc_day FROM visitor_days
        UNION SELECT at_ms / 86400000 FROM clicks WHERE rowid <= $1 AND class = 0 ORDER BY 1";
    let days: Vec<i64> = sqlx::query_scalar(sql).bind(folded).fetch_all(&mut *conn).await?;
    let mut mismatches = Vec::new();
    for day in days {
        let recounted = recount(conn, day, folded).await?;
        let mut told = stored(conn, day).await?;
        let links = recounted.keys().chain(told.keys()).copied();
        let links: std::collections::BTreeSet<i64> = links.collect();
        for link in links {
            let (recounted, told) = (recounted.get(&link), told.remove(&link));
            if recounted != told.as_ref() && mismatches.len() < told_max {
                let count = |set: Option<&VisitorSet>| set.map_or(0, VisitorSet::count);
                mismatches.push(Mismatch {
                    check: CHECK,
                    detail: format!(
                        "link number {link}, UTC day {day}: {} visitors folded, {} among the raw clicks",
                        count(told.as_ref()),
                        count(recounted)
                    ),
                });
            }
        }
    }
    Ok(mismatches)
}

/// Recounted sets of one UTC day, by link.
async fn recount(conn: &mut AnyConnection, day: i64, folded: i64) -> Result<BTreeMap<i64, VisitorSet>, StoreError> {
    let sql = "SELECT link_id, visitor FROM clicks
        WHERE at_ms >= $1 AND at_ms < $2 AND rowid <= $3 AND class = 0";
    let query = sqlx::query(sql).bind(day * DAY_MS).bind((day + 1) * DAY_MS);
    let mut rows = query.bind(folded).fetch(conn);
    let mut sets: BTreeMap<i64, VisitorSet> = BTreeMap::new();
    while let Some(row) = rows.try_next().await? {
        let visitors = sets.entry(columns::int(&row, "link_id")?).or_default();
        visitors.insert(columns::int(&row, "visitor")?.cast_unsigned());
    }
    Ok(sets)
}

/// Stored sets of one UTC day, by link.
async fn stored(conn: &mut AnyConnection, day: i64) -> Result<BTreeMap<i64, VisitorSet>, StoreError> {
    let rows = sqlx::query("SELECT link_id, sketch FROM visitor_days WHERE utc_day = $1")
        .bind(day)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| Ok((columns::int(row, "link_id")?, sketch(row)?)))
        .collect()
}
