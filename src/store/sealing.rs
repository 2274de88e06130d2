//! Dropping the raw clicks of old days in Postgres, after their counts were sealed.
//!
//! # Constraints
//! A day is dropped only when the books of it agree: rollups with raw clicks, visitors with raw clicks. What is known of
//! it afterwards (rollups, visitors, each journal's clicks, what earned orders) is written in the transaction that drops it.
//!
//! # Operation
//! The day's partition is locked against writes, counted, compared, and dropped; reports go on until the drop, commits
//! of other days all the while. Between count and drop no click can come to the day: a commit that has one waits for the
//! partition's lock, and dropping needs a lock on `clicks` itself that such a commit holds, so the sealing gives up first
//! (`lock_timeout`) and is tried again at the next beat. A click of a sealed day goes to `clicks_default`, as does every
//! click of a day that never had a partition. There is no lock on those: exactly the rows that the transaction's
//! snapshot counted are deleted, and what comes later is sealed later, and added.
//!
//! # What it never does
//! It never drops what it could not compare, and never waits long while others wait for it.

use std::collections::HashMap;

use super::commit::{FacetTexts, facet_id, facet_texts};
use super::partitions::partition;
use super::visitors::{RAW, Sets, insert, stored};
use super::{Store, StoreError, Tx, Work};
use crate::domain::time::{DAY_MS, Instant, QUARTER_MS};
use crate::store::engine::{Bulk, Engine};

/// A day whose retention is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldDay {
    /// The UTC day.
    pub utc_day: i64,
    partitioned: bool,
}

/// What became of an old day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealing {
    /// So many raw clicks were dropped.
    Sealed(i64),
    /// Something else has to happen first; this is what.
    Waits(&'static str),
    /// The books do not agree, so nothing was dropped.
    Mismatch(String),
}

const OTHERS: &str = "others hold its locks";
const READ_AGAIN: &str = "user agents are being read again";
const UNFOLDED: &str = "visitors are still to be folded";

/// Codes of Postgres: no lock in time, a deadlock, a snapshot that was overtaken, a table that another node dropped.
const GAVE_WAY: [&str; 4] = ["55P03", "40P01", "40001", "42P01"];

fn gave_way(error: &StoreError) -> bool {
    let StoreError::Engine(sqlx::Error::Database(error)) = error else {
        return false;
    };
    error.code().is_some_and(|code| GAVE_WAY.contains(&&*code))
}

impl Store {
    /// UTC days that hold raw clicks and ended more than `retention_days` days before `now`, by this clock and by the
    /// store's: one that is wrong must not drop anything. None in SQLite, which keeps its clicks.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn days_to_seal(&self, now: Instant, retention_days: u32) -> Result<Vec<OldDay>, StoreError> {
        let Bulk::Postgres(pool) = &self.bulk else {
            return Ok(Vec::new());
        };
        let sql = "WITH today AS (
                SELECT LEAST($1, CAST(FLOOR(EXTRACT(EPOCH FROM now()) / 86400) AS BIGINT)) AS utc_day
            )
            SELECT days.utc_day, BOOL_OR(days.partitioned) FROM (
                SELECT CAST(to_date(substr(relname, 9), 'YYYYMMDD') - DATE '1970-01-01' AS BIGINT) AS utc_day,
                    TRUE AS partitioned
                FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                WHERE inhparent = to_regclass('clicks') AND relname ~ '^clicks_d[0-9]{8}$'
                UNION ALL
                SELECT DISTINCT at_ms / 86400000, FALSE FROM clicks_default
                WHERE at_ms < ((SELECT utc_day FROM today) - $2) * 86400000
            ) AS days, today
            WHERE days.utc_day < today.utc_day - $2
            GROUP BY days.utc_day ORDER BY days.utc_day";
        let query = sqlx::query_as(sql).bind(now.utc_day()).bind(i64::from(retention_days));
        let days: Vec<(i64, bool)> = query.fetch_all(pool).await?;
        let old = |(utc_day, partitioned)| OldDay { utc_day, partitioned };
        Ok(days.into_iter().map(old).collect())
    }

    /// Seals an old day and drops its raw clicks, or says why not.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; then nothing was dropped.
    pub async fn seal_day(&self, day: OldDay, now: Instant) -> Result<Sealing, StoreError> {
        let sealing = self.transact_bulk(move |tx| -> Work<'_, _> { Box::pin(seal(tx, day, now)) });
        match sealing.await {
            Err(error) if gave_way(&error) => Ok(Sealing::Waits(OTHERS)),
            sealing => sealing,
        }
    }

    /// Days in a span of time whose raw clicks were dropped.
    pub(super) async fn sealed_days(&self, from_ms: i64, to_ms: i64) -> Result<Vec<i64>, StoreError> {
        if self.engine == Engine::Sqlite {
            return Ok(Vec::new());
        }
        let sql = "SELECT utc_day FROM sealed_days WHERE utc_day >= $1 AND utc_day < $2 ORDER BY utc_day";
        let query = sqlx::query_scalar(sql).bind(from_ms.div_euclid(DAY_MS));
        let query = query.bind((to_ms + DAY_MS - 1).div_euclid(DAY_MS));
        Ok(query.fetch_all(&self.control).await?)
    }
}

