//! Many rows in one INSERT.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::{Numbered, RollupKey, Tally};
use crate::store::StoreError;

/// Rows of one INSERT, largest first, so that few distinct statements are prepared. SQLite takes
/// 32,766 parameters.
const ROWS_AT_ONCE: [usize; 4] = [1000, 100, 10, 1];
const CLICK_COLUMNS: usize = 14;
const ROLLUP_COLUMNS: usize = 7;

/// `(?, ?, …), (?, …)` for so many rows. Not `$1`: to SQLite that is a name, and every bind would
/// look its name up in a list of all names, which for 14,000 of them takes longer than the insert.
fn places(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}

/// Splits `rows` into runs of the sizes above.
fn runs<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = ROWS_AT_ONCE.into_iter().find(|size| *size <= rows.len())?;
        let (run, rest) = rows.split_at(size);
        rows = rest;
        Some(run)
    })
}

pub(super) async fn insert(conn: &mut SqliteConnection, clicks: &[Numbered<'_>]) -> Result<(), StoreError> {
    for run in runs(clicks) {
        let sql = format!(
            "INSERT INTO clicks (at_ms, clock_at_ms, journal_num, seq, link_id, state, flags, class, reason,
                visitor, country, user_agent_id, referrer_id, language_id) VALUES {}",
            places(run.len(), CLICK_COLUMNS)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for numbered in run {
            let click = numbered.click;
            query = query
                .bind(click.at_ms)
                .bind(click.clock_at_ms)
                .bind(numbered.journal_num)
                .bind(click.seq)
                .bind(click.link_id)
                .bind(i64::from(click.state))
                .bind(i64::from(click.flags))
                .bind(i64::from(click.class))
                .bind(&*click.reason)
                .bind(click.visitor)
                .bind(&*click.country)
                .bind(numbered.user_agent)
                .bind(numbered.referrer)
                .bind(numbered.language);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn add_rollups(
    conn: &mut SqliteConnection,
    shard: i64,
    rollups: &[(RollupKey, Tally)],
) -> Result<(), StoreError> {
    for run in runs(rollups) {
        let sql = format!(
            "INSERT INTO click_rollups (link_id, quarter_ms, shard, facet_id, clicks, human, inactive) VALUES {}
             ON CONFLICT (link_id, quarter_ms, shard, facet_id) DO UPDATE SET clicks = clicks + excluded.clicks,
                 human = human + excluded.human, inactive = inactive + excluded.inactive",
            places(run.len(), ROLLUP_COLUMNS)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((link, quarter, facet), tally) in run {
            query = query.bind(link).bind(quarter).bind(shard).bind(facet);
            query = query.bind(tally.clicks).bind(tally.human).bind(tally.inactive);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}
