//! What hangs on the reading of user agents, made anew after it changed. `worker::reclassify` knows the order.
//!
//! # Constraints
//! Runs beside a serving process: reads take no lock, a write is a short transaction, and after each the
//! store is left to others for as long as it took. One run at a time.
//!
//! # Operation
//! An agent's `version` says how far it is. Of an older version: to be read again. 0: read again, and what hangs
//! on its clicks is stale. Current: done. Every step makes what it writes from the raw clicks and the
//! agents' new readings, whatever was there before, so a run that was killed is simply repeated.

mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant as Stopwatch};

use futures_util::TryStreamExt as _;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::commit::{FacetTexts, facet_texts};
use super::visitors::{folded_rowid, recount};
use super::{Store, StoreError, Tx, Work, columns};
use crate::domain::agent::Agent;
use crate::domain::click::ClickClass;
use crate::domain::link::LinkState;
use crate::domain::time::{DAY_MS, QUARTER_MS};
use crate::domain::visitors::VisitorSet;
use write::{change, write_changes, write_rollups, write_sets};

/// The version of agents whose clicks are stale.
const STALE: i64 = 0;
/// Agents read, and written, at a time.
const AGENTS_AT_ONCE: i64 = 500;
/// Rows written in one transaction: a tenth of a second or two.
const ROWS_AT_ONCE: usize = 2000;
/// Sets of visitors written in one transaction; a large one has 48 KiB.
const SETS_AT_ONCE: usize = 200;
/// The longest that others are let through between two transactions.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A user agent as it was read before.
#[derive(Debug, Clone)]
pub struct StoredAgent {
    /// Its number.
    pub id: i64,
    /// The text.
    pub text: String,
    /// Whether a run before this one read it again and did not come to its end.
    pub stale: bool,
    class: i64,
    reason: String,
    browser: String,
    os: String,
    device: String,
}

impl StoredAgent {
    /// Whether it is read otherwise now.
    #[must_use]
    pub fn differs(&self, agent: &Agent) -> bool {
        self.class != i64::from(agent.class.code())
            || self.reason != agent.reason
            || self.browser != agent.browser
            || self.os != agent.os
            || self.device != agent.device.name()
    }
}

/// A user agent as it is read now.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Its number.
    pub id: i64,
    /// What it says.
    pub agent: Agent,
    /// Whether what hangs on its clicks must be made anew.
    pub stale: bool,
}

/// Clicks that count otherwise now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Programs' clicks that became people's.
    pub to_people: u64,
    /// People's clicks that became programs'.
    pub to_programs: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    clicks: i64,
    human: i64,
    inactive: i64,
}

/// Rollups of one quarter by link and facet.
type Rollups = BTreeMap<i64, BTreeMap<FacetTexts, Tally>>;
/// link, country, device, os, browser, referrer, state, clicks, people's.
type Counted = (i64, String, String, String, String, String, i64, i64, i64);

/// A click that counts otherwise now.
struct Change {
    rowid: i64,
    class: ClickClass,
    reason: String,
    link: i64,
    facet: FacetTexts,
    /// What it adds to people's clicks: 1, 0 or -1.
    human: i64,
}

/// Clicks of a quarter ($1, $2) among rows after $3 up to $4, by facet. `times`: by the index of times, else by row.
fn recount_sql(times: bool) -> String {
    // A plus keeps a column's index out.
    let (at, row) = if times {
        ("clicks.at_ms", "+clicks.rowid")
    } else {
        ("+clicks.at_ms", "clicks.rowid")
    };
    format!(
        "SELECT clicks.link_id, clicks.country, user_agents.device, user_agents.os, user_agents.browser,
            referrers.host, clicks.state, COUNT(*), SUM(CASE WHEN clicks.class = 0 THEN 1 ELSE 0 END)
        FROM clicks JOIN user_agents ON user_agents.id = clicks.user_agent_id
            JOIN referrers ON referrers.id = clicks.referrer_id
        WHERE {at} >= $1 AND {at} < $2 AND {row} > $3 AND {row} <= $4
        GROUP BY clicks.link_id, clicks.country, user_agents.device, user_agents.os, user_agents.browser,
            referrers.host, clicks.state"
    )
}

