//! Recounts each day's visitors from the raw clicks, of days that still have theirs.

use std::collections::BTreeSet;

use sqlx::AnyConnection;

use super::reclassify::stale_links;
use super::visitors::{Sets, recount, sketch, waiting};
use super::{Mismatch, StoreError, columns};
use crate::domain::time::DAY_MS;
use crate::domain::visitors::VisitorSet;

pub(super) const CHECK: &str = "each day's visitors, folded and waiting = a recount of the raw clicks";

/// At most `told_max` mismatches. One day's sets lie in memory at a time.
pub(super) async fn check(conn: &mut AnyConnection, told_max: usize) -> Result<Vec<Mismatch>, StoreError> {
    let sql = "SELECT utc_day FROM visitor_days UNION SELECT utc_day FROM unfolded_visits
        UNION SELECT at_ms / 86400000 FROM clicks WHERE class = 0
        EXCEPT SELECT utc_day FROM sealed_days ORDER BY 1";
    let days: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut *conn).await?;
    let mut mismatches = Vec::new();
    for day in days {
        // A reclassification that was broken off has moved their clicks and not yet their visitors.
        let stale = stale_links(conn, day * DAY_MS, (day + 1) * DAY_MS).await?;
        let recounted = recount(conn, day, |link| !stale.contains(&link)).await?;
        let mut told = stored(conn, day).await?;
        for (link, visitors) in waiting(&mut *conn, day, day + 1)
            .await?
            .remove(&day)
            .unwrap_or_default()
        {
            told.entry(link).or_default().unite(&visitors);
        }
        told.retain(|link, _| !stale.contains(link));
        let links: BTreeSet<i64> = recounted.keys().chain(told.keys()).copied().collect();
        for link in links {
            let (recounted, told) = (recounted.get(&link), told.remove(&link));
            if recounted != told.as_ref() && mismatches.len() < told_max {
                let count = |set: Option<&VisitorSet>| set.map_or(0, VisitorSet::count);
                mismatches.push(Mismatch {
                    check: CHECK,
                    detail: format!(
                        "link number {link}, UTC day {day}: {} visitors folded or waiting, {} among the raw clicks",
                        count(told.as_ref()),
                        count(recounted)
                    ),
                });
            }
        }
    }
    Ok(mismatches)
}

/// Stored sets of one UTC day, by link.
async fn stored(conn: &mut AnyConnection, day: i64) -> Result<Sets, StoreError> {
    let rows = sqlx::query("SELECT link_id, sketch FROM visitor_days WHERE utc_day = $1")
        .bind(day)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| Ok((columns::int(row, "link_id")?, sketch(row)?)))
        .collect()
}
