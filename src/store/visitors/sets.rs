//! The stored sets of visitors, one per UTC day and link.
//!
//! Whoever writes them owns them: see [`locks`](crate::store::locks).

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::domain::time::DAY_MS;
use crate::domain::visitors::VisitorSet;
use crate::store::{StoreError, Tx, columns};

/// Sets of visitors of one day, by link.
pub(in crate::store) type Sets = BTreeMap<i64, VisitorSet>;

/// Sets that are read or written by one statement; a large one has 48 KiB.
const SETS_AT_ONCE: usize = 200;

/// A set out of its bytes.
pub(in crate::store) fn stored(bytes: &[u8]) -> Result<VisitorSet, StoreError> {
    VisitorSet::from_bytes(bytes).map_err(|error| StoreError::Unreadable {
        column: "sketch",
        message: error.to_string(),
    })
}

/// A set out of a row.
pub(in crate::store) fn sketch(row: &AnyRow) -> Result<VisitorSet, StoreError> {
    stored(&columns::bytes(row, "sketch")?)
}

/// Splits sets into as many as one statement or transaction takes.
pub(in crate::store) fn batches(sets: Sets) -> impl Iterator<Item = Sets> {
    let mut sets = sets.into_iter();
    std::iter::from_fn(move || {
        Some(sets.by_ref().take(SETS_AT_ONCE).collect()).filter(|batch: &Sets| !batch.is_empty())
    })
}

/// Adds visitors to the sets of a day.
pub(super) async fn unite(tx: &mut Tx, utc_day: i64, met: Sets) -> Result<(), StoreError> {
    for mut batch in batches(met) {
        for (link, before) in read(tx, utc_day, &batch).await? {
            if let Some(visitors) = batch.get_mut(&link) {
                visitors.unite(&stored(&before)?);
            }
        }
        put(tx, utc_day, &batch).await?;
    }
    Ok(())
}

/// The stored sets of these links.
async fn read(tx: &mut Tx, utc_day: i64, of: &Sets) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    match tx {
        Tx::Sqlite(_) => {
            let mut rows = Vec::with_capacity(of.len());
            for link in of.keys() {
                let sql = "SELECT link_id, sketch FROM visitor_days WHERE utc_day = $1 AND link_id = $2";
                rows.extend(tx.query(sql).bind(utc_day).bind(*link).optional().await?);
            }
            Ok(rows)
        }
        Tx::Postgres(conn) => {
            let sql = "SELECT link_id, sketch FROM visitor_days WHERE utc_day = $1 AND link_id = ANY($2)";
            let links: Vec<i64> = of.keys().copied().collect();
            let query = sqlx::query_as(sql).bind(utc_day).bind(links);
            Ok(query.fetch_all(&mut **conn).await?)
        }
    }
}

/// Writes the visitors of a UTC day in the place of those that were there; where nobody is left, nothing stays.
pub(in crate::store) async fn put(tx: &mut Tx, utc_day: i64, sets: &Sets) -> Result<(), StoreError> {
    let (empty, sets): (Vec<_>, Vec<_>) = sets.iter().partition(|(_, visitors)| visitors.is_empty());
    for (link, _) in empty {
        let sql = "DELETE FROM visitor_days WHERE utc_day = $1 AND link_id = $2";
        tx.query(sql).bind(utc_day).bind(*link).execute().await?;
    }
    match tx {
        Tx::Sqlite(_) => {
            for (link, visitors) in sets {
                let sql = "INSERT INTO visitor_days (utc_day, link_id, sketch) VALUES ($1, $2, $3)
                    ON CONFLICT (utc_day, link_id) DO UPDATE SET sketch = excluded.sketch";
                let query = tx.query(sql).bind(utc_day).bind(*link);
                query.bind(visitors.to_bytes()).execute().await?;
            }
        }
        Tx::Postgres(conn) => {
            let sql = "INSERT INTO visitor_days (utc_day, link_id, sketch)
                SELECT $1, link_id, sketch FROM UNNEST($2::bigint[], $3::bytea[]) AS written (link_id, sketch)
                ON CONFLICT (utc_day, link_id) DO UPDATE SET sketch = excluded.sketch";
            let links: Vec<i64> = sets.iter().map(|(link, _)| **link).collect();
            let sketches: Vec<Vec<u8>> = sets.iter().map(|(_, visitors)| visitors.to_bytes()).collect();
            let query = sqlx::query(sql).bind(utc_day).bind(links);
            query.bind(sketches).execute(&mut **conn).await?;
        }
    }
    Ok(())
}

/// People's clicks of a UTC day, from its first instant $1 on and before $2.
pub(in crate::store) const RAW: &str =
    "SELECT link_id, visitor FROM clicks WHERE at_ms >= $1 AND at_ms < $2 AND class = 0";

/// The visitors of a UTC day by link, recounted from the raw clicks; of the links that are wanted.
pub(in crate::store) async fn recount(
    conn: &mut AnyConnection,
    utc_day: i64,
    wanted: impl Fn(i64) -> bool,
) -> Result<Sets, StoreError> {
    let query = sqlx::query_as(RAW).bind(utc_day * DAY_MS).bind((utc_day + 1) * DAY_MS);
    let mut rows = query.fetch(conn);
    let mut sets = Sets::new();
    while let Some((link, visitor)) = rows.try_next().await? {
        if wanted(link) {
            insert(&mut sets, link, visitor);
        }
    }
    Ok(sets)
}

/// Adds a visitor of a link.
pub(in crate::store) fn insert(sets: &mut Sets, link: i64, visitor: i64) {
    sets.entry(link).or_default().insert(visitor.cast_unsigned());
}