fn add(rollups: &mut Rollups, counted: Vec<Counted>) {
    for (link, country, device, os, browser, referrer, state, clicks, human) in counted {
        // Clicks that came meanwhile count only for the links at hand.
        let Some(of_link) = rollups.get_mut(&link) else {
            continue;
        };
        let facet = facet_texts([&country, &device, &os, &browser, &referrer]);
        let tally = of_link.entry(facet).or_default();
        tally.clicks += clicks;
        tally.human += human;
        let state = u8::try_from(state).ok().and_then(LinkState::from_code);
        if !state.is_some_and(LinkState::reaches_destination) {
            tally.inactive += clicks;
        }
    }
}

/// Splits what is written per link into transactions of about so many rows.
fn batches(rollups: Rollups) -> Vec<Rollups> {
    let mut batches: Vec<Rollups> = Vec::new();
    let mut rows = ROWS_AT_ONCE;
    for (link, of_link) in rollups {
        if rows >= ROWS_AT_ONCE {
            batches.push(Rollups::new());
            rows = 0;
        }
        rows += of_link.len();
        if let Some(batch) = batches.last_mut() {
            batch.insert(link, of_link);
        }
    }
    batches
}

/// Links with stale clicks in a span of time.
pub(super) async fn stale_links(
    conn: &mut AnyConnection,
    from_ms: i64,
    to_ms: i64,
) -> Result<BTreeSet<i64>, StoreError> {
    let sql = format!(
        "SELECT DISTINCT link_id FROM clicks WHERE at_ms >= $1 AND at_ms < $2
            AND user_agent_id IN (SELECT id FROM user_agents WHERE version = {STALE})"
    );
    let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(from_ms).bind(to_ms);
    Ok(query.fetch_all(conn).await?.into_iter().collect())
}

