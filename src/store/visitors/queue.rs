//! What waits to be folded into the sets of visitors.
//!
//! # Format
//! One row per batch and UTC day. `visits`: 16 bytes each, the link's number and the visitor's hash, big-endian; in
//! order and each once where a batch wrote them. `clicks` says how many clicks they were.
//!
//! # Operation
//! The commit that writes a click writes its visit, so a visit is in a row of this queue or in a set, and the fold moves
//! it in one transaction. Rows are numbered in another order than they are committed in, so whoever takes rows reads and
//! deletes them in one statement.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use sqlx::{Any, Executor};

use super::Sets;
use crate::domain::time::Instant;
use crate::store::{StoreError, Tx, columns};

/// Leaves visits for the fold: when, which link, and who.
pub(in crate::store) async fn queue(
    tx: &mut Tx,
    visits: impl Iterator<Item = (i64, i64, i64)>,
) -> Result<(), StoreError> {
    let mut days: BTreeMap<i64, Vec<[i64; 2]>> = BTreeMap::new();
    for (at_ms, link, visitor) in visits {
        let day = days.entry(Instant::from_ms(at_ms).utc_day()).or_default();
        day.push([link, visitor]);
    }
    for (utc_day, mut visits) in days {
        let clicks = i64::try_from(visits.len()).unwrap_or(i64::MAX);
        visits.sort_unstable();
        visits.dedup();
        let bytes: Vec<u8> = visits
            .as_flattened()
            .iter()
            .flat_map(|half| half.to_be_bytes())
            .collect();
        let sql = "INSERT INTO unfolded_visits (utc_day, clicks, visits) VALUES ($1, $2, $3)";
        let query = tx.query(sql).bind(utc_day).bind(clicks);
        query.bind(bytes).execute().await?;
    }
    Ok(())
}

/// Adds the visits of a row to what was met of its day.
pub(super) fn take_in(met: &mut BTreeMap<i64, Sets>, utc_day: i64, visits: &[u8]) -> Result<(), StoreError> {
    let (halves, rest) = visits.as_chunks::<8>();
    let (visits, half) = halves.as_chunks::<2>();
    if !rest.is_empty() || !half.is_empty() {
        return Err(StoreError::Unreadable {
            column: "visits",
            message: "not a whole number of visits".to_owned(),
        });
    }
    let sets = met.entry(utc_day).or_default();
    for [link, visitor] in visits {
        let visitors = sets.entry(i64::from_be_bytes(*link)).or_default();
        visitors.insert(u64::from_be_bytes(*visitor));
    }
    Ok(())
}

/// Who waits, of the UTC days from `from` on and before `to`. Read before the sets: what is folded meanwhile is met
/// twice, which a set does not mind.
pub(in crate::store) async fn waiting<'e>(
    store: impl Executor<'e, Database = Any>,
    from: i64,
    to: i64,
) -> Result<BTreeMap<i64, Sets>, StoreError> {
    let sql = "SELECT utc_day, visits FROM unfolded_visits WHERE utc_day >= $1 AND utc_day < $2";
    let mut rows = sqlx::query(sql).bind(from).bind(to).fetch(store);
    let mut met = BTreeMap::new();
    while let Some(row) = rows.try_next().await? {
        take_in(
            &mut met,
            columns::int(&row, "utc_day")?,
            &columns::bytes(&row, "visits")?,
        )?;
    }
    Ok(met)
}
