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

mod classes;
mod rollups;
mod visitors;

use std::collections::BTreeSet;
use std::time::{Duration, Instant as Stopwatch};

use sqlx::{AnyConnection, AssertSqlSafe};

use super::{Store, StoreError, Tx, Work, columns};
use crate::domain::agent::Agent;
use crate::domain::time::QUARTER_MS;

/// The version of agents whose clicks are stale.
const STALE: i64 = 0;
/// Agents read, and written, at a time.
const AGENTS_AT_ONCE: i64 = 500;
/// Rows written in one transaction: a tenth of a second or two.
const ROWS_AT_ONCE: usize = 2000;
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

/// Links with stale clicks in a span of time, from $1 on and before $2.
const STALE_LINKS: &str = "SELECT DISTINCT link_id FROM clicks WHERE at_ms >= $1 AND at_ms < $2
    AND user_agent_id IN (SELECT id FROM user_agents WHERE version = 0)";

/// The same as a set.
pub(super) async fn stale_links(
    conn: &mut AnyConnection,
    from_ms: i64,
    to_ms: i64,
) -> Result<BTreeSet<i64>, StoreError> {
    let query = sqlx::query_scalar(STALE_LINKS).bind(from_ms).bind(to_ms);
    Ok(query.fetch_all(conn).await?.into_iter().collect())
}

impl Store {
    /// One write, and then a pause for everybody else: SQLite's lock is no queue.
    async fn write_politely<F>(&self, work: F) -> Result<(), StoreError>
    where
        F: for<'c> FnOnce(&'c mut Tx) -> Work<'c, ()> + Send + 'static,
    {
        let started = Stopwatch::now();
        self.transact_bulk(work).await?;
        tokio::time::sleep(started.elapsed().min(PAUSE_MAX)).await;
        Ok(())
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
                tx.own_counts().await?;
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

    /// The quarters of an hour with stale clicks, in order. Sealed days stay as they were: most of their clicks are gone. Reads every click once.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn stale_quarters(&self) -> Result<Vec<i64>, StoreError> {
        let sql = format!(
            "SELECT DISTINCT at_ms - at_ms % {QUARTER_MS} FROM clicks
            WHERE user_agent_id IN (SELECT id FROM user_agents WHERE version = {STALE})
                AND at_ms / 86400000 NOT IN (SELECT utc_day FROM sealed_days) ORDER BY 1"
        );
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&self.control).await?)
    }

    /// Nothing is stale any more.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn finish_agents(&self, version: i64) -> Result<(), StoreError> {
        self.write_politely(move |tx| {
            Box::pin(async move {
                tx.own_counts().await?;
                let sql = format!("UPDATE user_agents SET version = $1 WHERE version = {STALE}");
                tx.query_built(sql).bind(version).execute().await?;
                Ok(())
            })
        })
        .await
    }
}