async fn run(tx: &mut Tx, sql: impl Into<String>) -> Result<(), StoreError> {
    tx.query_built(sql.into()).execute().await?;
    Ok(())
}

async fn seal(tx: &mut Tx, OldDay { utc_day, partitioned }: OldDay, now: Instant) -> Result<Sealing, StoreError> {
    let name = partition(utc_day);
    let (from, to) = (utc_day * DAY_MS, (utc_day + 1) * DAY_MS);
    // The locks come before the first question, because that is what fixes the snapshot.
    run(tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    run(tx, "SET LOCAL lock_timeout = '1s'").await?;
    run(tx, "LOCK TABLE sealed_days IN SHARE ROW EXCLUSIVE MODE NOWAIT").await?;
    if partitioned {
        run(tx, format!("LOCK TABLE {name} IN SHARE MODE")).await?;
    }
    let sql = "SELECT COUNT(*), COUNT(*) FILTER (WHERE class = 0) FROM clicks WHERE at_ms >= $1 AND at_ms < $2";
    let (clicks, human): (i64, i64) = tx.query(sql).bind(from).bind(to).one().await?;
    // A day without a click leaves nothing to seal.
    if clicks > 0 {
        if let Some(why) = waits(tx, utc_day).await? {
            return Ok(Sealing::Waits(why));
        }
        if let Some(mismatch) = mismatch(tx, utc_day, (clicks, human)).await? {
            return Ok(Sealing::Mismatch(mismatch));
        }
        keep_credits(tx, from, to).await?;
        let sql = "INSERT INTO sealed_clicks (utc_day, journal_num, clicks)
            SELECT $1, journal_num, COUNT(*) FROM clicks WHERE at_ms >= $2 AND at_ms < $3 GROUP BY journal_num
            ON CONFLICT (utc_day, journal_num) DO UPDATE SET clicks = sealed_clicks.clicks + excluded.clicks";
        tx.query(sql).bind(utc_day).bind(from).bind(to).execute().await?;
        let sql = "INSERT INTO sealed_days (utc_day, clicks, human, links, sealed_at_ms)
            SELECT $1, $2, $3, COUNT(*), $4 FROM visitor_days WHERE utc_day = $1
            ON CONFLICT (utc_day) DO UPDATE SET clicks = sealed_days.clicks + excluded.clicks,
                human = sealed_days.human + excluded.human, links = excluded.links,
                sealed_at_ms = excluded.sealed_at_ms";
        let query = tx.query(sql).bind(utc_day).bind(clicks).bind(human);
        query.bind(now.ms()).execute().await?;
        let sql = "DELETE FROM clicks_default WHERE at_ms >= $1 AND at_ms < $2";
        tx.query(sql).bind(from).bind(to).execute().await?;
    }
    if partitioned {
        // Whoever wants to commit waits behind this lock.
        run(tx, "SET LOCAL lock_timeout = '250ms'").await?;
        run(tx, format!("DROP TABLE {name}")).await?;
    }
    Ok(Sealing::Sealed(clicks))
}

/// What must happen before a day's raw clicks may go.
async fn waits(tx: &mut Tx, utc_day: i64) -> Result<Option<&'static str>, StoreError> {
    // Rollups are being made anew from raw clicks. A run that begins after this may still read the day's clicks; when it
    // comes to write, they are gone, and it counts only those that it still found.
    let (read_again,): (bool,) = tx
        .query("SELECT EXISTS (SELECT 1 FROM user_agents WHERE version = 0)")
        .one()
        .await?;
    if read_again {
        return Ok(Some(READ_AGAIN));
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM unfolded_visits WHERE utc_day = $1)";
    let (unfolded,): (bool,) = tx.query(sql).bind(utc_day).one().await?;
    Ok(unfolded.then_some(UNFOLDED))
}