impl Store {
    /// One write, and then a pause for everybody else: SQLite's lock is no queue.
    async fn write_politely<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Tx) -> Work<'c, T> + Send + 'static,
    {
        let started = Stopwatch::now();
        let answer = self.transact_bulk(work).await?;
        tokio::time::sleep(started.elapsed().min(PAUSE_MAX)).await;
        Ok(answer)
    }

    /// How many user agents were read by data of another version, or wait for their clicks; with `all`, how many
    /// there are.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn outdated_agents(&self, version: i64, all: bool) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM user_agents WHERE version <> $1 OR $2 = 1";
        let query = sqlx::query_scalar(sql).bind(version).bind(i64::from(all));
        let count: i64 = query.fetch_one(&self.control).await?;
        Ok(count.unsigned_abs())
    }

    /// The next user agents after number `after` that are not of this version; with `all`, of any.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn agents_to_reread(&self, version: i64, all: bool, after: i64) -> Result<Vec<StoredAgent>, StoreError> {
        let sql = "SELECT * FROM user_agents WHERE id > $1 AND (version <> $2 OR $3 = 1) ORDER BY id LIMIT $4";
        let query = sqlx::query(sql).bind(after).bind(version).bind(i64::from(all));
        let rows = query.bind(AGENTS_AT_ONCE).fetch_all(&self.control).await?;
        rows.iter()
            .map(|row| {
                Ok(StoredAgent {
                    id: columns::int(row, "id")?,
                    text: columns::text(row, "text")?,
                    stale: columns::int(row, "version")? == STALE,
                    class: columns::int(row, "class")?,
                    reason: columns::text(row, "reason")?,
                    browser: columns::text(row, "browser")?,
                    os: columns::text(row, "os")?,
                    device: columns::text(row, "device")?,
                })
            })
            .collect()
    }

    /// Keeps new readings. Those that are stale have their version set by [`Store::finish_agents`].
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn keep_readings(&self, readings: Vec<Reading>, version: i64) -> Result<(), StoreError> {
        self.write_politely(move |tx| {
            Box::pin(async move {
                for reading in readings {
                    let sql = "UPDATE user_agents SET version = $2, class = $3, reason = $4, browser = $5, os = $6,
                        device = $7 WHERE id = $1";
                    let query = tx.query(sql).bind(reading.id);
                    query
                        .bind(if reading.stale { STALE } else { version })
                        .bind(i64::from(reading.agent.class.code()))
                        .bind(reading.agent.reason)
                        .bind(reading.agent.browser)
                        .bind(reading.agent.os)
                        .bind(reading.agent.device.name())
                        .execute()
                        .await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The quarters of an hour with stale clicks, in order. Reads every click once.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn stale_quarters(&self) -> Result<Vec<i64>, StoreError> {
        let sql = format!(
            "SELECT DISTINCT at_ms - at_ms % {QUARTER_MS} FROM clicks
            WHERE user_agent_id IN (SELECT id FROM user_agents WHERE version = {STALE}) ORDER BY 1"
        );
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&self.control).await?)
    }

    /// Rolls a quarter's stale links up anew, by what their clicks' agents say now.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn roll_up_again(&self, quarter_ms: i64) -> Result<(), StoreError> {
        let (from_ms, to_ms) = (quarter_ms, quarter_ms + QUARTER_MS);
        let links = stale_links(&mut *self.control.acquire().await?, from_ms, to_ms).await?;
        let mut rollups: Rollups = links.into_iter().map(|link| (link, BTreeMap::new())).collect();
        let upto: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(rowid), 0) FROM clicks")
            .fetch_one(&self.control)
            .await?;
        let query = sqlx::query_as(AssertSqlSafe(recount_sql(true)))
            .bind(from_ms)
            .bind(to_ms);
        add(
            &mut rollups,
            query.bind(0_i64).bind(upto).fetch_all(&self.control).await?,
        );
        for mut batch in batches(rollups) {
            self.write_politely(move |tx| {
                Box::pin(async move {
                    let query = tx.query_built(recount_sql(false)).bind(from_ms).bind(to_ms);
                    add(&mut batch, query.bind(upto).bind(i64::MAX).all().await?);
                    write_rollups(tx, quarter_ms, batch).await
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Gives a quarter's stale clicks the class that they have now, and takes it into the rollups.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn classify_again(&self, quarter_ms: i64) -> Result<Moved, StoreError> {
        let sql = format!(
            "SELECT clicks.rowid AS number, clicks.flags AS flags, clicks.class AS class, clicks.reason AS reason,
                clicks.link_id AS link_id, clicks.country AS country, user_agents.class AS agent_class,
                user_agents.reason AS agent_reason, user_agents.device AS device, user_agents.os AS os,
                user_agents.browser AS browser, referrers.host AS host
            FROM clicks JOIN user_agents ON user_agents.id = clicks.user_agent_id
                JOIN referrers ON referrers.id = clicks.referrer_id
            WHERE clicks.at_ms >= $1 AND clicks.at_ms < $2 AND user_agents.version = {STALE}"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(quarter_ms);
        let mut rows = query.bind(quarter_ms + QUARTER_MS).fetch(&self.control);
        let mut moved = Moved::default();
        let mut changes = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let Some(change) = change(&row)? else { continue };
            match change.human {
                1 => moved.to_people += 1,
                -1 => moved.to_programs += 1,
                _ => {}
            }
            changes.push(change);
            if changes.len() == ROWS_AT_ONCE {
                self.write_changes(quarter_ms, std::mem::take(&mut changes)).await?;
            }
        }
        self.write_changes(quarter_ms, changes).await?;
        Ok(moved)
    }

    async fn write_changes(&self, quarter_ms: i64, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.write_politely(move |tx| Box::pin(write_changes(tx, quarter_ms, changes)))
            .await
    }

    /// Counts a UTC day's visitors of stale links anew, as far as they are folded.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn fold_day_again(&self, utc_day: i64) -> Result<(), StoreError> {
        let mut conn = self.control.acquire().await?;
        let links = stale_links(&mut conn, utc_day * DAY_MS, (utc_day + 1) * DAY_MS).await?;
        let upto = folded_rowid(&mut conn).await?;
        let mut sets = recount(&mut conn, utc_day, upto, |link| links.contains(&link)).await?;
        drop(conn);
        // A link that nobody visited any more loses the set it had.
        for link in links {
            sets.entry(link).or_default();
        }
        let mut sets = sets.into_iter();
        loop {
            let batch: BTreeMap<i64, VisitorSet> = sets.by_ref().take(SETS_AT_ONCE).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.write_politely(move |tx| Box::pin(write_sets(tx, utc_day, batch, upto)))
                .await?;
        }
    }

    /// Nothing is stale any more.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn finish_agents(&self, version: i64) -> Result<(), StoreError> {
        self.write_politely(move |tx| {
            Box::pin(async move {
                let sql = format!("UPDATE user_agents SET version = $1 WHERE version = {STALE}");
                tx.query_built(sql).bind(version).execute().await?;
                Ok(())
            })
        })
        .await
    }
}
