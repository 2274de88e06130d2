//! Clicks in bulk, and their rollups per quarter of an hour.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use super::batch::ClickRow;
use super::dictionary::{Dictionaries, Facet};
use crate::domain::link::LinkState;
use crate::domain::time::Instant;

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

pub(super) async fn write(
    conn: &mut SqliteConnection,
    clicks: &[ClickRow],
    journal_nums: &[i64],
    known: &mut Dictionaries,
    agent_version: i64,
) -> Result<(), StoreError> {
    let facets: Vec<Facet> = clicks.iter().map(Facet::of).collect();
    known.learn(conn, clicks, &facets, agent_version).await?;
    for run in runs(clicks) {
        let sql = format!(
            "INSERT INTO clicks (at_ms, clock_at_ms, journal_num, seq, link_id, state, flags, class, reason,
                visitor, country, user_agent_id, referrer_id, language_id) VALUES {}",
            places(run.len(), CLICK_COLUMNS)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for click in run {
            let [user_agent, referrer, language] = known.texts(click);
            query = query
                .bind(click.at_ms)
                .bind(click.clock_at_ms)
                .bind(journal_nums[click.part])
                .bind(click.seq)
                .bind(click.link_id)
                .bind(i64::from(click.state))
                .bind(i64::from(click.flags))
                .bind(i64::from(click.class))
                .bind(&*click.reason)
                .bind(click.visitor)
                .bind(&*click.country)
                .bind(user_agent)
                .bind(referrer)
                .bind(language);
        }
        query.execute(&mut *conn).await?;
    }
    let facets: Vec<i64> = facets.iter().map(|facet| known.facet(facet)).collect();
    write_rollups(conn, clicks, &facets).await
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    clicks: i64,
    human: i64,
    inactive: i64,
}

/// One upsert must not hold the same key twice, so the batch is summed up first.
async fn write_rollups(conn: &mut SqliteConnection, clicks: &[ClickRow], facets: &[i64]) -> Result<(), StoreError> {
    let mut tallies: BTreeMap<(i64, i64, i64), Tally> = BTreeMap::new();
    for (click, facet) in clicks.iter().zip(facets) {
        let quarter = Instant::from_ms(click.at_ms).quarter().ms();
        let tally = tallies.entry((click.link_id, quarter, *facet)).or_default();
        tally.clicks += 1;
        tally.human += i64::from(click.human);
        let active = LinkState::from_code(click.state).is_some_and(LinkState::reaches_destination);
        tally.inactive += i64::from(!active);
    }
    let tallies: Vec<_> = tallies.into_iter().collect();
    for run in runs(&tallies) {
        let sql = format!(
            "INSERT INTO click_rollups (link_id, quarter_ms, shard, facet_id, clicks, human, inactive) VALUES {}
             ON CONFLICT (link_id, quarter_ms, shard, facet_id) DO UPDATE SET clicks = clicks + excluded.clicks,
                 human = human + excluded.human, inactive = inactive + excluded.inactive",
            places(run.len(), ROLLUP_COLUMNS)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((link, quarter, facet), tally) in run {
            query = query.bind(link).bind(quarter).bind(0_i64).bind(facet);
            query = query.bind(tally.clicks).bind(tally.human).bind(tally.inactive);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}