/// Where the books of a day do not agree. Of a day that was sealed before, only its sums can be compared.
async fn mismatch(tx: &mut Tx, utc_day: i64, (clicks, human): (i64, i64)) -> Result<Option<String>, StoreError> {
    let (from, to) = (utc_day * DAY_MS, (utc_day + 1) * DAY_MS);
    let sql = "SELECT clicks, human FROM sealed_days WHERE utc_day = $1";
    let sealed: Option<(i64, i64)> = tx.query(sql).bind(utc_day).optional().await?;
    let sql = "SELECT CAST(COALESCE(SUM(clicks), 0) AS BIGINT), CAST(COALESCE(SUM(human), 0) AS BIGINT)
        FROM click_rollups WHERE quarter_ms >= $1 AND quarter_ms < $2";
    let rolled: (i64, i64) = tx.query(sql).bind(from).bind(to).one().await?;
    let before = sealed.unwrap_or_default();
    let stored = (before.0 + clicks, before.1 + human);
    if rolled != stored {
        return Ok(Some(format!(
            "{} clicks rolled up, {} stored or sealed; people {} and {}",
            rolled.0, stored.0, rolled.1, stored.1
        )));
    }
    if sealed.is_some() {
        return Ok(None);
    }
    let sql = format!(
        "SELECT link_id, quarter_ms, CAST(SUM(rolled) AS BIGINT), CAST(SUM(raw) AS BIGINT) FROM (
            SELECT link_id, quarter_ms, clicks AS rolled, human AS rolled_human, 0 AS raw, 0 AS raw_human
            FROM click_rollups WHERE quarter_ms >= $1 AND quarter_ms < $2
            UNION ALL
            SELECT link_id, at_ms - at_ms % {QUARTER_MS}, 0, 0, COUNT(*), COUNT(*) FILTER (WHERE class = 0)
            FROM clicks WHERE at_ms >= $1 AND at_ms < $2 GROUP BY link_id, at_ms - at_ms % {QUARTER_MS}
        ) AS both_counts
        GROUP BY link_id, quarter_ms HAVING SUM(rolled) <> SUM(raw) OR SUM(rolled_human) <> SUM(raw_human) LIMIT 1"
    );
    let quarter: Option<(i64, i64, i64, i64)> = tx.query_built(sql).bind(from).bind(to).optional().await?;
    if let Some((link, quarter, rolled, raw)) = quarter {
        return Ok(Some(format!(
            "link number {link}, quarter {quarter}: {rolled} rolled up, {raw} stored"
        )));
    }
    visitors_mismatch(tx, utc_day).await
}

/// Where a day's visitors are not those of its raw clicks. The day's sets lie in memory, stored and recounted.
async fn visitors_mismatch(tx: &mut Tx, utc_day: i64) -> Result<Option<String>, StoreError> {
    let (mut told, mut recounted) = (Sets::new(), Sets::new());
    let sql = "SELECT link_id, sketch FROM visitor_days WHERE utc_day = $1";
    let query = tx.query(sql).bind(utc_day);
    let take = |(link, sketch): (i64, Vec<u8>)| {
        told.insert(link, stored(&sketch)?);
        Ok(())
    };
    query.each(take).await?;
    let query = tx.query(RAW).bind(utc_day * DAY_MS).bind((utc_day + 1) * DAY_MS);
    let take = |(link, visitor)| {
        insert(&mut recounted, link, visitor);
        Ok(())
    };
    query.each(take).await?;
    let mut links = told.keys().chain(recounted.keys());
    let differing = links.find(|link| told.get(link) != recounted.get(link));
    Ok(differing.map(|link| format!("link number {link}: its visitors are not those of its raw clicks")))
}

/// Keeps what reports tell orders apart by, of clicks that earned one.
async fn keep_credits(tx: &mut Tx, from: i64, to: i64) -> Result<(), StoreError> {
    type Credited = (i64, i64, i64, String, String, String, String, String);
    let sql = "SELECT DISTINCT credits.click_tag, credits.click_seq, credits.click_at_ms, clicks.country,
            user_agents.device, user_agents.os, user_agents.browser, referrers.host
        FROM credits JOIN clicks ON clicks.at_ms = credits.click_at_ms AND clicks.seq = credits.click_seq
                AND clicks.link_id = credits.link_id
            JOIN journals ON journals.num = clicks.journal_num AND journals.tag = credits.click_tag
            JOIN user_agents ON user_agents.id = clicks.user_agent_id
            JOIN referrers ON referrers.id = clicks.referrer_id
        WHERE clicks.at_ms >= $1 AND clicks.at_ms < $2";
    let credited: Vec<Credited> = tx.query(sql).bind(from).bind(to).all().await?;
    let mut facets: HashMap<FacetTexts, i64> = HashMap::new();
    for (tag, seq, at_ms, country, device, os, browser, referrer) in credited {
        let texts = facet_texts([&country, &device, &os, &browser, &referrer]);
        let facet = match facets.get(&texts) {
            Some(facet) => *facet,
            None => {
                let facet = facet_id(tx, &texts).await?;
                facets.insert(texts, facet);
                facet
            }
        };
        let sql = "INSERT INTO sealed_credits (click_tag, click_seq, click_at_ms, facet_id) VALUES ($1, $2, $3, $4)
            ON CONFLICT (click_tag, click_seq, click_at_ms) DO NOTHING";
        let query = tx.query(sql).bind(tag).bind(seq).bind(at_ms);
        query.bind(facet).execute().await?;
    }
    Ok(())
}
