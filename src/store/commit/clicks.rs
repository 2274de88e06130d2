//! Clicks in bulk, and their rollups per quarter of an hour.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use super::batch::ClickRow;
use super::dictionary::{Dictionaries, Dictionary};
use crate::domain::link::LinkState;
use crate::domain::time::Instant;

/// Rows of one INSERT, largest first, so that few distinct statements are prepared. SQLite takes
/// 32,766 parameters.
const ROWS_AT_ONCE: [usize; 4] = [1000, 100, 10, 1];
const CLICK_COLUMNS: usize = 14;
const ROLLUP_COLUMNS: usize = 6;

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

pub(super) async fn write(
    conn: &mut SqliteConnection,
    clicks: &[ClickRow],
    journal_nums: &[i64],
    known: &mut Dictionaries,
) -> Result<(), StoreError> {
    known.learn(conn, clicks).await?;
    for run in runs(clicks) {
        let sql = format!(
            "INSERT INTO clicks (at_ms, clock_at_ms, journal_num, seq, link_id, state, flags, class, reason,
                visitor, country, user_agent_id, referrer_id, language_id) VALUES {}",
            places(run.len(), CLICK_COLUMNS)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for click in run {
            query = query
                .bind(click.at_ms)
                .bind(click.clock_at_ms)
                .bind(journal_nums[click.part])
                .bind(click.seq)
                .bind(click.link_id)
                .bind(i64::from(click.state))
                .bind(i64::from(click.flags))
                .bind(i64::from(click.class))
                .bind(click.reason)
                .bind(click.visitor)
                .bind(&*click.country)
                .bind(known.id(Dictionary::UserAgents, &click.user_agent))
                .bind(known.id(Dictionary::Referrers, &click.referrer))
                .bind(known.id(Dictionary::Languages, &click.language));
        }
        query.execute(&mut *conn).await?;
    }
    write_rollups(conn, clicks).await
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    clicks: i64,
    human: i64,
    inactive: i64,
}

/// One upsert must not hold the same key twice, so the batch is summed up first.
async fn write_rollups(conn: &mut SqliteConnection, clicks: &[ClickRow]) -> Result<(), StoreError> {
    let mut tallies: BTreeMap<(i64, i64), Tally> = BTreeMap::new();
    for click in clicks {
        let quarter = Instant::from_ms(click.at_ms).quarter().ms();
        let tally = tallies.entry((click.link_id, quarter)).or_default();
        tally.clicks += 1;
        tally.human += i64::from(click.human);
        let active = LinkState::from_code(click.state).is_some_and(LinkState::reaches_destination);
        tally.inactive += i64::from(!active);
    }
    let tallies: Vec<_> = tallies.into_iter().collect();
    for run in runs(&tallies) {
        let sql = format!(
            "INSERT INTO click_rollups (link_id, quarter_ms, shard, clicks, human, inactive) VALUES {}
             ON CONFLICT (link_id, quarter_ms, shard) DO UPDATE SET clicks = clicks + excluded.clicks,
                 human = human + excluded.human, inactive = inactive + excluded.inactive",
            places(run.len(), ROLLUP_COLUMNS)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((link, quarter), tally) in run {
            query = query.bind(link).bind(quarter).bind(0_i64);
            query = query.bind(tally.clicks).bind(tally.human).bind(tally.inactive);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}
