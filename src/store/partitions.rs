//! Postgres keeps raw clicks in one partition per UTC day, made ahead, so that a day can be dropped whole.
//!
//! # Constraints
//! A commit never waits long for a partition to be made, and never fails because one is missing: what has none goes
//! to `clicks_default`, which counts like any other. Every node may make partitions at any time.
//!
//! # Operation
//! A partition is made beside the table, with its own check of the times, and then attached. Attaching locks neither
//! `clicks` against commits nor the days that are there; it does lock `clicks_default` and look through it, so locks are
//! waited for briefly and the look is short or given up, and the next beat tries again.
//!
//! # What it never does
//! It never moves clicks. A day that has some in `clicks_default` stays there as a whole; it is sealed from there.

use super::{Store, StoreError, Tx, Work};
use crate::domain::time::{DAY_MS, Instant};
use crate::store::engine::Engine;

/// Days before today that get a partition: clicks of yesterday still come after a first start at midnight.
const DAYS_BEFORE: i64 = 1;
/// Days ahead. Without a store there is nothing to commit, so they need not outlast its absence.
const DAYS_AHEAD: i64 = 3;
/// Held by whoever makes a partition, for the length of the transaction.
const PARTITION_LOCK: i64 = 0x6c6c_7061_7274;

/// What making partitions came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Partitions {
    /// The partitions that were made.
    pub made: Vec<String>,
    /// Days, by their first instants, whose clicks stay in the default partition because it holds some already.
    pub left_in_default: Vec<Instant>,
}

enum Made {
    Now,
    Before,
    LeftInDefault,
}

/// The partition of a UTC day, such as `clicks_d20261127`.
pub(super) fn partition(utc_day: i64) -> String {
    let day = Instant::from_ms(utc_day * DAY_MS).to_string();
    let date: String = day.chars().take_while(|c| *c != 'T').filter(|c| *c != '-').collect();
    format!("clicks_d{date}")
}

impl Store {
    /// Makes the partitions of the days around `now`. Nothing to do in SQLite.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer, or a lock was not to be had in time; then the days that are
    /// still missing are made by the next call.
    pub async fn make_partitions(&self, now: Instant) -> Result<Partitions, StoreError> {
        let mut partitions = Partitions::default();
        if self.engine == Engine::Sqlite {
            return Ok(partitions);
        }
        let today = now.utc_day();
        for day in today - DAYS_BEFORE..=today + DAYS_AHEAD {
            let made = self.transact_bulk(move |tx| -> Work<'_, _> { Box::pin(make(tx, day)) });
            match made.await? {
                Made::Now => partitions.made.push(partition(day)),
                Made::Before => {}
                Made::LeftInDefault => partitions.left_in_default.push(Instant::from_ms(day * DAY_MS)),
            }
        }
        Ok(partitions)
    }
}

/// Asked of the catalogue's rows and not of `to_regclass`, which answers from a cache that waiting for the advisory lock
/// does not refresh.
async fn is_there(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = $1
        AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'clicks'::regclass))";
    let (there,): (bool,) = tx.query(sql).bind(name).one().await?;
    Ok(there)
}

async fn make(tx: &mut Tx, day: i64) -> Result<Made, StoreError> {
    let name = partition(day);
    // Without the lock first: nearly always there is nothing to do.
    if is_there(tx, &name).await? {
        return Ok(Made::Before);
    }
    tx.query("SELECT pg_advisory_xact_lock($1)")
        .bind(PARTITION_LOCK)
        .execute()
        .await?;
    if is_there(tx, &name).await? {
        return Ok(Made::Before);
    }
    let (from, to) = (day * DAY_MS, (day + 1) * DAY_MS);
    let sql = "SELECT EXISTS (SELECT 1 FROM clicks_default WHERE at_ms >= $1 AND at_ms < $2)";
    let (taken,): (bool,) = tx.query(sql).bind(from).bind(to).one().await?;
    if taken {
        return Ok(Made::LeftInDefault);
    }
    for sql in [
        "SET LOCAL lock_timeout = '500ms'".to_owned(),
        "SET LOCAL statement_timeout = '2s'".to_owned(),
        // With the check, attaching need not look through the new table.
        format!(
            "CREATE TABLE {name} (LIKE clicks INCLUDING ALL, CONSTRAINT of_its_day CHECK (at_ms >= {from} AND at_ms < {to}))"
        ),
        format!("ALTER TABLE clicks ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"),
        // It says no more than the partition's own bounds now, and every click would be held against it.
        format!("ALTER TABLE {name} DROP CONSTRAINT of_its_day"),
    ] {
        tx.query_built(sql).execute().await?;
    }
    Ok(Made::Now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_called_after_its_day() {
        let at = Instant::parse("2026-11-27T23:59:59.999Z").expect("valid");
        assert_eq!(partition(at.utc_day()), "clicks_d20261127");
        assert_eq!(partition(at.utc_day() + 1), "clicks_d20261128");
        assert_eq!(partition(0), "clicks_d19700101");
    }
}
